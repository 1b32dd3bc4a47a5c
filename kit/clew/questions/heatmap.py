"""The sub-second offset heat map: a column for each second, a row for each part of it.

The layout is FlameScope's: time runs up within a column, from the whole second on, and columns follow each other.
"""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, scalar
from clew.questions.forest import choose

SECOND = 1_000_000_000


def heatmap(case: Case, lens: Lens, event: str | None = None, rows: int = 50) -> Answer:
    """Samples of ``event`` under ``lens``, by second and part of a second; parts without samples are left out.

    Columns: ``second`` (from 0), ``slot`` (0 to rows - 1), ``samples``, ``weight`` (in the event's unit). Summary:
    origin_ns (of second 0: the case's first moment, so that brushing does not move it), rows, seconds, event, unit.
    Raises ClewError where there are no samples, or they have no times.
    """
    if not 1 <= rows <= 1000:
        raise ClewError(f"a heat map has 1 to 1000 rows, not {rows}")
    chosen = choose(case, lens, event)
    timed = """SELECT EXISTS (SELECT 1 FROM sample JOIN sample_event USING (event_id)
                              WHERE name = $event AND ts_ns IS NOT NULL)"""
    if not scalar(case, timed, {"event": chosen.name}):
        raise ClewError(f"the samples of {chosen.name} have no times: a heat map needs a recording, not folded stacks")
    origin, last = case.bounds()
    predicate, params = lens.compile("sample")
    sql = f"""SELECT (offset_ns // {SECOND})::INTEGER AS second,
       (offset_ns % {SECOND} * $rows // {SECOND})::INTEGER AS slot,
       count(*) AS samples, sum(weight) AS weight
FROM (SELECT ts_ns - $origin AS offset_ns, weight FROM sample
      WHERE {predicate} AND ts_ns IS NOT NULL
            AND event_id IN (SELECT event_id FROM sample_event WHERE name = $event AND kind = $kind))
GROUP BY ALL ORDER BY ALL"""
    answer = ask(
        case,
        sql,
        params | {"origin": origin, "rows": rows, "event": chosen.name, "kind": chosen.kind},
        f"{chosen.name} by second and part of it",
    )
    figures = {"origin_ns": origin, "rows": rows, "seconds": (last - origin) // SECOND + 1}
    return replace(answer, summary=figures | {"event": chosen.name, "unit": chosen.unit, "kind": chosen.kind})
