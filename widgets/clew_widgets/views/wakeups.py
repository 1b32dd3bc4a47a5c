"""Who woke whom: pairs of threads by how long one waited for the other."""

from __future__ import annotations

from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.wakeups import wakeups
from clew.units import duration, number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.dot import Edge, Node, graph
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.views.base import Control
from clew_widgets.views.picking import picked
from clew_widgets.views.stack_view import StackView

FORMS = (("graph", "graph"), ("table", "table"))
LIMITS = {"graph": 40, "table": 300}
"""Pairs that are shown: more arrows cannot be told apart."""
NONE = "No thread under the lens was woken by another while off-CPU time was recorded."


class Wakeups(StackView):
    """Threads that waited, and the threads that let them go on; click one to narrow the Lens to it."""

    name = "wakeups"
    title = "Wake-ups"
    hint = "Who woke whom, and how long they had waited"
    form = "graph"

    def ask(self) -> Answer:
        """Pairs of threads, longest waits first."""
        return self.answers.ask(wakeups, self.model.lens, limit=LIMITS[self.form])

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """An arrow from each waker to whom it woke, as wide as the time waited; or the same as a table."""
        found = answer.table.to_pylist()
        total = sum(row["off_ns"] for row in found)
        finding = ""
        if found:
            first = found[0]
            finding = (
                f"{_thread(first['sleeper'], first['tid'])} waited {duration(first['off_ns'])} "
                f"for {_thread(first['waker'], first['waker_tid'])}"
            )
        draw = self._graph if self.form == "graph" else self._table
        note = f"{duration(total)} off the processor in {number(sum(row['waits'] for row in found))} waits"
        controls = (Control("form", "show", self.form, FORMS),)
        return draw(found, finding), {"note": note, "controls": controls, "empty": NONE}

    def _table(self, found: list[dict[str, Any]], finding: str) -> Drawing:
        columns = (
            Column("name", "waited", "text"),
            Column("waker", "for (who woke it)", "text"),
            Column("off_ns", "off-CPU time", "duration", additive=True),
            Column("max_ns", "longest", "duration"),
            Column("waits", "waits", "count", additive=True),
        )
        rows = [
            Row(
                (("tids", row["tid"]),),
                printable(row["sleeper"] or "not known"),
                {name: row[name] for name in ("off_ns", "max_ns", "waits")}
                | {"waker": _thread(row["waker"], row["waker_tid"])},
                sub=str(row["tid"]),
                selected=row["tid"] in self.model.lens.tids,
            )
            for row in found
        ]
        return table(columns, rows, sort="off_ns", label="Who woke whom", finding=finding)

    def _graph(self, found: list[dict[str, Any]], finding: str) -> Drawing:
        nodes, edges = dict[str, Node](), list[Edge]()
        for row in found:
            ends = []
            for name, tid in ((row["waker"], row["waker_tid"]), (row["sleeper"], row["tid"])):
                key = f"{name}|{tid}"
                picks = (("tids", tid),) if tid else ()
                nodes.setdefault(key, Node(key, _thread(name, tid), key=picks, weight=0.0))
                ends.append(key)
            waited = nodes[ends[1]]
            nodes[ends[1]] = Node(waited.id, waited.label, waited.key, waited.weight + row["off_ns"])
            label = f"{duration(row['off_ns'])} in {number(row['waits'])} wait{'s' * (row['waits'] != 1)}"
            edges.append(Edge(ends[0], ends[1], float(row["off_ns"]), label))
        weighed = [
            Node(node.id, node.label + (f"\n{duration(node.weight)} off" if node.weight else ""), node.key, node.weight)
            for node in nodes.values()
        ]
        return graph(weighed, edges, label="Who woke whom", finding=finding, rows=self._twin(found))

    def _twin(self, found: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        rows = [
            [_thread(row["waker"], row["waker_tid"]), _thread(row["sleeper"], row["tid"]), duration(row["off_ns"])]
            for row in found[:10]
        ]
        return ["who woke", "whom", "off-CPU time"], rows

    def choose(self, name: str, value: str) -> None:
        """Graph or table."""
        if name == "form" and value in dict(FORMS):
            self.form = value
            self.refresh()
        else:
            super().choose(name, value)

    def words(self) -> tuple[list[str], Lens]:
        """What prints the pairs."""
        return ["stacks", "--wakeups"], self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the threads picked."""
        return picked(self.model.lens, ("tids",), message)


def _thread(name: str | None, tid: int | None) -> str:
    if tid is None:
        return "a timer or interrupt, or not recorded"
    return "idle" if tid == 0 else f"{printable(name or 'thread')} {tid}"


STACKS = (80, Wakeups)
