"""What failed: calls by operation and errno, with when it first and last happened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.errors import LATER, errors
from clew.units import number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.views.base import View
from clew_widgets.views.picking import picked

COLUMNS = (
    Column("name", "error", "text"),
    Column("op", "op", "text"),
    Column("calls", "calls", "count", additive=True, bad=True, title="Calls that failed so"),
    Column("first_ns", "first", "duration", title="When it first happened, since the start of the case"),
    Column("last_ns", "last", "duration", title="When it last happened, since the start of the case"),
)


def draw_errors(answer: pa.Table, *, lens: Lens, origin_ns: int) -> Drawing:
    """The table of errors; those that ``lens`` looks at are marked. Times are shown since ``origin_ns``."""
    rows = []
    for record in answer.to_pylist():
        name = record["name"] or f"errno {record['errno']}"
        cells = {
            "op": record["op"], "calls": record["calls"],
            "first_ns": record["first_ns"] - origin_ns, "last_ns": record["last_ns"] - origin_ns,
        }  # fmt: skip
        chosen = record["errno"] in lens.errnos and (not lens.ops or record["op"] in lens.ops)
        key = (("ops", record["op"]), ("errnos", record["errno"]))
        rows.append(Row(key, name, cells, record["meaning"] or "", chosen))
    total = sum(row.cells["calls"] for row in rows)
    finding = "no call failed."
    if rows:
        worst = max(rows, key=lambda row: row.cells["calls"])
        what = f"{worst.cells['op']} {worst.label} ({worst.sub})"
        finding = f"{number(total)} calls failed; most: {what}, {number(worst.cells['calls'])} times."
    return table(COLUMNS, rows, sort="calls", label="Errors", finding=printable(finding), with_bars=False)


def said(answer: pa.Table) -> str:
    """How many calls failed, and how many of these are no faults; nothing where none failed."""
    rows = answer.to_pylist()
    if not rows:
        return ""
    later = sum(row["calls"] for row in rows if row["name"] in LATER)
    text = f"{number(sum(row['calls'] for row in rows))} failed calls"
    return f'{text}, {number(later)} of them only "not now"' if later else text


class Errors(View):
    """Calls that failed; click a row to narrow to that operation and errno, again to let go."""

    name = "errors"
    title = "Errors"

    def ask(self) -> Answer:
        """Errors of all that could be picked: the Lens without its own errnos."""
        return self.answers.ask(errors, replace(self.model.lens, errnos=()))

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The table of errors."""
        drawing = draw_errors(answer.table, lens=self.model.lens, origin_ns=self.answers.bounds()[0])
        rows = drawing.body["rows"]
        total = sum(row["cells"]["calls"] for row in rows)
        return drawing, {"note": said(answer.table), "total": total, "empty": "No call failed."}

    def words(self) -> tuple[list[str], Lens]:
        """What prints the errors."""
        return ["errors"], self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the operation and errno picked."""
        return picked(self.model.lens, ("ops", "errnos"), message)
