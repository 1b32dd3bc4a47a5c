"""What was opened and never closed: descriptors by process, file, peer, ..., and which process leaves more and more."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.leaks import BY, growing, leaks
from clew.units import number, printable
from clew_widgets.answers import Answers
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.lens_model import LensModel
from clew_widgets.views.base import Control, View
from clew_widgets.views.counts import FIELDS, key_of, plural
from clew_widgets.views.picking import picked

SHOWN = 200
NONE = "Every descriptor that was opened under the lens was closed."
FOLDED = "Descriptors that were opened and never closed: choose by what to count them."
COLUMNS = (
    Column("open", "never closed", "count", additive=True, bad=True, title="Descriptors that were never closed"),
    Column("at_end", "closed at the end", "count", additive=True, title="Closed only as the process ended"),
    Column("late", "of these, late", "count", additive=True, title="Opened in the later half of the process's time"),
    Column("opened", "opened", "count", additive=True, title="All that were opened"),
    Column("most", "most at a time", "count"),
    Column(
        "first_ns", "first", "duration", title="When the first of those left was opened, since the start of the case"
    ),
    Column("last_ns", "last", "duration", title="When the last of those left was opened, since the start of the case"),
)


def draw_left_open(answer: pa.Table, by: str, *, lens: Lens, origin_ns: int, inert: bool = False) -> Drawing:
    """The table of what was left open, an answer of leaks() by ``by``; times are shown since ``origin_ns``.

    ``inert``: nothing happens on a click.
    """
    rows = []
    for record in answer.slice(0, SHOWN).to_pylist():
        if not record["open"] + record["at_end"]:
            continue
        cells = {column.id: record[column.id] for column in COLUMNS}
        cells |= {name: record[name] - origin_ns for name in ("first_ns", "last_ns")}
        key = (key_of(by, record),) if by in FIELDS else ()
        chosen = any(value in getattr(lens, field) for field, value in key)
        sub = {"process": f"pid {record.get('pid')}", "thread": f"tid {record.get('tid')}"}.get(by, "")
        if by == "what":
            sub = f"{record['op']} {record['what']}"
            key, chosen = (("pids", record["pid"]),), record["pid"] in lens.pids
        rows.append(Row(key, str(record["name"]), cells, sub, chosen, inert=inert or not key))
    finding = NONE
    if rows:
        most = max(rows, key=lambda row: row.cells["open"] + row.cells["at_end"])
        left = sum(row.cells["open"] + row.cells["at_end"] for row in rows)
        finding = f"{number(left)} descriptors were left open by {len(rows)} {plural(by, len(rows))}; most: "
        finding += f"{most.label} {most.sub}, {number(most.cells['open'] + most.cells['at_end'])}."
    head = Column("name", by, "text")
    return table((head, *COLUMNS), rows, sort="open", label="Left open", finding=printable(finding), with_bars=False)


def leaking(answers: Answers) -> str | None:
    """By what to count what the case has left open: "process" where one leaves more and more, "": not before one asks.

    None: nothing was left open, or single calls were not recorded.
    """
    try:
        answer = answers.ask(leaks, Lens())
    except ClewError:
        return None
    if not any(row["open"] + row["at_end"] for row in answer.table.to_pylist()):
        return None
    return "process" if growing(answer) else ""


class LeftOpen(View):
    """Descriptors that were never closed, by ``by`` ("": not asked before one chooses); click a row to narrow to it."""

    name = "leaks"
    title = "Left open"

    def __init__(
        self,
        case: Case,
        model: LensModel | Lens | None = None,
        *,
        by: str = "process",
        answers: Answers | None = None,
    ) -> None:
        self.by = by
        super().__init__(case, model, answers=answers)

    def ask(self) -> Answer:
        """What was left open; nothing before it is chosen by what."""
        if not self.by:
            return Answer(pa.table({"name": pa.array([], pa.string())}), "", self.title)
        return self.answers.ask(leaks, self._lens(), by=self.by)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The table, those that the Lens looks at marked."""
        options = (("", "not shown"), *((name, name) for name in BY if name != "descriptor"))
        said: dict[str, Any] = {"controls": (Control("by", "by", self.by, options, form="list"),)}
        drawing = draw_left_open(answer.table, self.by, lens=self.model.lens, origin_ns=self.answers.bounds()[0])
        return drawing, said | {"empty": NONE if self.by else FOLDED}

    def words(self) -> tuple[list[str], Lens]:
        """What prints what was left open."""
        return ["leaks", f"--by={self.by or 'process'}"], self._lens()

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the rows picked."""
        return picked(self.model.lens, (FIELDS.get(self.by, "pids"),), message)

    def choose(self, name: str, value: str) -> None:
        """By something else; the Lens stays."""
        if name == "by" and (value in BY or not value):
            self.by = value
            self.refresh()

    def _lens(self) -> Lens:
        """The Lens without this view's own field: the rest stays in sight."""
        return self.model.lens.without(FIELDS[self.by]) if self.by in FIELDS else self.model.lens
