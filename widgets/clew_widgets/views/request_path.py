"""The path of one request as a graph: what each process did, and the messages between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.units import duration, number, printable, size
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.dot import Edge, Node, graph
from clew_widgets.views.one_request import OneRequest
from clew_widgets.views.request_timeline import describe

_LONGEST = 44  # characters of a name in a box
_NOT_RECORDED = "not recorded"


@dataclass
class Step:
    """A process step: what one program did below one other step; equal steps count as one.

    ``aside``: not recorded; ``asks``: all that is known of it is that it sent the request and waited so long (ns).
    """

    command: str
    name: str
    places: set[tuple[int | None, int | None]] = field(default_factory=set)  # (pid, tid)
    times: int = 0
    self_ns: int = 0
    known: bool = True
    aside: bool = False
    asks: int | None = None


@dataclass
class Flow:
    """The messages from one step to another."""

    times: int = 0
    total_ns: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    delays: list[int] = field(default_factory=list)
    weak: bool = False
    failed: int = 0


def steps_of(rows: list[dict[str, Any]]) -> tuple[dict[str, Step], dict[tuple[str, str], Flow]]:
    """The process steps and message flows of the rows of ``questions.request_tree``.

    A server, process or imported span is a step; a client span is what passes to the step that received it, or to one
    that was not recorded.
    """
    steps: dict[str, Step] = {}
    flows: dict[tuple[str, str], Flow] = {}
    at: dict[int, str] = {}  # the step that a span belongs to
    sent = {row["span_id"]: row for row in rows if row["kind"] == "client"}
    answered = {row["parent_span_id"] for row in rows if row["kind"] == "server"}
    for row in rows:
        above = at.get(row["parent_span_id"], "")
        if row["kind"] == "client":
            if not above:  # the request begins with a message whose sender was busy with something unknown
                above = _enter(steps, "", row, row["name"])
                steps[above].asks = (steps[above].asks or 0) + (row["dur_ns"] or 0)
            at[row["span_id"]] = above
            if row["span_id"] not in answered:
                below = _enter(steps, above, row, row["name"], aside=True)
                _pass(flows, above, below, row, row)
            continue
        here = _enter(steps, above, row, row["name"])
        at[row["span_id"]] = here
        step = steps[here]
        if row["self_ns"] is None:
            step.known = False
        else:
            step.self_ns += row["self_ns"]
        if above:
            _pass(flows, above, here, sent.get(row["parent_span_id"], row), row)
    return steps, flows


def _enter(steps: dict[str, Step], above: str, row: dict[str, Any], name: str, aside: bool = False) -> str:
    command = f"{row['protocol'] or 'a program'}, {_NOT_RECORDED}" if aside else row["command"]
    key = f"{above}\n{command}\t{name}"
    step = steps.setdefault(key, Step(command, name, aside=aside))
    step.times += 1
    if not aside:
        step.places.add((row["pid"], row["tid"]))
    return key


def _pass(
    flows: dict[tuple[str, str], Flow], above: str, below: str, sent: dict[str, Any], got: dict[str, Any]
) -> None:
    flow = flows.setdefault((above, below), Flow())
    flow.times += 1
    flow.total_ns += sent["dur_ns"] or 0
    flow.bytes_out += sent["bytes_out"] or 0
    flow.bytes_in += sent["bytes_in"] or 0
    flow.weak |= got["confidence"] < 0.9 or sent["confidence"] < 0.9
    flow.failed += bool(got["error"])
    if got["delay_ns"] is not None:
        flow.delays.append(got["delay_ns"])


def draw_path(answer: Answer) -> Drawing:
    """Boxes shaded by self time, arrows as wide as the time that passes along them."""
    steps, flows = steps_of(answer.table.to_pylist())
    whole = answer.summary["dur_ns"] or 0
    names = {key: str(index) for index, key in enumerate(steps)}
    nodes = [
        Node(names[key], _box(step, whole), _key(step), float(step.self_ns), step.aside) for key, step in steps.items()
    ]
    edges, lines = [], []
    for (above, below), flow in flows.items():
        said = _said(flow)
        edges.append(Edge(names[above], names[below], float(max(flow.total_ns, 1)), said, flow.weak, flow.failed > 0))
        line = [f"{steps[above].command}: {steps[above].name}", f"{steps[below].command}: {steps[below].name}"]
        lines.append([*(text[:90] for text in line), said.replace("\n", ", ")])
    if not lines:
        lines = [[f"{step.command}: {step.name}"[:90], "", duration(step.self_ns)] for step in steps.values()]
    label = printable(f"Path of request {answer.summary['name']}")
    heads = ["from", "to", "messages"]
    return graph(nodes, edges, label=label, finding=describe(answer), rows=(heads, lines))


def _box(step: Step, whole: int) -> str:
    lines = [_short(step.command) + (f" ({number(step.times)} times)" if step.times > 1 else ""), _short(step.name)]
    if step.asks is not None:
        lines.append(f"asks, and waits {duration(step.asks)}")
    elif not step.aside:
        share = f" ({step.self_ns / whole:.0%})" if whole else ""
        lines.append(f"self {duration(step.self_ns)}{share}" if step.known else "self time not known")
    return "\n".join(lines)


def _key(step: Step) -> tuple[tuple[str, Any], ...]:
    if step.aside:
        return ()
    only = next(iter(step.places)) if len(step.places) == 1 else (None, None)
    pairs = (("commands", step.command), ("pids", only[0]), ("tids", only[1]))
    return tuple(pair for pair in pairs if pair[1] is not None)


def _said(flow: Flow) -> str:
    lines = [f"{size(flow.bytes_out)} there, {size(flow.bytes_in)} back"]
    took = f"{duration(flow.total_ns)}" + (f" in {number(flow.times)} messages" if flow.times > 1 else "")
    if flow.delays:
        took += f", {duration(sum(flow.delays) / len(flow.delays))} on the way"
    lines.append(took)
    if flow.failed:
        lines.append(f"{number(flow.failed)} failed" if flow.times > 1 else "failed")
    return "\n".join(lines)


def _short(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


class Path(OneRequest):
    """The path of one request, the slowest under the Lens if none is chosen; click a box to narrow to its thread."""

    name = "path"
    title = "Path"
    hint = "One request as a graph: process steps and the messages between them"

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The graph, and a list of other requests to choose from."""
        drawing = draw_path(answer)
        note = drawing.finding.partition(": ")[2].rstrip(".")
        figures = answer.summary
        leads = self.leads(Lens(request_ids=(figures["request_id"],)), "Look at")
        return drawing, {"note": note, "controls": (self.choices(answer),), "total": figures["spans"], "leads": leads}

    def show(self, answer: Answer) -> None:
        """Draw the answer under the request's name."""
        self.title = printable(f"Path of {answer.summary['name']}")[:100]
        super().show(answer)


REQUESTS = (30, Path)
