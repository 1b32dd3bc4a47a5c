"""Figures over time: what perf stat counted, maps of bpftrace that are one number; drag to narrow to a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.figures import NONE, figure, figures
from clew.units import printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.figures import figure as draw_figure
from clew_widgets.views.base import Control, View


class Figures(View):
    """One figure of ``case`` over time, chosen from all there are."""

    name = "figures"
    title = "Figures"
    chosen: str | None = None

    def ask(self) -> Answer:
        """The readings of the figure that was chosen; else of the first."""
        there = self.answers.ask(figures, Lens()).table.to_pylist()
        if not there:
            raise ClewError(NONE)
        several = len({row["capture_id"] for row in there}) > 1
        beside = {row["capture_id"]: f" (capture {row['capture_id']})" if several else "" for row in there}
        self.known = {
            f"{row['capture_id']} {row['name']}": row | {"beside": beside[row["capture_id"]]} for row in there
        }
        self.chosen = self.chosen if self.chosen in self.known else next(iter(self.known))
        row = self.known[self.chosen]
        return self.answers.ask(figure, self.model.lens, name=row["name"], capture_id=row["capture_id"])

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """A bar for each reading."""
        drawing = draw_figure(answer.table, **answer.summary, origin_ns=self.answers.bounds()[0])
        options = tuple((key, printable(row["name"] + row["beside"])) for key, row in self.known.items())
        control = Control("figure", "figure", self.chosen or "", options, form="list")
        note = "drag to narrow" if drawing.rows else ""
        return drawing, {"note": note, "controls": (control,), "empty": "No reading in the time of the lens."}

    def words(self) -> tuple[list[str], Lens]:
        """What prints the readings."""
        return ["figures", self.known[self.chosen or ""]["name"]], self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens narrowed to the time brushed (ns since the start of the case)."""
        start, end = (self.answers.bounds()[0] + round(message[side]) for side in ("start", "end"))
        return replace(self.model.lens, start_ns=start, end_ns=end)

    def choose(self, name: str, value: str) -> None:
        """Another figure."""
        if name == "figure" and value in self.known:
            self.chosen = value
            self.refresh()
