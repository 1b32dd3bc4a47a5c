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
    was entered first and last). ``note`` says, too, which connections that were put off (EINPROGRESS) came to nothing.
    Raises ClewError if single calls were not recorded.
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
    put_off = any((row["op"], row["name"]) == ("connect", "EINPROGRESS") for row in answer.table.to_pylist())
    return replace(answer, note=joined(none, _in_vain(case, lens) if put_off else None, lost_calls(case)))


# How a connect ends that does not wait is asked by getsockopt, which is not recorded; a connection that was closed and
# never used for anything was of no use, whatever it said.
_IN_VAIN = """WITH put_off AS (
    SELECT DISTINCT conn_id FROM event JOIN errno n USING (errno) JOIN op o USING (op_id)
    WHERE n.name = 'EINPROGRESS' AND o.op = 'connect' AND {predicate})
SELECT remote, count(*) AS attempts FROM connection SEMI JOIN put_off USING (conn_id)
WHERE role IS NULL AND closed_ns IS NOT NULL AND remote IS NOT NULL GROUP BY ALL ORDER BY attempts DESC, remote"""
_NAMED = 3


def _in_vain(case: Case, lens: Lens) -> str | None:
    """To whom connections were begun and closed without being used."""
    predicate, params = lens.compile()
    rows = case.sql(_IN_VAIN.format(predicate=predicate), params).to_pylist()
    if not rows:
        return None
    named = ", ".join(f"{row['attempts']:,} to {row['remote']}" for row in rows[:_NAMED])
    more = " and others" if len(rows) > _NAMED else ""
    return f"connections that were put off (EINPROGRESS) and closed unused: {named}{more}"
