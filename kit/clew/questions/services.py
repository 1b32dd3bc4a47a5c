"""Who calls whom: the edges between programs, as requests travelled them."""

from __future__ import annotations

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_requests


def services(case: Case, lens: Lens) -> Answer:
    """Calls between programs in the requests under ``lens``, the most frequent first.

    Columns: ``from_command`` (NULL: it was not recorded), ``to_command`` (NULL: not known; where it was not recorded
    the other end of the connection), ``protocol`` (``process``: started it), ``calls``, ``errors``, ``bytes`` (both
    ways; NULL: not known), ``p50_ns``, ``p99_ns`` (as the caller saw it where the caller was recorded; exact; NULL: no
    end was seen), ``recorded`` (both ends were), ``low_confidence`` (calls whose ends were paired with confidence below
    0.9). Raises ClewError where no requests were recorded.
    """
    need_requests(case, "services")
    predicate, params = lens.compile("span")
    sql = f"""WITH seen AS (
    SELECT span_id, parent_span_id, request_id, kind, command, protocol, conn_id, error, confidence, link_rule,
           end_ns - start_ns AS dur_ns, request_msg_id, reply_msg_id
    FROM span WHERE {predicate}),
called AS (
    SELECT c.command AS from_command, coalesce(s.command, p.peer) AS to_command, c.protocol,
           c.error OR coalesce(s.error, FALSE) AS error, c.dur_ns, c.request_msg_id, c.reply_msg_id,
           s.span_id IS NOT NULL AS recorded,
           coalesce(s.confidence, 1) AS confidence
    FROM seen c LEFT JOIN span s ON s.parent_span_id = c.span_id AND s.kind = 'server'
    LEFT JOIN connection p ON p.conn_id = c.conn_id WHERE c.kind = 'client'
    UNION ALL
    SELECT CASE WHEN s.kind <> 'server' THEN p.command END, s.command,
           CASE s.kind WHEN 'server' THEN s.protocol ELSE s.kind END, s.error, s.dur_ns, s.request_msg_id,
           s.reply_msg_id, s.kind <> 'server', CASE WHEN p.span_id IS NULL THEN 1 ELSE s.confidence END
    FROM seen s LEFT JOIN span p ON p.span_id = s.parent_span_id
    WHERE s.kind = 'server' AND (p.span_id IS NULL OR p.kind <> 'client')
       OR s.kind = 'process' AND p.span_id IS NOT NULL
       OR s.kind = 'internal' AND p.command <> s.command)
SELECT from_command, to_command, c.protocol, count(*) AS calls, count(*) FILTER (c.error) AS errors,
       sum(coalesce(q.bytes, 0) + coalesce(a.bytes, 0))
           FILTER (coalesce(q.bytes, a.bytes) IS NOT NULL)::BIGINT AS bytes,
       quantile_disc(dur_ns, 0.5) AS p50_ns, quantile_disc(dur_ns, 0.99) AS p99_ns, recorded,
       count(*) FILTER (confidence < 0.9) AS low_confidence
FROM called c LEFT JOIN message q ON q.msg_id = c.request_msg_id LEFT JOIN message a ON a.msg_id = c.reply_msg_id
GROUP BY ALL ORDER BY calls DESC, from_command NULLS FIRST, to_command, c.protocol"""
    answer = ask(case, sql, params, "who calls whom")
    if not answer.table.num_rows:
        return Answer(answer.table, answer.sql, answer.title, "no request matches the lens")
    return answer
