"""One process: its requests, its calls, and the search for the assignment under which all delays are likeliest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from clew.causal.delays.calls import Calls, learn, same_calls
from clew.causal.delays.density import Floats
from clew.causal.delays.matching import heaviest
from clew.causal.delays.model import Children, Key, Model

Ints = NDArray[np.int64]

_FEW = 5  # requests of a name that nothing overlapped: fewer say nothing about the rest
_ROUNDS = (3.0, 2.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0)  # how much wider densities are fitted than their number asks for
_STRAY = 1e-4  # share of calls that no request of the process causes
_ENOUGH = 50  # so many say enough
_USUAL, _RARE = 0.2, 0.02  # shares of requests that make a call, below which it is taken for another's: guessed, found
_LOST = 0.02  # share of calls of a name without a cause that makes one be looked for elsewhere
_MOST_OPEN = 200  # requests of similar length that may have made a call, at most: the latest
_LOOP = 0.8  # how sure such a link can be, see _loops()
_TRIES = 4  # times that what calls what is learnt anew from what was found
_TOLD = 100.0  # log likelihood of a link that is known: more than all delays together may cost
_LONGEST_RUN = 6  # slots in a row that are moved together
_MOST_AT_ONCE = 4  # calls of one stage of which every choice is
_UNSEEN = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Run:
    """Some slots of the requests of one name, which are filled together."""

    kind: int
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Offers:
    """What runs of slots could be filled with: edges (row, block) that are possible, and what each would gain."""

    row: Ints  # requests of all the runs, counted through
    block: Ints
    gain: Floats
    content: Ints  # of each block, padded with -1
    holder: Ints  # row that has the block now; -1: nobody


class Process:
    """Requests and calls of one process; names are any numbers, times ns, ``known`` request rows by call (-1)."""

    def __init__(
        self, name: Ints, start: Ints, end: Ints, call_name: Ints, call_start: Ints, call_end: Ints, known: Ints
    ) -> None:
        self._name, self._start, self._end = name, start, end
        self._origin = int(min(start.min(), call_start.min()))
        self.children = Children(call_name, self._ns(call_start), self._ns(call_end))
        self._call_start, self._call_end, self._known = call_start, call_end, known
        self._learnt: dict[int, Calls] = {}
        self._first: dict[tuple[int, Key], list[Floats]] = {}
        self._rows: list[Ints] = []
        seen = self.children.end[np.isfinite(self.children.end)]
        lasts = max(float(seen.max(initial=0.0)), float(self.children.start.max(initial=0.0)), 1.0)
        self._stray = np.log(_STRAY) - np.log(lasts)
        self.models: list[Model] = []

    def _ns(self, times: Ints) -> Floats:
        return np.where(times == _UNSEEN, np.inf, (times - np.int64(self._origin)).astype(np.float64))

    # -- what is known before --

    def learn(self, name: Ints, start: Ints, end: Ints, call_name: Ints, call_start: Ints, call_end: Ints) -> None:
        """Learn what calls what, and how long it takes, from the same process at low load."""
        if not len(name) or not len(call_name):
            return
        other = Process(name, start, end, call_name, call_start, call_end, np.full(len(call_name), -1))
        parent, certain = other._certain()
        for kind, calls in learn(parent, name, call_name, call_start, call_end, certain).items():
            if np.count_nonzero(certain & (name == kind)) >= _FEW:
                self._learnt[kind] = calls
                self._note_delays(kind, calls, other, parent, certain)

    def _certain(self) -> tuple[Ints, NDArray[np.bool_]]:
        """(parent of each call or -1, requests whose calls are certain): no other request was there for any of them."""
        order = np.argsort(self._start, kind="stable")
        start, end = self._ns(self._start[order]), self._ns(self._end[order])
        row, call = containing(start, end, self.children.start, self.children.end)
        row, told = order[row], self._known[call]
        row, call = row[(told < 0) | (told == row)], call[(told < 0) | (told == row)]
        ways = np.bincount(call, minlength=len(self.children.name))
        parent = np.full(len(self.children.name), -1, np.int64)
        parent[call[ways[call] == 1]] = row[ways[call] == 1]
        certain = self._end != _UNSEEN
        certain[row[ways[call] > 1]] = False
        return parent, certain

    def _note_delays(self, kind: int, calls: Calls, other: Process, parent: Ints, certain: NDArray[np.bool_]) -> None:
        """Keep the delays of ``other``'s certain requests of that name."""
        rows = np.flatnonzero(certain & (other._name == kind))
        model = Model(other._ns(other._start[rows]), other._ns(other._end[rows]), calls)
        model.content = _content(rows, parent, calls, other.children)
        for key, delays in model.seen(other.children).items():
            self._first.setdefault((kind, key), []).append(delays)

    def _shapes(self) -> tuple[dict[int, Calls], set[int]]:
        """(calls by name of request, names of which that is certain), and the delays of what is certain."""
        parent, certain = self._certain()
        own = learn(parent, self._name, self.children.name, self._call_start, self._call_end, certain)
        alone = Counter(self._name[certain].tolist())
        guessed = self._seen(self._guess(self._known), _USUAL)
        shapes, sure = dict(self._learnt), set(self._learnt)
        for kind in np.unique(self._name).tolist():
            if kind not in shapes and alone[kind] >= _FEW:
                shapes[kind] = own[kind]
                self._note_delays(kind, own[kind], self, parent, certain)
            elif kind not in shapes:
                shapes[kind] = guessed[kind]
            if alone[kind] >= _ENOUGH:
                sure.add(kind)
        return shapes, sure

    def _seen(self, parent: Ints, least: float) -> dict[int, Calls]:
        """Calls by name of request, were ``parent`` right; without those that a smaller share than ``least`` makes."""
        everyone = np.ones(len(self._name), bool)
        return learn(parent, self._name, self.children.name, self._call_start, self._call_end, everyone, least)

    def _guess(self, parent: Ints) -> Ints:
        """``parent``, and for calls without one the latest request that was there all the time."""
        order = np.argsort(self._start, kind="stable")
        start, end = self._ns(self._start[order]), self._ns(self._end[order])
        open_calls = np.flatnonzero(parent < 0)
        row, call = containing(start, end, self.children.start[open_calls], self.children.end[open_calls])
        latest = np.full(len(open_calls), -1, np.int64)
        np.maximum.at(latest, call, row)
        guessed = parent.copy()
        guessed[open_calls[latest >= 0]] = order[latest[latest >= 0]]
        return guessed

    def _build(self, shapes: dict[int, Calls]) -> None:
        """Models of every name of request, with the delays of what is certain.

        Those that call nothing have one, too: without it, it would seem likelier that nothing calls anything.
        """
        self.models, self._rows = [], []
        for kind, calls in sorted(shapes.items()):
            rows = np.flatnonzero(self._name == kind)
            rows = rows[np.argsort(self._start[rows], kind="stable")]
            model = Model(self._ns(self._start[rows]), self._ns(self._end[rows]), calls)
            model.fit(
                {key: np.concatenate(parts) for (of, key), parts in self._first.items() if of == kind}, _ROUNDS[0]
            )
            self.models.append(model)
            self._rows.append(rows)

    # -- the search --

    def solve(self) -> tuple[Ints, Floats]:
        """(request row of each call or -1, how sure: 0 to 1)."""
        shapes, sure = self._shapes()
        best: tuple[float, list[Model], list[Ints], Ints] | None = None
        for _ in range(_TRIES):
            self._build(shapes)
            parent = self._search()
            likely = self._likelihood(parent)
            if best is None or likely > best[0]:
                best = (likely, self.models, self._rows, parent)
            changed = self._learn_again(parent, shapes, sure)
            if not changed:
                break
            shapes |= changed
            for key in [key for key in self._first if key[0] in changed]:
                del self._first[key]
        assert best is not None
        _, self.models, self._rows, parent = best
        told = self._known >= 0
        sure_of = np.where(told, 1.0, self._confidence(self._runs(), len(parent)))
        return np.where(told, self._known, parent), sure_of

    def _likelihood(self, parent: Ints) -> float:
        """The logarithm of how likely all that was assigned is, strays included."""
        total = float(np.count_nonzero(parent < 0) * self._stray)
        for model in self.models:
            total += float(model.score(np.arange(len(model.start)), model.content, self.children).sum())
        return total

    def _learn_again(self, parent: Ints, shapes: dict[int, Calls], sure: set[int]) -> dict[int, Calls]:
        """What requests call but for what ``shapes`` say, where that is not certain or leaves calls without a cause."""
        _, number = np.unique(self.children.name, return_inverse=True)
        lost = np.bincount(number, parent < 0) / np.bincount(number)
        guessed = self._guess(parent)
        guessed = np.where(lost[number] > _LOST, guessed, parent)
        seen = self._seen(guessed, _RARE)
        left_out = {int(self._name[row]) for row in guessed[(parent < 0) & (guessed >= 0)]}
        return {
            kind: calls
            for kind, calls in seen.items()
            if (kind not in sure or kind in left_out) and not same_calls(calls, shapes[kind])
        }

    def _search(self) -> Ints:
        """The request row of each call or -1, under the models as they are; fits them to it."""
        parent = np.full(len(self.children.name), -1, np.int64)
        if not any(model.calls.slots for model in self.models):
            return np.where(self._known >= 0, self._known, parent)
        longest = max(len(model.calls.slots) for model in self.models)
        for slot in range(longest):
            self._move([Run(k, (slot,)) for k, m in enumerate(self.models) if slot < len(m.calls.slots)], slot)
        runs = self._runs()
        for wider in _ROUNDS[1:]:
            before = [model.content.copy() for model in self.models]
            for model in self.models:
                model.count()
                model.fit(model.seen(self.children), wider)
            for together in runs:
                self._move(together)
                self._sort()
            same = all(np.array_equal(a, model.content) for a, model in zip(before, self.models, strict=True))
            if same and wider == _ROUNDS[-1]:
                break
        for rows, model in zip(self._rows, self.models, strict=True):
            for slot in range(model.content.shape[1]):
                row = model.content[:, slot]
                parent[row[row >= 0]] = rows[row >= 0]
        return parent

    def _runs(self) -> list[list[Run]]:
        """What is moved in turn, wherever calls of these names belong: single calls, then several of a request."""
        found: dict[tuple[tuple[int, int], ...], list[Run]] = {}
        for kind, model in enumerate(self.models):
            count = len(model.calls.slots)
            sets = {tuple(range(first, last)) for first in range(count) for last in range(first + 1, count + 1)}
            sets = {slots for slots in sets if len(slots) <= _LONGEST_RUN or len(slots) == count}
            stages = [[k for k, slot in enumerate(model.calls.slots) if slot.stage == s] for s in range(count)]
            for stage in stages:
                if 2 < len(stage) <= _MOST_AT_ONCE:
                    sets |= {some for length in range(2, len(stage)) for some in combinations(stage, length)}
            for slots in sets:
                key = tuple((model.calls.slots[slot].name, model.calls.slots[slot].nth) for slot in slots)
                found.setdefault(key, []).append(Run(kind, slots))
        return [found[key] for key in sorted(found, key=lambda key: (len(key), key))]

    def _move(self, runs: list[Run], upto: int | None = None) -> None:
        """Give the slots of ``runs`` anew to whom all delays become likeliest, the rest as it is."""
        offers = self._offers(runs, upto)
        taken = heaviest(offers.row, offers.block, offers.gain)
        base = 0
        width = len(runs[0].slots)
        for run in runs:
            model = self.models[run.kind]
            count = len(model.start)
            mine = taken[(offers.row[taken] >= base) & (offers.row[taken] < base + count)]
            content = np.full((count, width), -1, np.int64)
            content[offers.row[mine] - base] = offers.content[offers.block[mine]]
            model.content[:, list(run.slots)] = content
            base += count

    def _offers(self, runs: list[Run], upto: int | None = None) -> Offers:
        """What may go where: what the slots hold now, and calls that nobody has."""
        width = len(runs[0].slots)
        blocks, holders, base = list[Ints](), list[Ints](), 0
        for run in runs:
            model = self.models[run.kind]
            now = model.content[:, list(run.slots)]
            full = np.flatnonzero((now >= 0).any(axis=1))
            blocks.append(now[full])
            holders.append(full + base)
            base += len(model.start)
        if width == 1:
            free = np.ones(len(self.children.name), bool)
            for model in self.models:
                free[model.content[model.content >= 0]] = False
            names = np.unique([self.models[run.kind].calls.slots[run.slots[0]].name for run in runs])
            loose = np.flatnonzero(free & np.isin(self.children.name, names))
            blocks.append(loose[:, None])
            holders.append(np.full(len(loose), -1))
        content, holder = np.concatenate(blocks), np.concatenate(holders)
        rows, numbers, gains, base = list[Ints](), list[Ints](), list[Floats](), 0
        for run in runs:
            model = self.models[run.kind]
            wanted = np.arange(len(content))
            if width == 1:
                wanted = np.flatnonzero(self.children.name[content[:, 0]] == model.calls.slots[run.slots[0]].name)
            row, number = self._possible(run, model, content, wanted)
            hypothesis = model.content[row].copy()
            hypothesis[:, list(run.slots)] = -1
            without = model.score(row, hypothesis, self.children, upto)
            hypothesis[:, list(run.slots)] = content[number]
            gain = model.score(row, hypothesis, self.children, upto) - np.maximum(without, -1e9)
            gain -= self._stray * (content[number] >= 0).sum(axis=1)
            told = (content >= 0) & (self._known[content] >= 0)
            gain += _TOLD * told.sum(axis=1)[number]
            fits = np.isfinite(gain) & (gain > 0)
            rows.append(row[fits] + base)
            numbers.append(number[fits])
            gains.append(gain[fits])
            base += len(model.start)
        return Offers(np.concatenate(rows), np.concatenate(numbers), np.concatenate(gains), content, holder)

    def _possible(self, run: Run, model: Model, content: Ints, wanted: Ints) -> tuple[Ints, Ints]:
        """(row, block) of every request of ``model`` that was there all the time of a block."""
        there = content[wanted] >= 0
        begins = np.where(there, self.children.start[content[wanted]], np.inf).min(axis=1)
        ends = np.where(there, self.children.end[content[wanted]], -np.inf).max(axis=1)
        row, block = containing(model.start, model.end, begins, ends)
        told = np.where(there, self._known[content[wanted]], -1).max(axis=1)[block]
        fits = (told < 0) | (self._rows[run.kind][row] == told)
        return row[fits], wanted[block[fits]]

    def _sort(self) -> None:
        """Calls of one name by one request stand in the order of their start."""
        for model in self.models:
            names = [slot.name for slot in model.calls.slots]
            for name, times in Counter(names).items():
                if times > 1:
                    columns = [number for number, other in enumerate(names) if other == name]
                    now = model.content[:, columns]
                    order = np.argsort(np.where(now >= 0, self.children.start[now], np.inf), axis=1, kind="stable")
                    model.content[:, columns] = np.take_along_axis(now, order, axis=1)

    # -- how sure --

    def _by_name(self) -> list[list[Run]]:
        """Every slot for calls of a name, whichever of its calls of that name it is."""
        found: dict[int, list[Run]] = {}
        for kind, model in enumerate(self.models):
            for number, slot in enumerate(model.calls.slots):
                found.setdefault(slot.name, []).append(Run(kind, (number,)))
        return list(found.values())

    def _loops(self) -> NDArray[np.bool_]:
        """Calls that requests make a varying number of times, where several requests may have made them.

        Such calls can move between requests in more ways than are weighed.
        """
        ways = np.zeros(len(self.children.name), np.int64)
        varying = set[int]()
        for model in self.models:
            repeated = {slot.name for slot in model.calls.slots if slot.nth and slot.share < 1 - _RARE}
            varying |= repeated
            names = [slot.name for slot in model.calls.slots]
            calls = np.flatnonzero(np.isin(self.children.name, names))
            _, number = containing(model.start, model.end, self.children.start[calls], self.children.end[calls])
            ways += np.bincount(calls[number], minlength=len(ways))
        return np.isin(self.children.name, list(varying)) & (ways > 1)

    def _confidence(self, runs: list[list[Run]], count: int) -> Floats:
        """One over one plus the odds of every exchange with another request, and of every single move."""
        odds = np.zeros(count)
        of_kind = np.cumsum([0, *(len(model.start) for model in self.models)])
        several = [together for together in runs if len(together[0].slots) > 1]
        for together in [*self._by_name(), *several]:
            offers, width = self._offers(together), len(together[0].slots)
            if not len(offers.row):
                continue
            held = np.full(len(offers.content), -np.inf)
            mine = offers.row == offers.holder[offers.block]
            held[offers.block[mine]] = offers.gain[mine]
            single = offers.content[offers.block[mine], 0]
            if width == 1:  # nobody's
                np.add.at(odds, single, np.exp(-offers.gain[mine]))
            rows = int(offers.row.max()) + 1
            has = np.full(max(rows, int(offers.holder.max(initial=-1)) + 1), -1)
            has[offers.holder[offers.holder >= 0]] = np.flatnonzero(offers.holder >= 0)
            key = offers.row * np.int64(len(offers.content)) + offers.block
            order = np.argsort(key)
            whose = np.concatenate([np.arange(*of_kind[run.kind : run.kind + 2]) for run in together])
            elsewhere = whose[offers.row] != whose[offers.holder[offers.block]]
            other = np.flatnonzero(~mine & elsewhere & np.isfinite(held[offers.block]))
            block, row = offers.block[other], offers.row[other]
            theirs = has[row]  # what that request has now, which would go the other way
            back = offers.holder[block] * np.int64(len(offers.content)) + theirs
            at = np.minimum(np.searchsorted(key[order], back), len(key) - 1)
            exchanged = (theirs >= 0) & (key[order][at] == back)
            given = np.where(exchanged, offers.gain[order][at], np.where(theirs >= 0, -np.inf, 0.0))
            change = offers.gain[other] + given - held[block] - np.where(theirs >= 0, held[theirs], 0.0)
            likely = np.exp(np.minimum(change, 20.0))
            for blocks in (block, np.where(theirs >= 0, theirs, -1)):
                there = (blocks >= 0) & np.isfinite(likely)
                children = offers.content[blocks[there]]
                weight = np.broadcast_to(likely[there][:, None], children.shape)
                np.add.at(odds, children[children >= 0], weight[children >= 0])
        sure: Floats = 1.0 / (1.0 + odds)
        return np.where(self._loops(), np.minimum(sure, _LOOP), sure)


