"""Memory that processes have not given back, over their time: what grows."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask


def live(case: Case, lens: Lens, limit: int | None = None) -> Answer:
    """Allocations that each process held, over its time, from running totals; those that grew most first.

    All of them, or the first ``limit``. Columns: ``name``, ``pid``, ``allocations`` (calls that made a block),
    ``live_25``, ``live_50``, ``live_75`` (not given back when a quarter, half, three quarters of its readings' time had
    passed; NULL: there was no reading yet), ``live`` (at the end), ``grown`` (live less live_50: a leak goes on
    growing). Raises ClewError if the Lens asks for what totals do not hold.
    """
    predicate, params = lens.without("time").compile("counter")
    terms = [predicate]
    for term, name, value in (("ts_ns >=", "lens_start_ns", lens.start_ns), ("ts_ns <", "lens_end_ns", lens.end_ns)):
        if value is not None:
            terms.append(f"{term} ${name}")
            params[name] = value
    parts = ", ".join(
        f"max(calls - errors) FILTER (ts_ns <= begin_ns + (end_ns - begin_ns) * {part} // 4) AS n{part}"
        for part in range(1, 5)
    )
    sums = ", ".join(
        f"sum(sign * n{part})::BIGINT AS live{'' if part == 4 else f'_{25 * part}'}" for part in range(1, 5)
    )
    sql = f"""WITH reading AS (
    SELECT t.process_id, c.thread_id, o.op, CASE o.op WHEN 'free' THEN -1 WHEN 'realloc' THEN 0 ELSE 1 END AS sign,
           c.ts_ns, c.calls, c.errors
    FROM (SELECT * FROM counter WHERE {" AND ".join(terms)}) c JOIN op o USING (op_id) JOIN thread t USING (thread_id)
    WHERE o.class = 'alloc'),
time AS (SELECT process_id, min(ts_ns) AS begin_ns, max(ts_ns) AS end_ns FROM reading GROUP BY ALL),
each AS (SELECT process_id, thread_id, op, sign, {parts} FROM reading JOIN time USING (process_id) GROUP BY ALL)
SELECT p.command AS name, p.pid, (sum(n4) FILTER (sign = 1))::BIGINT AS allocations, {sums}, live - live_50 AS grown
FROM each JOIN process p USING (process_id) GROUP BY ALL ORDER BY grown DESC NULLS LAST, live DESC, name, p.pid
{"" if limit is None else "LIMIT $limit"}"""
    params |= {} if limit is None else {"limit": limit}
    answer = ask(case, sql, params, "allocations that processes hold")
    return answer if answer.table.num_rows else replace(answer, note="no allocation was counted")
