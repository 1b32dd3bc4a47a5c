"""What requests waited for inside a program: who let them go on, and what that one worked for."""

from __future__ import annotations

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_requests

SHORTEST_NS = 100_000
"""Waits that count: shorter ones are what any lock costs."""
_UNFINISHED = "time limits that ran out are left out"


def lock_waits(case: Case, lens: Lens, shortest_ns: int = SHORTEST_NS) -> Answer:
    """Waits of requests under ``lens`` on condition variables, semaphores and futexes, by what let them go on.

    Columns: ``command``, ``waiting`` (name of the work that waited), ``let_on_by`` (name of the work of the thread of
    the same process that woke what was waited on, last before the wait was over: it held the lock, or made what was
    waited for; NULL: it worked for no request, or was not seen), ``waits``, ``total_ns``, ``max_ns``. Waits of at least
    ``shortest_ns`` count, and not those that ended by their time limit. Raises ClewError where there are no requests.
    """
    need_requests(case, "waits for locks")
    predicate, params = lens.compile("request")
    sql = f"""WITH waits AS (
    SELECT host, pid, tid, ts_ns, dur_ns, ts_ns + dur_ns AS until_ns, byte_offset AS object FROM event
    WHERE op_id IN (SELECT op_id FROM op WHERE op IN ('cond_wait', 'sem_wait', 'futex_wait'))
      AND errno = 0 AND byte_offset IS NOT NULL AND dur_ns >= $shortest),
mine AS (
    SELECT w.*, g.span_id FROM waits w
    ASOF JOIN working g ON g.host = w.host AND g.tid = w.tid AND g.start_ns <= w.ts_ns
    WHERE w.ts_ns < g.end_ns AND g.request_id IN (SELECT request_id FROM request WHERE {predicate})),
wakes AS (
    SELECT host, pid, tid, ts_ns, byte_offset AS object FROM event
    WHERE op_id IN (SELECT op_id FROM op WHERE op IN ('cond_signal', 'cond_broadcast', 'sem_post', 'futex_wake'))
      AND byte_offset IN (SELECT object FROM mine)),
woken AS (
    SELECT m.*, k.tid AS by_tid, k.ts_ns AS by_ns FROM mine m
    ASOF LEFT JOIN wakes k ON k.host = m.host AND k.pid = m.pid AND k.object = m.object AND k.ts_ns <= m.until_ns),
told AS (
    SELECT w.*, h.span_id AS by_span, h.end_ns AS by_end FROM woken w
    ASOF LEFT JOIN working h ON h.host = w.host AND h.tid = w.by_tid AND h.start_ns <= w.by_ns)
SELECT s.command, s.name AS waiting, b.name AS let_on_by, count(*) AS waits, sum(t.dur_ns)::BIGINT AS total_ns,
       max(t.dur_ns) AS max_ns
FROM told t JOIN span s USING (span_id)
LEFT JOIN span b ON b.span_id = t.by_span AND t.by_ns >= t.ts_ns AND t.by_ns < t.by_end
GROUP BY ALL ORDER BY total_ns DESC, command, waiting, let_on_by"""
    answer = ask(case, sql, params | {"shortest": shortest_ns}, "who let go on what waited")
    none = "no request waited for a condition variable, a semaphore or a futex"
    note = "mutexes are not recorded, nor what waits without the C library" if answer.table.num_rows else none
    return Answer(answer.table, answer.sql, answer.title, f"{note}; {_UNFINISHED}", origin_ns=answer.origin_ns)
