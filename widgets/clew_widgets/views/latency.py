"""How long calls took: a power-of-two histogram with percentiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.latency import latency
from clew.units import duration
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.histogram import histogram
from clew_widgets.views.base import Control, View

SCALE = Control("scale", "scale", "linear", (("linear", "linear"), ("log", "log")), local=True)


def draw_latency(answer: Answer, band: tuple[int | None, int | None] | None) -> Drawing:
    """The histogram of a latency answer; buckets outside ``band`` (ns) are pale."""
    filled = dict(zip(answer.table["bucket"].to_pylist(), answer.table["calls"].to_pylist(), strict=True))
    buckets = range(min(filled, default=0), max(filled, default=0) + 1)
    low = [0 if bucket == 0 else 1 << (bucket - 1) for bucket in buckets]
    high = [1 << bucket for bucket in buckets]
    calls = [filled.get(bucket, 0) for bucket in buckets]
    return histogram(low, high, calls, answer.summary, band=band, label="Duration of calls, power-of-two buckets")


class Latency(View):
    """Duration of calls; drag over the chart to narrow to calls that took that long."""

    name = "latency"
    title = "Latency"

    def ask(self) -> Answer:
        """Durations of all that could be brushed: the Lens without its own band."""
        return self.answers.ask(latency, replace(self.model.lens, latency=None))

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The histogram, with mean and longest call beside the title."""
        drawing = draw_latency(answer, self.model.lens.latency)
        note = ""
        if drawing.rows:
            note = f"mean {duration(answer.summary['mean_ns'])}, longest {duration(answer.summary['max_ns'])}"
        body = drawing.body
        total = sum(calls for calls, inside in zip(body["calls"], body["inside"], strict=True) if inside)
        return drawing, {"note": note, "controls": (SCALE,), "total": total}

    def words(self) -> tuple[list[str], Lens]:
        """What prints the histogram."""
        return ["latency"], self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens narrowed to durations of the buckets brushed (ns)."""
        return replace(self.model.lens, latency=(round(message["start"]), round(message["end"])))
