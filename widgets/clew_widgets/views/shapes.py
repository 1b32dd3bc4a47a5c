"""Shapes: the paths that requests took, and what one does that another does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.shape_diff import shape_diff, slow_and_usual
from clew.questions.shapes import shapes
from clew.units import duration, number, printable, shape_name
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.shapes import shapes as draw_shapes
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.views.picking import picked
from clew_widgets.views.request_table import as_numbers
from clew_widgets.views.request_view import NO_MATCH, Group, RequestView

LIMIT = 60
STEPS = 200
CHOOSE = "Choose two shapes to compare as A and B, or the slow and fast requests of one."
_ENOUGH = 40  # requests of a shape: of fewer the slowest 5 % are one or two
_SLOWEST = 0.05  # of the requests of a shape are its slow ones


class Shapes(RequestView):
    """Shapes as small multiples; click one to narrow to it, or choose two to compare."""

    name = "shapes"
    title = "Shapes"

    def ask(self) -> Answer:
        """Shapes of all that could be picked: the Lens without its own."""
        lens = replace(self.model.lens, shapes=(), request_ids=())
        return self.answers.ask(shapes, lens, limit=LIMIT)

    def words(self) -> tuple[list[str], Lens]:
        """What prints the shapes."""
        return ["paths"], self.model.lens

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """A card for each shape."""
        chosen = self.model.lens.shapes
        sides = {shape: side for side, shape in self.state.sides.items()}
        if self.state.band is not None:
            sides = {self.state.band: "band"}
        rows = answer.table.to_pylist()
        drawing = draw_shapes(
            rows, label="Paths that requests took", chosen=chosen, sides=sides, colors=self.state.colors
        )
        figures = answer.summary
        shape = f"shape{'s' * (figures['shapes'] != 1)}"
        note = f"{number(figures['shapes'])} {shape} of {number(figures['requests'])} requests"
        total = sum(row["requests"] for row in rows if not chosen or row["shape_id"] in chosen)
        leads = self.leads(self.model.lens, "Look at") if chosen else None
        return drawing, {"note": note, "total": total, "empty": NO_MATCH, "leads": leads}

    def handle(self, message: dict[str, Any]) -> None:
        """A shape picked, or chosen to be compared."""
        kind = message.get("type")
        if kind == "compare" and message.get("side") in ("a", "b"):
            self._compare(str(message["side"]), int(message["id"]))
        elif kind == "band":
            shape = int(message["id"])
            self.state.band = None if self.state.band == shape else shape
            self.state.sides = {}
            self.state.changed()
        elif kind != "lead":  # leads only scroll: the Lens looks at the shape already
            super().handle(message)

    def _compare(self, side: str, shape: int) -> None:
        sides = {name: one for name, one in self.state.sides.items() if one != shape and name != side}
        self.state.sides = sides if self.state.sides.get(side) == shape else sides | {side: shape}
        self.state.band = None
        self.state.changed()

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the shapes picked; a single request that was open is let go."""
        return picked(replace(self.model.lens, request_ids=()), ("shapes",), as_numbers(message))


def draw_difference(answer: Answer, words: tuple[str, str]) -> Drawing:
    """The steps of ``questions.shape_diff``; ``words`` are what its two sides are called."""
    columns = (
        Column("name", "step", "text"),
        Column("command", "program", "text"),
        Column("delta_ns", "difference", "change", title=f"Mean self time per request, {words[0]} less {words[1]}"),
        Column("self_a_ns", words[0], "duration", title=f"Mean self time per request, {words[0]}"),
        Column("self_b_ns", words[1], "duration", title=f"Mean self time per request, {words[1]}"),
        Column("in_a", f"in {words[0]}", "share", title=f"Share of the requests that have the step, {words[0]}"),
        Column("in_b", f"in {words[1]}", "share", title=f"Share of the requests that have the step, {words[1]}"),
    )
    rows = [
        Row(
            (("step", str(index)),),
            _step(row),
            {column.id: row[column.id] for column in columns[1:]},
            sub="" if row["in_a"] and row["in_b"] else f"only {words[0]}" if row["in_a"] else f"only {words[1]}",
            inert=True,
        )
        for index, row in enumerate(answer.table.slice(0, STEPS).to_pylist())
    ]
    return table(
        columns, rows, sort="delta_ns", label="Difference of paths", finding=_found(answer, words), with_bars=False
    )


