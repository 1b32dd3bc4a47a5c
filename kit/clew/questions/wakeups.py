"""Who woke whom: threads that went off the processor, and the threads that let them go on."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, scalar
from clew.units import duration, number

_RUNNABLE = "coalesce(starts_with(detail, 'prev_state=R'), FALSE)"
"""Off-CPU samples of threads that were put off the processor, or made room, and went on as soon as there was one."""


def wakeups(case: Case, lens: Lens, limit: int | None = 200) -> Answer:
    """Pairs of threads under ``lens`` of which one woke the other from waiting, longest waits first.

    Columns: ``waker``, ``waker_pid``, ``waker_tid``, ``sleeper``, ``pid``, ``tid`` (names of threads; waker NULL: a
    timer or other interrupt, or not recorded; 0: the idle thread), ``waits``, ``off_ns`` (time the sleeper was off the
    processor), ``max_ns``. Off-CPU time runs from when a thread leaves the processor until it is on one again. Turns in
    which it could have run, and waited for a processor only, are for nobody: the note says how long they were. Raises
    ClewError where no off-CPU time was recorded.
    """
    off = "event_id IN (SELECT event_id FROM sample_event WHERE kind = 'off-cpu')"
    if not scalar(case, f"SELECT EXISTS (SELECT 1 FROM sample WHERE {off})"):
        raise ClewError("no off-CPU time was recorded: `clew record --engine perf --off-cpu -- COMMAND` does, as root")
    predicate, params = lens.compile("sample")
    sql = f"""WITH names AS (
    SELECT capture_id, t.tid, any_value(t.pid) AS pid, arg_max(coalesce(t.name, p.command), t.start_ns) AS name
    FROM thread t LEFT JOIN process p USING (capture_id, process_id) GROUP BY ALL),
waits AS (
    SELECT capture_id, tid, other_tid, count(*) AS waits, sum(weight)::BIGINT AS off_ns, max(weight)::BIGINT AS max_ns
    FROM sample WHERE {predicate} AND {off} AND NOT {_RUNNABLE} GROUP BY ALL)
SELECT w.name AS waker, w.pid AS waker_pid, s.other_tid AS waker_tid, n.name AS sleeper, n.pid, s.tid,
       sum(s.waits)::BIGINT AS waits, sum(s.off_ns)::BIGINT AS off_ns, max(s.max_ns) AS max_ns
FROM waits s
LEFT JOIN names n ON n.capture_id = s.capture_id AND n.tid = s.tid
LEFT JOIN names w ON w.capture_id = s.capture_id AND w.tid = s.other_tid
GROUP BY ALL ORDER BY off_ns DESC, s.tid, waker_tid LIMIT $limit"""
    answer = ask(case, sql, params | {"limit": limit if limit is not None else 1 << 62}, "who woke whom")
    turns = f"SELECT sum(weight)::BIGINT AS ns, count(*) AS n FROM sample WHERE {predicate} AND {off} AND {_RUNNABLE}"
    kept = case.sql(turns, params).to_pylist()[0]
    said = [answer.note] if answer.note else []
    if not answer.table.num_rows:
        said.append("no wait off the processor matches the lens")
    if answer.table["waker_tid"].null_count:
        said.append("no waker: a timer or another interrupt, or who it was is not recorded")
    if kept["n"]:
        turned = f"{duration(kept['ns'])} in {number(kept['n'])} turns"
        said.append(f"not here: {turned} in which threads could run, and waited for a processor")
    return replace(answer, note="; ".join(said) or None)
