"""The service graph: which program asks which, how often, and how long the answers take."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.services import services
from clew.units import duration, number, printable, size
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.dot import MOST_NODES, Edge, Node, graph
from clew_widgets.drawing.table import UNKNOWN
from clew_widgets.views.picking import picked
from clew_widgets.views.request_view import NO_MATCH, RequestView

OUTSIDE = "not recorded"
_STEM = re.compile(r"\d+")
_TWIN_ROWS = 20


def folded(rows: Sequence[dict[str, Any]], most: int = MOST_NODES) -> dict[str, str]:
    """The box of each program in ``rows`` of ``questions.services``: at most ``most`` boxes.

    The programs with most calls have one each; the others share one with those whose names differ in digits only, and
    if that is too many still, there is one for all of them.
    """
    calls: dict[str, int] = defaultdict(int)
    for row in rows:
        for name in _ends(row):
            calls[name] += row["calls"]
    ranked = sorted(calls, key=lambda name: (-calls[name], name))
    if len(ranked) <= most:
        return {name: name for name in ranked}
    stems: dict[str, list[str]] = defaultdict(list)
    for name in ranked[most // 2 :]:
        stems[_STEM.sub("#", name)].append(name)
    boxes = {name: name for name in ranked[: most // 2]}
    kept = dict(sorted(stems.items(), key=lambda item: -len(item[1]))[: most - most // 2 - 1])
    for stem, names in kept.items():
        label = names[0] if len(names) == 1 else f"{stem} ({number(len(names))} programs)"
        boxes |= dict.fromkeys(names, label)
    rest = [name for stem, names in stems.items() if stem not in kept for name in names]
    return boxes | dict.fromkeys(rest, f"{number(len(rest))} other programs")


def _ends(row: dict[str, Any]) -> tuple[str, str]:
    return row["from_command"] or OUTSIDE, row["to_command"] or UNKNOWN


def draw_services(answer: Answer) -> Drawing:
    """Boxes for programs, shaded by calls; arrows as wide as the calls that pass, red where some failed."""
    rows = answer.table.to_pylist()
    boxes = folded(rows)
    recorded = {row["from_command"] for row in rows} | {row["to_command"] for row in rows if row["recorded"]}
    recorded |= {row["to_command"] for row in rows if row["from_command"] is None}
    members: dict[str, list[str]] = defaultdict(list)
    for name, box in boxes.items():
        members[box].append(name)
    received: dict[str, int] = defaultdict(int)
    flows: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        source, target = (boxes[name] for name in _ends(row))
        received[target] += row["calls"]
        flows[source, target, row["protocol"] or ""].append(row)
    nodes = []
    for box, names in members.items():
        known = tuple(("commands", name) for name in names if name in recorded)
        seen = f"\n{number(received[box])} calls" if received[box] else ""
        nodes.append(Node(box, printable(box)[:60] + seen, known, float(received[box] or 1), aside=not known))
    edges = [
        Edge(
            source,
            target,
            float(sum(row["calls"] for row in found)),
            _said(protocol, found),
            any(row["low_confidence"] for row in found),
            any(row["errors"] for row in found),
        )
        for (source, target, protocol), found in flows.items()
    ]
    heads = ["from", "to", "protocol", "calls", "failed", "p50", "p99"]
    lines = [
        [*_ends(row), row["protocol"] or UNKNOWN, number(row["calls"]), number(row["errors"]), *_times(row)]
        for row in rows[:_TWIN_ROWS]
    ]
    finding = "no calls between programs."
    if rows:
        source, target = _ends(rows[0])
        finding = f"{number(len(boxes))} programs; most calls go from {printable(source)} to {printable(target)}: "
        finding += f"{number(rows[0]['calls'])}."
    return graph(nodes, edges, label="Which program asks which", finding=finding, rows=(heads, lines))


def _times(row: dict[str, Any]) -> list[str]:
    return [UNKNOWN if row[name] is None else duration(row[name]) for name in ("p50_ns", "p99_ns")]


def _said(protocol: str, rows: Sequence[dict[str, Any]]) -> str:
    calls, errors = sum(row["calls"] for row in rows), sum(row["errors"] for row in rows)
    lines = [f"{protocol} {number(calls)} calls".strip() + (f", {number(errors)} failed" if errors else "")]
    if len(rows) == 1:  # percentiles of several cannot be added up
        p50, p99 = _times(rows[0])
        lines.append(f"p50 {p50}, p99 {p99}")
    moved = [row["bytes"] for row in rows if row["bytes"] is not None]
    if moved:
        lines.append(size(sum(moved)))
    return "\n".join(lines)


class Services(RequestView):
    """Programs as boxes, calls as arrows; click a program to narrow the Lens to it."""

    name = "services"
    title = "Services"
    hint = "Which program asks which, how often and how long"

    def ask(self) -> Answer:
        """Every edge under the Lens."""
        return self.answers.ask(services, self.model.lens)

    def words(self) -> tuple[list[str], Lens]:
        """What prints who called whom."""
        return ["requests", "--services"], self.model.lens

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The graph."""
        drawing = draw_services(answer)
        total = sum(answer.table["calls"].to_pylist())
        note = f"{number(total)} calls between programs; dashed: not recorded, or not linked for sure"
        return drawing, {"note": note, "total": total, "empty": NO_MATCH}

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the programs picked."""
        return picked(self.model.lens, ("commands",), message)


REQUESTS = (50, Services)
