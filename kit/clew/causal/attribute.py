"""The second stage: which request each call was made for, process by process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.causal.rules import BY_NUMBER, UNLIKELY
from clew.native.causal import NEVER, Signals, attribute

PART = 4_000_000
"""Spans that are looked at together: whole processes, so one with more is looked at alone."""

_MEMBERS = """
CREATE OR REPLACE TEMP TABLE member AS
WITH size AS (
    SELECT t.process_id, count(*) AS spans FROM pair JOIN thread t USING (thread_id) GROUP BY t.process_id),
placed AS (
    SELECT process_id, row_number() OVER (ORDER BY process_id) - 1 AS nth,
           (sum(spans) OVER (ORDER BY process_id) - spans) // $part AS part FROM size)
SELECT t.thread_id, t.process_id, p.nth, p.part, row_number() OVER (ORDER BY t.thread_id) - 1 AS thread_no
FROM thread t JOIN placed p USING (process_id)
"""

_SPANS = """
SELECT p.row, m.nth, p.client, p.start_ns AS start, p.begun_ns AS begun,
       coalesce(CASE WHEN p.client THEN reply_last_ns ELSE reply_first_ns END, $never) AS "end",
       coalesce(CASE WHEN p.client THEN reply_first_ns ELSE reply_last_ns END, $never) AS whole,
       m.thread_no AS thread, coalesce(e.thread_no, -1) AS end_thread, p.conn_id, p.name_no AS name, p.held
FROM pair p
JOIN member m USING (thread_id)
LEFT JOIN member e ON e.thread_id = p.reply_thread_id AND e.process_id = m.process_id
WHERE m.part = $this
ORDER BY m.nth, p.row
"""

# A new turn of a loop begins when the thread has asked which descriptors are ready. Telling another thread of the same
# process something, through a pipe, an eventfd or a pair of sockets, ends what a worker did before.
_SIGNALS = """
SELECT m.nth, e.ts_ns + CASE WHEN o.class = 'wait' THEN e.dur_ns ELSE 0 END AS ns, m.thread_no AS thread,
       CASE WHEN o.class = 'wait' THEN 1 ELSE 2 END AS kind
FROM event e
JOIN member m USING (thread_id)
JOIN op o USING (op_id)
LEFT JOIN connection c USING (conn_id)
LEFT JOIN connection d ON d.conn_id = c.peer_conn_id
WHERE m.part = $this AND (o.class = 'wait' OR o.class = 'write' AND (c.kind = 'anon' OR c.pid = d.pid AND c.kind <> 'tcp'))
ORDER BY m.nth, ns
"""


@dataclass(frozen=True)
class Links:
    """For each row of ``pair``: the row of its parent or -1, how it was found, how sure that is."""

    parent: NDArray[np.int64]
    rule: NDArray[np.object_]
    confidence: NDArray[np.float64]
    work: pa.Table  # thread_no, start_ns, end_ns, row
    unlikely: pa.Table  # row, cause, confidence


def link(connection: duckdb.DuckDBPyConnection) -> Links:
    """Find the parent of every row of ``pair``; makes ``member`` (threads by number) on the way."""
    connection.execute(_MEMBERS, {"part": PART})
    count = _one(connection, "SELECT count(*) FROM pair")
    parent, confidence = np.full(count, -1, np.int64), np.zeros(count)
    number, known = np.zeros(count, np.uint8), ("", *sorted(set(BY_NUMBER)), "match", "datagram")
    number[:] = known.index("root")
    work, unlikely = [], []
    for part in range(_one(connection, "SELECT coalesce(max(part) + 1, 0) FROM member")):
        spans = connection.execute(_SPANS, {"this": part, "never": int(NEVER)}).fetchnumpy()
        rows, client = spans["row"], spans["client"].astype(bool)
        first = _starts(spans["nth"])
        conns, conn = np.unique(spans.pop("conn_id"), return_inverse=True)
        found = attribute(first, spans | {"conn": conn}, _signals(connection, part, spans["nth"][first[:-1]]), len(conns))
        sure = (found.rule != UNLIKELY) & (found.cause >= 0)
        parent[rows[sure]] = rows[found.cause[sure]]
        confidence[rows] = np.where(sure, found.confidence, 0)
        names = np.array([known.index(name) for name in BY_NUMBER], np.uint8)
        number[rows[client]] = names[found.rule[client]]
        doubtful = np.flatnonzero((found.rule == UNLIKELY) & (found.cause >= 0))
        unlikely.append((rows[doubtful], rows[found.cause[doubtful]], found.confidence[doubtful]))
        work.append((found.work["thread"], found.work["start"], found.work["end"], rows[found.work["span"]]))
    matched = connection.execute("SELECT row, parent, rule, confidence FROM matched").fetchnumpy()
    parent[matched["row"]] = matched["parent"]
    confidence[matched["row"]] = matched["confidence"]
    number[matched["row"]] = np.where(matched["rule"] == "match", known.index("match"), known.index("datagram"))
    lost = connection.execute(_LOST).fetchnumpy()["row"]
    number[lost] = known.index("unresolved")
    confidence[number == known.index("root")] = 1
    return Links(
        parent,
        np.array(known, object)[number],
        confidence,
        _table(work, ("thread_no", "start_ns", "end_ns", "row")),
        _table(unlikely, ("row", "cause", "confidence")),
    )


# A server's request whose other end was recorded has a cause, even if the message there was not understood.
_LOST = """
SELECT row FROM pair JOIN other_end o USING (conn_id)
WHERE NOT client AND row NOT IN (SELECT row FROM matched) AND o.peer_conn_id IN (SELECT conn_id FROM pair)
"""


def _signals(connection: duckdb.DuckDBPyConnection, part: int, groups: NDArray[np.int64]) -> Signals:
    found = connection.execute(_SIGNALS, {"this": part}).fetchnumpy()
    first = np.searchsorted(found["nth"], np.append(groups, np.iinfo(np.int64).max)).astype(np.int64)
    return Signals(
        first, found["ns"].astype(np.int64), found["thread"].astype(np.int32), found["kind"].astype(np.uint8)
    )


def _starts(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each run of equal numbers starts, and the end."""
    changes = np.flatnonzero(np.diff(group)) + 1
    return np.concatenate(([0], changes, [len(group)])).astype(np.int64) if len(group) else np.zeros(1, np.int64)


def _table(parts: list[tuple[NDArray[Any], ...]], names: tuple[str, ...]) -> pa.Table:
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.zeros(0)] * len(names)
    return pa.table(dict(zip(names, columns, strict=True)))


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(connection.execute(sql).fetchall()[0][0])
