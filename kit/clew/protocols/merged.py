"""Reads that took in many writes at once: more of them was kept where they were written.

Of each call the first and the last bytes are kept. Who asks ten things on one connection writes ten times, each of them
kept; a server that reads them all at once keeps the first ones and the end of the last. The bytes are the same, so
they are taken from the writer's end, if that was recorded and one thread wrote them all: others may have been told in
another order.
"""

from __future__ import annotations

import duckdb

# Ends that read in fewer calls than the other end wrote. Both must be known.
_PAIRS = """
CREATE OR REPLACE TEMP TABLE talk_pair AS
SELECT r.conn_id, w.conn_id AS writer
FROM talk r JOIN connection c USING (conn_id) JOIN talk w ON w.conn_id = c.peer_conn_id
WHERE r.kind IN ('tcp', 'unix') AND NOT r.tls AND NOT w.tls AND w.writers = 1 AND r.reads < w.writes
"""
# Reads of which bytes are missing.
_READS = """
CREATE OR REPLACE TEMP TABLE talk_read AS
SELECT e.conn_id, t.writer, e.ts_ns, e.dur_ns, e.bytes, e.byte_offset, e.thread_id, e.seq, e.pid, e.tid, p.head, p.tail
FROM event e
JOIN talk_pair t USING (conn_id)
JOIN talk_op o USING (op_id)
JOIN payload p ON p.thread_id = e.thread_id AND p.seq = e.seq
WHERE NOT o.sent AND e.errno = 0 AND p.cut AND e.byte_offset IS NOT NULL
"""
# What lies between is a hole, as the offsets tell. A write that went on into the next read ends as this one kept it.
_CALLS = """
CREATE OR REPLACE TEMP TABLE talk_merged AS
WITH wrote AS (
    SELECT e.conn_id AS writer, e.byte_offset AS begins, e.byte_offset + e.bytes AS ends, p.head, p.tail
    FROM event e JOIN talk_op o USING (op_id) JOIN payload p ON p.thread_id = e.thread_id AND p.seq = e.seq
    WHERE o.sent AND e.errno = 0 AND e.byte_offset IS NOT NULL AND e.conn_id IN (SELECT writer FROM talk_read)),
took AS (SELECT *, byte_offset + bytes AS over_at FROM talk_read),
within AS (
    SELECT t.thread_id, t.seq, t.over_at, w.* EXCLUDE (writer)
    FROM wrote w ASOF JOIN took t ON t.writer = w.writer AND t.byte_offset <= w.begins WHERE w.begins < t.over_at),
piece AS (
    SELECT thread_id, seq, begins AS starts, head AS data FROM within
    UNION ALL SELECT thread_id, seq, ends - octet_length(tail), tail FROM within
    WHERE ends <= over_at AND tail IS NOT NULL
    UNION ALL SELECT thread_id, seq, byte_offset, head FROM took
    UNION ALL SELECT thread_id, seq, over_at - octet_length(tail), tail FROM took WHERE tail IS NOT NULL)
SELECT t.conn_id, t.ts_ns, t.dur_ns, least(octet_length(data), over_at - starts)::UBIGINT AS bytes,
       starts::UBIGINT AS byte_offset, thread_id, seq, t.pid, t.tid, data AS head
FROM piece JOIN took t USING (thread_id, seq) WHERE octet_length(data) > 0
"""


def plan_merged(connection: duckdb.DuckDBPyConnection) -> bool:
    """Make the temporary tables talk_read, and talk_merged: calls to be told in its place. False: there are none."""
    connection.execute(_PAIRS)
    if not connection.execute("FROM talk_pair LIMIT 1").fetchall():
        return False
    connection.execute(_READS)
    connection.execute(_CALLS)
    return True
