"""The lens bar: what is being looked at, as chips to take away, with undo, and what it adds up to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clew.questions.answer import Answer
from clew.units import number, printable
from clew_widgets.answers import Answers
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


_IDS = ("request_ids", "shapes")  # numbers of 64 bits, which a page cannot hold: it gets them as text


def _for_page(field: str, value: Any) -> Any:
    return str(value) if field in _IDS else value


def totals(answer: Answer) -> dict[str, int]:
    """What the rows of counts, or of activity, add up to: calls, errors, bytes and ns inside calls."""
    table = answer.table
    time = "busy_ns" if "busy_ns" in table.column_names else "total_ns"
    columns = {"calls": "calls", "errors": "errors", "bytes": "bytes", "total_ns": time}
    return {name: sum(value or 0 for value in table[column].to_pylist()) for name, column in columns.items()}


class LensBar(Widget):
    """Chips, undo, redo, reset, copy as code; and the totals, beside those of the whole case."""

    def __init__(self, model: LensModel, answers: Answers) -> None:
        super().__init__("lens")
        self.answers = answers
        self.model = model
        self.on_update: Callable[[], None] = lambda: None

    def show(
        self,
        now: Mapping[str, int],
        whole: Mapping[str, int],
        samples: tuple[int, int] | None = None,
        requests: tuple[int, int] | None = None,
    ) -> None:
        """Show the Lens as it is, what it adds up to ``now`` (empty: not known) and the ``whole`` case does.

        ``samples``: how many it looks at, and how many there are; None: none were taken; so ``requests``. Without
        ``whole`` no call was recorded.
        """
        lens = self.model.lens
        chips = [
            {"field": chip.field, "value": _for_page(chip.field, chip.value), "label": printable(chip.label)}
            for chip in lens.chips(self.answers.bounds()[0])
        ]
        shown = []
        for name, label, kind in TOTALS if whole else ():
            value = {"value": now.get(name), "of": whole[name], "bad": name == "errors"}
            shown.append({"name": name, "label": label, "kind": kind, **value})
        for name, counted in (("requests", requests), ("samples", samples)):
            if counted:
                what: dict[str, Any] = {"name": name, "label": name, "kind": "count", "bad": False}
                shown.append({**what, "value": counted[0], "of": counted[1]})
        live = not all(self.answers.case.captures()["complete"].to_pylist())
        can = {"undo": self.model.can_undo, "redo": self.model.can_redo, "live": live}
        self.spec = {"chips": chips, **can, "code": as_code(lens), "totals": shown}
        self.static = f"<p>{safe(self.finding())}</p>"

    def finding(self) -> str:
        """What is being looked at, in one line."""
        labels = [chip["label"] for chip in self.spec["chips"]]
        first = [total for total in self.spec["totals"] if total["name"] in ("calls", "samples")]
        said = (f"{UNKNOWN if one['value'] is None else number(one['value'])} {one['label']}" for one in first)
        return f"Lens: {', '.join(labels) or 'everything'}; {', '.join(said) or 'nothing recorded'}."

    def handle(self, message: dict[str, Any]) -> None:
        """A chip taken away, a step in the history, or a wish for what was recorded meanwhile."""
        kind = message.get("type")
        if kind == "remove":
            field, value = str(message["field"]), message.get("value")
            self.model.remove(field, int(value) if field in _IDS and value is not None else value)
        elif kind in ("undo", "redo", "reset"):
            getattr(self.model, kind)()
        elif kind == "update":
            self.on_update()
