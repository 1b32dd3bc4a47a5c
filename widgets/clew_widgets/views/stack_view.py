"""What views of stacks have in common: the event, edits with undo, and what is said where there are no samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow.compute as pc

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.samples import sample_events
from clew.units import number, printable
from clew_widgets.answers import Answers
from clew_widgets.drawing.flame import amount
from clew_widgets.lens_model import LensModel
from clew_widgets.views import command_line
from clew_widgets.views.base import Control, View
from clew_widgets.views.stack_state import StackState, edit

NOTHING = (
    "No stacks were recorded. `clew record --engine perf -- COMMAND` samples what runs; "
    "`clew record --stacks OP -- COMMAND` keeps the stacks of calls; `clew import CASE FILE` reads a profile."
)
NO_MATCH = "No sample matches the lens. Remove a chip, or undo."
COLOR = Control("color", "colour", "kind", (("kind", "kind"), ("module", "module")), local=True)
BY = Control("by", "merge by", "function", tuple((name, name) for name in ("function", "module", "line")), form="list")
_SIDE_BY_SIDE = 3  # events; more are a list
_PLACE = r" \([^()]*:\d+\)$"
EDITS = ("hide", "merge", "drop", "recursion")


def samples_in(figures: Mapping[str, Any], weight: str = "total") -> int:
    """How many samples ``figures`` are of: formats that hold equal stacks once have their number as weight."""
    return int(figures[weight] if figures["unit"] == "samples" else figures["samples"])


def heading(figures: Mapping[str, Any]) -> str:
    """The whole in words: its weight, and of how many samples."""
    whole = amount(figures["unit"], figures["total"])
    return whole if figures["unit"] == "samples" else f"{whole} in {number(figures['samples'])} samples"


class StackView(View):
    """A view of samples. It shares ``state`` with the others; alone it has its own."""

    hint = ""
    """What the view shows, for its tab."""
    still = False
    """Whether nobody answers (a report): then nothing is offered that takes a kernel."""

    def __init__(
        self,
        case: Case,
        model: LensModel | Lens | None = None,
        *,
        answers: Answers | None = None,
        state: StackState | None = None,
    ) -> None:
        self.state = state or StackState()
        if state is None:
            self.state.changed = self.refresh
        super().__init__(case, model, answers=answers)

    def event(self) -> str | None:
        """The event chosen, where the lens has samples of it."""
        names = [name for name, _ in self.events()]
        return self.state.event if self.state.event in names else None

    def events(self) -> list[tuple[str, int]]:
        """(event, samples) under the lens, most first."""
        table = self.answers.ask(sample_events, replace(self.model.lens, events=())).table
        return [(row["event_name"], samples_in(row, "weight")) for row in table.to_pylist()]

    def event_control(self, shown: str) -> tuple[Control, ...]:
        """The choice of the event; none where there is only one."""
        events = self.events()
        if len(events) < 2:
            return ()
        form = "" if len(events) <= _SIDE_BY_SIDE and all(len(name) < 16 for name, _ in events) else "list"
        options = tuple(
            (name, f"{printable(name)} ({number(count)})" if form else printable(name)) for name, count in events
        )
        return (Control("event", "event", shown, options, form=form),)

    def command(self, event: str | None, **options: Any) -> str:
        """The command that prints what is shown."""
        edits = [] if "root" in options else self.state.questions
        lens = self.model.lens
        return printable(
            command_line.stacks(self.case.path, lens, self.answers.bounds()[0], event, edits=edits, **options)
        )

    def stack_words(self, *options: str) -> list[str]:
        """``clew stacks`` with ``options``, the event and the edits of this view."""
        event = self.event()
        edits = [f"--{what}={pattern}" for what, pattern in self.state.questions if what != "recursion"]
        return ["stacks", *options, *([f"--event={event}"] if event else []), *edits]

    def failed(self, error: ClewError) -> dict[str, Any]:
        """No samples are no error: what to do is said instead."""
        try:
            if not self.events():
                nothing = not self.answers.ask(sample_events, Lens()).table.num_rows
                # of calls without stacks the question says what to record
                said = printable(str(error)) if self.model.lens.ops else NO_MATCH
                return {"empty": NOTHING if nothing else said, "controls": []}
        except ClewError:
            pass
        controls = [control.spec() for control in self.when_failed()]
        return {"error": printable(str(error)), "controls": controls}

    def when_failed(self) -> tuple[Control, ...]:
        """Choices that help out where the question could not be asked."""
        return self.event_control(self.state.event or "")

    def choose(self, name: str, value: str) -> None:
        """Another event, or another way to merge frames."""
        if name == "event" and value in [event for event, _ in self.events()]:
            self.state.event = value
            self.state.changed()
        elif name == "by" and value in ("function", "module", "line"):
            self.state.by = value
            self.state.changed()

    def handle(self, message: dict[str, Any]) -> None:
        """A choice, an edit, or something that changes the Lens."""
        kind, name = message.get("type"), str(message.get("name"))
        if kind in EDITS:
            self.state.set_edits((*self.state.edits, edit(kind, name)))
        elif kind == "unedit":
            index = message.get("index")
            self.state.set_edits(tuple(one for at, one in enumerate(self.state.edits) if at != index))
        elif kind == "undo":
            self.state.undo(self.model)
        elif kind == "focus":
            self.state.set_lens(self.model, self.only(name))
        elif kind == "stack":
            path = [str(step) for step in message.get("path", [])]
            if path:
                self.state.set_lens(self.model, self.beginning(path))
        elif kind == "function":
            self.state.function = self.function_of(name)
            (self.state.open_function or self.state.changed)()
        elif kind == "brush":
            self.state.set_lens(self.model, self.act(message))
        else:
            super().handle(message)

    def function_of(self, name: str) -> str:
        """The function that a frame called ``name`` belongs to."""
        if self.state.by == "line":
            return str(pc.replace_substring_regex(name, _PLACE, "").as_py())
        return name

    def only(self, name: str) -> Lens:
        """The Lens narrowed to samples with the frame ``name``: its function, or its module where it has no name."""
        lens = self.model.lens
        module = name if self.state.by == "module" else self._unnamed(name)
        return (
            lens.narrow(modules=(module,)) if module is not None else lens.narrow(functions=(self.function_of(name),))
        )

    def _unnamed(self, name: str) -> str | None:
        """The module whose frames without a symbol are called ``name``."""
        if self.answer is None or not name.startswith("[") or "module" not in self.answer.table.column_names:
            return None
        module = name[1:-1]
        known = self.answer.table["module"].unique().to_pylist()
        return module if module in known else None

    def beginning(self, path: list[str]) -> Lens:
        """The Lens narrowed to stacks that begin with ``path``; where frames are not functions, to the last of them."""
        plain = self.state.by == "function" and not any(one.what != "drop" for one in self.state.edits)
        if plain and not any(self._unnamed(step) for step in path):
            return self.model.lens.narrow(stack=tuple(path))
        return self.only(path[-1])
