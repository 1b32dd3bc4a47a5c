"""Parents of client spans, process by process, from timestamps; see the package."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clew.causal.delays.process import Process

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spans:
    """Columns of equal length, one row a span: whose (any number for a process), received or sent, and when."""

    process: Ints
    server: NDArray[np.bool_]  # received a request; False: sent one
    name: Ints  # any number for a name
    start_ns: Ints
    end_ns: Ints  # the largest int64: not seen


@dataclass(frozen=True)
class Inferred:
    """For each row of the spans: the row of its parent (-1: none found; servers have none) and how sure that is."""

    parent: Ints
    confidence: Floats


def infer(
    spans: Spans, quiet: Spans | None = None, known: Ints | None = None, least: float = 0.0, slack_ns: int = 0
) -> Inferred:
    """The server span of the same process that each client span works for.

    ``quiet``: spans of the same processes and names at low load, from which is learnt what calls what (without, from
    those requests among ``spans`` that no other overlaps). ``known``: parents that are known from elsewhere, by row
    (-1: not known); they are kept, and learnt from. Links less sure than ``least`` are left out. ``slack_ns``: how
    far a call may stand out of its request, for clocks that are coarse.
    """
    spans, quiet = _widened(spans, slack_ns), quiet and _widened(quiet, slack_ns)
    count = len(spans.process)
    parent, confidence = np.full(count, -1, np.int64), np.zeros(count)
    known = np.full(count, -1, np.int64) if known is None else known
    for number in np.unique(spans.process[~spans.server]).tolist():
        here = spans.process == number
        servers, clients = np.flatnonzero(here & spans.server), np.flatnonzero(here & ~spans.server)
        if not servers.size:
            continue
        process = Process(*_times(spans, servers), *_times(spans, clients), _inside(known[clients], servers))
        if quiet is not None:
            there = quiet.process == number
            process.learn(*_times(quiet, there & quiet.server), *_times(quiet, there & ~quiet.server))
        found, sure = process.solve()
        rows = (found >= 0) & (sure >= least)
        parent[clients[rows]] = servers[found[rows]]
        confidence[clients[rows]] = sure[rows]
    return Inferred(parent, confidence)


def _times(spans: Spans, rows: Ints | NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """(name, start, end) of these rows."""
    return spans.name[rows], spans.start_ns[rows], spans.end_ns[rows]


def _inside(rows: Ints, of: Ints) -> Ints:
    """Places of ``rows`` in the sorted ``of``; -1 where they are not in it."""
    at = np.minimum(np.searchsorted(of, rows), len(of) - 1)
    return np.where(of[at] == rows, at, -1).astype(np.int64)


def _widened(spans: Spans, slack_ns: int) -> Spans:
    """``spans`` with that much more time for requests at both ends."""
    if not slack_ns:
        return spans
    more = np.where(spans.server, slack_ns, 0)
    seen = spans.end_ns != np.iinfo(np.int64).max
    return replace(spans, start_ns=spans.start_ns - more, end_ns=spans.end_ns + np.where(seen, more, 0))
