"""The call graph of samples as a dot file, for Graphviz: the heaviest functions, and what passes between them."""

from __future__ import annotations

from collections.abc import Sequence

from clew.case import Case
from clew.export._stacked import stacked
from clew.export.graph import dot_line
from clew.lens import Lens
from clew.questions.call_graph import call_graph
from clew.questions.forest import Edit
from clew.units import duration, number, size

MOST = 200
"""Functions in the graph: more take dot minutes."""
_LIGHTEST = 0.002  # of the whole: thinner edges are left out


def dot(case: Case, lens: Lens, event: str | None = None, edits: Sequence[Edit] = ()) -> bytes:
    """The MOST heaviest functions of ``event`` under ``lens``; raises ClewError where there are no samples.

    Nodes have attributes ``self`` and ``total``, edges ``passes``, in the event's unit; an edge that passes over
    functions that are left out is dashed.
    """
    answer = stacked(call_graph(case, lens, event, edits=edits, most=MOST))
    figures = answer.summary
    unit, whole = figures["unit"], figures["total"] or 1.0
    show = {"ns": duration, "bytes": size}.get(unit, number)
    names = {row["function"]: f"f{index}" for index, row in enumerate(figures["nodes"])}
    title = {"label": f"{answer.title}: {show(figures['total'])}", "labelloc": "t"}
    lines = [b"digraph calls {\n", dot_line("graph", title), b"  node [shape=box];\n"]
    for row in figures["nodes"]:
        label = f"{row['function']}\n{show(row['total'])} ({row['total'] / whole:.1%}), self {row['self'] / whole:.1%}"
        known = {"label": label, "module": row["module"], "self": row["self"], "total": row["total"]}
        lines.append(dot_line(names[row["function"]], known))
    for row in answer.table.to_pylist():
        if row["weight"] >= _LIGHTEST * whole:
            style = {
                "penwidth": f"{0.8 + 4.2 * row['weight'] / whole:.2f}",
                "style": None if row["direct"] else "dashed",
            }
            known = {"label": f"{row['weight'] / whole:.1%}", "passes": row["weight"], **style}
            lines.append(dot_line(f"{names[row['caller']]} -> {names[row['callee']]}", known))
    return b"".join([*lines, b"}\n"])
