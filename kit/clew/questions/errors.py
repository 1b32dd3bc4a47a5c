"""What failed, and with what error."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_events
from clew.questions.recorded import joined, lost_calls

LATER = ("EAGAIN", "EINPROGRESS", "EINTR")
"""What only says "not now": no failures to programs that do not block, which make the call again."""


def errors(case: Case, lens: Lens) -> Answer:
    """Failed calls under ``lens`` by operation and errno, the most frequent first.

    Columns: ``op``, ``errno``, ``name`` (ENOENT), ``meaning``, ``calls``, ``first_ns``, ``last_ns`` (when such a call
    was entered first and last). Raises ClewError if single calls were not recorded.
    """
    need_events(case, "errors")
    predicate, params = lens.compile()
    sql = f"""WITH cell AS (
    SELECT op_id, errno, count(*) AS calls, min(ts_ns) AS first_ns, max(ts_ns) AS last_ns
    FROM event WHERE errno <> 0 AND {predicate} GROUP BY ALL)
SELECT o.op, errno, coalesce(n.name, 'errno ' || errno) AS name, coalesce(n.meaning, 'unknown') AS meaning,
       calls, first_ns, last_ns
FROM cell JOIN op o USING (op_id) LEFT JOIN errno n USING (errno) ORDER BY calls DESC, op, errno"""
    answer = ask(case, sql, params, "failed calls by errno")
    none = None if answer.table.num_rows else "no call failed under this lens"
    return replace(answer, note=joined(none, lost_calls(case)))
