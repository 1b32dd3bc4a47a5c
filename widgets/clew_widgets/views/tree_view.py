"""What views of one tree of stacks have in common: frames that were too narrow are made when they are zoomed into."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from clew.questions.answer import Answer
from clew_widgets.drawing.flame_columns import NARROWEST
from clew_widgets.views.stack_view import StackView


class TreeView(StackView):
    """A view of a tree; ``at`` is the row that it is open at."""

    at: int | None = None

    def ask(self) -> Answer:
        """The tree, open at its root."""
        self.at = None
        return self.ask_within(())

    @abstractmethod
    def ask_within(self, within: tuple[str, ...]) -> Answer:
        """The tree, with what is below the frame that ``within`` (names from below the root) leads to."""

    def seen(self, direction: str, within: tuple[str, ...]) -> dict[str, Any]:
        """What a question of trees is asked so that it makes no more than can be seen."""
        return {"narrowest": NARROWEST, "within": within} if direction == "up" else {}

    def handle(self, message: dict[str, Any]) -> None:
        """Frames that were too narrow for the page are sent when they are zoomed into."""
        if message.get("type") == "open" and self.answer is not None:
            row = message.get("row")
            known = isinstance(row, int) and 0 <= row < self.answer.table.num_rows
            self.at = row if known else None
            if "narrow" in self.answer.table.column_names:  # what is below was not made so far
                names = names_to(self.answer.table, self.at or 0)
                self.answer = self.ask_within(names)
                self.at = row_of(self.answer.table, names) or None
            self.show(self.answer)
        else:
            super().handle(message)


def names_to(table: pa.Table, row: int) -> tuple[str, ...]:
    """Names of the rows of a tree from below its root down to ``row``."""
    parent, names = table["parent"], list[str]()
    while row > 0:
        names.append(table["name"][row].as_py())
        row = parent[row].as_py()
    return tuple(reversed(names))


def row_of(table: pa.Table, names: Sequence[str]) -> int:
    """The row that those names lead to from the root; 0 where there is none."""
    parent, row = table["parent"].to_numpy(), 0
    for name in names:
        below = np.flatnonzero(parent == row)
        found = [one for one in below.tolist() if table["name"][one].as_py() == name]
        if not found:
            return 0
        row = found[0]
    return row
