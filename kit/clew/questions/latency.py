"""How long calls took."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_events
from clew.questions.recorded import joined, lost_calls


def latency(case: Case, lens: Lens) -> Answer:
    """Histogram of durations under ``lens`` in powers of two, and exact figures of the whole in ``summary``.

    Columns: ``bucket`` k, ``low_ns`` and ``high_ns`` (low <= duration < high; bucket 0 holds 0, bucket k from 2^(k-1)
    to 2^k), ``calls``. Summary: count, sum_ns, min_ns, mean_ns, max_ns, p50_ns, p90_ns, p99_ns, p999_ns (exact, nearest
    rank; NULL if there is no call). Raises ClewError if single calls were not recorded.
    """
    need_events(case, "latency")
    predicate, params = lens.compile()
    sql = f"""WITH cell AS (
    SELECT CASE WHEN dur_ns < 1 THEN 0 ELSE floor(log2(dur_ns))::INTEGER + 1 END AS bucket, count(*) AS calls
    FROM event WHERE {predicate} GROUP BY ALL)
SELECT bucket, CASE bucket WHEN 0 THEN 0 ELSE 1::BIGINT << (bucket - 1) END AS low_ns, 1::BIGINT << bucket AS high_ns,
       calls
FROM cell ORDER BY bucket"""
    figures = case.sql(
        f"""SELECT n AS count, sum_ns::BIGINT AS sum_ns, min_ns, CASE WHEN n > 0 THEN sum_ns / n END AS mean_ns, max_ns,
                   p[1] AS p50_ns, p[2] AS p90_ns, p[3] AS p99_ns, p[4] AS p999_ns
            FROM (SELECT count(*) AS n, sum(dur_ns) AS sum_ns, min(dur_ns) AS min_ns, max(dur_ns) AS max_ns,
                         quantile_disc(dur_ns, [0.5, 0.9, 0.99, 0.999]) AS p
                  FROM event WHERE {predicate})""",
        params,
    ).to_pylist()[0]
    note = joined(None if figures["count"] else "no call matches the lens", lost_calls(case))
    answer = ask(case, sql, params, "durations of calls", note)
    return replace(answer, summary=figures)
