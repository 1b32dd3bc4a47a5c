"""What is not linked, and what is linked but not for sure: with the reason and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.unresolved import unresolved
from clew.units import number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.table import UNKNOWN, Column, Row, table
from clew_widgets.views.picking import picked
from clew_widgets.views.request_view import RequestView

EVERYTHING = "Everything is linked, for sure."
COLUMNS = (
    Column("name", "what", "text"),
    Column("count", "how many", "count"),
    Column("confidence", "confidence", "share", title="The lowest; unknown where there is no link"),
    Column("command", "program", "text"),
    Column("protocol", "protocol", "text"),
    Column("rule", "rule", "text", title="By which the link was made"),
)


def draw_links(answer: Answer, lens: Lens, inert: bool = False) -> Drawing:
    """The table of ``questions.unresolved``; programs that ``lens`` looks at are marked."""
    rows: Sequence[dict[str, Any]] = answer.table.to_pylist()
    made = []
    for index, row in enumerate(rows):
        cells = {name: row[name] for name in ("count", "confidence")}
        cells |= {name: row[name] or UNKNOWN for name in ("command", "protocol", "rule")}
        key = (("commands", row["command"]), ("row", index))
        chosen = row["command"] in lens.commands
        made.append(
            Row(key, row["reason"], cells, row["meaning"] or "", selected=chosen, inert=inert or not row["command"])
        )
    return table(COLUMNS, made, sort="count", label="What is not linked", finding=said(answer), with_bars=False)


def said(answer: Answer) -> str:
    """In one line, how much of the spans is linked, and how well."""
    figures = answer.summary
    return printable(
        f"{number(figures['linked'])} of {number(figures['spans'])} spans have a cause that was found, "
        f"{number(figures['roots'])} begin a request, {number(figures['unresolved'])} are unresolved; "
        f"{number(figures['likely'])} links are only likely."
    )


class Links(RequestView):
    """Unresolved and low-confidence links; click a row to narrow to its program, again to let go."""

    name = "links"
    title = "Links that are not sure"
    hint = "What is not linked, what is linked but not for sure, and why"

    def ask(self) -> Answer:
        """What is uncertain in the requests under the Lens."""
        return self.answers.ask(unresolved, self.model.lens)

    def words(self) -> tuple[list[str], Lens]:
        """What prints the links."""
        return ["requests", "--unresolved"], self.model.lens

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The table."""
        drawing = draw_links(answer, self.model.lens)
        total = sum(answer.table["count"].to_pylist())
        return drawing, {"note": said(answer).rstrip("."), "total": total, "empty": f"{EVERYTHING} {said(answer)}"}

    def show(self, answer: Answer) -> None:
        """Draw the answer; its note says what ``empty`` says."""
        super().show(replace(answer, note=None))

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the programs picked."""
        return picked(self.model.lens, ("commands",), message)


REQUESTS = (70, Links)
