"""Parents of client spans, process by process, from timestamps; see the package."""

from __future__ import annotations

from dataclasses import dataclass

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


def infer(spans: Spans, quiet: Spans | None = None, known: Ints | None = None, least: float = 0.0) -> Inferred:
    """The server span of the same process that each client span works for.

    ``quiet``: spans of the same processes and names at low load, from which is learnt what calls what (without, from
    those requests among ``spans`` that no other overlaps). ``known``: parents that are known from elsewhere, by row
    (-1: not known); they are kept, and learnt from. Links less sure than ``least`` are left out.
    """
    count = len(spans.process)
    parent, confidence = np.full(count, -1, np.int64), np.zeros(count)
    known = np.full(count, -1, np.int64) if known is None else known
    for number in np.unique(spans.process[~spans.server]).tolist():
        here = spans.process == number
        servers, clients = np.flatnonzero(here & spans.server), np.flatnonzero(here & ~spans.server)
        if not servers.size:
            continue
        process = Process(
            *(column[servers] for column in (spans.name, spans.start_ns, spans.end_ns)),
            *(column[clients] for column in (spans.name, spans.start_ns, spans.end_ns)),
            known=_inside(known[clients], servers),
        )
        if quiet is not None:
            there = quiet.process == number
            a, b = there & quiet.server, there & ~quiet.server
            process.learn(
                *(column[a] for column in (quiet.name, quiet.start_ns, quiet.end_ns)),
                *(column[b] for column in (quiet.name, quiet.start_ns, quiet.end_ns)),
            )
        found, sure = process.solve()
        rows = (found >= 0) & (sure >= least)
        parent[clients[rows]] = servers[found[rows]]
        confidence[clients[rows]] = sure[rows]
    return Inferred(parent, confidence)


def _inside(rows: Ints, of: Ints) -> Ints:
    """Places of ``rows`` in the sorted ``of``; -1 where they are not in it."""
    at = np.minimum(np.searchsorted(of, rows), len(of) - 1)
    return np.where(of[at] == rows, at, -1).astype(np.int64)
