"""What views of requests have in common: which request is open, which shapes are compared, what is said of none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ipywidgets

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.requests import requests, requests_by
from clew.questions.samples import sample_events
from clew.units import number, printable
from clew_widgets.answers import Answers
from clew_widgets.lens_model import LensModel
from clew_widgets.views.base import View
from clew_widgets.views.stack_view import samples_in

NO_MATCH = "No request matches the lens. Remove a chip, or undo."
OWN = ("requests", "request_ids", "shapes", "took")
"""Fields of the Lens that only speak of requests."""


@dataclass
class RequestState:
    """Choices that stay when another view of requests is shown. ``changed`` tells whoever shows them.

    ``show`` brings a tab to the front; ``sides`` are the shapes compared as a and b, ``band`` the one whose slow
    requests are compared with its fast ones. ``colors`` of programs are those of the other views of an Explorer.
    """

    changed: Callable[[], None] = lambda: None
    show: Callable[[str], None] = lambda _name: None
    sides: dict[str, int] = field(default_factory=dict)
    band: int | None = None
    colors: Mapping[str, str] = field(default_factory=dict)


def requests_in(answers: Answers, lens: Lens) -> int:
    """How many requests ``lens`` looks at; raises ClewError where there are none at all, and says why."""
    return sum(row["count"] for row in answers.ask(requests_by, lens, by="host").table.to_pylist())


class RequestView(View):
    """A view of requests. It shares ``state`` with the others; alone it has its own."""

    hint = ""
    """What the view shows, for its tab."""

    def __init__(
        self,
        case: Case,
        model: LensModel | Lens | None = None,
        *,
        answers: Answers | None = None,
        state: RequestState | None = None,
    ) -> None:
        self.state = state or RequestState()
        if state is None:
            self.state.changed = self.refresh
        super().__init__(case, model, answers=answers)

    def failed(self, error: ClewError) -> dict[str, Any]:
        """No requests are no error: what to do is said instead."""
        try:
            self.answers.ask(requests, Lens(), limit=1)
        except ClewError as none:
            return {"empty": printable(str(none)), "controls": []}
        return {"error": printable(str(error)), "controls": []}

    def look_at(self, request_id: int) -> None:
        """Narrow the Lens to one request, and show it."""
        self.model.set(replace(self.model.lens, request_ids=(request_id,)))
        self.state.show("request")

    def leads(self, lens: Lens, what: str) -> dict[str, Any]:
        """Buttons to what ``lens`` shows elsewhere: the calls, and the samples where there are any."""
        buttons = [{"name": "calls", "label": "Its calls", "to": "[data-clew=counts]"}]
        if samples := self._samples(lens):
            word = "sample" if samples == 1 else "samples"
            buttons.append({"name": "stacks", "label": f"Its stacks ({number(samples)} {word})", "to": ".clew-stacks"})
        return {"label": what, "buttons": buttons}

    def _samples(self, lens: Lens) -> int:
        try:
            rows = self.answers.ask(sample_events, lens).table.to_pylist()
        except ClewError:
            return 0
        return sum(samples_in(row, "weight") for row in rows)


class Group(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Views that make one tab together: the first as wide as the page, two after it side by side."""

    name = ""
    title = ""
    hint = ""
    kinds: tuple[type[RequestView], ...] = ()

    def __init__(self, case: Case, model: LensModel, *, answers: Answers, state: RequestState) -> None:
        self.views = [kind(case, model, answers=answers, state=state) for kind in self.kinds]
        rest: list[Any] = list(self.views[1:])
        if len(rest) == 2:
            pair = ipywidgets.Box(rest)
            pair.add_class("clew-pair")
            rest = [pair]
        super().__init__([self.views[0], *rest])
        self.add_class("clew-group")

    def refresh(self) -> None:
        """Ask again for every view."""
        for view in self.views:
            view.refresh()

    @property
    def static(self) -> str:
        """The static twins of the views."""
        return "".join(view.static for view in self.views)

    def finding(self) -> str:
        """What is shown, in one line."""
        return " ".join(view.finding() for view in self.views)
