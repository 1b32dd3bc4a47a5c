"""The flame graph: where samples were taken, merged by function; also as an icicle, and from callees to callers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from clew.questions.answer import Answer
from clew.questions.flame import flame
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.flame import flame as draw_flame
from clew_widgets.drawing.flame import merged_note
from clew_widgets.drawing.flame_columns import NARROWEST
from clew_widgets.views.base import Control
from clew_widgets.views.stack_view import BY, COLOR, StackView, heading, samples_in

DIRECTIONS = {"flame": ("down", "up"), "icicle": ("down", "down"), "callers": ("up", "down")}
"""What is shown -> (direction of the question, where the drawing grows)."""
ACTIONS = ("stack", "focus", "hide", "merge", "recursion", "drop", "function", "command", "open")


class Flame(StackView):
    """A flame graph; click to zoom, double-click to narrow the Lens to stacks that begin so."""

    name = "flame"
    title = "Flame graph"
    hint = "Where samples were taken, merged by function"
    shape = "flame"
    at: int | None = None

    def ask(self) -> Answer:
        """The tree of stacks under the Lens, with the edits."""
        self.at = None
        return self._asked(())

    def _asked(self, within: tuple[str, ...]) -> Answer:
        direction, _ = DIRECTIONS[self.shape]
        seen = {"narrowest": NARROWEST, "within": within} if direction == "up" else {}
        return self.answers.ask(
            flame,
            self.model.lens,
            event=self.event(),
            direction=direction,
            by=self.state.by,
            edits=self.state.questions,
            **seen,
        )

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The flame graph."""
        direction, grows = DIRECTIONS[self.shape]
        figures = answer.summary
        drawing = draw_flame(
            answer.table,
            unit=figures["unit"],
            event=figures["event"],
            grows=grows,
            inverted=direction == "up",
            at=self.at,
            label=f"Flame graph of {figures['event']}",
            actions=ACTIONS,
            command=self.command(figures["event"], direction=direction, by=self.state.by),
            edits=[one.label for one in self.state.edits],
            undo=self.state.can_undo,
        )
        said = [heading(figures), merged_note(drawing, answer.table)]
        shape = Control("shape", "show", self.shape, tuple((name, name) for name in DIRECTIONS))
        by = Control(BY.name, BY.label, self.state.by, BY.options, form=BY.form)
        controls = (*self.event_control(figures["event"]), shape, by, COLOR)
        note = "; ".join(filter(None, said))
        return drawing, {"note": note, "controls": controls, "total": samples_in(figures), "empty": NO_FRAMES}

    def choose(self, name: str, value: str) -> None:
        """Another form, besides what all views of stacks know."""
        if name == "shape" and value in DIRECTIONS:
            self.shape = value
            self.refresh()
        else:
            super().choose(name, value)

    def handle(self, message: dict[str, Any]) -> None:
        """Frames that were too narrow for the page are sent when they are zoomed into."""
        if message.get("type") == "open" and self.answer is not None:
            row = message.get("row")
            known = isinstance(row, int) and 0 <= row < self.answer.table.num_rows
            self.at = row if known else None
            if "narrow" in self.answer.table.column_names:  # what is below was not made so far
                names = names_to(self.answer.table, self.at or 0)
                self.answer = self._asked(names)
                self.at = row_of(self.answer.table, names) or None
            self.show(self.answer)
        else:
            super().handle(message)


def names_to(table: pa.Table, row: int) -> tuple[str, ...]:
    """Names of the rows of a tree from below its root down to ``row``."""
    parent, names = table["parent"], list[str]()
    while row > 0:
        names.append(table["name"][row].as_py())
        row = parent[row].as_py()
    return tuple(reversed(names))


def row_of(table: pa.Table, names: Sequence[str]) -> int:
    """The row that those names lead to from the root; 0 where there is none."""
    parent, row = table["parent"].to_numpy(), 0
    for name in names:
        below = np.flatnonzero(parent == row)
        found = [one for one in below.tolist() if table["name"][one].as_py() == name]
        if not found:
            return 0
        row = found[0]
    return row


NO_FRAMES = "No sample with a stack matches the lens and the edits. Remove a chip, or undo."
STACKS = (10, Flame)