def containing(start: Floats, end: Floats, begins: Floats, ends: Floats) -> tuple[Ints, Ints]:
    """(row, number) of every interval of ``start`` (ascending) and ``end`` that holds one of ``begins`` to ``ends``.

    Of intervals of similar length no more than the latest _MOST_OPEN are looked at for each.
    """
    length = np.maximum(end - start, 1.0)
    size = np.where(np.isfinite(length), np.log2(length, where=np.isfinite(length), out=np.zeros(len(length))) // 2, -1)
    rows, numbers = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for kind in np.unique(size).tolist():  # else one that never ends would be a candidate's neighbour for ever
        these = np.flatnonzero(size == kind)
        high = np.searchsorted(start[these], begins, side="right")
        low = np.maximum(high - _MOST_OPEN, 0)
        if kind >= 0:
            low = np.maximum(low, np.searchsorted(start[these], ends - length[these].max(), side="left"))
        count = np.maximum(high - low, 0)
        number = np.repeat(np.arange(len(begins)), count)
        row = these[np.arange(len(number)) - np.repeat(np.cumsum(count) - count - low, count)]
        fits = end[row] >= ends[number]
        rows.append(row[fits])
        numbers.append(number[fits])
    return np.concatenate(rows), np.concatenate(numbers)


def _content(rows: Ints, parent: Ints, calls: Calls, children: Children) -> Ints:
    """Children by slot of the requests ``rows`` (any order), from the known ``parent`` of each child."""
    content = np.full((len(rows), len(calls.slots)), -1, np.int64)
    at = {row: place for place, row in enumerate(rows.tolist())}
    column = {(slot.name, slot.nth): number for number, slot in enumerate(calls.slots)}
    nth = Counter[tuple[int, int]]()
    for child in np.argsort(children.start, kind="stable").tolist():
        place = at.get(int(parent[child]))
        if place is None:
            continue
        name = int(children.name[child])
        number = column.get((name, nth[place, name]))
        nth[place, name] += 1
        if number is not None:
            content[place, number] = child
    return content
