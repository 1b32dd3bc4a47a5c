"""The top table: functions by what their frames weigh, sortable, searched by regular expression."""

from __future__ import annotations

import re
from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.functions import functions
from clew.units import number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.views.base import Control
from clew_widgets.views.picking import picked
from clew_widgets.views.stack_view import BY, StackView

LIMIT = 300
"""Rows that are sent to the page."""
_KINDS = {"ns": "duration", "bytes": "bytes"}


class Functions(StackView):
    """Functions by self weight; click one to narrow the Lens to stacks that hold it."""

    name = "functions"
    title = "Functions"
    hint = "Functions by what their frames weigh"
    search = ""

    def ask(self) -> Answer:
        """All functions under the Lens, with the edits; what is clicked here stays in view."""
        return self.answers.ask(
            functions, self.model.lens, event=self.event(), by=self.state.by, edits=self.state.questions
        )

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The table; weights in the event's unit, and what share of the whole they are."""
        figures = answer.summary
        whole = figures["total"] or 1.0
        kind = _KINDS.get(figures["unit"], "count")
        found = [row for row in answer.table.to_pylist() if self._matches(row["function"])]
        field = "modules" if self.state.by == "module" else "functions"
        chosen = getattr(self.model.lens, field)
        rows = [
            Row(
                ((field, self.function_of(row["function"])),),
                row["function"],
                {
                    "self": row["self"],
                    "total": row["total"],
                    "total_share": row["total"] / whole,
                    "samples": row["samples"],
                    "module": (row["module"] or "").rpartition("/")[2] or None,
                },
                selected=row["function"] in chosen,
            )
            for row in found[:LIMIT]
        ]
        columns = (
            Column("name", self.state.by, "text"),
            Column("self", "self", kind, additive=True, title="Of samples taken in the function itself"),
            Column("total", "total", kind, title="In the function or in what it called; recursion counts once"),
            Column("total_share", "of all", "share"),
            Column("samples", "samples", "count", title="Samples with the function in their stack"),
            Column("module", "module", "text"),
        )
        finding = ""
        if found:
            first = found[0]
            finding = (
                f"{printable(first['function'])} has the most of its own: {100 * first['self'] / whole:.1f} % "
                f"of {figures['event']}; {number(len(found))} functions"
            )
        drawing = table(columns, rows, sort="self", label=f"Functions by {figures['event']}", finding=finding)
        # of everything under the lens, not of the rows that are sent or match the search
        drawing.body["whole"] = {"self": whole, "total": whole, "samples": figures["samples"]}
        by = Control(BY.name, BY.label, self.state.by, BY.options, form=BY.form)
        names = tuple((name, "") for name in answer.table["function"].to_pylist()[:LIMIT])
        search = Control("search", "search", self.search, names, form="text")
        hidden = len(found) - len(rows)
        said = [f"{number(len(found))} of {number(answer.table.num_rows)} functions" if self.search else ""]
        said.append(f"{number(hidden)} lighter ones are not shown" if hidden else "")
        controls = (*self.event_control(figures["event"]), by, search)
        note = "; ".join(filter(None, said))
        empty = f"No function matches {self.search!r:.60}." if self.search else "No sample matches the lens."
        return drawing, {"note": note, "controls": controls, "total": figures["samples"], "empty": empty}

    def _matches(self, name: str) -> bool:
        try:
            return not self.search or re.search(self.search, name) is not None
        except re.error:
            return self.search in name  # half an expression, or a name with odd characters

    def choose(self, name: str, value: str) -> None:
        """Another search, besides what all views of stacks know."""
        if name == "search":
            self.search = value
            self.refresh()
        else:
            super().choose(name, value)

    def words(self) -> tuple[list[str], Lens]:
        """What prints the table."""
        return self.stack_words(f"--by={self.state.by}"), self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the functions picked."""
        return picked(self.model.lens, ("functions", "modules"), message)


STACKS = (40, Functions)
