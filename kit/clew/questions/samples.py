"""What was sampled, of whom, and when: samples without their stacks."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.errors import ClewError, one_of
from clew.lens import Lens
from clew.questions import waits
from clew.questions.answer import Answer
from clew.questions.ask import ask
from clew.questions.forest import choose, nothing

_PROCESS = "LEFT JOIN thread t USING (thread_id) LEFT JOIN process p USING (process_id)"
_FRAME = "LEFT JOIN stack k USING (stack_id) LEFT JOIN frame f USING (frame_id)"
BY = {
    "host": ("s.host AS name", "", "name"),
    "command": ("p.command AS name", _PROCESS, "name"),
    "process": ("p.command AS name, s.pid", _PROCESS, "name, pid"),
    "thread": ("coalesce(t.name, p.command) AS name, s.pid, s.tid", _PROCESS, "name, pid, tid"),
    "cpu": ("'CPU ' || s.cpu AS name", "", "name"),
    "event": ("v.name", "", "name"),
    "module": ("f.module AS name", _FRAME, "name"),
    "function": ("f.function AS name", _FRAME, "name"),
}
"""What samples can be counted by: module and function are those of the innermost frame (of waits: see waits.py)."""


def sample_events(case: Case, lens: Lens) -> Answer:
    """What the samples under ``lens`` are of, most samples first.

    Columns: ``event_name``, ``kind``, ``unit``, ``samples``, ``weight`` (sum, in the unit).
    """
    predicate, params = lens.compile("sample")
    sql = f"""SELECT v.name AS event_name, any_value(v.kind) AS kind, any_value(v.unit) AS unit,
       sum(n)::BIGINT AS samples, sum(weight) AS weight
FROM (SELECT event_id, count(*) AS n, sum(weight) AS weight FROM sample WHERE {predicate} GROUP BY ALL) s
JOIN sample_event v USING (event_id)
GROUP BY v.name ORDER BY samples DESC, event_name"""
    answer = ask(case, sql, params, "samples by event")
    return answer if answer.table.num_rows else replace(answer, note=nothing(case, lens))


def samples_by(case: Case, lens: Lens, by: str = "command", event: str | None = None) -> Answer:
    """Samples of ``event`` (by="event": of all) under ``lens`` by one of ``BY``, heaviest first.

    Columns: ``name`` (NULL: not known), ``pid`` and ``tid`` where they apply, ``samples``, ``weight`` (in the event's
    unit; summary has ``event`` and ``unit``). Raises ClewError where there are no samples, or no such ``by``.
    """
    if by not in BY:
        raise ClewError(f"cannot count samples by {by!r:.60}: {one_of(by, BY)}")
    columns, join, names = BY[by]
    predicate, params = lens.compile("sample")
    unit, only = "", ""
    figures: dict[str, str] = {}
    if by != "event":
        chosen = choose(case, lens, event)
        figures = {"event": chosen.name, "unit": chosen.unit}
        unit, only, params = (
            f" of {chosen.name} ({chosen.unit})",
            "WHERE v.name = $event AND v.kind = $kind",
            params | {"event": chosen.name, "kind": chosen.kind},
        )
    taken, note = f"SELECT * FROM sample WHERE {predicate}", None
    if join == _FRAME and chosen.kind == "off-cpu":
        join, note = f"LEFT JOIN {waits.TOLD} k USING (stack_id) LEFT JOIN frame f USING (frame_id)", waits.NOTE
    sql = f"""WITH taken AS ({taken})
SELECT {columns}, count(*) AS samples, sum(weight) AS weight
FROM taken s JOIN sample_event v USING (event_id) {join}
{only} GROUP BY ALL ORDER BY weight DESC, {names}"""
    return replace(ask(case, sql, params, f"samples{unit} by {by}", note), summary=figures)
