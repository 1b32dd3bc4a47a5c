"""The sandwich: who calls one function, above it, and what it calls, below it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from clew.questions.answer import Answer
from clew.questions.flame import flame
from clew.questions.functions import functions
from clew.units import number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.flame import amount, sandwich
from clew_widgets.drawing.flame_columns import NARROWEST
from clew_widgets.views.base import Control
from clew_widgets.views.stack_view import COLOR, StackView, samples_in

_SUGGESTED = 500


def rooted(table: pa.Table) -> pa.Table:
    """The tree of a flame question with ``root`` without the row above the function: it says nothing."""
    if table.num_rows < 2 or table["depth"].to_numpy()[2:].min(initial=2) < 2:
        return table
    below = table.slice(1)
    for name in ("node", "parent", "depth"):
        lower = pa.array(below[name].to_numpy() - 1, below.schema.field(name).type)
        below = below.set_column(below.column_names.index(name), name, lower)
    return below


class Sandwich(StackView):
    """Callers and callees of a function, chosen here or in the flame graph (key s)."""

    name = "sandwich"
    title = "Callers and callees"
    hint = "Who calls one function, and what it calls"

    def ask(self) -> Answer:
        """What the function calls; its callers are kept beside."""
        event = self.event()
        self.top = self.answers.ask(functions, self.model.lens, event=event)
        known = self.top.table["function"]
        if self.state.function is None and self.top.table.num_rows:
            self.state.function = known[0].as_py()
        root = self.state.function
        up = {"direction": "up", "root": root, "narrowest": NARROWEST}
        self.callers = self.answers.ask(flame, self.model.lens, event=event, **up)
        return self.answers.ask(flame, self.model.lens, event=event, direction="down", root=root)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """Two flame graphs that meet at the function."""
        figures, function = answer.summary, self.state.function or ""
        whole = self.top.summary["total"]
        command = self.command(figures["event"], root=function)
        drawing = sandwich(
            rooted(self.callers.table),
            rooted(answer.table),
            function=function,
            unit=figures["unit"],
            event=figures["event"],
            whole=whole,
            actions=("focus", "function", "command") if command else (),
            command=command,
        )
        share = figures["total"] / whole if whole else 0
        note = f"{amount(figures['unit'], figures['total'])} in or below it, {share:.1%} of all"
        controls = (*self.event_control(figures["event"]), self.chooser(), COLOR)
        return drawing, {"note": note, "controls": controls, "total": samples_in(figures)}

    def chooser(self) -> Control:
        """The function, typed with suggestions, the heaviest first."""
        table = self.top.table
        heavy = np.argsort(-table["total"].to_numpy(), kind="stable")[:_SUGGESTED]
        names = table["function"].take(pa.array(heavy)).to_pylist()
        suggestions = tuple((name, name) for name in names if printable(name) == name)
        return Control("function", "function", printable(self.state.function or ""), suggestions, form="text")

    def when_failed(self) -> tuple[Control, ...]:
        """Another function can be chosen where one is in no stack."""
        return (*super().when_failed(), self.chooser())

    def choose(self, name: str, value: str) -> None:
        """Another function; what is typed may be a part of its name."""
        if name == "function":
            known = self.top.table["function"].to_pylist()
            inside = [one for one in known if value.lower() in one.lower()]
            self.state.function = value if value in known or not inside else inside[0]
            self.state.changed()
        else:
            super().choose(name, value)

    def handle(self, message: dict[str, Any]) -> None:
        """A function chosen in the sandwich becomes its middle."""
        if message.get("type") == "function":
            self.state.function = str(message.get("name"))
            self.state.changed()
        else:
            super().handle(message)

    def finding(self) -> str:
        """What the view shows, in one line."""
        said = super().finding()
        return said if self.answer is None else f"{said} {number(self.top.table.num_rows)} functions in view."


STACKS = (30, Sandwich)
