"""The Explorer: the views of a case and the Lens they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ipywidgets

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.counts import counts
from clew.questions.figures import figures
from clew.questions.maps import maps
from clew.questions.samples import sample_events
from clew.units import printable
from clew_widgets.answers import Answers
from clew_widgets.lens_bar import LensBar, totals
from clew_widgets.lens_model import LensModel
from clew_widgets.views.activity import Activity
from clew_widgets.views.counts import LIMIT, Counts, colors
from clew_widgets.views.errors import Errors
from clew_widgets.views.figures import Figures
from clew_widgets.views.latency import Latency
from clew_widgets.views.left_open import LeftOpen, leaking
from clew_widgets.views.request_view import requests_in
from clew_widgets.views.requests import Requests
from clew_widgets.views.script_maps import ScriptMaps
from clew_widgets.views.stack_view import NOTHING, samples_in
from clew_widgets.views.stacks import Stacks
from clew_widgets.views.tabbed import Note

NO_CALLS = "None were recorded. `clew record -- COMMAND` counts and times what programs ask of the system."


class Explorer(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Counts, activity, latency and errors of ``case``, its requests and its stacks, narrowed by clicking.

    What a case does not hold is one line that says how to record it; where there are only samples, they come first.
    ``model`` holds the Lens: read ``explorer.lens`` after clicking, set it from code; every view follows.
    """

    def __init__(self, case: Case, lens: Lens | None = None, *, by: str = "command", group: str = "command") -> None:
        self.case = case
        self.model = LensModel(lens)
        self.answers = Answers(case)
        # by calls in the whole case, so that narrowing never repaints anything
        self._palettes = {name: colors(self._everything(name)) for name in ("command", "op")}
        self.bar = LensBar(self.model, self.answers)
        self.activity = Activity(case, self.model, group=group, palettes=self._palettes, answers=self.answers)
        self.counts = Counts(case, self.model, by=by, colors=self._colors(by, group), answers=self.answers)
        self.latency = Latency(case, self.model, answers=self.answers)
        self.errors = Errors(case, self.model, answers=self.answers)
        self.stacks: Stacks | None = None
        self.requests: Requests | None = None
        self.left_open: LeftOpen | None = None
        self.figures: Figures | None = None
        self.maps: ScriptMaps | None = None
        self._pair = ipywidgets.Box([self.latency, self.errors])
        self._pair.add_class("clew-pair")
        super().__init__()
        self._arrange()
        self._show_lens()
        self.add_class("clew-explorer")
        self.activity.on_choice = self.counts.on_choice = self._recolor
        self.bar.on_update = self.update
        self.model.observe(lambda _change: self.refresh(), "lens")

    @property
    def lens(self) -> Lens:
        """What is being looked at."""
        return self.model.lens

    @lens.setter
    def lens(self, lens: Lens) -> None:
        self.model.set(lens)

    def update(self) -> None:
        """Ingest what was recorded meanwhile and ask again; the Lens and the colours stay."""
        self.case.refresh()
        self.answers.forget()
        self._arrange()
        self.refresh()

    def refresh(self) -> None:
        """Show every view through the Lens as it is; clicks do it by themselves."""
        views = (
            *self.views,
            *(self.requests.shown if self.requests else ()),
            *([self.stacks.view] if self.stacks else []),
            *self._beside(),
        )
        for widget in (self.bar, *views):
            widget.busy = True
        try:
            for view in views:
                view.refresh()
                if view is views[0]:
                    self._show_lens()
        finally:
            self.bar.busy = False

    def _arrange(self) -> None:
        """Put in order what the case holds: calls, requests, samples, or some of them."""
        if self.figures is None and self.answers.ask(figures, Lens()).table.num_rows:
            self.figures = Figures(self.case, self.model, answers=self.answers)
        if self.maps is None and self.answers.ask(maps, Lens()).table.num_rows:
            self.maps = ScriptMaps(self.case, self.model, answers=self.answers)
        sampled = self._samples(Lens()) > 0
        called = self._everything("command").table.num_rows > 0 or not (sampled or self._beside())
        if called and self.left_open is None and (by := leaking(self.answers)) is not None:
            self.left_open = LeftOpen(self.case, self.model, by=by, answers=self.answers)
        left_open = [self.left_open] if self.left_open else []
        self.views = (self.activity, self.counts, self.latency, self.errors, *left_open) if called else ()
        if sampled and self.stacks is None:
            self.stacks = Stacks(self.case, self.model, answers=self.answers)
        stacks = [self.stacks] if self.stacks else [Note("Stacks", NOTHING)]
        calls = [self.activity, self.counts, self._pair, *left_open] if called else [Note("Calls", NO_CALLS)]
        self._none = ""
        if self.requests is None and self._requests(Lens()):
            self.requests = Requests(self.case, self.model, answers=self.answers, colors=self._palettes["command"])
            self.counts.on_requests = self._requests_of_calls
        if self.requests is not None:
            calls.append(self.requests)
        elif called:
            calls.append(Note("Requests", self._none))
        shown = calls + stacks if called or not sampled else stacks + calls
        beside = self._beside()
        self.children = [self.bar, *(shown + beside if called or sampled else beside + shown)]

    def _beside(self) -> list[Figures | ScriptMaps]:
        """Views of what only some engines record."""
        return [view for view in (self.figures, self.maps) if view is not None]

    def _samples(self, lens: Lens) -> int:
        rows = self.answers.ask(sample_events, replace(lens, events=())).table.to_pylist()
        return sum(samples_in(row, "weight") for row in rows)

    def _requests_of_calls(self) -> None:
        """Show which requests the calls under the Lens were made for: the Lens knows, a single request is let go."""
        if self.requests is not None:
            self.model.set(replace(self.lens, request_ids=()))
            self.requests.choose("requests")

    def _requests(self, lens: Lens) -> int | None:
        """How many requests ``lens`` looks at; None where there are none at all, and why that is in ``_none``."""
        try:
            return requests_in(self.answers, lens)
        except ClewError as error:
            self._none = printable(str(error))
            return None

    def _everything(self, by: str) -> Answer:
        return self.answers.ask(counts, Lens(), by=by, limit=LIMIT + 1)

    def _show_lens(self) -> None:
        answer = self.activity.answer
        whole = totals(self._everything("command")) if self.views else {}
        everything = self._samples(Lens())
        samples = (self._samples(self.lens), everything) if everything else None
        requests = (self._requests(self.lens) or 0, self._requests(Lens()) or 0) if self.requests else None
        self.bar.show(totals(answer) if answer else {}, whole, samples, requests)

    def _colors(self, by: str, group: str) -> Mapping[str, str] | None:
        # rows of the counts carry the colours of the activity chart when both speak of the same thing
        return self._palettes.get(by) if by == group else None

    def _recolor(self) -> None:
        colors = self._colors(self.counts.by, self.activity.group)
        if colors is not self.counts.colors:
            self.counts.colors = colors
            self.counts.refresh()

    def finding(self) -> str:
        """What the Explorer shows, in one line."""
        said = [self.counts.finding()] if self.views else []
        said += [shown.finding() for shown in (self.requests, self.stacks, *self._beside()) if shown]
        return " ".join(said)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        data = super()._repr_mimebundle_(**kwargs)
        shown = [widget for widget in (self.requests, self.stacks, *self._beside()) if widget]
        twins = "".join(widget.static for widget in (self.bar, *self.views, *shown))
        return {**data, "text/plain": self.finding(), "text/html": twins}
