"""Spans in arrays, how much of each was its own time, and how much of that threads worked.

A span waits for a child that ended before it did. A child that outlives its parent (a log statement that nobody waits
for) is work that the parent began, not time that it spent; but the ``server`` end of an exchange counts as waited for
by its ``client`` end even where its last call returned a little later than the client had its bytes. Children at the
same time count once: self time is what no child that was waited for covers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.native import causal

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Spans:
    """Rows of ``table`` (span_id, parent_span_id, kind, start_ns, end_ns at least).

    ``parent`` is a row or -1; ``end`` of a span whose end was not seen (``open``) is its start.
    """

    table: pa.Table
    parent: Ints
    start: Ints
    end: Ints
    open: Flags
    client: Flags

    def codes(self, name: str) -> tuple[Ints, list[str | None]]:
        """Column ``name`` as numbers, and what they stand for."""
        coded = self.table[name].combine_chunks()
        if not pa.types.is_dictionary(coded.type) or coded.null_count:
            coded = coded.cast(pa.string()).dictionary_encode(null_encoding="encode")
        return coded.indices.to_numpy().astype(np.int64), coded.dictionary.to_pylist()

    def is_kind(self, kind: str) -> Flags:
        """Which rows are of that ``kind``."""
        number, kinds = self.codes("kind")
        return number == kinds.index(kind) if kind in kinds else np.zeros(len(number), bool)


@dataclass(frozen=True)
class Times:
    """ns, by row of Spans.

    ``own``: what no child covers; ``wait``: what children cover; ``known``: both are (not so where the span's end or a
    child's was not seen). ``covers``: what of its parent's time this child covers and none that began earlier does;
    ``waited``: its parent waited for it; ``outlives``: it ended after its parent, which did not wait for it.
    """

    own: Ints
    wait: Ints
    known: Flags
    covers: Ints
    waited: Flags
    outlives: Flags


_SPREAD = 16  # entries for each span at most, in a table by number


def arrays(table: pa.Table) -> Spans:
    """Spans of the rows of ``table``; a parent that is not among them is as good as none."""
    ids = table["span_id"].to_numpy()
    parent = places(ids, pc.fill_null(table["parent_span_id"], 0).to_numpy())
    parent[pc.is_null(table["parent_span_id"]).to_numpy() | (parent == np.arange(len(ids)))] = -1
    start = table["start_ns"].to_numpy().astype(np.int64)
    end = pc.coalesce(table["end_ns"], table["start_ns"]).to_numpy().astype(np.int64)
    open_ = pc.is_null(table["end_ns"]).to_numpy()
    spans = Spans(table, parent, start, np.maximum(start, end), open_, open_)
    return replace(spans, client=spans.is_kind("client"))


class Places:
    """Where in ``ids`` a number is: the first place, should it be there twice."""

    def __init__(self, ids: NDArray[np.unsignedinteger[Any]]) -> None:
        self._ids = ids
        self._table: NDArray[np.signedinteger[Any]] | None = None
        if not len(ids):
            return
        lowest, highest = ids.min(), ids.max()
        if int(highest - lowest) < _SPREAD * len(ids):  # numbers made by clew: a table is quicker than a search
            self._lowest, self._highest = lowest, highest
            self._table = np.full(int(highest - lowest) + 1, -1, np.min_scalar_type(-len(ids)))
            self._table[(ids - lowest)[::-1]] = np.arange(len(ids))[::-1]
        else:
            self._order = np.argsort(ids, kind="stable")

    def of(self, wanted: NDArray[np.unsignedinteger[Any]]) -> Ints:
        """The place of each of ``wanted``; -1: nowhere."""
        ids = self._ids
        if not len(ids):
            return np.full(len(wanted), -1, np.int64)
        wanted = wanted.astype(ids.dtype, copy=False)  # of two kinds of integers numpy would make floats
        if self._table is not None:
            inside = (wanted >= self._lowest) & (wanted <= self._highest)
            return np.where(inside, self._table[np.where(inside, wanted - self._lowest, 0)], -1).astype(np.int64)
        place = self._order[np.minimum(np.searchsorted(ids, wanted, sorter=self._order), len(ids) - 1)]
        return np.where(ids[place] == wanted, place, -1)


def places(ids: NDArray[np.unsignedinteger[Any]], wanted: NDArray[np.unsignedinteger[Any]]) -> Ints:
    """Where in ``ids`` each of ``wanted`` is; -1: nowhere."""
    return Places(ids).of(wanted)


def times(spans: Spans) -> Times:
    """Self time and waiting of every span."""
    size = len(spans.start)
    child = np.flatnonzero(spans.parent >= 0)
    above = spans.parent[child]
    late = spans.end[child] > spans.end[above]
    seen = ~spans.open[child] & ~spans.open[above]
    waiting = seen & (spans.client[above] | ~late)
    known = ~spans.open
    known[above[spans.open[child]]] = False
    outlives, waited, covers = np.zeros(size, bool), np.zeros(size, bool), np.zeros(size, np.int64)
    outlives[child[seen & late & ~spans.client[above]]] = True
    child, above = child[waiting], above[waiting]
    waited[child] = True
    low = np.minimum(np.maximum(spans.start[child], spans.start[above]), spans.end[above])
    high = np.maximum(np.minimum(spans.end[child], spans.end[above]), low)
    order = np.lexsort((high, low, above))
    child, above, low, high = child[order], above[order], low[order], high[order]
    low = np.maximum(low, _highest_before(above, low, high))
    covers[child] = np.maximum(high - low, 0)
    wait = np.zeros(size, np.int64)
    np.add.at(wait, above, covers[child])
    return Times(spans.end - spans.start - wait, wait, known, covers, waited, outlives)


def _highest_before(group: Ints, low: Ints, high: Ints) -> Ints:
    """The largest ``high`` of the rows before each in its ``group`` (rows are sorted by group); ``low`` for the first.

    Ranks in place of times: group * rows + rank cannot overflow as group * time would.
    """
    if not len(group):
        return low
    levels, rank = np.unique(high, return_inverse=True)
    first = np.concatenate(([True], group[1:] != group[:-1]))
    number = np.cumsum(first) - 1
    most = np.maximum.accumulate(number * len(levels) + rank) - number * len(levels)
    before = np.concatenate(([0], levels[most[:-1]]))
    return np.where(first, low, before)


def worked(table: pa.Table, spans: Spans, times: Times) -> Ints:
    """For each span: ns of the intervals in ``table`` (span_id, start_ns, end_ns) while it waited for no child.

    Work on a call is work for what the call is for.
    """
    ids = spans.table["span_id"].to_numpy()
    place = places(ids, table["span_id"].to_numpy())
    tree = {"parent": spans.parent, "start": spans.start, "end": spans.end, "client": spans.client}
    low, high = (table[name].to_numpy() for name in ("start_ns", "end_ns"))
    return causal.worked(tree | {"covers": times.covers}, place, low, high)
