"""Options that subcommands share: the case, a Lens, the form of the output. Light: read for every ``clew --help``."""

from __future__ import annotations

import argparse
import errno
import re
from typing import Any

from clew.errors import ClewError
from clew.ops import OPS

_TIME = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)?")
_UNIT_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


KEYS = ("command", "host", "process", "thread", "op", "file", "peer")
MEASURES = ("calls", "errors", "bytes", "total_ns", "mean_ns", "min_ns", "max_ns", "p50_ns", "p99_ns")
"""What calls are counted by, and what such rows are sorted by: as in questions.ask, which takes too long to import."""

OPERATIONS = tuple(name for _, name, kind in OPS if kind != "note")


class Offered(tuple[str, ...]):
    """What the tab key offers, while argparse takes anything: who reads the value says best what is wrong."""

    __slots__ = ()

    def __contains__(self, _: object) -> bool:
        return True


def completed(action: argparse.Action, how: str) -> None:
    """Let the tab key offer for ``action`` what ``how`` says.

    "file", "folder", or what the case on the line has names of: a key of questions.names.NAMES.
    """
    shells = {"file": ("_shtab_compgen_files", "_files", "f"), "folder": ("_shtab_compgen_dirs", "_files -/", "d")}
    bash, zsh, tcsh = shells.get(how, (f"_clew_names_of_{how}", f"_clew_names {how}", None))
    action.complete = {"bash": bash, "zsh": zsh} | ({"tcsh": tcsh} if tcsh else {})  # type: ignore[attr-defined]


def add_case(parser: argparse.ArgumentParser) -> None:
    """The CASE argument."""
    parser.add_argument("case", metavar="CASE", help="folder of a case, or of Parquet tables")


def add_by(parser: argparse.ArgumentParser) -> None:
    """--by and --sort."""
    by = f"{', '.join(KEYS[:-1])} or {KEYS[-1]}".replace("command", "command (default)")
    parser.add_argument("--by", default="command", choices=Offered(KEYS), metavar="KEY", help=by)
    parser.add_argument(
        "--sort",
        default="calls",
        choices=Offered(("name", *MEASURES)),
        metavar="COLUMN",
        help="column to sort by, as printed by --csv (default: calls)",
    )


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def is_cpu_list(text: str) -> bool:
    """Whether ``text`` is a list of processors: 0,2-3."""
    return re.fullmatch(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", text) is not None


def add_lens(parser: argparse.ArgumentParser) -> None:
    """Options that make a Lens. Each may be given more than once: alternatives."""
    group = parser.add_argument_group("what to look at (an option given twice means either)")
    _add_names(group, "host")
    _add_names(group, "command", help="kernel's name of the program")
    _add_names(group, "pid", metavar="N", type=int)
    _add_names(group, "tid", metavar="N", type=int)
    group.add_argument(
        "--op",
        action="append",
        default=[],
        choices=Offered(OPERATIONS),
        metavar="NAME",
        help="read, write, connect, ...",
    )
    _add_names(group, "file", metavar="PATH")
    _add_names(group, "peer", help="other end of a socket, as --by peer shows it")
    group.add_argument(
        "--errno",
        action="append",
        default=[],
        choices=Offered(errno.errorcode.values()),
        metavar="NAME",
        help="ENOENT or 2; 0: calls that succeeded",
    )
    _add_names(group, "event", help="samples of: cpu-clock, ...")
    _add_names(group, "function", help="anywhere in the stack")
    _add_names(group, "module", metavar="PATH", help="anywhere in the stack")
    group.add_argument("--stack", default="", metavar="A;B;C", help="stacks that begin so, from the outermost function")
    group.add_argument("--from", dest="start", metavar="TIME", help="since the begin of the case: 2.5s, 300ms")
    group.add_argument("--to", dest="end", metavar="TIME", help="until then, since the begin of the case")
    group.add_argument("--slower", metavar="TIME", help="calls that took at least this long")
    group.add_argument("--faster", metavar="TIME", help="calls that took less than this")
    group = parser.add_argument_group("of which requests (`clew requests CASE` shows them)")
    _add_names(group, "request", help="what was asked for: 'GET /'")
    group.add_argument("--request-id", action="append", default=[], type=int, metavar="N", help="a single one")
    _add_names(group, "shape", help="that took this path: 1f3a9c (or '#1f3a9c'), as `clew paths` shows it")
    group.add_argument("--took", metavar="LOW..HIGH", help="that took so long: 10ms..1s, 10ms.., ..1s")


def _add_names(group: argparse._ArgumentGroup, what: str, *, metavar: str = "NAME", **more: Any) -> None:
    completed(group.add_argument(f"--{what}", action="append", default=[], metavar=metavar, **more), what)


def add_output(parser: argparse.ArgumentParser, tables: tuple[str, ...] = ()) -> None:
    """--json and --csv; of several ``tables`` --of chooses one."""
    group = parser.add_mutually_exclusive_group()
    several = "one object of the tables" if tables else "a list of objects"
    group.add_argument("--json", action="store_true", help=f"print JSON: {several}, raw units")
    first = f" ({tables[0]}, unless --of)" if tables else ""
    group.add_argument("--csv", action="store_true", help=f"print CSV with a header line{first}, raw units")
    if tables:
        parser.add_argument("--of", choices=tables, metavar="TABLE", help=f"only one of {', '.join(tables)}")


def parse_time(text: str | None) -> int | None:
    """``text`` such as 2.5s, 300ms, 17 (seconds) in ns; raises ClewError if it is no time."""
    if text is None:
        return None
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise ClewError(f"{text!r:.60} is no time: write 2.5s, 300ms, 20us or 15ns")
    return round(float(found[1]) * _UNIT_NS[found[2] or "s"])
