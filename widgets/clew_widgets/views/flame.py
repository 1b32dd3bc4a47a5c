"""The flame graph: where samples were taken, merged by function; also as an icicle, and from callees to callers."""

from __future__ import annotations

from typing import Any

from clew.questions.answer import Answer
from clew.questions.flame import flame
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.flame import flame as draw_flame
from clew_widgets.drawing.flame import merged_note
from clew_widgets.views.base import Control
from clew_widgets.views.stack_view import BY, COLOR, heading, samples_in
from clew_widgets.views.tree_view import TreeView

DIRECTIONS = {"flame": ("down", "up"), "icicle": ("down", "down"), "callers": ("up", "down")}
"""What is shown -> (direction of the question, where the drawing grows)."""
ACTIONS = ("stack", "focus", "hide", "merge", "recursion", "drop", "function", "command", "open")


class Flame(TreeView):
    """A flame graph; click to zoom, double-click to narrow the Lens to stacks that begin so."""

    name = "flame"
    title = "Flame graph"
    hint = "Where samples were taken, merged by function"
    shape = "flame"

    def ask_within(self, within: tuple[str, ...]) -> Answer:
        """The tree of stacks under the Lens, with the edits."""
        direction, _ = DIRECTIONS[self.shape]
        return self.answers.ask(
            flame,
            self.model.lens,
            event=self.event(),
            direction=direction,
            by=self.state.by,
            edits=self.state.questions,
            **self.seen(direction, within),
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


NO_FRAMES = "No sample with a stack matches the lens and the edits. Remove a chip, or undo."
STACKS = (10, Flame)
