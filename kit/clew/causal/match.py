"""The first stage: exchanges made of messages, and the two ends of each connection."""

from __future__ import annotations

import duckdb

_PAIRS = """
CREATE OR REPLACE TEMP TABLE pair AS
SELECT row_number() OVER (ORDER BY start_ns, conn_id, exchange) - 1 AS row, * FROM (
    SELECT q.capture_id, q.conn_id, q.exchange, q.sent AS client, q.thread_id, q.host, q.pid, q.tid,
           CASE WHEN q.sent THEN q.first_ns ELSE q.last_ns END AS start_ns,
           CASE WHEN q.sent THEN q.last_ns ELSE q.first_ns END AS begun_ns,
           r.first_ns AS reply_first_ns, r.last_ns AS reply_last_ns, r.thread_id AS reply_thread_id,
           coalesce(q.name, concat_ws(' ', q.protocol, q.kind)) AS name, hash(coalesce(q.name, concat_ws(' ', q.protocol, q.kind))) AS name_no, q.protocol, r.status,
           coalesce(r.error, FALSE) AS error, coalesce(r.held, FALSE) AS held, q.byte_offset, q.bytes, q.stream,
           q.correlation, q.msg_id AS request_msg_id, r.msg_id AS reply_msg_id
    FROM message q
    LEFT JOIN (SELECT * FROM message WHERE role = 'reply' AND exchange IS NOT NULL) r
         ON r.conn_id = q.conn_id AND r.exchange = q.exchange
    WHERE q.role = 'request' AND q.exchange IS NOT NULL)
"""

# Both ends of what one call made are known from the capture. TCP: mirrored addresses, on whatever hosts; the k-th use of
# a pair of addresses at one end is the k-th at the other, if there are as many of both. Unix sockets: a listener hands
# out connections in the order in which they were made, and the kernel says which process made each.
_ENDS = """
CREATE OR REPLACE TEMP TABLE other_end AS
WITH open AS (
    SELECT *, coalesce(opened_ns, -1) AS since FROM connection
    WHERE conn_id IN (SELECT conn_id FROM pair)),
known AS (
    SELECT conn_id, peer_conn_id FROM open WHERE peer_conn_id IS NOT NULL
    UNION SELECT peer_conn_id, conn_id FROM open WHERE peer_conn_id IS NOT NULL),
tcp AS (
    SELECT conn_id, "local", remote, role,
           row_number() OVER (PARTITION BY "local", remote, role ORDER BY since, conn_id) AS nth,
           count(*) OVER (PARTITION BY "local", remote, role) AS many
    FROM open ANTI JOIN known USING (conn_id) WHERE kind = 'tcp' AND "local" IS NOT NULL AND remote IS NOT NULL),
asked AS (
    SELECT conn_id, host, remote AS path, pid, coalesce(peer_pid, -1) AS peer_pid,
           row_number() OVER (PARTITION BY host, remote, pid ORDER BY since, conn_id) AS nth
    FROM open ANTI JOIN known USING (conn_id) WHERE kind = 'unix' AND role = 'connected'),
accepted AS (
    SELECT conn_id, host, "local" AS path, peer_pid,
           row_number() OVER (PARTITION BY host, "local", peer_pid ORDER BY since, conn_id) AS nth
    FROM open ANTI JOIN known USING (conn_id) WHERE kind = 'unix' AND role = 'accepted')
SELECT * FROM known
UNION
SELECT x.conn_id, y.conn_id FROM tcp x JOIN tcp y
     ON x."local" = y.remote AND x.remote = y."local" AND x.nth = y.nth AND x.many = y.many AND x.conn_id <> y.conn_id
UNION
SELECT a.conn_id, b.conn_id FROM asked a JOIN accepted b USING (host, path, nth) WHERE b.peer_pid = a.pid
UNION
SELECT b.conn_id, a.conn_id FROM asked a JOIN accepted b USING (host, path, nth) WHERE b.peer_pid = a.pid
"""

_MATCHES = """
CREATE OR REPLACE TEMP TABLE matched AS
SELECT s.row, any_value(c.row) AS parent, 'match' AS rule, 1.0 AS confidence
FROM pair s
JOIN other_end o USING (conn_id)
JOIN pair c ON c.conn_id = o.peer_conn_id AND c.byte_offset = s.byte_offset AND c.stream IS NOT DISTINCT FROM s.stream
WHERE c.client AND NOT s.client
GROUP BY s.row HAVING count(*) = 1
"""

# A server's socket for datagrams has many clients: the same question within five seconds, only if it is the only one.
_DATAGRAMS = """
INSERT INTO matched
SELECT s.row, min(c.row), 'datagram', 0.95
FROM pair s
JOIN connection sc ON sc.conn_id = s.conn_id AND sc.kind = 'udp'
JOIN pair c ON c.client AND c.stream = s.stream AND c.name = s.name AND c.bytes = s.bytes
     AND s.start_ns BETWEEN c.start_ns AND c.start_ns + 5000000000
JOIN connection cc ON cc.conn_id = c.conn_id AND cc.kind = 'udp'
     AND regexp_extract(cc.remote, ':([0-9]+)$', 1) = regexp_extract(sc."local", ':([0-9]+)$', 1)
WHERE NOT s.client AND s.row NOT IN (SELECT row FROM matched)
GROUP BY s.row HAVING count(*) = 1
"""


def match(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``pair`` (an exchange seen from one end, a row each in order of start) and ``matched`` (row, parent, ...)."""
    for statement in (_PAIRS, _ENDS, _MATCHES, _DATAGRAMS):
        connection.execute(statement)