def _step(row: Mapping[str, Any]) -> str:
    return f"→ {row['name']}" if row["kind"] == "client" else str(row["name"])


def _found(answer: Answer, words: tuple[str, str]) -> str:
    figures = answer.summary
    sides = [
        f"{number(figures[f'requests_{side}'])} {word} ({duration(figures[f'mean_{side}_ns'])} in the mean)"
        for side, word in zip("ab", words, strict=True)
    ]
    text = f"Of {sides[0]} and {sides[1]} requests"
    steps: Sequence[Mapping[str, Any]] = answer.table.slice(0, 1).to_pylist()
    if steps and steps[0]["delta_ns"]:
        most = steps[0]
        what = printable(f"{most['command']}: {_step(most)}")[:90]
        more = "more" if most["delta_ns"] > 0 else "less"
        text += f" most of the difference is {duration(abs(most['delta_ns']))} {more} in {what}"
    return text + "."


def difference_of(case: Case, lens: Lens, a: int, b: int) -> Answer:
    """Two shapes under ``lens``, step by step."""
    return shape_diff(case, replace(lens, shapes=(a,)), replace(lens, shapes=(b,)))


def bands_of(case: Case, lens: Lens, shape: int) -> Answer:
    """The slowest requests of a shape under ``lens`` beside the usual ones, step by step."""
    slow, usual = slow_and_usual(case, replace(lens, shapes=(shape,)), _SLOWEST)
    return shape_diff(case, slow, usual)


class ShapeDifference(RequestView):
    """What one side does that the other does not: two shapes, or the slow and the usual requests."""

    name = "shape_diff"
    title = "Slow beside usual"

    def ask(self) -> Answer:
        """The steps of both sides, the largest difference first."""
        lens = replace(self.model.lens, request_ids=())
        sides = self.state.sides
        if len(sides) == 2:
            return self.answers.ask(difference_of, replace(lens, shapes=()), a=sides["a"], b=sides["b"])
        if len(sides) == 1:
            raise ClewError(CHOOSE)
        return self.answers.ask(bands_of, replace(lens, shapes=()), shape=self._band(lens))

    def _band(self, lens: Lens) -> int:
        """The shape whose slow requests are compared: the one chosen, or the one that took most time under ``lens``."""
        if self.state.band is not None:
            return self.state.band
        rows = self.answers.ask(shapes, lens, limit=LIMIT).table.to_pylist()
        if not rows:
            raise ClewError(NO_MATCH)
        often = [row for row in rows if row["requests"] >= _ENOUGH] or rows
        return int(max(often, key=lambda row: row["total_ns"] or 0)["shape_id"])

    def failed(self, error: ClewError) -> dict[str, Any]:
        """That nothing can be compared is no error."""
        self.title = "What is different"
        return {"empty": printable(str(error)), "controls": []}

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The table of steps."""
        drawing = draw_difference(answer, self._words())
        figures = answer.summary
        total = figures["requests_a"] + figures["requests_b"]
        return drawing, {"note": drawing.finding.rstrip("."), "total": total, "empty": NO_MATCH}

    def show(self, answer: Answer) -> None:
        """Draw the answer under a title that names both sides."""
        sides = self.state.sides
        if len(sides) == 2:
            self.title = f"A {shape_name(sides['a'])} beside B {shape_name(sides['b'])}"
        else:
            band = self._band(replace(self.model.lens, request_ids=()))
            self.title = f"The slowest {_SLOWEST:.0%} of {shape_name(band)} beside the usual"
        super().show(answer)

    def _words(self) -> tuple[str, str]:
        return ("A", "B") if self.state.sides else ("slow", "usual")

    def act(self, message: dict[str, Any]) -> Lens:  # noqa: ARG002 -- the form of every view
        """Nothing: a step is no part of a Lens."""
        return self.model.lens


class ShapesTab(Group):
    """The tab of shapes: the small multiples, and below them what is different."""

    name = "shapes"
    title = "Shapes"
    hint = "Paths that requests took, and what the slow ones do differently"
    kinds = (Shapes, ShapeDifference)


REQUESTS = (40, ShapesTab)
