"""What a request of each name calls: which names, how many of each, in what order, what at once, how often left out.

Learnt from requests whose calls are certain: those that no other request of the process overlapped, as at low load.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_MOST = 2000  # requests of a name that are learnt from: more tell nothing new
_MOST_SLOTS = 48  # calls of a request that are told apart


@dataclass(frozen=True)
class Slot:
    """One call that a request makes: the ``nth`` (from 0) of that ``name``."""

    name: int
    nth: int
    stage: int  # calls of one stage are made at once; a stage begins when the one before it has been answered
    share: float  # of the requests that make it


@dataclass(frozen=True)
class Calls:
    """The slots of requests of one name, in the order in which they are made; how often which of them were filled."""

    slots: tuple[Slot, ...]
    filled: Counter[int] = field(default_factory=Counter)  # bit k: slot k -> requests


def learn(
    parent: Ints, parent_name: Ints, child_name: Ints, start: Ints, end: Ints, certain: NDArray[np.bool_]
) -> dict[int, Calls]:
    """Calls by name of the parent, from rows of children: ``parent`` (row of the parent spans, -1: not known).

    ``certain`` says which parents are to be learnt from; ``parent_name`` has all of them. Names without one that is
    certain are left out.
    """
    rows = np.flatnonzero(parent >= 0)
    rows = rows[certain[parent[rows]]]
    rows = rows[np.lexsort((start[rows], parent[rows]))]
    made: dict[int, list[int]] = {int(row): [] for row in np.flatnonzero(certain)}
    for row, of in zip(rows.tolist(), parent[rows].tolist(), strict=True):
        made[of].append(row)
    by_name: dict[int, list[list[int]]] = {}
    for of, children in made.items():
        by_name.setdefault(int(parent_name[of]), []).append(children)
    return {
        name: _shape(requests[:: max(1, len(requests) // _MOST)], child_name, start, end)
        for name, requests in by_name.items()
    }


def _shape(requests: list[list[int]], child_name: Ints, start: Ints, end: Ints) -> Calls:
    """The slots that these requests (each the rows of its calls, by start) have in common."""
    times = Counter[tuple[int, int]]()
    for children in requests:
        nth = Counter[int]()
        for row in children:
            name = int(child_name[row])
            times[name, nth[name]] += 1
            nth[name] += 1
    least = max(1.0, 0.01 * len(requests))
    kept = {key: found for key, found in times.items() if found >= least}
    order = _order(kept, requests, child_name)
    order = order[:_MOST_SLOTS]
    number = {key: place for place, key in enumerate(order)}
    overlaps = _overlaps(requests, child_name, start, end, number)
    stages = list[int]()
    first = 0
    for slot in range(len(order)):
        if slot and not all(overlaps[other, slot] > 0.5 for other in range(first, slot)):
            first = slot
        stages.append(stages[-1] + (first == slot) if slot else 0)
    filled = Counter[int]()
    for children in requests:
        bits, nth = 0, Counter[int]()
        for row in children:
            name = int(child_name[row])
            place = number.get((name, nth[name]))
            nth[name] += 1
            bits |= 0 if place is None else 1 << place
        filled[bits] += 1
    slots = [
        Slot(name, nth_, stage, kept[name, nth_] / len(requests))
        for (name, nth_), stage in zip(order, stages, strict=True)
    ]
    return Calls(tuple(slots), filled)


def _order(kept: dict[tuple[int, int], int], requests: list[list[int]], child_name: Ints) -> list[tuple[int, int]]:
    """The calls by how many of the others usually come before: the sum of the shares in which they do."""
    number = {key: place for place, key in enumerate(sorted(kept))}
    before, together = np.zeros((len(kept), len(kept))), np.zeros((len(kept), len(kept)))
    for children in requests:
        nth = Counter[int]()
        places = list[int]()
        for row in children:
            name = int(child_name[row])
            place = number.get((name, nth[name]))
            nth[name] += 1
            if place is not None:
                together[place, places] += 1
                together[places, place] += 1
                before[place, places] += 1
                places.append(place)
    rank = (before / np.maximum(together, 1)).sum(axis=1)
    return sorted(kept, key=lambda key: (rank[number[key]], key))


def _overlaps(
    requests: list[list[int]], child_name: Ints, start: Ints, end: Ints, number: dict[tuple[int, int], int]
) -> NDArray[np.float64]:
    """For each two slots the share of requests with both in which they overlap in time."""
    count = len(number)
    both, crossed = np.zeros((count, count)), np.zeros((count, count))
    for children in requests:
        nth = Counter[int]()
        placed: list[tuple[int, int]] = []
        for row in children:
            name = int(child_name[row])
            place = number.get((name, nth[name]))
            nth[name] += 1
            if place is not None:
                placed += [(place, row)]
        for a, first in placed:
            for b, second in placed:
                both[a, b] += 1
                crossed[a, b] += start[first] < end[second] and start[second] < end[first]
    shares: NDArray[np.float64] = crossed / np.maximum(both, 1)
    return shares


def without_rare(calls: Calls, least: float) -> Calls:
    """``calls`` without those that a smaller share of the requests than ``least`` makes."""
    kept = [number for number, slot in enumerate(calls.slots) if slot.share >= least]
    stages = sorted({calls.slots[number].stage for number in kept})
    slots = tuple(replace(calls.slots[number], stage=stages.index(calls.slots[number].stage)) for number in kept)
    filled = Counter[int]()
    for pattern, times in calls.filled.items():
        filled[sum(1 << place for place, number in enumerate(kept) if pattern >> number & 1)] += times
    return Calls(slots, filled)


def same_calls(a: Calls, b: Calls) -> bool:
    """Whether both are of the same calls in the same order."""
    return [(s.name, s.nth, s.stage) for s in a.slots] == [(s.name, s.nth, s.stage) for s in b.slots]
