"""Answers remembered: a step back, or a view that a click does not change, need not ask the database again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.samples import sample_events

_KEPT = 100  # answers are small: what a view shows
_ROWS = 2_000_000  # but for stacks, of which only as many are kept


def bounds(case: Case) -> tuple[int, int]:
    """First and last ns of ``case``; (0, 0) where it has samples without a time. Raises ClewError if it has nothing."""
    try:
        return case.bounds()
    except ClewError:
        if not sample_events(case, Lens()).table.num_rows:
            raise
        return 0, 0


class Answers:
    """Asks questions of ``case`` and keeps the last answers until it is told to forget them."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._kept: OrderedDict[tuple[Any, ...], Answer] = OrderedDict()
        self._bounds: tuple[int, int] | None = None

    def bounds(self) -> tuple[int, int]:
        """First and last ns of the case, as bounds()."""
        if self._bounds is None:
            self._bounds = bounds(self.case)
        return self._bounds

    def ask(self, question: Callable[..., Answer], lens: Lens, **options: Any) -> Answer:
        """The answer to ``question(case, lens, **options)``; what it raises is raised and not kept."""
        key = (question, lens, *sorted(options.items()))
        if key not in self._kept:
            self._kept[key] = question(self.case, lens, **options)
            while len(self._kept) > 1 and (len(self._kept) > _KEPT or self._rows() > _ROWS):
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _rows(self) -> int:
        return sum(answer.table.num_rows for answer in self._kept.values())

    def forget(self) -> None:
        """Ask everything anew from now on: the case has grown."""
        self._kept.clear()
        self._bounds = None
