"""CGI: which pipes are the standard output of a program that a web server ran, and what it was asked for.

The request stands in the program's environment, not in bytes that were moved: its text is put in front of the pipe's
calls, as if the web server had written it when it forked, and counts no bytes.
"""

from __future__ import annotations

import duckdb

# Programs that the one asked for ran have the same variables: they are not asked.
_RUNS = """
CREATE OR REPLACE TEMP TABLE talk_cgi_run AS
SELECT g.capture_id, g.thread_id, g.pid, g.ts_ns, encode(g.text) AS text, p.end_ns
FROM landing.cgi g LEFT JOIN process p ON p.process_id = g.thread_id
WHERE NOT EXISTS (
    SELECT 1 FROM landing.cgi o
    WHERE o.capture_id = g.capture_id AND o.ts_ns < g.ts_ns AND o.text = g.text AND o.pid IN (g.pid, p.ppid))
"""
# The pipe's ends: what became descriptor 1 last before the program began, else what it wrote to as descriptor 1.
_PIPES = """
CREATE OR REPLACE TEMP TABLE talk_cgi_pipe AS
WITH given AS (
    SELECT e.capture_id, e.pid, e.ts_ns, e.conn_id FROM event e JOIN op o USING (op_id)
    WHERE o.op IN ('dup2', 'dup3') AND e.result = 1 AND e.errno = 0 AND e.conn_id IS NOT NULL),
used AS (
    SELECT e.thread_id, any_value(e.conn_id) AS conn_id FROM event e JOIN op o USING (op_id)
    WHERE o.class = 'write' AND e.fd = 1 AND e.thread_id IN (SELECT thread_id FROM talk_cgi_run) GROUP BY e.thread_id),
output AS (
    SELECT r.*, coalesce(given.conn_id, used.conn_id) AS conn_id
    FROM talk_cgi_run r ASOF LEFT JOIN given
         ON given.capture_id = r.capture_id AND given.pid = r.pid AND given.ts_ns <= r.ts_ns
    LEFT JOIN used ON used.thread_id = r.thread_id)
SELECT any_value(o) AS run, o.conn_id, any_value(coalesce(c.peer_conn_id, other.conn_id)) AS peer_conn_id
FROM output o JOIN connection c USING (conn_id) LEFT JOIN connection other ON other.peer_conn_id = o.conn_id
WHERE c.kind = 'pipe' GROUP BY o.conn_id
HAVING count(DISTINCT o.thread_id) = 1 -- a pipe that several were to write to is no reply of one
"""
# Who made the program: at the web server's end the request was sent by that.
_CALLS = """
CREATE OR REPLACE TEMP TABLE talk_cgi AS
WITH made AS (
    SELECT e.capture_id, e.result, e.ts_ns, e.dur_ns, e.thread_id, e.seq, e.pid, e.tid
    FROM event e JOIN op o USING (op_id) WHERE o.op IN ('fork', 'vfork', 'clone', 'posix_spawn') AND e.result > 0),
moved AS (
    SELECT e.conn_id, arg_min(e.thread_id, e.ts_ns) AS thread_id, arg_min(e.seq, e.ts_ns) AS seq,
           arg_min(e.pid, e.ts_ns) AS pid, arg_min(e.tid, e.ts_ns) AS tid, sum(e.bytes) AS bytes, max(e.ts_ns) AS ts_ns
    FROM event e JOIN talk_op o USING (op_id)
    WHERE e.bytes > 0 AND e.errno = 0
      AND e.conn_id IN (SELECT unnest([conn_id, peer_conn_id]) FROM talk_cgi_pipe) GROUP BY e.conn_id)
SELECT p.conn_id, run.ts_ns, 0::BIGINT AS dur_ns, octet_length(run.text)::UBIGINT AS bytes, FALSE AS sent,
       run.thread_id, 0::UINTEGER AS seq, run.pid, run.pid AS tid, run.text AS head
FROM talk_cgi_pipe p
UNION ALL
SELECT p.peer_conn_id, coalesce(m.ts_ns, run.ts_ns), coalesce(m.dur_ns, 0), octet_length(run.text), TRUE,
       coalesce(m.thread_id, r.thread_id), coalesce(m.seq, 0), coalesce(m.pid, r.pid), coalesce(m.tid, r.tid), run.text
FROM (SELECT *, run.capture_id AS capture_id, run.pid AS child, run.ts_ns AS ran_ns FROM talk_cgi_pipe) p
ASOF LEFT JOIN made m ON m.capture_id = p.capture_id AND m.result = p.child AND m.ts_ns <= p.ran_ns
LEFT JOIN moved r ON r.conn_id = p.peer_conn_id
WHERE p.peer_conn_id IS NOT NULL AND (m.thread_id IS NOT NULL OR r.thread_id IS NOT NULL)
UNION ALL -- written by stdio, where no call is seen: as much as the other end read, before that did at the latest
SELECT p.conn_id, least(coalesce(run.end_ns, r.ts_ns), r.ts_ns), 0, r.bytes, TRUE, run.thread_id, 0, run.pid, run.pid,
       f.head
FROM talk_cgi_pipe p JOIN moved r ON r.conn_id = p.peer_conn_id LEFT JOIN moved w ON w.conn_id = p.conn_id
LEFT JOIN payload f ON f.thread_id = r.thread_id AND f.seq = r.seq
WHERE w.conn_id IS NULL
"""
_KNOWN = "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'landing' AND table_name = 'cgi'"
_NONE = """
CREATE OR REPLACE TEMP TABLE talk_cgi (conn_id UBIGINT, ts_ns BIGINT, dur_ns BIGINT, bytes UBIGINT, sent BOOLEAN,
                                       thread_id UBIGINT, seq UINTEGER, pid INTEGER, tid INTEGER, head BLOB)
"""


def plan_cgi(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table talk_cgi: calls to be told with those of the pipes, see the columns of table event."""
    if not connection.execute(_KNOWN).fetchall() or not connection.execute("FROM landing.cgi LIMIT 1").fetchall():
        connection.execute(_NONE)
        return
    for statement in (_RUNS, _PIPES, _CALLS):
        connection.execute(statement)
    connection.execute("DROP TABLE temp.talk_cgi_run")
    connection.execute("DROP TABLE temp.talk_cgi_pipe")
