"""Maps of bpftrace scripts: the entries of one as a table with bars, or the distribution in one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.maps import histogram as ask_histogram
from clew.questions.maps import map_values
from clew.units import number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.histogram import histogram
from clew_widgets.drawing.table import Column, Row, table, words
from clew_widgets.lens_model import LensModel
from clew_widgets.views.base import View

SHOWN = 100
"""Entries of a map."""

NONE = "The map is empty: no probe was met, or it was cleared."


def draw_map(answer: pa.Table, name: str, *, label: str, unit: str = "") -> Drawing:
    """Entries of the map ``name``: keys, and the innermost function where one is a stack."""
    kind = "duration" if unit == "ns" else "count"
    rows = []
    for record in answer.to_pylist():
        whole = record["value"].is_integer() or kind == "duration"
        value = int(record["value"]) if whole else record["value"]
        said = {"value": value, "kind": record["kind"], "function": record["function"] or ""}
        rows.append(Row((), record["key"] or record["function"] or name, said, inert=True))
    columns = [Column("name", "key", "text"), Column("value", "value", kind), Column("kind", "kept", "text")]
    if any(row.cells["function"] for row in rows):
        columns.append(Column("function", "function", "text", title="Innermost of the stack"))
    largest = max(rows, key=lambda row: row.cells["value"], default=None)
    finding = NONE
    if largest is not None:
        value = words(kind, largest.cells["value"])
        finding = printable(
            f"{number(len(rows))} {'entry' if len(rows) == 1 else 'entries'}; the largest: {largest.label}, {value}."
        )
    return table(columns, rows, sort="value", label=label, finding=finding)


def draw_distribution(answer: pa.Table, *, label: str, unit: str = "") -> Drawing:
    """Durations as the chart of latencies; other figures as a table, in the order of their buckets."""
    summed: dict[tuple[int | None, int | None], int] = {}
    for record in answer.to_pylist():
        ends = (record["low"], record["high"])
        summed[ends] = summed.get(ends, 0) + record["calls"]
    buckets = sorted(summed, key=lambda ends: (ends[0] is not None, ends[0] or 0))
    if unit == "ns":
        low = [max(begin or 0, 0) for begin, _ in buckets]
        high = [2 * begin if end is None else end + 1 for begin, (_, end) in zip(low, buckets, strict=True)]
        calls = [summed[ends] for ends in buckets]
        return histogram(low, high, calls, {}, band=None, label=label)
    columns = (Column("name", "from, to", "text"), Column("low", "from", "count"), Column("calls", "times", "count"))
    rows = [
        Row(
            (),
            f"{words('count', low)} to {words('count', high)}",
            {"low": low, "calls": summed[low, high]},
            inert=True,
        )
        for low, high in buckets
    ]
    return table(columns, rows, sort="calls", label=label, finding=f"{number(sum(summed.values()))} values.")


class MapTable(View):
    """The largest entries of the map ``name`` as it was printed last. ``unit``: "ns", or "" for a plain number."""

    name = "map"

    def __init__(
        self, case: Case, name: str, *, unit: str = "", capture_id: int | None = None, model: LensModel | None = None
    ) -> None:
        self.map, self.unit, self.capture_id = name, unit, capture_id
        self.title = f"map {printable(name)}"
        super().__init__(case, model)

    def ask(self) -> Answer:
        """The map's entries."""
        return self.answers.ask(map_values, self.model.lens, name=self.map, limit=SHOWN, capture_id=self.capture_id)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """Keys, and the innermost function where one is a stack."""
        return draw_map(answer.table, self.map, label=self.title, unit=self.unit), {"empty": NONE}

    def act(self, message: dict[str, Any]) -> Lens:  # noqa: ARG002 -- the Lens knows nothing of a script's keys
        """Nothing is picked here."""
        return self.model.lens


class MapHistogram(View):
    """The distribution that hist() or lhist() kept in the map ``name``, of all its keys together."""

    name = "distribution"

    def __init__(
        self, case: Case, name: str, *, unit: str = "", capture_id: int | None = None, model: LensModel | None = None
    ) -> None:
        self.map, self.unit, self.capture_id = name, unit, capture_id
        self.title = f"distribution {printable(name)}"
        super().__init__(case, model)

    def ask(self) -> Answer:
        """Every bucket of every key."""
        return self.answers.ask(ask_histogram, self.model.lens, name=self.map, capture_id=self.capture_id)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """Durations as the chart of latencies; other figures as a table, in the order of their buckets."""
        return draw_distribution(answer.table, label=self.title, unit=self.unit), {"empty": NONE}

    def act(self, message: dict[str, Any]) -> Lens:  # noqa: ARG002
        """Nothing is picked here."""
        return self.model.lens
