"""When it happened: calls, bytes, errors and time in calls over time, stacked by command or operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from clew.case import Case
from clew.lens import Lens
from clew.questions.activity import activity
from clew.questions.answer import Answer
from clew.questions.coverage import losses
from clew.units import duration, number
from clew_widgets.answers import Answers
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.timeline import MEASURES, timeline
from clew_widgets.lens_model import LensModel
from clew_widgets.views.base import Control, View

BINS = 200
MEASURE = Control(
    "measure",
    "show",
    "calls",
    (("calls", "calls"), ("bytes", "bytes"), ("errors", "errors"), ("busy_ns", "time")),
    local=True,
)


def lost(answer: Answer) -> str:
    """What an answer of losses means for the figures in view; nothing where nothing was lost."""
    rows = answer.table.to_pylist()
    count = sum(row["lost_events"] for row in rows if row["tid"] is None)
    threads = sum(row["tid"] is not None for row in rows)
    if not count:
        return ""
    where = f" of {threads} thread{'s' * (threads != 1)}" if threads else ""
    return f"{number(count)} records{where} were lost, it is not known when: what is shown is too low by that."


def stacking(group: str) -> Control:
    """The choice of what the bins are stacked by."""
    return Control("group", "stack by", group, (("command", "command"), ("op", "op"), ("all", "nothing")))


def draw_activity(
    answer: pa.Table, group: str, *, colors: Mapping[str, str], window: tuple[int, int], origin_ns: int
) -> Drawing:
    """The timeline of an activity answer; without a group all calls are one series."""
    names = answer["group"].to_pylist() if "group" in answer.column_names else ["all calls"] * answer.num_rows
    values = {measure: np.asarray(answer[measure].to_numpy(), dtype=np.float64) for measure in MEASURES}
    start, end = (answer[column].to_numpy().astype(np.int64) for column in ("start_ns", "end_ns"))
    label = "Activity over time, stacked by " + group
    named = ["not known" if name is None else str(name) for name in names]
    return timeline(start, end, named, values, colors=colors, window=window, origin_ns=origin_ns, label=label)


def window(bounds: tuple[int, int], lens: Lens) -> tuple[int, int]:
    """The time that ``lens`` looks at in a case of these bounds, ns of the case's clock."""
    first, last = bounds
    return (first if lens.start_ns is None else lens.start_ns, last + 1 if lens.end_ns is None else lens.end_ns)


class Activity(View):
    """Activity over time; drag over the chart to narrow to that time."""

    name = "activity"
    title = "Activity"

    def __init__(
        self,
        case: Case,
        model: LensModel | Lens | None = None,
        *,
        group: str = "command",
        palettes: Mapping[str, Mapping[str, str]] | None = None,
        answers: Answers | None = None,
    ) -> None:
        self.group = group
        self.palettes = palettes or {}
        super().__init__(case, model, answers=answers)

    def ask(self) -> Answer:
        """Activity in BINS intervals of the time the Lens looks at."""
        by = None if self.group == "all" else self.group
        return self.answers.ask(activity, self.model.lens, bins=BINS, by=by)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The stacked timeline, in the colours that the whole case gave to each name."""
        colors = self.palettes.get(self.group) or {"all calls": "s0"}
        drawing = draw_activity(
            answer.table,
            self.group,
            colors=colors,
            window=window(self.answers.bounds(), self.model.lens),
            origin_ns=self.answers.bounds()[0],
        )
        note = ""
        if drawing.rows:
            note = f"{duration(drawing.body['end'][0] - drawing.body['start'][0])} a bin, drag to narrow"
        total = sum(sum(series["calls"]) for series in drawing.body["series"])
        said = {"note": note, "warning": lost(losses(self.case)), "controls": (MEASURE, stacking(self.group))}
        return drawing, {**said, "total": int(total)}

    def words(self) -> tuple[list[str], Lens]:
        """What prints the same in fewer bins."""
        return ["activity", *([] if self.group == "all" else [f"--by={self.group}"])], self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens narrowed to the time brushed (ns since the start of the case)."""
        start, end = (self.answers.bounds()[0] + round(message[side]) for side in ("start", "end"))
        return replace(self.model.lens, start_ns=start, end_ns=end)

    def choose(self, name: str, value: str) -> None:
        """Stack by something else."""
        if name == "group" and value in ("command", "op", "all"):
            self.group = value
            self.refresh()
