"""The ``clew`` command line: one subcommand, one file; the file's docstring is the user's help text.

A module in this package is a subcommand of its own name (``_`` becomes ``-``, one at the end is left out: Python's
keywords are no names of modules) if it has a docstring (first
line: the summary; the rest: description and examples), ``add_arguments(parser)`` and ``run(args) -> int``.
Modules keep heavy imports inside ``run``, so that ``clew --help`` stays quick. Names that begin with ``_`` are
helpers.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import pkgutil
import signal
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from clew import __version__
from clew.commands._options import completed
from clew.errors import ClewError, nearest, one_of
from clew.units import printable

SUMMARY = "Record what programs do, and find out why."


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line that names the nearest right value, as all of clew's are."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read more, and exit with 2."""
        self.exit(2, f"clew: {printable(message)} (`{self.prog} --help` says more)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"there is no {value!r:.60}; {one_of(str(value), action.choices)}")


def discover() -> dict[str, ModuleType]:
    """Every subcommand by its name."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))
    return {name.rstrip("_").replace("_", "-"): importlib.import_module(f"{__name__}.{name}") for name in names}


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; also what shell completion is made from."""
    parser = Parser(
        prog="clew",
        description=SUMMARY,
        epilog="`clew COMMAND --help` explains a command and gives examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"clew {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command_name", required=True)
    for name, module in discover().items():
        text = inspect.cleandoc(module.__doc__ or "")
        sub = commands.add_parser(
            name,
            help=text.splitlines()[0].rstrip("."),
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        _complete(sub)
        sub.set_defaults(run=module.run, parser=sub)
    return parser


def _complete(parser: argparse.ArgumentParser) -> None:
    """Let the tab key offer files and folders where the help says FILE, DIR or CASE."""
    for action in parser._actions:
        how = {"FILE": "file", "SEGMENT": "file", "DIR": "folder", "CASE": "folder"}.get(str(action.metavar))
        if how:
            completed(action, how)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``clew ARGV...`` and return its exit code: 0 well, 2 a user's mistake, 130 Ctrl-C."""
    args = _parsed(sys.argv[1:] if argv is None else argv)
    args.doubts = []  # what was asked for and is probably meant otherwise: said when all else is
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        _say(args.doubts)
        return code
    except ClewError as error:
        _say(["; ".join([str(error), *args.doubts])])
        return error.exit_code
    except PermissionError as error:
        _say([f"cannot read or write {error.filename}: permission denied; a case is for its owner (or root) only"])
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader has gone (`clew top | head`): nobody is left to tell. Let Python's own flush at exit succeed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"clew: {printable(line)}", file=sys.stderr)


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """What ``argv`` asks for; exits with 2, and says why, where it cannot be understood."""
    parser = build_parser()
    names = discover()
    if argv and not argv[0].startswith("-") and argv[0] not in names:
        near = nearest(argv[0], names)
        parser.error(f"there is no command {argv[0]!r:.60}" + (f"; is it {near}?" if near else ""))
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        near = nearest(unknown[0], args.parser._option_string_actions) if unknown[0].startswith("-") else None
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}" + (f"; is it {near}?" if near else ""))
    return args
