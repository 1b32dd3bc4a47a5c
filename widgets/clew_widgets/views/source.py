"""One function's source and instructions, with what samples weigh at each line."""

from __future__ import annotations

from typing import Any

from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.annotate import annotate
from clew.questions.answer import Answer
from clew.questions.functions import functions
from clew.units import printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.source import source
from clew_widgets.views.base import Control
from clew_widgets.views.stack_view import StackView

_SUGGESTED = 300
FORMS = (("source", "source"), ("code", "instructions"))


class Source(StackView):
    """Source lines or instructions of a function; without a choice, of the one with most samples of its own."""

    name = "source"
    title = "Source"
    hint = "One function line by line and instruction by instruction"
    form = "source"

    def ask(self) -> Answer:
        """The function chosen in any view; else the heaviest that has a name and a module."""
        event = self.event()
        table = self.answers.ask(functions, self.model.lens, event=event).table
        self.names = table["function"].to_pylist()[:_SUGGESTED]
        known = (row for row in table.to_pylist() if row["module"] and not row["function"].startswith("["))
        heaviest = next((row["function"] for row in known), None)
        function = self.state.function or heaviest
        if function is None:
            raise ClewError("no function under the lens has a module: there is no code to look at")
        self.function = function
        return self.answers.ask(annotate, self.model.lens, function=function, event=event)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """Lines of the form chosen; of the other where there are none."""
        figures = answer.summary
        rows = answer.table.to_pylist()
        lines = [row for row in rows if row["address"] is None]
        code = [row for row in rows if row["address"] is not None]
        shown = (lines or code) if self.form == "source" else (code or lines)
        drawing = source(
            shown,
            unit=figures["unit"],
            whole=figures["total"],
            label=f"{printable(self.function)} in {printable(figures['module'] or 'an unknown module')}",
        )
        controls = (*self.event_control(figures["event"]), self.chooser(), Control("form", "show", self.form, FORMS))
        empty = "Neither source nor instructions of this function could be had; the note says why."
        return drawing, {"controls": controls, "total": figures["samples"], "empty": empty}

    def chooser(self) -> Control:
        """The function, with suggestions: heaviest first."""
        options = tuple((name, "") for name in getattr(self, "names", []))
        return Control("function", "function", getattr(self, "function", ""), options, form="text")

    def when_failed(self) -> tuple[Control, ...]:
        """Another function can be chosen."""
        return (*super().when_failed(), self.chooser())

    def choose(self, name: str, value: str) -> None:
        """Another function, or the other form."""
        if name == "function":
            self.state.function = value or None
            self.state.changed()
        elif name == "form" and value in dict(FORMS):
            self.form = value
            self.refresh()
        else:
            super().choose(name, value)

    def words(self) -> tuple[list[str], Lens]:
        """What prints the lines."""
        event = self.event()
        return ["annotate", self.function, *([f"--event={event}"] if event else [])], self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:  # noqa: ARG002 -- the form of all views
        """Lines are not clicked."""
        return self.model.lens


STACKS = (90, Source)
