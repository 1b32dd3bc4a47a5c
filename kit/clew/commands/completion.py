"""Print what a shell needs to complete clew's commands and options with the tab key.

examples:
  eval "$(clew completion bash)"
  clew completion zsh > ~/.zfunc/_clew
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew completion``."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(args: argparse.Namespace) -> int:
    """Print the completion script."""
    import shtab

    from clew.commands import build_parser

    print(shtab.complete(build_parser(), args.shell))
    return 0
