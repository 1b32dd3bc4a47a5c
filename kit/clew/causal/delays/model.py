"""How likely it is that a request made just these calls: the delays before each, the order, what was left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clew.causal.delays.calls import Calls
from clew.causal.delays.density import Density, Floats, fit

Ints = NDArray[np.int64]
Key = tuple[int, int]
"""(slot, what the delay is since): the stage whose last reply came before (-1: the request), or SIBLING."""

SIBLING = -2  # since the call before it in the same stage was sent
REPLY = -1  # as a slot: the reply of the request itself
_CLOCK_NS = 2000.0  # what clocks that count microseconds may have wrong
_ENOUGH = 12  # delays of their own that a key needs; else all of its slot count
_REMEMBERED = 20.0  # requests' worth of what was learnt elsewhere
_OTHERWISE = 2.0  # requests' worth of belief that slots are filled independently


@dataclass(frozen=True)
class Children:
    """Times (ns) of the client spans of a process, by row."""

    name: Ints
    start: Floats
    end: Floats


class Model:
    """Requests of one name in one process: rows ``start``, ``end`` (ns; infinite: not seen), and what they call."""

    def __init__(self, start: Floats, end: Floats, calls: Calls) -> None:
        self.start, self.end, self.calls = start, end, calls
        self.delays: dict[Key, Density] = {}
        self.made: Counter[int] = Counter(calls.filled)
        self._logs: dict[int, float] = {}
        self.content = np.full((len(start), len(calls.slots)), -1, np.int64)

    def score(self, parents: Ints, content: Ints, children: Children, upto: int | None = None) -> Floats:
        """The log likelihood of each of ``parents`` having ``content`` (a row each: children by slot, -1: none).

        -inf where that cannot be. ``upto``: of the first slots only, when later ones are not decided yet.
        """
        total = np.zeros(len(parents))
        for slot, since, delay in self._walk(parents, content, children, upto):
            known = np.isfinite(delay)
            for kind in np.unique(since[known]).tolist():
                rows = known & (since == kind)
                total[rows] += self._density(slot, kind).log(delay[rows])
            if slot == REPLY or slot == 0 or self._begins(slot):
                total[known & (since != SIBLING) & (delay < -_CLOCK_NS)] = -np.inf
        return total + self._presence(content, upto)

    def _begins(self, slot: int) -> bool:
        return self.calls.slots[slot].stage != self.calls.slots[slot - 1].stage

    def _walk(
        self, parents: Ints, content: Ints, children: Children, upto: int | None
    ) -> list[tuple[int, NDArray[np.int64], Floats]]:
        """(slot, since what, delay in ns; NaN where there is none) for each slot, and for the reply."""
        found = []
        begun = self.start[parents]
        since = np.full(len(parents), -1)
        replied, sibling = begun.copy(), np.full(len(parents), np.nan)
        stage = 0
        last_stage = since.copy()
        for number, slot in enumerate(self.calls.slots[: None if upto is None else upto + 1]):
            if slot.stage != stage:
                begun, since, stage = replied.copy(), last_stage.copy(), slot.stage
                sibling = np.full(len(parents), np.nan)
            row = content[:, number]
            there = row >= 0
            start = np.where(there, children.start[row], np.nan)
            chained = ~np.isnan(sibling)
            found.append((number, np.where(chained, SIBLING, since), start - np.where(chained, sibling, begun)))
            sibling = np.where(there, start, sibling)
            replied = np.where(there, np.maximum(replied, children.end[row]), replied)
            last_stage = np.where(there, slot.stage, last_stage)
        if upto is None:
            end = self.end[parents]
            seen = np.isfinite(end) & np.isfinite(replied)
            found.append((REPLY, last_stage, np.where(seen, end, np.nan) - np.where(seen, replied, np.nan)))
        return found

    def _presence(self, content: Ints, upto: int | None) -> Floats:
        """The log probability of just these slots being filled."""
        count = len(self.calls.slots) if upto is None else upto + 1
        bits = (content[:, :count] >= 0) @ (np.int64(1) << np.arange(count, dtype=np.int64))
        patterns, which = np.unique(bits, return_inverse=True)
        mask = (1 << count) - 1
        seen = Counter[int]()
        for pattern, times in self.made.items():
            seen[pattern & mask] += times
        whole = sum(seen.values())
        shares = [
            (sum(times for made, times in seen.items() if made >> k & 1) + 0.5) / (whole + 1.0) for k in range(count)
        ]
        logs = [
            np.log(
                (seen[pattern] + _OTHERWISE * np.prod([s if pattern >> k & 1 else 1 - s for k, s in enumerate(shares)]))
                / (whole + _OTHERWISE)
            )
            for pattern in patterns.tolist()
        ]
        presence: Floats = np.array(logs)[which]
        return presence

    def _density(self, slot: int, since: int) -> Density:
        found = self.delays.get((slot, since)) or self.delays.get((slot, REPLY - 9))
        return found if found is not None else _UNKNOWN

    def seen(self, children: Children) -> dict[Key, Floats]:
        """The delays of what is assigned now, by key."""
        delays: dict[Key, Floats] = {}
        for slot, since, delay in self._walk(np.arange(len(self.start)), self.content, children, None):
            known = np.isfinite(delay)
            for kind in np.unique(since[known]).tolist():
                delays[slot, kind] = delay[known & (since == kind)]
        return delays

    def fit(self, delays: dict[Key, Floats], wider: float) -> None:
        """Take over ``delays`` as how long things take here."""
        slots: dict[int, list[Floats]] = {}
        self.delays = {}
        for (slot, since), found in delays.items():
            slots.setdefault(slot, []).append(found)
            if len(found) >= _ENOUGH:
                self.delays[slot, since] = fit(found, wider)
        for slot, parts in slots.items():
            self.delays[slot, REPLY - 9] = fit(np.concatenate(parts), wider)

    def count(self) -> None:
        """Take over which slots are filled now, beside what was learnt."""
        count = self.content.shape[1]
        bits = (self.content >= 0) @ (np.int64(1) << np.arange(count, dtype=np.int64))
        learnt = sum(self.calls.filled.values())
        share = min(1.0, _REMEMBERED / max(learnt, 1))
        self.made = Counter({pattern: times * share for pattern, times in self.calls.filled.items()})
        self.made.update(bits.tolist())


_UNKNOWN = fit(np.empty(0))
