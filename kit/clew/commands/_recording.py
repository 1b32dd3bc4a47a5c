"""What `clew record` shows while it records and when it is over, on stderr."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.capture.recorder import Outcome
    from clew.capture.session import Recorded
    from clew.native import DrainStats


class ProgressLine:
    """One line on the terminal that overwrites itself, while nobody else has the terminal to himself."""

    def __init__(self) -> None:
        self._last = (time.monotonic(), 0)
        self._shown_at = 0.0
        self._shown = False

    def show(self, stats: DrainStats | str) -> None:
        """``stats`` of the preload library, or what other engines have in their own words."""
        now = time.monotonic()
        if now - self._shown_at < 0.5 or not self._welcome():
            return
        self._shown_at, self._shown = now, True
        with suppress(OSError):  # the terminal was closed
            sys.stderr.write(f"\r\x1b[Kclew: {stats if isinstance(stats, str) else self._rate(stats, now)}\r")
            sys.stderr.flush()

    def _rate(self, stats: DrainStats, now: float) -> str:
        then, records = self._last
        self._last = (now, stats.records)
        return f"{_counts(stats)}, {(stats.records - records) / max(now - then, 1e-9):,.0f}/s"

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
        """Leave the terminal as it was."""
        if self._shown:
            with suppress(OSError):
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()


def _counts(stats: DrainStats, what: str = "records") -> str:
    from clew.units import number, size

    lost = stats.lost + stats.lost_no_slot
    return (
        f"{number(stats.records)} {what}, {size(stats.bytes)}, "
        f"{number(stats.processes)} processes ({stats.live_processes} alive), {number(lost)} lost"
    )


def warn(text: str) -> None:
    """One line on stderr."""
    from clew.units import printable

    with suppress(OSError):
        print(f"clew: {printable(text)}", file=sys.stderr, flush=True)


def tell(recorded: Recorded, *, quiet: bool, what: str = "records") -> None:
    """The last lines: what there is, and what is missing. ``what`` the preload library's records are."""
    outcome = recorded.preload
    for text in [*(_missing(outcome) if outcome else []), *recorded.said]:
        warn(text)
    if not quiet:
        if outcome and outcome.stats.unseen:
            warn(_unseen(outcome.stats, recorded.case))
        counts = _counts(outcome.stats, what).replace(f" ({outcome.stats.live_processes} alive)", "") if outcome else ""
        warn(f"{', '.join(filter(None, (counts, recorded.progress)))} -> {recorded.case}")


def _unseen(stats: DrainStats, case: object) -> str:
    """Programs that were started and of which there is nothing but that."""
    from clew.units import number

    said = f"not recorded: {number(stats.unseen)} of the programs that were started"
    if stats.other_user:
        said += f", {number(stats.other_user)} after a change of user (--user NAME lets them in)"
    return f"{said}; `clew info {case}` says why"


def _missing(outcome: Outcome) -> list[str]:
    """What the preload library did not record, a line each."""
    from clew.units import number

    stats, said = outcome.stats, list[str]()
    if outcome.unseen:
        said.append(f"the program itself was not recorded: {outcome.unseen}; `clew doctor` names other engines")
    elif not stats.processes and not outcome.error:
        said.append("no process was recorded: none loaded libclew.so (`clew doctor` says more)")
    if stats.lost:
        lost = f"{number(stats.lost)} events lost, buffers full"
        said.append(f"{lost}: try --ring-size 16M, --payload none or --on-full wait")
    if stats.lost_threads:
        threads, events = number(stats.lost_threads), number(stats.lost_no_slot)
        said.append(f"{threads} threads found no buffer, {events} events lost: try --threads")
    if stats.broken:
        said.append(f"{number(stats.broken)} bytes made no sense: a program overwrote its buffer")
    if outcome.alive:
        pids = ", ".join(map(str, outcome.alive[:8])) + (", ..." if len(outcome.alive) > 8 else "")
        said.append(
            f"{len(outcome.alive)} processes still run and are not recorded any more ({pids}); --follow waits for them"
        )
    return said
