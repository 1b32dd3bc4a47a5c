"""Options that subcommands share: the case, a Lens, the form of the output. Light: read for every ``clew --help``."""

from __future__ import annotations

import argparse
import errno
import re
from typing import TYPE_CHECKING

from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.case import Case
    from clew.lens import Lens

_TIME = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)?")
_UNIT_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def add_case(parser: argparse.ArgumentParser) -> None:
    """The CASE argument."""
    parser.add_argument("case", metavar="CASE", help="folder of a case, or of Parquet tables")


def add_by(parser: argparse.ArgumentParser) -> None:
    """--by and --sort."""
    parser.add_argument(
        "--by", default="command", metavar="KEY", help="command (default), host, process, thread, op, file or peer"
    )
    parser.add_argument(
        "--sort", default="calls", metavar="COLUMN", help="column to sort by, as printed by --csv (default: calls)"
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
    group.add_argument("--host", action="append", default=[], metavar="NAME")
    group.add_argument("--command", action="append", default=[], metavar="NAME", help="kernel's name of the program")
    group.add_argument("--pid", action="append", default=[], type=int, metavar="N")
    group.add_argument("--tid", action="append", default=[], type=int, metavar="N")
    group.add_argument("--op", action="append", default=[], metavar="NAME", help="read, write, connect, ...")
    group.add_argument("--file", action="append", default=[], metavar="PATH")
    group.add_argument(
        "--peer", action="append", default=[], metavar="NAME", help="other end of a socket, as --by peer shows it"
    )
    group.add_argument(
        "--errno", action="append", default=[], metavar="NAME", help="ENOENT or 2; 0: calls that succeeded"
    )
    group.add_argument("--event", action="append", default=[], metavar="NAME", help="samples of: cpu-clock, ...")
    group.add_argument("--function", action="append", default=[], metavar="NAME", help="anywhere in the stack")
    group.add_argument("--module", action="append", default=[], metavar="PATH", help="anywhere in the stack")
    group.add_argument("--stack", default="", metavar="A;B;C", help="stacks that begin so, from the outermost function")
    group.add_argument("--from", dest="start", metavar="TIME", help="since the begin of the case: 2.5s, 300ms")
    group.add_argument("--to", dest="end", metavar="TIME", help="until then, since the begin of the case")
    group.add_argument("--slower", metavar="TIME", help="calls that took at least this long")
    group.add_argument("--faster", metavar="TIME", help="calls that took less than this")
    group = parser.add_argument_group("of which requests (`clew requests CASE` shows them)")
    group.add_argument("--request", action="append", default=[], metavar="NAME", help="what was asked for: 'GET /'")
    group.add_argument("--request-id", action="append", default=[], type=int, metavar="N", help="a single one")
    group.add_argument("--shape", action="append", default=[], type=int, metavar="N", help="that took this path")
    group.add_argument("--took", metavar="LOW..HIGH", help="that took so long: 10ms..1s, 10ms.., ..1s")


def add_output(parser: argparse.ArgumentParser) -> None:
    """--json and --csv."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print JSON: a list of objects, raw units")
    group.add_argument("--csv", action="store_true", help="print CSV with a header line, raw units")


def lens_of(args: argparse.Namespace, case: Case) -> Lens:
    """The Lens that the options ask for; raises ClewError if one makes no sense."""
    from clew.lens import Lens

    origin = case.bounds()[0] if args.start or args.end else 0
    took = _took(args.took)
    if args.request or args.request_id or args.shape or took:
        from clew.questions.ask import need_requests

        need_requests(case, "requests")
    slower, faster = parse_time(args.slower), parse_time(args.faster)
    start, end = parse_time(args.start), parse_time(args.end)
    for low, high, asked in ((start, end, "--from and --to"), (slower, faster, "--slower and --faster")):
        if low is not None and high is not None and low >= high:
            raise ClewError(f"{asked}: nothing lies between them, the first has to be the smaller one")
    return Lens(
        start_ns=None if start is None else origin + start,
        end_ns=None if end is None else origin + end,
        hosts=tuple(args.host),
        commands=tuple(args.command),
        pids=tuple(args.pid),
        tids=tuple(args.tid),
        ops=tuple(args.op),
        files=tuple(args.file),
        peers=tuple(args.peer),
        errnos=tuple(_errno(text) for text in args.errno),
        latency=None if slower is None and faster is None else (slower, faster),
        events=tuple(args.event),
        functions=tuple(args.function),
        modules=tuple(args.module),
        stack=tuple(args.stack.split(";")) if args.stack else (),
        requests=tuple(args.request),
        request_ids=tuple(args.request_id),
        shapes=tuple(args.shape),
        took=took,
    )


def _took(text: str | None) -> tuple[int | None, int | None] | None:
    """``text`` such as 10ms..1s in ns."""
    if text is None:
        return None
    low, dots, high = text.partition("..")
    if not dots or not (low or high):
        raise ClewError(f"--took {text!r:.60}: write 10ms..1s, 10ms.. or ..1s")
    return parse_time(low or None), parse_time(high or None)


def parse_time(text: str | None) -> int | None:
    """``text`` such as 2.5s, 300ms, 17 (seconds) in ns; raises ClewError if it is no time."""
    if text is None:
        return None
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise ClewError(f"{text!r:.60} is no time: write 2.5s, 300ms, 20us or 15ns")
    return round(float(found[1]) * _UNIT_NS[found[2] or "s"])


def _errno(text: str) -> int:
    if text.isdecimal():
        return int(text)
    value = getattr(errno, text.upper(), None)
    if not isinstance(value, int):
        raise ClewError(f"{text!r:.60} is no errno: write ENOENT or 2")
    return value
