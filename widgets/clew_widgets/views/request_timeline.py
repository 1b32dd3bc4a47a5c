"""One request as a timeline: a lane for each process and thread, and where the time went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.units import duration, number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.lanes import lanes
from clew_widgets.views.base import Control
from clew_widgets.views.picking import picked
from clew_widgets.views.request_view import NO_MATCH, RequestView, label_of, tree_of

COLOR = Control(
    "color", "colour", "command", (("command", "process"), ("protocol", "protocol"), ("kind", "kind")), local=True
)
_LANE = ("commands", "pids", "tids")


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


class Timeline(RequestView):
    """One request, the slowest under the Lens if none is chosen; zoom by dragging, choose spans by clicking."""

    name = "request"
    title = "One request"
    hint = "Timeline of one request: a lane for each process and thread"

    def ask(self) -> Answer:
        """The tree of the request that is open; an empty one where the Lens has none."""
        request_id = self.opened()
        if request_id is None:
            raise ClewError(NO_MATCH)
        return self.answers.ask(tree_of, Lens(), request_id=request_id)

    def failed(self, error: ClewError) -> dict[str, Any]:
        """That no request matches is no error."""
        return {"empty": NO_MATCH, "controls": []} if str(error) == NO_MATCH else super().failed(error)

    def words(self) -> tuple[list[str], Lens] | None:
        """What prints the request as a tree."""
        opened = self.opened()
        return None if opened is None else (["path", str(opened)], Lens())

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """Lanes, a list of other requests to choose from, and ways to its calls and stacks."""
        drawing = draw_timeline(answer, actions=("pick", "calls"), said=True, colors=self.state.colors)
        figures = answer.summary
        request_id = figures["request_id"]
        others = self.slowest()
        options = [(str(row["request_id"]), label_of(row)) for row in others]
        if str(request_id) not in dict(options):
            shown = {"name": figures["name"], "dur_ns": figures["dur_ns"]}
            options.insert(0, (str(request_id), label_of(shown)))
        chosen = bool(self.model.lens.request_ids)
        begins = answer.table["start_ns"][0].as_py() - self.answers.bounds()[0]
        note = [f"began at {duration(begins)}", drawing.finding.partition(": ")[2].rstrip(".")]
        note += [] if chosen else ["the slowest under the lens"]
        if left := drawing.body["left_out"]:
            note.append(f"{number(left)} short spans are left out")
        control = Control("request", "request", str(request_id), tuple(options), form="list")
        leads = self.leads(Lens(request_ids=(request_id,)), "Look at")
        said = {"note": "; ".join(note), "controls": (control, COLOR), "total": figures["spans"], "leads": leads}
        return drawing, said

    def show(self, answer: Answer) -> None:
        """Draw the answer under the request's name."""
        self.title = printable(answer.summary["name"])[:100]
        super().show(answer)

    def choose(self, name: str, value: str) -> None:
        """Another request."""
        if name == "request" and value.isdecimal():
            self.model.set(replace(self.model.lens, request_ids=(int(value),)))

    def handle(self, message: dict[str, Any]) -> None:
        """A thread, the calls while a span lasted, or all of the request."""
        kind = message.get("type")
        if kind == "lead":
            self._narrow()
        elif kind == "calls" and self.answer is not None:
            fields = {str(field): value for field, value in message.get("key", [])}
            origin = min(self.answer.table["start_ns"].to_pylist())
            times = (origin + int(message["start"]), origin + int(message["end"]) + 1)
            chosen: dict[str, Any] = {
                name: (fields[name],) for name in ("pids", "tids") if fields.get(name) is not None
            }
            self.model.set(replace(self.model.lens, start_ns=times[0], end_ns=times[1], **chosen))
        else:
            super().handle(message)

    def _narrow(self) -> None:
        request_id = self.opened()
        if request_id is not None:
            self.model.set(replace(self.model.lens, request_ids=(request_id,)))

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the program and thread picked, and only this request."""
        request_id = self.opened()
        lens = self.model.lens if request_id is None else replace(self.model.lens, request_ids=(request_id,))
        return picked(lens, _LANE, message)


REQUESTS = (20, Timeline)
