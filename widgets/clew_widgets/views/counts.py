"""Who did what, how often and how long: a table of counts, one row for each command, process, operation, file, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.counts import counts
from clew.units import duration, number
from clew_widgets.answers import Answers
from clew_widgets.drawing import Drawing, palette
from clew_widgets.drawing.table import Column, Row, table, words
from clew_widgets.lens_model import LensModel
from clew_widgets.views.base import Control, View
from clew_widgets.views.picking import picked

FIELDS = {
    "command": "commands",
    "process": "pids",
    "thread": "tids",
    "op": "ops",
    "file": "files",
    "peer": "peers",
    "host": "hosts",
}
_ON = {"file": "a file", "peer": "a connection"}
LIMIT = 200
COLUMNS = (
    Column("calls", "calls", "count", additive=True, title="Calls that were recorded"),
    Column("errors", "errors", "count", additive=True, bad=True, title="Calls that failed"),
    Column("bytes", "bytes", "bytes", additive=True, title="Bytes that the calls moved"),
    Column(
        "total_ns",
        "total time",
        "duration",
        additive=True,
        title="Time spent inside the calls, waiting included, all threads added up",
    ),
    Column("mean_ns", "mean", "duration", title="Mean duration of a call"),
    Column("p50_ns", "p50", "duration", title="Half of the calls were shorter"),
    Column("p99_ns", "p99", "duration", title="99 of 100 calls were shorter"),
    Column("max_ns", "max", "duration", title="The longest call"),
)


def key_of(by: str, row: Mapping[str, Any]) -> tuple[str, Any]:
    """The (lens field, value) that a row of counts stands for."""
    return FIELDS[by], {"process": row.get("pid"), "thread": row.get("tid")}.get(by, row["name"])


def draw_counts(
    answer: pa.Table, by: str, *, chosen: tuple[Any, ...] = (), colors: Mapping[str, str] | None = None
) -> Drawing:
    """The table of counts; rows with a value in ``chosen`` are marked, rows named in ``colors`` carry their colour."""
    rows = []
    records = answer.to_pylist()
    timed = any(record["total_ns"] is not None for record in records)
    for record in records:
        field, value = key_of(by, record)
        name = "not known" if record["name"] is None else str(record["name"])
        sub = {"process": f"pid {record.get('pid')}", "thread": f"tid {record.get('tid')}"}.get(by, "")
        cells = {column.id: record[column.id] for column in COLUMNS}
        # allocations are counted but not traced: no click can narrow to them, and they are no part of the other calls
        aside = timed and record["total_ns"] is None
        sub = "counted, not traced" if aside else sub
        color = "" if aside else (colors or {}).get(name, "")
        rows.append(Row(((field, value),), name, cells, sub, value in chosen, color, inert=aside, aside=aside))
    head = Column("name", by, "text")
    label = f"Counts by {by}"
    return table((head, *COLUMNS), rows, sort="calls", label=label, finding=_finding(rows, by))


def colors(answer: Answer) -> dict[str, str]:
    """The colours of the names in an answer of counts, most calls first; calls that charts cannot show get none."""
    rows = answer.table.to_pylist()
    timed = [row for row in rows if row["total_ns"] is not None] or rows
    return palette(str(row["name"]) for row in timed)


def _finding(every: list[Row], by: str) -> str:
    rows = [row for row in every if not row.aside]
    if not rows:
        return "no calls."
    total = sum(row.cells["calls"] for row in rows)
    most = max(rows, key=lambda row: row.cells["calls"])
    share = 100 * most.cells["calls"] / max(total, 1)
    failed = sum(row.cells["errors"] or 0 for row in rows)
    name = words("text", f"{most.label} {most.sub}".strip())
    return (
        f"{number(total)} calls by {len(rows)} {plural(by, len(rows))}; {name} made most: "
        f"{number(most.cells['calls'])} ({share:.0f} %), {duration(most.cells['total_ns'] or 0)} inside them; "
        f"{number(failed)} failed."
    )


def plural(by: str, count: int) -> str:
    """``by`` in the number that fits ``count``."""
    return by if count == 1 else {"process": "processes"}.get(by, by + "s")


class Counts(View):
    """Counts by ``by``; click a row to narrow to it, with Ctrl or Shift to several, again to let go.

    ``on_requests`` shows the requests for which the calls were made; None: there are none.
    """

    name = "counts"
    title = "Counts"

    def __init__(
        self,
        case: Case,
        model: LensModel | Lens | None = None,
        *,
        by: str = "command",
        colors: Mapping[str, str] | None = None,
        answers: Answers | None = None,
    ) -> None:
        self.by = by
        self.colors = colors
        self.on_requests: Callable[[], None] | None = None
        super().__init__(case, model, answers=answers)

    def ask(self) -> Answer:
        """Counts of all that could be picked: the Lens without this view's own field, the rest stays in sight."""
        lens = self.model.lens.without(FIELDS[self.by])
        return self.answers.ask(counts, lens, by=self.by, limit=LIMIT + 1)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The first LIMIT rows, those the Lens looks at marked."""
        chosen = getattr(self.model.lens, FIELDS[self.by])
        shown = answer.table.slice(0, LIMIT)
        drawing = draw_counts(shown, self.by, chosen=chosen, colors=self.colors)
        many = answer.table.num_rows > LIMIT
        note = f"the {LIMIT} with most calls" if many else f"{shown.num_rows} {plural(self.by, shown.num_rows)}"
        rows = drawing.body["rows"]
        total = sum(row["cells"]["calls"] for row in rows if not row["aside"] and (row["selected"] or not chosen))
        control = Control("by", "by", self.by, tuple((name, name) for name in FIELDS))
        said = {"note": note, "controls": (control,), "total": total}
        if chosen and self.on_requests:
            button = {"name": "requests", "label": "Requests that made them", "to": ".clew-requests"}
            said["leads"] = {"label": "Look at", "buttons": [button]}
        if self.by in _ON:
            said["empty"] = f"No recorded call under the lens is on {_ON[self.by]}."
        return drawing, said

    def show(self, answer: Answer) -> None:
        """Draw the answer; a table without rows says so in its place, not beside its title as well."""
        super().show(answer if answer.table.num_rows else replace(answer, note=None))

    def words(self) -> tuple[list[str], Lens]:
        """What prints these counts."""
        return ["counts", f"--by={self.by}"], self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the rows picked."""
        return picked(self.model.lens, (FIELDS[self.by],), message)

    def handle(self, message: dict[str, Any]) -> None:
        """What every view does, and the way to the requests for which the calls were made."""
        if message.get("type") == "lead" and self.on_requests:
            self.on_requests()
        else:
            super().handle(message)

    def choose(self, name: str, value: str) -> None:
        """Count by something else; the Lens stays."""
        if name == "by" and value in FIELDS:
            self.by = value
            self.refresh()
