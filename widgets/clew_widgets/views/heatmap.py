"""The sub-second offset heat map: drag over any part of it, and every view follows; or let it play."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.heatmap import SECOND, heatmap
from clew.units import number
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.heatmap import MOST_CELLS
from clew_widgets.drawing.heatmap import heatmap as draw_heatmap
from clew_widgets.views.base import Control
from clew_widgets.views.stack_view import StackView

ROWS = 50
SCALE = Control("scale", "shade", "root", (("root", "root"), ("linear", "linear")), local=True)


class Heatmap(StackView):
    """A column for each second, time within it upwards; shade is what the samples weigh."""

    name = "heatmap"
    title = "Heat map"
    hint = "Each second a column: patterns within seconds, and moments that differ"

    def ask(self) -> Answer:
        """The samples that could be brushed: the Lens without its own time."""
        first, last = self.answers.bounds()
        rows = max(1, min(ROWS, MOST_CELLS // ((last - first) // SECOND + 1)))
        return self.answers.ask(heatmap, self.model.lens.without("time"), event=self.event(), rows=rows)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The map, with what the Lens looks at marked."""
        figures, lens = answer.summary, self.model.lens
        chosen = None
        if lens.start_ns is not None or lens.end_ns is not None:
            origin = figures["origin_ns"]
            end = lens.end_ns if lens.end_ns is not None else origin + figures["seconds"] * SECOND
            chosen = ((lens.start_ns or origin) - origin, end - origin)
        drawing = draw_heatmap(answer.table, figures, chosen=chosen, still=self.still)
        note = "" if self.still else "; drag over cells to narrow to their time; click one for its moment; ▸ plays"
        controls = (*self.event_control(figures["event"]), SCALE)
        total = sum(answer.table["samples"].to_pylist())
        return drawing, {"note": f"{number(total)} samples{note}", "controls": controls, "total": total}

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens narrowed to the time brushed (ns since the case's first moment)."""
        origin = self.answers.bounds()[0]
        start, end = (origin + round(message[side]) for side in ("start", "end"))
        return replace(self.model.lens, start_ns=start, end_ns=max(end, start + 1))


STACKS = (60, Heatmap)
