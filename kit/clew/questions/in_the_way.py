"""What the threads of one request did for other requests meanwhile: a loop that computes keeps all others waiting."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_requests
from clew.units import duration, number

SHARE = 0.25
"""Of the time of a request that its thread must have worked for others, to be worth a sentence."""

_SQL = """WITH mine AS (
    SELECT host, tid, any_value(command) AS command, any_value(pid) AS pid, min(start_ns) AS begin_ns,
           max(end_ns) AS last_ns
    FROM span WHERE request_id = $request_id AND tid IS NOT NULL AND end_ns IS NOT NULL GROUP BY ALL),
meanwhile AS (
    SELECT m.command, m.pid, m.tid, w.request_id, m.last_ns - m.begin_ns AS of_ns,
           least(w.end_ns, m.last_ns) - greatest(w.start_ns, m.begin_ns) AS time_ns
    FROM mine m JOIN working w ON w.host = m.host AND w.tid = m.tid AND w.start_ns < m.last_ns AND w.end_ns > m.begin_ns
    WHERE w.request_id <> $request_id)
SELECT o.command, pid, tid, r.name, count(DISTINCT request_id) AS requests, sum(o.time_ns)::BIGINT AS time_ns,
       max(o.time_ns) AS max_ns, any_value(of_ns) AS of_ns
FROM meanwhile o JOIN request r USING (request_id) GROUP BY ALL ORDER BY time_ns DESC, o.command, tid, r.name"""


def in_the_way(case: Case, request_id: int) -> Answer:
    """What each thread that worked for request ``request_id`` did for others while that was in it, the most first.

    Columns: ``command``, ``pid``, ``tid``, ``name`` (what those were asked), ``requests`` (how many), ``time_ns`` (that
    the thread worked for them), ``max_ns`` (at a stretch), ``of_ns`` (from when the thread began with this request to
    when it was done). ``note`` is one sentence where that is SHARE of ``of_ns`` at least: waiting for its turn is then
    what made the request slow. Raises ClewError where no requests were recorded.
    """
    need_requests(case, "path")
    answer = ask(case, _SQL, {"request_id": int(request_id)}, f"what was done for others during request {request_id}")
    return replace(answer, note=_said(answer))


def _said(answer: Answer) -> str | None:
    rows = answer.table.to_pylist()
    if not rows:
        return None
    first = rows[0]
    same = [row for row in rows if row["tid"] == first["tid"] and row["pid"] == first["pid"]]
    spent = sum(row["time_ns"] for row in same)
    if spent < SHARE * first["of_ns"]:
        return None
    others = "another" if sum(row["requests"] for row in same) == 1 else "others"
    return (
        f"thread {first['tid']} of {first['command']} worked for {others} in {duration(spent)} of the "
        f"{duration(first['of_ns'])} that it had this request: {first['name']} ({number(first['requests'])} times, "
        f"{duration(first['max_ns'])} at a stretch) took {duration(first['time_ns'])}"
    )
