"""The last stage: where the time of each span went, and who called whom, told once for all questions that add it up."""

from __future__ import annotations

from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.causal import hops, span_times
from clew.causal.ahead import one_ahead
from clew.causal.span_times import Spans, Times

MOST = 500_000
"""Spans of a range of requests, about; two ranges are in memory at a time."""

_RANGE = "request_id BETWEEN $first AND $last"
_SPANS = f"""SELECT span_id, request_id, parent_span_id, kind, command, start_ns, end_ns, {hops.COLUMNS}
FROM span WHERE {_RANGE}"""
_WORKING = f"SELECT span_id, start_ns, end_ns FROM working WHERE {_RANGE}"
# Calls that do nothing but wait, made while their thread worked for a request.
_BLOCKED = f"""SELECT w.span_id, e.ts_ns AS start_ns, least(e.ts_ns + e.dur_ns, w.end_ns) AS end_ns
FROM (SELECT host, tid, ts_ns, dur_ns FROM event
      WHERE ts_ns >= $since AND ts_ns < $until AND op_id IN (
          SELECT op_id FROM op WHERE class = 'wait' OR op IN ('cond_wait', 'sem_wait', 'futex_wait'))) e
ASOF JOIN (SELECT * FROM working WHERE {_RANGE}) w
     ON w.host = e.host AND w.tid = e.tid AND w.start_ns <= e.ts_ns
WHERE e.ts_ns < w.end_ns"""

_WAITS = """INSERT INTO span_wait
SELECT r.* EXCLUDE (conn_id, other, waited_ns), coalesce(other, peer), waited_ns
FROM rows r LEFT JOIN connection c ON c.conn_id = r.conn_id AND other IS NULL"""
_HOPS = """INSERT INTO hop
SELECT r.* EXCLUDE (conn_id) REPLACE (coalesce(to_command, peer) AS to_command)
FROM rows r LEFT JOIN connection c ON c.conn_id = r.conn_id AND to_command IS NULL"""


class _Read(NamedTuple):
    """Spans of a range of requests, when threads worked for them, and when those threads did nothing but wait."""

    spans: pa.Table
    working: pa.Table
    blocked: pa.Table


def make(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill span_time, span_wait and hop anew from span, working, event and message."""
    for table in ("span_time", "span_wait", "hop"):
        connection.execute(f"DELETE FROM {table}")
    sizes = hops.Sizes(connection)
    for sums in one_ahead(_ranges(connection), lambda bound: _read(connection, bound), lambda read: _sum(read, sizes)):
        for query in list(sums):
            _insert(connection, query, sums.pop(query))


def complete(connection: duckdb.DuckDBPyConnection) -> None:
    """The same where spans are there without it: tables that an older clew wrote."""
    has = ", ".join(f"EXISTS (FROM {table})" for table in ("span", "span_time", "span_wait", "hop"))
    if connection.execute(f"SELECT {has}").fetchall() == [(True, False, False, False)]:
        make(connection)


def _insert(connection: duckdb.DuckDBPyConnection, query: str, rows: pa.Table) -> None:  # noqa: ARG001 -- it asks for them
    connection.execute(query)


def _ranges(connection: duckdb.DuckDBPyConnection) -> list[dict[str, int]]:
    """Ranges (``first``, ``last``) of request ids with about MOST spans in each: a request is never divided."""
    (whole,) = connection.execute("SELECT coalesce(sum(spans), 0)::BIGINT FROM request").fetchall()[0]
    parts = whole // MOST + 1
    shares = [number / parts for number in range(1, parts)]
    cuts: list[int] = []
    if shares:
        query = "SELECT quantile_disc(request_id, $shares) FROM request"
        cuts = sorted(set(connection.execute(query, {"shares": shares}).fetchall()[0][0]))
    bounds = zip([0, *(cut + 1 for cut in cuts)], [*cuts, (1 << 63) - 1], strict=True)
    return [{"first": first, "last": last} for first, last in bounds]


def _read(connection: duckdb.DuckDBPyConnection, bound: dict[str, int]) -> _Read:
    """A range of requests."""
    spans = connection.sql(_SPANS, params=bound).to_arrow_table().combine_chunks()
    working = connection.sql(_WORKING, params=bound).to_arrow_table()
    since, until = pc.min(spans["start_ns"]).as_py(), pc.max(pc.coalesce(spans["end_ns"], spans["start_ns"])).as_py()
    moment = {"since": since, "until": until}
    return _Read(spans, working, connection.sql(_BLOCKED, params=bound | moment).to_arrow_table())


def _sum(read: _Read, sizes: hops.Sizes) -> dict[str, pa.Table]:
    """The rows of each table, by how they are inserted; none where there are no spans."""
    if not len(read.spans):
        return {}
    spans = _arrays(read.spans)
    times = span_times.times(spans)
    return {
        "INSERT INTO span_time SELECT * FROM rows": _own(read, spans, times),
        _WAITS: _waits(spans, times),
        _HOPS: hops.hops(spans, sizes),
    }


def _arrays(table: pa.Table) -> Spans:
    """Spans in order of their numbers: of one parent the first is the one that began first."""
    for name in ("kind", "command", "protocol"):
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    order = np.argsort(table["span_id"].to_numpy(), kind="stable")
    return span_times.arrays(table.take(pa.array(order)))


def _own(read: _Read, spans: Spans, times: Times) -> pa.Table:
    """Rows of span_time."""
    inside = np.minimum(span_times.worked(read.working, spans, times), times.own)
    waiting = np.minimum(span_times.worked(read.blocked, spans, times), inside)
    work = np.flatnonzero(~spans.client | (spans.parent < 0))
    unknown = ~times.known[work]
    figures = {"dur_ns": spans.end - spans.start, "self_ns": times.own, "worked_ns": inside, "blocked_ns": waiting}
    kept = spans.table.select(["span_id", "request_id", "start_ns", "command"]).take(pa.array(work))
    kept = kept.append_column("caller", pa.array(spans.client[work]))
    for name, values in figures.items():
        kept = kept.append_column(name, pa.array(values[work], mask=unknown))
    return kept


def _waits(spans: Spans, times: Times) -> pa.Table:
    """Rows of span_wait; ``other`` (NULL: not recorded) and ``conn_id`` in place of whom they waited for."""
    work = ~spans.client & times.known
    child = np.flatnonzero(times.waited)
    child = child[work[spans.parent[child]]]
    # The program at the other end of a client span is that of its server span; else what the connection says.
    other = np.where(spans.client, -1, np.arange(len(spans.client)))
    below = np.flatnonzero((spans.parent >= 0) & ~spans.client)[::-1]
    answered = below[spans.client[spans.parent[below]]]
    other[spans.parent[answered]] = answered
    # A child of the same program that is no call (an imported span inside the program) is part of its own time.
    command = spans.codes("command")[0]
    inside = ~spans.client[child] & (command[child] == command[spans.parent[child]])
    inside &= ~spans.is_kind("process")[child]
    child = child[~inside]
    above, other = spans.parent[child], other[child]
    kept = spans.table.select(["span_id", "request_id", "start_ns", "command"]).take(pa.array(above))
    kept = kept.append_column("conn_id", spans.table["conn_id"].take(pa.array(child)))
    kept = kept.append_column("other", spans.table["command"].take(pa.array(other, mask=other < 0)))
    return kept.append_column("waited_ns", pa.array(times.covers[child]))
