"""The flame chart: the stacks of one thread in the order of time, equal neighbours joined."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer, runnable
from clew.questions.forest import choose, forest_of

GAP = 3
"""Sample intervals (the median one) without a sample after which the thread is taken not to have been there."""


def flame_chart(case: Case, lens: Lens, tid: int, event: str | None = None, *, pid: int | None = None) -> Answer:
    """What thread ``tid`` was seen in, when: a row for each stretch of samples that share a frame and all above it.

    Columns: ``name``, ``module``, ``kind``, ``depth`` (from 1), ``start_ns``, ``end_ns`` (case's clock; the end of a
    stretch is the next sample, or one interval on where there is none for long), ``samples``. Sampled, not traced: what
    is shorter than an interval may be missing. Off-CPU and wall-clock samples last as long as they weigh. Summary:
    event, unit, samples, interval_ns (median). Raises ClewError where the thread has no samples with a time.
    """
    chosen = choose(case, lens, event)
    forest = forest_of(case)
    predicate, params = lens.compile("sample")
    sql = f"""SELECT ts_ns, stack_id, weight FROM sample
WHERE {predicate} AND tid = $tid AND ($pid IS NULL OR pid = $pid) AND ts_ns IS NOT NULL AND stack_id IS NOT NULL
      AND event_id IN (SELECT event_id FROM sample_event WHERE name = $event AND kind = $kind)
ORDER BY ts_ns, stack_id"""
    params |= {"tid": tid, "pid": pid, "event": chosen.name, "kind": chosen.kind}
    found = case.sql(sql, params)
    if not found.num_rows:
        raise ClewError(f"thread {tid} has no samples of {chosen.name} with a time under this lens")
    at = found["ts_ns"].to_numpy()
    row = forest.ids.rows(found["stack_id"].to_numpy())
    steps = np.diff(at)
    interval = int(np.median(steps[steps > 0])) if (steps > 0).any() else 1_000_000
    until = np.append(at[1:], at[-1] + interval)
    if chosen.unit == "ns" and chosen.kind in ("off-cpu", "wall"):
        until = np.minimum(until, at + found["weight"].to_numpy().astype(np.int64))
        broken = until[:-1] < at[1:]
    else:
        broken = until[:-1] - at[:-1] > GAP * interval
        until[:-1][broken] = at[:-1][broken] + interval
    table = _stretches(forest.parent, row, at, until, np.append(True, broken))
    frames = forest.frames.select(["function", "module", "kind"]).take(pa.array(forest.frame[table["row"].to_numpy()]))
    table = pa.table(
        {
            "name": frames["function"],
            "module": frames["module"],
            "kind": frames["kind"],
            **{name: table[name] for name in ("depth", "start_ns", "end_ns", "samples")},
        }
    )
    figures = {"event": chosen.name, "unit": chosen.unit, "samples": len(at), "interval_ns": interval}
    return Answer(table, runnable(sql, params), f"thread {tid} over time, {chosen.name}", None, figures)


def _stretches(parent: np.ndarray, row: np.ndarray, at: np.ndarray, until: np.ndarray, fresh: np.ndarray) -> pa.Table:
    """(row of the forest, depth, start_ns, end_ns, samples) of each stretch, one level of the stacks after the other.

    ``fresh``: samples that do not continue the one before them.
    """
    paths = _paths(parent, row)
    parts = []
    for level in range(paths.shape[1]):
        here = paths[:, level]
        begins = here != np.append(-2, here[:-1])
        begins |= fresh
        begins &= here >= 0
        # a stretch ends where the next one begins, or where the level is empty
        edge = np.flatnonzero(begins | (here < 0) & np.append(False, here[:-1] >= 0))
        starts = edge[here[edge] >= 0]
        ends = np.append(edge, len(here))[np.searchsorted(edge, starts) + 1] - 1
        parts.append(
            pa.table(
                {
                    "row": here[starts],
                    "depth": np.full(len(starts), level + 1, np.int32),
                    "start_ns": at[starts],
                    "end_ns": until[ends],
                    "samples": ends - starts + 1,
                }
            )
        )
    table = pa.concat_tables(parts)
    return table.take(pc.sort_indices(table, [("depth", "ascending"), ("start_ns", "ascending")]))


def _paths(parent: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The rows from the root to each of ``row``, one line each, filled up with -1."""
    levels = [row]
    while (levels[-1] >= 0).any():
        above = levels[-1]
        levels.append(np.where(above >= 0, parent[above], -1))
    upward = np.stack(levels[:-1], axis=1)
    depth = (upward >= 0).sum(axis=1)
    paths = np.full(upward.shape, -1, upward.dtype)
    for level in range(upward.shape[1]):
        inside = depth > level
        paths[inside, level] = upward[inside, depth[inside] - 1 - level]
    return paths
