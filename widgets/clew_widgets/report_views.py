"""More views of stacks for a report: those of the notebook, without what takes a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.units import printable
from clew_widgets.answers import Answers
from clew_widgets.drawing import Drawing
from clew_widgets.redact import Redactor
from clew_widgets.views.base import Control
from clew_widgets.views.call_graph import CallGraph
from clew_widgets.views.diff import FlameDiff
from clew_widgets.views.flame_chart import FlameChart
from clew_widgets.views.heatmap import Heatmap
from clew_widgets.views.sandwich import Sandwich
from clew_widgets.views.source import Source
from clew_widgets.views.stack_state import StackState
from clew_widgets.views.stack_view import StackView
from clew_widgets.views.wakeups import Wakeups


@dataclass(frozen=True)
class Shown:
    """One view for a report: what panel() takes."""

    view: str
    title: str
    drawing: Drawing
    answer: Answer
    note: str
    controls: tuple[Control, ...]
    total: int | None


def views(case: Case, lens: Lens, event: str, redactor: Redactor, *, brushed: bool) -> Iterator[Shown]:
    """What else there is to see of the samples of ``event`` under ``lens``; what they cannot show is left out.

    ``brushed``: the page narrows what it can to the time that is brushed on the heat map.
    """
    answers, name = Answers(case), printable(redactor.text(event))
    titles: dict[type[StackView], Callable[[Any], str]] = {
        Heatmap: lambda _: f"Heat map of {name}",
        FlameDiff: lambda _: f"What differs from the whole case in {name}",
        Sandwich: lambda view: f"Who calls {printable(view.state.function)[:80]}, and what it calls: {name}",
        FlameChart: lambda view: f"Flame chart of thread {view.thread[1]}: {name}",
        CallGraph: lambda _: f"Call graph of {name}",
        Source: lambda view: f"Source of {printable(view.function)[:80]}: {name}",
    }
    for kind, title in titles.items():
        if kind is FlameDiff and lens == Lens():
            continue
        view = kind(case, lens, answers=answers, state=StackState(event=event))
        if shown := _of(view, redactor, still=not (brushed and kind is Heatmap)):
            yield replace(shown, title=title(view))


def waits(case: Case, lens: Lens, redactor: Redactor) -> Iterator[Shown]:
    """Who woke whom, where off-CPU time was recorded."""
    if shown := _of(Wakeups(case, lens), redactor, still=True):
        yield replace(shown, title="Who woke whom")


def _of(view: StackView, redactor: Redactor, *, still: bool) -> Shown | None:
    """``view`` as it stands, its texts masked; None where it has nothing to show."""
    if view.answer is None:
        return None
    view.still = still
    answer = _masked(view, redactor)
    drawing, said = view.draw(answer)
    if not drawing.rows:
        return None
    for body in (drawing.body, *(one for one in drawing.body.values() if isinstance(one, dict))):
        body.update({name: type(body[name])() for name in ("actions", "keys", "command") if name in body})
    note = "; ".join(filter(None, (said.get("note"), answer.note, redactor.text(said.get("warning", "")))))
    controls = tuple(control for control in said["controls"] if control.local)
    return Shown(view.name, view.title, drawing, answer, note, controls, said.get("total"))


def _masked(view: StackView, redactor: Redactor) -> Answer:
    """The answer of ``view``, and what it keeps beside it, without what may be private."""
    assert view.answer is not None
    answer = redactor.frames(view.answer)
    figures = answer.summary
    if "nodes" in figures:
        figures = figures | {"nodes": [row | {"function": redactor.frame(row["function"])} for row in figures["nodes"]]}
    if figures.get("module"):
        figures = figures | {"module": redactor.text(figures["module"])}
    if isinstance(view, Sandwich):
        view.callers = redactor.frames(view.callers)
        view.state.function = redactor.frame(view.state.function or "")
    elif isinstance(view, Source):
        view.function = redactor.frame(view.function)
    return replace(answer, summary=figures)
