"""Time outside of calls: what a recording of calls alone cannot explain."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask
from clew.units import duration, number

LEAST_NS = 100_000_000
"""Programs that spent less outside of calls than this are not worth another recording."""
_SQL = """WITH inside AS (
    SELECT thread_id, max(ts_ns + dur_ns) AS last_ns, sum(dur_ns)::BIGINT AS in_calls_ns
    FROM event WHERE {predicate} GROUP BY thread_id),
process_life AS (
    SELECT p.process_id, p.command AS name, count(*) AS threads, max(last_ns) - min(t.start_ns) AS life_ns,
           sum(greatest(last_ns - t.start_ns - in_calls_ns, 0)) AS outside_ns
    FROM inside JOIN thread t USING (thread_id) JOIN process p USING (process_id)
    WHERE NOT EXISTS (FROM process c WHERE c.host = p.host AND c.ppid = p.pid) GROUP BY ALL),
cell AS (
    SELECT name, count(*) AS processes, sum(threads)::BIGINT AS threads, sum(life_ns)::BIGINT AS life_ns,
           sum(outside_ns)::BIGINT AS outside_ns
    FROM process_life GROUP BY name)
SELECT name, processes, threads, life_ns, outside_ns, outside_ns / life_ns AS share
FROM cell WHERE life_ns > 0 ORDER BY outside_ns DESC, name"""


def outside(case: Case, lens: Lens) -> Answer:
    """Which programs under ``lens`` spent how much time outside of recorded calls, the most first.

    Columns: ``name`` (of the program), ``processes``, ``threads``, ``life_ns`` (how long the processes ran, each until
    its last recorded call returned: what followed may be a call that never did), ``outside_ns`` (of all threads added
    up: not inside a recorded call), ``share`` (of ``life_ns``; more than 1 where several threads compute). Outside of
    recorded calls a thread computes, waits for a processor, or waits in what is not recorded: sleep, locks, children;
    programs that have children are left out. Empty where single calls were not recorded, and where the lens looks at
    some calls only, or at a part of the time. ``note``: None, or one sentence on the program with most such time, if
    that is more than half of the time that it ran, and LEAST_NS at least.
    """
    whole = Lens(hosts=lens.hosts, commands=lens.commands, pids=lens.pids, tids=lens.tids)
    predicate, params = whole.compile("event") if whole == lens else ("FALSE", {})
    answer = ask(case, _SQL.format(predicate=predicate), params, "time outside of recorded calls")
    return replace(answer, note=_said(answer))


def _said(answer: Answer) -> str | None:
    for row in answer.table.slice(0, 20).to_pylist():
        if row["outside_ns"] >= LEAST_NS and row["share"] > 0.5:
            what = "processes" if row["processes"] > 1 else "threads"
            several = f" (its {number(row[what])} {what} added up)" if row[what] > 1 else ""
            ran = f"in the {duration(row['life_ns'])} that it ran"
            return f"{row['name']} spent {duration(row['outside_ns'])} outside of recorded calls {ran}{several}"
    return None


def sampled(case: Case) -> bool:
    """Whether it was recorded what programs compute: samples on the processor, or of all time."""
    return bool(case.sql("SELECT 1 FROM sample_event WHERE kind IN ('on-cpu', 'wall') LIMIT 1").num_rows)
