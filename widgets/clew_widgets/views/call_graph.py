"""The call graph: the heaviest functions, who calls whom, and how much passes along each edge."""

from __future__ import annotations

from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.call_graph import call_graph
from clew.units import number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.dot import Edge, Node, graph
from clew_widgets.drawing.flame import amount
from clew_widgets.views.base import Control
from clew_widgets.views.picking import picked
from clew_widgets.views.stack_view import BY, StackView

SIZES = tuple((str(size), str(size)) for size in (20, 40, 80, 150))
_LONGEST = 44  # characters of a name in a box
_LIGHTEST = 0.002  # of the whole: thinner edges are left out


class CallGraph(StackView):
    """Functions as boxes, calls as arrows; click a function to narrow the Lens to stacks that hold it."""

    name = "call_graph"
    title = "Call graph"
    hint = "Who calls whom among the heaviest functions"
    most = "40"

    def ask(self) -> Answer:
        """The heaviest functions and the edges between them."""
        options = {"by": self.state.by, "edits": self.state.questions, "most": int(self.most)}
        return self.answers.ask(call_graph, self.model.lens, event=self.event(), **options)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """Boxes shaded by self weight, with self and total; arrows as wide as what passes."""
        figures = answer.summary
        whole, unit = figures["total"] or 1.0, figures["unit"]
        nodes = [
            Node(
                row["function"],
                f"{_short(row['function'])}\n{amount(unit, row['total'])} ({row['total'] / whole:.1%}), "
                f"self {row['self'] / whole:.1%}",
                (("modules" if self.state.by == "module" else "functions", self.function_of(row["function"])),),
                row["self"],
            )
            for row in figures["nodes"]
        ]
        edges = [
            Edge(
                row["caller"],
                row["callee"],
                row["weight"],
                f"{amount(unit, row['weight'])} ({row['weight'] / whole:.1%})",
                dashed=not row["direct"],
            )
            for row in answer.table.to_pylist()
            if row["weight"] >= _LIGHTEST * whole
        ]
        heaviest = answer.table.slice(0, 10).to_pylist()
        finding = f"{number(len(nodes))} functions of {figures['event']}" if nodes else ""
        if heaviest:
            first = heaviest[0]
            finding += f"; most passes from {printable(first['caller'])} to {printable(first['callee'])}"
        rows = [[row["caller"], row["callee"], amount(unit, row["weight"])] for row in heaviest]
        label = f"Call graph of {figures['event']}"
        drawing = graph(nodes, edges, label=label, finding=finding, rows=(["caller", "callee", unit], rows))
        by = Control(BY.name, BY.label, self.state.by, BY.options, form=BY.form)
        controls = (*self.event_control(figures["event"]), by, Control("most", "functions", self.most, SIZES))
        left_out = figures["left_out"]
        note = f"{number(left_out)} lighter functions are passed over (dashed arrows)" if left_out else ""
        return drawing, {"note": note, "controls": controls, "total": figures["samples"]}

    def choose(self, name: str, value: str) -> None:
        """More or fewer functions."""
        if name == "most" and value in dict(SIZES):
            self.most = value
            self.refresh()
        else:
            super().choose(name, value)

    def words(self) -> tuple[list[str], Lens]:
        """What writes the graph for Graphviz."""
        return self.stack_words("--output=calls.dot"), self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the functions picked."""
        return picked(self.model.lens, ("functions", "modules"), message)


def _short(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


STACKS = (70, CallGraph)
