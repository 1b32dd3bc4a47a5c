"""Graphs laid out by dot: nodes and weighted edges as an SVG that the page shows, and JavaScript makes clickable.

dot runs in a process of its own with a time limit, because its layout can take minutes where edges cross much; what it
made is remembered by its source. At most MOST_NODES nodes are laid out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from clew.units import printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.table import Key

MOST_NODES = 200
MOST_EDGES = 600
SECONDS = 10.0
_ROOM = "\N{NO-BREAK SPACE}" * 3
_RENDER = """import sys, pygraphviz
graph = pygraphviz.AGraph(sys.stdin.read())
sys.stdout.buffer.write(graph.draw(format="svg", prog="dot"))"""
TOO_HARD = "This graph is too hard to lay out in ten seconds. Look at fewer nodes; the table below has the edges."


@dataclass(frozen=True)
class Node:
    """One box. ``key``: what a click narrows the Lens to; ``weight`` shades it; ``aside``: not recorded itself."""

    id: str
    label: str
    key: Key = ()
    weight: float = 0.0
    aside: bool = False


@dataclass(frozen=True)
class Edge:
    """One arrow, as wide as its share of the heaviest; ``dashed``: something between its ends is left out, or not sure;
    ``bad``: something on it failed.
    """

    source: str
    target: str
    weight: float
    label: str = ""
    dashed: bool = False
    bad: bool = False


def graph(
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    *,
    label: str,
    finding: str,
    rows: tuple[Sequence[str], Sequence[Sequence[str]]],
) -> Drawing:
    """The drawing of a graph; ``rows`` are the heads and lines of its twin's table.

    Colours are classes of the style sheet (``clew-g0`` to ``clew-g4`` by weight): light and dark follow the page.
    """
    kept = sorted(nodes, key=lambda node: -node.weight)[:MOST_NODES]
    names = {node.id: f"n{number}" for number, node in enumerate(kept)}
    inside = [edge for edge in edges if edge.source in names and edge.target in names]
    inside = sorted(inside, key=lambda edge: -edge.weight)[:MOST_EDGES]
    heads, lines = rows
    body = {"svg": "", "keys": {}, "label": label, "problem": ""}
    if not kept:
        return Drawing("dot", body, finding)
    most_node = max((node.weight for node in kept), default=0.0) or 1.0
    most_edge = max((edge.weight for edge in inside), default=0.0) or 1.0
    import networkx as nx  # as pygraphviz only needed here, and slow to import

    drawn = nx.MultiDiGraph()
    for node in kept:
        shade = min(4, int(5 * (node.weight / most_node) ** 0.5)) if node.weight > 0 else 0
        text = _escaped(node.label)
        drawn.add_node(
            names[node.id], label=text, **{"class": f"clew-node clew-g{shade}{' clew-aside' if node.aside else ''}"}
        )
    for edge in inside:
        share = edge.weight / most_edge
        text = _beside(edge.label)
        drawn.add_edge(
            names[edge.source],
            names[edge.target],
            label=text,
            penwidth=f"{0.8 + 4.2 * share:.2f}",
            weight=str(max(1, round(100 * share))),
            style="dashed" if edge.dashed else "solid",
            **{"class": "clew-edge clew-failed" if edge.bad else "clew-edge"},
        )
    svg = laid_out(_source(drawn))
    body |= {
        "svg": svg or "",
        "keys": {names[node.id]: [list(pair) for pair in node.key] for node in kept},
        "problem": "" if svg else TOO_HARD,
    }
    return Drawing("dot", body, finding, svg or "", list(heads), [[printable(cell) for cell in line] for line in lines])


def _escaped(text: str) -> str:
    """``text`` as a label of dot: nothing in it is an escape, an entity or markup; lines are kept."""
    return "\n".join(printable(line) for line in text.split("\n")).replace("\\", "\\\\").replace("&", "&amp;")


def _beside(text: str) -> str:
    """A label beside an arrow: its lines begin at the left, with room for the width of the arrow."""
    lines = _escaped(text).split("\n")
    return "".join(f"{_ROOM}{line}\\l" for line in lines) if text else ""


def _source(drawn: Any) -> str:
    from networkx.drawing.nx_agraph import to_agraph

    made = to_agraph(drawn)
    made.graph_attr.update(rankdir="TB", bgcolor="transparent", nodesep="0.22", ranksep="0.42")
    made.node_attr.update(shape="box", style="rounded", fontname="sans-serif", fontsize="10", margin="0.09,0.05")
    made.edge_attr.update(fontname="sans-serif", fontsize="8.5", arrowsize="0.7")
    return str(made.to_string())


@lru_cache(maxsize=64)
def laid_out(source: str) -> str | None:
    """The SVG that dot makes of ``source``, from <svg on; None if it takes too long or fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RENDER],
            input=source.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=True,
        )
    except (subprocess.SubprocessError, OSError):
        return None
    text = done.stdout.decode("utf-8", "replace")
    start = text.find("<svg")
    return text[start:].strip() if start >= 0 else None
