"""Counts in cells small enough to hand on: what a report needs to narrow by itself, without a database."""

from __future__ import annotations

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_events


def cube(case: Case, lens: Lens, bins: int = 120) -> Answer:
    """Calls under ``lens`` by command, op, errno, time bin and duration class; cells without calls have no row.

    Columns: ``command``, ``op``, ``errno``, ``bin`` (the ``bins`` bins of activity() under the same Lens, from 0),
    ``bucket`` (the power-of-two classes of latency()), ``calls``, ``bytes`` (NULL: none moved any), ``total_ns``,
    ``max_ns``. Raises ClewError if single calls were not recorded or the time range is empty.
    """
    need_events(case, "time bins of calls")
    first, last = case.bounds()
    start = first if lens.start_ns is None else lens.start_ns
    end = last + 1 if lens.end_ns is None else lens.end_ns
    if end <= start:
        raise ClewError("the time range is empty: nothing was recorded then")
    predicate, params = lens.compile()
    sql = f"""WITH cell AS (
    SELECT thread_id, op_id, errno, (ts_ns - $cube_start_ns) // $cube_width_ns AS bin,
           CASE WHEN dur_ns < 1 THEN 0 ELSE floor(log2(dur_ns))::INTEGER + 1 END AS bucket,
           count(*) AS calls, sum(bytes) AS bytes, sum(dur_ns) AS total_ns, max(dur_ns) AS max_ns
    FROM event WHERE {predicate} GROUP BY ALL)
SELECT p.command, o.op, errno, bin, bucket, sum(calls)::BIGINT AS calls, sum(bytes)::BIGINT AS bytes,
       sum(total_ns)::BIGINT AS total_ns, max(max_ns) AS max_ns
FROM cell JOIN thread t USING (thread_id) JOIN process p USING (process_id) JOIN op o USING (op_id)
GROUP BY ALL ORDER BY ALL"""
    params |= {"cube_start_ns": start, "cube_width_ns": -(-(end - start) // bins)}
    return ask(case, sql, params, "calls by command, op, errno, time and duration")
