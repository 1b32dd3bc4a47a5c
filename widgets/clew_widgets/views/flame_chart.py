"""The flame chart: the stacks of one thread in the order of time; drag to narrow the Lens to a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.flame_chart import flame_chart
from clew.questions.samples import samples_by
from clew.units import duration, number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.flame_chart import flame_chart as draw_flame_chart
from clew_widgets.views.base import Control
from clew_widgets.views.stack_view import COLOR, StackView

_THREADS = 300
NO_THREADS = "These samples have no thread or no time, so there is no order to show. A flame graph shows them."


class FlameChart(StackView):
    """Stacks of one thread over time, sampled; equal neighbours are one box."""

    name = "flame_chart"
    title = "Flame chart"
    hint = "The stacks of one thread in the order of time"

    def ask(self) -> Answer:
        """The stacks of the thread chosen; else of the one with most samples."""
        event = self.event()
        by = self.answers.ask(samples_by, replace(self.model.lens, tids=()), by="thread", event=event)
        rows = by.table.slice(0, _THREADS).to_pylist()
        self.threads = [(row["pid"], row["tid"], row["name"], row["samples"]) for row in rows if row["tid"] is not None]
        known = [(pid, tid) for pid, tid, _, _ in self.threads]
        wanted = [one for one in known if one[1] in self.model.lens.tids]
        if wanted:
            thread = wanted[0]
        elif self.state.thread in known:
            thread = self.state.thread
        elif known:
            thread = known[0]
        else:
            raise ClewError(NO_THREADS)
        self.thread = thread
        return self.answers.ask(flame_chart, self.model.lens, tid=thread[1], event=event, pid=thread[0])

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The chart over the time the Lens looks at."""
        first, last = self.answers.bounds()
        lens, figures = self.model.lens, answer.summary
        start = answer.table["start_ns"].to_numpy().min(initial=last)
        end = answer.table["end_ns"].to_numpy().max(initial=first)
        window = (
            int(start) if lens.start_ns is None else lens.start_ns,
            max(int(end), int(start) + 1) if lens.end_ns is None else lens.end_ns,
        )
        drawing = draw_flame_chart(
            answer.table,
            origin_ns=first,
            window=window,
            label=f"Flame chart of thread {self.thread[1]}",
            actions=("focus", "function", "brush", "stack"),
        )
        note = f"{number(figures['samples'])} samples, one in {duration(figures['interval_ns'])}"
        note += "" if self.still else "; drag to narrow to a time"
        controls = (*self.event_control(figures["event"]), self.chooser(), COLOR)
        return drawing, {"note": note, "controls": controls, "total": figures["samples"]}

    def chooser(self) -> Control:
        """The thread: from a list, most samples first."""
        options = tuple(
            (f"{pid} {tid}", printable(f"{name or 'not known'} {tid} ({number(samples)})"))
            for pid, tid, name, samples in self.threads
        )
        return Control("thread", "thread", "{} {}".format(*self.thread), options, form="list")

    def when_failed(self) -> tuple[Control, ...]:
        """Another thread can be chosen where one has nothing to show."""
        return (*super().when_failed(), *((self.chooser(),) if self.threads else ()))

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens narrowed to the time brushed (ns since the start of the case)."""
        start, end = (self.answers.bounds()[0] + round(message[side]) for side in ("start", "end"))
        return replace(self.model.lens, start_ns=start, end_ns=max(end, start + 1))

    def choose(self, name: str, value: str) -> None:
        """Another thread."""
        chosen = [(pid, tid) for pid, tid, _, _ in getattr(self, "threads", []) if f"{pid} {tid}" == value]
        if name == "thread" and chosen:
            self.state.thread = chosen[0]
            self.refresh()
        else:
            super().choose(name, value)


STACKS = (50, FlameChart)
