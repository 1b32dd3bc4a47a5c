"""Run a program and record what it and its children do.

Programs behave as without clew: same terminal, same exit code. The case (a folder) holds the raw records and can be
looked at while it grows. Ctrl-C goes to the program; recording ends when it has ended, and a second Ctrl-C stops the
recording alone. Children that outlive the program by more than a second are left running, unrecorded, unless --follow.

examples:
  clew record -- ./server --port 8080
  clew record -o case -- make -j4           more captures may go to one case
  clew record --payload none -- tar cf x.tar /usr
  clew record --count-only -- ./benchmark   totals per thread and operation only
  clew record --follow -- nginx             a program that goes to the background
  clew record --user postgres -- ./start    as root: go on where a program becomes that user and execs
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from clew.commands import _options
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.capture.recorder import Outcome
    from clew.native import DrainStats

_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SMALLEST_RING, _LARGEST_RING = 1 << 16, 1 << 30
_TAIL = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew record``."""
    parser.add_argument("-o", "--output", metavar="CASE", help="folder of the case (default: clew-COMMAND-DATE-TIME)")
    parser.add_argument("--count-only", action="store_true", help="count calls, bytes and time; record no single call")
    parser.add_argument(
        "--payload",
        default="256",
        metavar="full|N|none",
        help=f"how many first bytes of what a call moves to keep, with the last {_TAIL} (default: 256)",
    )
    parser.add_argument(
        "--on-full",
        choices=("drop", "wait"),
        default="drop",
        help="a call whose buffer is full loses its record, which is counted (default), or waits",
    )
    parser.add_argument("--ring-size", default="1M", metavar="SIZE", help="buffer of each thread (default: 1M)")
    parser.add_argument(
        "--threads",
        type=_options.positive,
        default=4096,
        metavar="N",
        help="recorded at a time at most (default: 4096)",
    )
    parser.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="NAME",
        help="also record programs started after a change to this user; may be repeated",
    )
    parser.add_argument("--follow", action="store_true", help="until every recorded process has ended")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but what went wrong")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="what to run")


def run(args: argparse.Namespace) -> int:
    """Record; returns the exit code of the command."""
    from pathlib import Path

    from clew.capture import preload
    from clew.capture.grant import user_ids
    from clew.capture.place import default_case, make_place
    from clew.capture.recorder import Recorder
    from clew.native.arena import FULL_PAYLOAD

    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise ClewError("what is to be recorded? clew record [OPTIONS] -- COMMAND ...")
    head = _payload(args.payload, FULL_PAYLOAD)
    options = preload.Options(
        trace=not args.count_only,
        payload_head=head,
        payload_tail=_TAIL if 0 < head < FULL_PAYLOAD else 0,
        wait=args.on_full == "wait",
        ring_size=_ring_size(args.ring_size),
        threads=args.threads,
        users=tuple(user_ids(args.user)),
    )
    place = make_place(Path(args.output) if args.output else default_case(command[0]))
    line = _ProgressLine() if not args.quiet and sys.stderr.isatty() else None
    outcome = Recorder(
        command,
        place,
        options,
        follow=args.follow,
        progress=line.show if line else None,
        message=_warn,
        job=True,
    ).run()
    if line:
        line.clear()
    _tell(outcome, str(place.case), quiet=args.quiet)
    return outcome.exit_code or 0


def _payload(text: str, full: int) -> int:
    if text in ("full", "none"):
        return full if text == "full" else 0
    if not text.isdecimal() or int(text) > 1 << 20:
        raise ClewError(f"--payload {text:.40}: write full, none, or a number of bytes up to 1048576")
    return int(text)


def _ring_size(text: str) -> int:
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "")
    if not number.isdecimal() or (unit and unit not in _UNITS):
        raise ClewError(f"--ring-size {text:.40}: write a size such as 256K, 1M or 16M")
    size = int(number) * _UNITS.get(unit, 1)
    if not _SMALLEST_RING <= size <= _LARGEST_RING or size & (size - 1):
        raise ClewError(f"--ring-size {text:.40}: it must be a power of two from 64K to 1G")
    return size


class _ProgressLine:
    """One line on the terminal that overwrites itself, while nobody else has the terminal to himself."""

    def __init__(self) -> None:
        self._last = (time.monotonic(), 0)
        self._shown_at = 0.0
        self._shown = False

    def show(self, stats: DrainStats) -> None:
        now = time.monotonic()
        if now - self._shown_at < 0.5 or not self._welcome():
            return
        then, records = self._last
        rate = (stats.records - records) / max(now - then, 1e-9)
        self._last, self._shown_at, self._shown = (now, stats.records), now, True
        with suppress(OSError):  # the terminal was closed
            sys.stderr.write(f"\r\x1b[Kclew: {_counts(stats)}, {rate:,.0f}/s\r")
            sys.stderr.flush()

    def _welcome(self) -> bool:
        """Not behind a full-screen program (no line mode, no echo), and not from the background."""
        import termios

        try:
            mode = termios.tcgetattr(sys.stderr.fileno())[3]
            front = os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
        except (OSError, termios.error):
            return False
        return front and bool(mode & termios.ICANON) and bool(mode & termios.ECHO)

    def clear(self) -> None:
        if self._shown:
            with suppress(OSError):
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()


def _counts(stats: DrainStats) -> str:
    from clew.units import number, size

    lost = stats.lost + stats.lost_no_slot
    return (
        f"{number(stats.records)} events, {size(stats.bytes)}, "
        f"{number(stats.processes)} processes ({stats.live_processes} alive), {number(lost)} lost"
    )


def _warn(text: str) -> None:
    from clew.units import printable

    with suppress(OSError):
        print(f"clew: {printable(text)}", file=sys.stderr, flush=True)


def _tell(outcome: Outcome, case: str, *, quiet: bool) -> None:
    """The last lines on stderr: what there is, and what is missing."""
    from clew.units import number

    stats = outcome.stats
    if outcome.unseen:
        _warn(f"the program itself was not recorded: {outcome.unseen}; `clew doctor` names other engines")
    elif not stats.processes and not outcome.error:
        _warn("no process was recorded: none loaded libclew.so (`clew doctor` says more)")
    if stats.lost:
        _warn(f"{number(stats.lost)} events lost, buffers full: try --ring-size 16M, --payload none or --on-full wait")
    if stats.lost_threads:
        threads, events = number(stats.lost_threads), number(stats.lost_no_slot)
        _warn(f"{threads} threads found no buffer, {events} events lost: try --threads")
    if stats.broken:
        _warn(f"{number(stats.broken)} bytes made no sense: a program overwrote its buffer")
    if outcome.alive:
        pids = ", ".join(map(str, outcome.alive[:8])) + (", ..." if len(outcome.alive) > 8 else "")
        _warn(
            f"{len(outcome.alive)} processes still run and are not recorded any more ({pids}); --follow waits for them"
        )
    if not quiet:
        _warn(f"{_counts(stats).replace(f' ({stats.live_processes} alive)', '')} -> {case}")
