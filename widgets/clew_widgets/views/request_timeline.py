"""One request as a timeline: a lane for each process and thread, and where the time went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.in_the_way import in_the_way
from clew.units import duration, number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.lanes import lanes
from clew_widgets.views.base import Control
from clew_widgets.views.one_request import OneRequest

COLOR = Control(
    "color", "colour", "command", (("command", "process"), ("protocol", "protocol"), ("kind", "kind")), local=True
)


def draw_timeline(
    answer: Answer,
    *,
    actions: tuple[str, ...] = (),
    said: bool = False,
    colors: Mapping[str, str] | None = None,
) -> Drawing:
    """The timeline of an answer of ``questions.request_tree``; ``said``: with what each message said."""
    return lanes(
        answer.table,
        label=printable(f"Timeline of request {answer.summary['name']}"),
        finding=describe(answer),
        actions=actions,
        said=said,
        colors=colors,
    )


_LONGEST = 90  # letters of what the time was spent on, in a sentence


def describe(answer: Answer) -> str:
    """One request in a sentence: how long, through what, and where most of its time went."""
    figures, rows = answer.summary, answer.table.to_pylist()
    took = "end not seen" if figures["dur_ns"] is None else duration(figures["dur_ns"])
    spans, processes = figures["spans"], figures["processes"]
    text = f"{printable(figures['name'])[:80]}: {took}, {number(spans)} span{'s' * (spans != 1)}"
    text += f" in {number(processes)} process{'es' * (processes != 1)}"
    known = [row for row in rows if row["critical_ns"]]
    if known and figures["dur_ns"]:
        most = max(known, key=lambda row: row["critical_ns"])
        where = "on the way to and from " if most["kind"] == "client" else f"in {most['command']}: "
        what = printable(f"{where}{most['name']}")
        what = what if len(what) <= _LONGEST else what[: _LONGEST - 1].rstrip() + "…"
        text += f"; most of it ({most['critical_ns'] / figures['dur_ns']:.0%}) is spent {what}"
    return text if text.endswith("…") else text + "."


class Timeline(OneRequest):
    """One request, the slowest under the Lens if none is chosen; zoom by dragging, choose spans by clicking."""

    name = "request"
    title = "One request"
    hint = "Timeline of one request: a lane for each process and thread"

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """Lanes, a list of other requests to choose from, and ways to its calls and stacks."""
        drawing = draw_timeline(answer, actions=("pick", "calls"), said=True, colors=self.state.colors)
        figures = answer.summary
        chosen = bool(self.model.lens.request_ids)
        begins = answer.table["start_ns"][0].as_py() - self.answers.bounds()[0]
        note = [f"began at {duration(begins)}", drawing.finding.partition(": ")[2].rstrip(".")]
        note += [] if chosen else ["the slowest under the lens"]
        if left := drawing.body["left_out"]:
            note.append(f"{number(left)} short spans are left out")
        leads = self.leads(Lens(request_ids=(figures["request_id"],)), "Look at")
        controls = (self.choices(answer), COLOR)
        said = {"note": "; ".join(note), "controls": controls, "total": figures["spans"], "leads": leads}
        said["warning"] = in_the_way(self.case, figures["request_id"]).note or ""
        return drawing, said

    def show(self, answer: Answer) -> None:
        """Draw the answer under the request's name."""
        self.title = printable(answer.summary["name"])[:100]
        super().show(answer)

    def handle(self, message: dict[str, Any]) -> None:
        """The calls while a span lasted, or what every view of one request knows."""
        if message.get("type") == "calls" and self.answer is not None:
            fields = {str(field): value for field, value in message.get("key", [])}
            origin = min(self.answer.table["start_ns"].to_pylist())
            times = (origin + int(message["start"]), origin + int(message["end"]) + 1)
            chosen: dict[str, Any] = {
                name: (fields[name],) for name in ("pids", "tids") if fields.get(name) is not None
            }
            self.model.set(replace(self.model.lens, start_ns=times[0], end_ns=times[1], **chosen))
        else:
            super().handle(message)


REQUESTS = (20, Timeline)
