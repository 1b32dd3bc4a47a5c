"""What threads did while they worked for one request."""

from __future__ import annotations

from typing import Any

from clew.case import Case
from clew.questions.answer import Answer, runnable
from clew.questions.ask import need_requests
from clew.questions.request_tree import no_request


def request_events(case: Case, request_id: int, limit: int | None = None) -> Answer:
    """Every recorded call that threads made while they worked for one request, and those that moved its messages.

    In order of time: by when a call was entered, but calls that received a message by when they returned, since they
    may have waited for it for long.

    Columns: ``ts_ns``, ``dur_ns``, ``host``, ``command``, ``pid``, ``tid``, ``op``, ``fd``, ``object`` (file, or the
    other end), ``bytes``, ``errno_name`` (NULL: it succeeded), ``span_id``, ``role`` and ``protocol`` and ``message``
    (what it began to send, or ended to receive: the message as it was said), ``short`` (its name or status: no
    literals). Raises ClewError where there is no such request.
    """
    need_requests(case, "path")
    params: dict[str, Any] = {"request_id": int(request_id)}
    if not case.sql("SELECT 1 FROM request WHERE request_id = $request_id", params).num_rows:
        raise no_request(case, request_id)
    sql = """WITH mine AS (SELECT * FROM working WHERE request_id = $request_id),
said AS (
    SELECT msg_id, span_id, thread_id, seq, role, protocol, sent, coalesce(summary, name, status, kind) AS message,
           coalesce(name, status, kind) AS short
    FROM message JOIN (
        SELECT span_id, unnest([request_msg_id, reply_msg_id]) AS msg_id FROM span WHERE request_id = $request_id)
        USING (msg_id)),
calls AS (
    SELECT * FROM event
    WHERE ts_ns >= (SELECT min(start_ns) FROM mine) AND ts_ns <= (SELECT max(end_ns) FROM mine)
      AND tid IN (SELECT tid FROM mine)),
seen AS (
    SELECT e.*, w.span_id FROM calls e
    ASOF JOIN mine w ON w.host = e.host AND w.tid = e.tid AND w.start_ns <= e.ts_ns WHERE e.ts_ns <= w.end_ns
    UNION
    SELECT e.*, NULL FROM event e JOIN said s USING (thread_id, seq)
    WHERE NOT EXISTS (SELECT 1 FROM mine w WHERE w.host = e.host AND w.tid = e.tid
                                             AND w.start_ns <= e.ts_ns AND e.ts_ns <= w.end_ns))
SELECT e.ts_ns, e.dur_ns, e.host, p.command, e.pid, e.tid, o.op, e.fd, coalesce(c.path, c.peer) AS object, e.bytes,
       n.name AS errno_name, coalesce(e.span_id, s.span_id) AS span_id, s.role, s.protocol, s.message,
       s.short
FROM seen e JOIN op o USING (op_id) LEFT JOIN said s ON s.thread_id = e.thread_id AND s.seq = e.seq
LEFT JOIN thread t ON t.thread_id = e.thread_id LEFT JOIN process p USING (process_id)
LEFT JOIN connection c ON c.conn_id = e.conn_id LEFT JOIN errno n ON n.errno = nullif(e.errno, 0)
ORDER BY e.ts_ns + CASE WHEN s.sent = FALSE THEN e.dur_ns ELSE 0 END, e.host, e.tid, e.seq"""
    if limit is not None:
        sql, params = sql + " LIMIT $limit", params | {"limit": limit}
    table = case.sql(sql, params)
    note = None if table.num_rows else "no single calls were recorded with it"
    return Answer(table, runnable(sql, params), f"calls of request {request_id}", note)
