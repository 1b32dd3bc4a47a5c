"""The lens bar: what is being looked at, as chips to take away, with undo, and what it adds up to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.counts import counts
from clew.units import number, printable
from clew_widgets.drawing.static import safe
from clew_widgets.drawing.table import UNKNOWN
from clew_widgets.lens_model import LensModel, as_code
from clew_widgets.widget import Widget

TOTALS = (
    ("calls", "calls", "count"),
    ("errors", "failed", "count"),
    ("bytes", "moved", "bytes"),
    ("total_ns", "inside calls", "duration"),
)


def totals(case: Case, lens: Lens) -> dict[str, int]:
    """Calls, errors, bytes and ns inside calls of everything ``lens`` looks at."""
    table = counts(case, lens, by="host").table
    return {name: sum(value or 0 for value in table[name].to_pylist()) for name, _, _ in TOTALS}


class LensBar(Widget):
    """Chips, undo, redo, reset, copy as code; and the totals, beside those of the whole case."""

    def __init__(self, case: Case, model: LensModel) -> None:
        super().__init__("lens")
        self.case = case
        self.model = model
        self.on_update: Callable[[], None] = self.update
        self.update()

    def update(self) -> None:
        """Look at the case anew, as it may have grown, and show the Lens."""
        self._whole = totals(self.case, Lens())
        self._origin_ns = self.case.bounds()[0]
        self._live = not all(self.case.captures()["complete"].to_pylist())
        self.refresh()

    def refresh(self) -> None:
        """Show the Lens as it is."""
        self.busy = True
        lens = self.model.lens
        try:
            now = self._whole if lens == Lens() else totals(self.case, lens)
        except ClewError:
            now = {}  # the views say why
        chips = [
            {"field": chip.field, "value": chip.value, "label": printable(chip.label)}
            for chip in lens.chips(self._origin_ns)
        ]
        shown = [
            {
                "name": name,
                "label": label,
                "kind": kind,
                "value": now.get(name),
                "of": self._whole[name],
                "bad": name == "errors",
            }
            for name, label, kind in TOTALS
        ]
        can = {"undo": self.model.can_undo, "redo": self.model.can_redo, "live": self._live}
        self.spec = {"chips": chips, **can, "code": as_code(lens), "totals": shown}
        self.static = f"<p>{safe(self.finding())}</p>"
        self.busy = False

    def finding(self) -> str:
        """What is being looked at, in one line."""
        labels = [chip["label"] for chip in self.spec["chips"]]
        calls = self.spec["totals"][0]["value"]
        return f"Lens: {', '.join(labels) or 'everything'}; {UNKNOWN if calls is None else number(calls)} calls."

    def handle(self, message: dict[str, Any]) -> None:
        """A chip taken away, a step in the history, or a wish for what was recorded meanwhile."""
        kind = message.get("type")
        if kind == "remove":
            self.model.remove(str(message["field"]), message.get("value"))
        elif kind in ("undo", "redo", "reset"):
            getattr(self.model, kind)()
        elif kind == "update":
            self.on_update()
