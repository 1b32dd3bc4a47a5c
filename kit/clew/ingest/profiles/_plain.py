"""Samples in text of ``perf script`` that are no more than a head with a time and its frames: taken by the block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clew.native.text import ABSENT, UNKNOWN, Meanings, Text

Array = NDArray[Any]
_KEPT = 200_000  # halves of heads that are remembered


class Place(NamedTuple):
    """Where the first time of a head stands in its line, its colon included; it, and the period that follows or -1."""

    begin: int
    end: int
    time_ns: int
    period: int


class PlainText:
    """What the halves of heads mean: who was sampled, by what stands before the time, and what, by what follows it."""

    def __init__(self) -> None:
        self.text = Text(_KEPT)
        self.who, self.what = (np.full(1024, -1, np.int32) for _ in range(2))

    def read(self, block: bytes) -> Rows:
        """The paragraphs of ``block``, which has ended."""
        return Rows(self, block)


class Rows:
    """The paragraphs of one block, until the next is read; ``rows`` as struct clew_text_row has them."""

    def __init__(self, plain: PlainText, block: bytes) -> None:
        self.plain, self.block = plain, block
        self.rows = plain.text.read(block)
        self.headed: Array = self.rows["after"] != ABSENT
        self._before, self._after = (np.where(self.headed, self.rows[name], 0) for name in ("before", "after"))
        highest = int(max(self._before.max(initial=0), self._after.max(initial=0)))
        while highest >= len(plain.who):
            plain.who, plain.what = (np.append(one, np.full_like(one, -1)) for one in (plain.who, plain.what))

    def paragraph(self, row: int) -> bytes:
        """The text of one."""
        return self.block[int(self.rows["begin"][row]) : int(self.rows["end"][row])]

    def who(self) -> Array:
        """Of each row; below 0: not known."""
        return self.plain.who[self._before]

    def what(self) -> Array:
        """Of each row, but for the period; below 0: not known."""
        return self.plain.what[self._after]

    def known(self) -> Array:
        """Whether the heads are understood."""
        return self.headed & (self.who() >= 0) & (self.what() >= 0)

    def stacked(self) -> Array:
        """Whether the stacks are."""
        found: Array = self.rows["stack"] != UNKNOWN
        return found

    def stacks(self, wanted: Array, meanings: Meanings) -> None:
        """Find the stacks of the ``wanted`` rows, whose heads have a time."""
        text = self.plain.text
        text.stacks(wanted, meanings.extend(text.lines(len(meanings))))

    def learn(self, wanted: Array, learn: Callable[[bytes, Place], tuple[int, int] | None]) -> None:
        """Ask ``learn`` for (who, what) of the ``wanted`` heads that are not known, once for each kind, in order."""
        unknown = np.flatnonzero(wanted & self.headed & ~self.known())
        kinds = self._before[unknown].astype(np.uint64) << np.uint64(32) | self._after[unknown].astype(np.uint64)
        for place in np.sort(np.unique(kinds, return_index=True)[1]).tolist():
            row = int(unknown[place])
            told = self.rows[row]
            begin = int(told["begin"])
            where = Place(
                int(told["time_at"]) - begin, int(told["time_end"]) - begin, int(told["time_ns"]), int(told["period"])
            )
            if found := learn(self.block[begin : int(told["head_end"])], where):
                self.plain.who[self._before[row]], self.plain.what[self._after[row]] = found
