"""How often the recorder looks at the rings, and how urgently: no more of either than they need."""

from __future__ import annotations

import os
import time
from contextlib import suppress

SHORTEST_S, LONGEST_S = 0.0003, 0.004
FULL_ENOUGH = 250
"""Per mille of the fullest ring that a pass should find."""

_FADE = 0.97
_URGENT = 500  # per mille of a ring: busy programs keep us from it
_CALM = 1000  # passes in a row that found the rings as they should be
_FIRST = -20  # nice value


class Pace:
    """Rings fill as fast as they did lately, and should be found a quarter full; past half, we come first.

    Bursts are remembered for some dozens of passes, since what did one does the next. We come first for as long as
    need be only: to the kernel's load balancer a busy process at nice -20 weighs as much as 90 others, and it moves
    the recorded programs to the other processors (5 % of pgbench's throughput on two of them).
    """

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._fastest = 0.0  # per mille of a ring per second
        self._nice = os.getpriority(os.PRIO_PROCESS, 0)
        self._calm: int | None = None  # passes since the last urgent one

    def delay(self, fill: int) -> float:
        """Seconds to the next pass, after one that found the fullest ring at ``fill`` per mille."""
        self._come_first(fill)
        now = time.monotonic()
        rate = fill / max(now - self._last, SHORTEST_S)
        self._last = now
        self._fastest = max(rate, self._fastest * _FADE)
        return min(max(FULL_ENOUGH / max(self._fastest, 1.0), SHORTEST_S), LONGEST_S)

    def _come_first(self, fill: int) -> None:
        if fill > _URGENT:
            if self._calm is None:
                self._set_nice(_FIRST)
            self._calm = 0
        elif self._calm is not None:
            self._calm += 1
            if self._calm > _CALM:
                self._calm = None
                self._set_nice(self._nice)

    def _set_nice(self, value: int) -> None:
        with suppress(OSError):  # only root may
            os.setpriority(os.PRIO_PROCESS, 0, value)
