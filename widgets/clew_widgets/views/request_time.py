"""Where the time of requests went: for each program at work, waiting for whom, and what nothing explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.attribution import attribution
from clew.units import duration, number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.views.picking import picked
from clew_widgets.views.request_view import NO_MATCH, RequestView

COLUMNS = (
    Column("name", "program", "text"),
    Column("total_ns", "total time", "duration", title="Of all requests together; programs work at the same time"),
    Column("share", "of its time", "share", title="Of the time that the program's spans lasted"),
    Column("count", "spans", "count", title="Spans; of page faults: faults"),
)


def draw_attribution(rows: Sequence[dict[str, Any]], lens: Lens, inert: bool = False) -> Drawing:
    """The table of ``questions.attribution``; programs that ``lens`` looks at are marked."""
    made = []
    for row in rows:
        cells = {name: row[name] for name in ("total_ns", "share", "count")}
        name = row["command"] or "not known"
        key = (("commands", row["command"]), ("kind", row["kind"]))
        made.append(
            Row(key, name, cells, row["kind"], row["command"] in lens.commands, inert=inert or not row["command"])
        )
    finding = "no requests."
    if timed := [row for row in rows if row["total_ns"]]:
        most = max(timed, key=lambda row: row["total_ns"])
        what = printable(f"{most['command']} {most['kind']}")
        finding = f"{what}: {duration(most['total_ns'])}, {most['share'] or 0:.0%} of its time."
    return table(COLUMNS, made, sort="total_ns", label="Where the time went", finding=finding)


class RequestTime(RequestView):
    """Time by program and kind; click a row to narrow to its program, again to let go."""

    name = "request_time"
    title = "Where the time went"
    hint = "For each program: at work, waiting for whom, not explained"

    def ask(self) -> Answer:
        """Time of all requests under the Lens."""
        return self.answers.ask(attribution, self.model.lens)

    def words(self) -> tuple[list[str], Lens]:
        """What prints where the time went."""
        return ["requests", "--time"], self.model.lens

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The table."""
        rows = answer.table.to_pylist()
        drawing = draw_attribution(rows, self.model.lens)
        note = f"{number(len(rows))} kinds of time" if rows else ""
        return drawing, {"note": note, "total": len(rows), "empty": NO_MATCH}

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the programs picked."""
        return picked(self.model.lens, ("commands",), message)


REQUESTS = (60, RequestTime)
