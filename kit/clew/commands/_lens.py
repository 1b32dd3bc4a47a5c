"""The Lens that the options of a subcommand ask for."""

from __future__ import annotations

import argparse
import errno
from typing import TYPE_CHECKING

from clew.commands._options import parse_time
from clew.errors import ClewError, nearest

if TYPE_CHECKING:
    from clew.case import Case
    from clew.lens import Lens

_NAMED = ("host", "command", "pid", "tid", "file", "peer", "event", "function", "module", "request")


def lens_of(args: argparse.Namespace, case: Case) -> Lens:
    """The Lens that the options ask for; raises ClewError if one makes no sense.

    Names that the case does not have go to ``args.doubts``: the answer to them is nothing, and another was meant.
    """
    from clew.lens import Lens
    from clew.questions.names import missing, operation, shape_called

    origin = case.bounds()[0] if args.start or args.end else 0
    took = _took(args.took)
    if args.request or args.request_id or args.shape or took:
        from clew.questions.ask import need_requests

        need_requests(case, "requests")
    named = [(what, str(name)) for what in _NAMED for name in getattr(args, what)]
    args.doubts += filter(None, (missing(case, what, name) for what, name in named))
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
        ops=tuple(operation(case, name) for name in args.op),
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
        shapes=tuple(shape_called(case, text) for text in args.shape),
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


def _errno(text: str) -> int:
    if text.isdecimal():
        return int(text)
    value = getattr(errno, text.upper(), None)
    if not isinstance(value, int):
        near = nearest(text, errno.errorcode.values())
        meant = f" (is it {near}?)" if near else ""
        raise ClewError(f"{text!r:.60} is no errno{meant}: write ENOENT or 2")
    return value
