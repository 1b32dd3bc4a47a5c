"""What bpftrace scripts kept: one map at a time, chosen from all there are."""

from __future__ import annotations

from typing import Any

from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.maps import maps
from clew.units import printable
from clew_widgets.drawing import Drawing
from clew_widgets.views.base import Control, View
from clew_widgets.views.maps import MapHistogram, MapTable

NONE = "no bpftrace script was recorded: `clew recipes` lists some"


class ScriptMaps(View):
    """The map chosen, as a table or as a distribution."""

    name = "maps"
    title = "Maps of bpftrace scripts"
    chosen: str | None = None

    def ask(self) -> Answer:
        """The entries of the map that was chosen; else of the first."""
        there = self.answers.ask(maps, Lens()).table.to_pylist()
        if not there:
            raise ClewError(NONE)
        self.known = {f"{row['capture_id']} {row['name']}": row for row in there}
        self.chosen = self.chosen if self.chosen in self.known else next(iter(self.known))
        row = self.known[self.chosen]
        kind = MapHistogram if row["what"] == "histogram" else MapTable
        self.inner = kind(self.case, row["name"], capture_id=row["capture_id"], model=self.model)
        if self.inner.answer is None:
            raise ClewError(self.inner.finding())
        return self.inner.answer

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """As the map's kind is drawn."""
        drawing, said = self.inner.draw(answer)
        options = tuple(
            (key, printable(f"{row['name']} (capture {row['capture_id']})")) for key, row in self.known.items()
        )
        control = Control("map", "map", self.chosen or "", options, form="list")
        return drawing, {**said, "note": drawing.finding.rstrip("."), "controls": (control,)}

    def words(self) -> tuple[list[str], Lens]:
        """What prints the map."""
        return ["maps", self.known[self.chosen or ""]["name"]], self.model.lens

    def act(self, message: dict[str, Any]) -> Lens:  # noqa: ARG002 -- the Lens knows nothing of a script's keys
        """Nothing is picked here."""
        return self.model.lens

    def choose(self, name: str, value: str) -> None:
        """Another map."""
        if name == "map" and value in self.known:
            self.chosen = value
            self.refresh()
