"""Print what a shell needs to complete clew's commands, options and their values with the tab key.

Where the line names a case, names of programs, files, functions, requests and others are those that the case has.
With --names these are printed: what the tab key asks for.

examples:
  eval "$(clew completion bash)"
  clew completion zsh > ~/.zfunc/_clew
  clew completion --names command CASE ng         names of programs in it that begin with ng
"""

from __future__ import annotations

import argparse

from clew.errors import ClewError, one_of

_MOST = 500  # names that are offered
_BASH = r"""
# $1: of what; $2: the word so far. The case is the first word of the line that is one.
_clew_names() {
  local word folder="" name
  for word in "${COMP_WORDS[@]:1}"; do
    word=${word//\\/}
    word=${word/#\~\//$HOME/}
    if [[ -d $word/raw || -e $word/case.duckdb || -e $word/manifest.json ]]; then folder=$word; break; fi
  done
  [[ -n $folder ]] || return 0
  local quote=${2%%[!\'\"]*}
  word=${2#"$quote"}
  "${COMP_WORDS[0]/#\~\//$HOME/}" completion --names "$1" "$folder" "${word//\\/}" 2>/dev/null |
    while IFS= read -r name; do
      case $quote in
        "'") [[ $name == *\'* ]] || printf '%s\n' "$name" ;;
        '"') [[ $name == *[\"\$\`\\!]* ]] || printf '%s\n' "$name" ;;
        *)
          printf -v name %q "$name"
          name=${name//:/\\:} # where a word would end
          printf '%s\n' "${name//=/\\=}"
          ;;
      esac
    done
}
"""
_ZSH = r"""
_clew_names() {
  local word folder
  local -a found
  for word in ${(Q)words}; do
    word=${word/#\~\//$HOME/}
    if [[ -d $word/raw || -e $word/case.duckdb || -e $word/manifest.json ]]; then folder=$word; break; fi
  done
  [[ -n $folder ]] || return 1
  found=(${(f)"$(clew completion --names $@[-1] $folder ${(Q)PREFIX} 2>/dev/null)"})
  compadd -a found
}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew completion``."""
    parser.add_argument("shell", nargs="?", choices=("bash", "zsh", "tcsh"))
    parser.add_argument("--names", nargs=3, metavar=("WHAT", "CASE", "BEGIN"), help="print names that the case has")


def run(args: argparse.Namespace) -> int:
    """Print the completion script, or names."""
    if (args.shell is None) == (args.names is None):
        raise ClewError("completion: for which shell? clew completion bash, zsh or tcsh")
    if args.names:
        return _names(*args.names)
    import shtab

    from clew.commands import build_parser
    from clew.questions.names import NAMES

    functions = [f'_clew_names_of_{what}() {{ _clew_names {what} "$1"; }}' for what in NAMES]
    preamble = {"bash": _BASH + "\n".join(functions) + "\n", "zsh": _ZSH}.get(args.shell, "")
    print(shtab.complete(build_parser(), args.shell, preamble=preamble))
    return 0


def _names(what: str, folder: str, begin: str) -> int:
    """Print names in the tables as they are: whoever presses a key does not want to wait for what is new."""
    from pathlib import Path

    from clew.case import Case
    from clew.questions.names import NAMES, names

    if what not in NAMES:
        raise ClewError(f"a case has no names of {what!r:.40}: {one_of(what, NAMES)}")
    case = Case.as_it_is(Path(folder))
    for name in names(case, what, begin, _MOST):
        if name.isprintable():  # others cannot be typed, and must not reach a terminal
            print(name)
    return 0
