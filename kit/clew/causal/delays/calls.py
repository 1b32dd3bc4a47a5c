"""What a request of each name calls: which names, how many of each, in what order, what at once, how often left out.

Learnt from requests whose calls are certain: those that no other request of the process overlapped, as at low load.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

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
    parent: Ints,
    parent_name: Ints,
    child_name: Ints,
    start: Ints,
    end: Ints,
    certain: NDArray[np.bool_],
    least: float = 0.01,
) -> dict[int, Calls]:
    """Calls by name of the parent, from rows of children: ``parent`` (row of the parent spans, -1: not known).

    ``certain`` says which parents are to be learnt from; ``parent_name`` has all of them. Names without one that is
    certain are left out, and calls that a smaller share than ``least`` makes.
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
        name: _shape(requests[:: max(1, len(requests) // _MOST)], child_name, start, end, least)
        for name, requests in by_name.items()
    }


def _shape(requests: list[list[int]], child_name: Ints, start: Ints, end: Ints, least: float) -> Calls:
    """The slots that these requests (each the rows of its calls, by start) have in common."""
    times = Counter[tuple[int, int]]()
    for children in requests:
        nth = Counter[int]()
        for row in children:
            name = int(child_name[row])
            times[name, nth[name]] += 1
            nth[name] += 1
    kept = {key: found for key, found in times.items() if found >= max(1.0, least * len(requests))}
    ranks = _ranks(kept, requests, child_name)
    order = sorted(kept, key=lambda key: (ranks[key], key))[:_MOST_SLOTS]
    stages = _stages(order, requests, child_name, start, end)
    order = [order[place] for stage in stages for place in stage]
    number = {key: place for place, key in enumerate(order)}
    stage_of = [number for number, stage in enumerate(stages) for _ in stage]
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
        for (name, nth_), stage in zip(order, stage_of, strict=True)
    ]
    return Calls(tuple(slots), filled)


def _ranks(
    kept: dict[tuple[int, int], int], requests: list[list[int]], child_name: Ints
) -> dict[tuple[int, int], float]:
    """How many of the others usually come before each call: the sum of the shares in which they do."""
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
    return {key: float(rank[place]) for key, place in number.items()}


def _stages(
    order: list[tuple[int, int]], requests: list[list[int]], child_name: Ints, start: Ints, end: Ints
) -> list[list[int]]:
    """Places in ``order`` (calls by rank) that are made at once; stages by the rank of their first."""
    number = {key: place for place, key in enumerate(order)}
    both, crossed = _overlaps(requests, child_name, start, end, number)
    stages = list[list[int]]()
    for place in range(len(order)):
        shares = [crossed[place, stage].sum() / max(both[place, stage].sum(), 1) for stage in stages]
        best = int(np.argmax(shares)) if shares else 0
        if shares and shares[best] > 0.5:
            stages[best].append(place)
        else:
            stages.append([place])
    return stages


def _overlaps(
    requests: list[list[int]], child_name: Ints, start: Ints, end: Ints, number: dict[tuple[int, int], int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each two slots (requests with both, those in which they overlap in time)."""
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
    return both, crossed


def same_calls(a: Calls, b: Calls) -> bool:
    """Whether both are of the same calls in the same order."""
    return [(s.name, s.nth, s.stage) for s in a.slots] == [(s.name, s.nth, s.stage) for s in b.slots]
