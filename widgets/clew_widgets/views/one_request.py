"""What views of a single request have in common: which one is open, the list to choose another from, its command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.request_tree import request_tree
from clew.questions.requests import requests
from clew.units import duration, printable
from clew_widgets.views.base import Control
from clew_widgets.views.picking import picked
from clew_widgets.views.request_view import NO_MATCH, RequestView

_LISTED = 40  # requests in the list to choose from
_PLACE = ("commands", "pids", "tids")


def _tree_of(case: Case, _lens: Lens, request_id: int) -> Answer:
    """request_tree() in the form of every other question: a request has one tree, whatever the Lens."""
    return request_tree(case, request_id)


def _label_of(row: dict[str, Any]) -> str:
    """A request in a list: how long it took, and its name."""
    took = "end not seen" if row["dur_ns"] is None else duration(row["dur_ns"])
    return printable(f"{took}  {row['name']}")[:90]


class OneRequest(RequestView):
    """A view of the request that the Lens names, of the slowest under it if it names none."""

    def ask(self) -> Answer:
        """The tree of the request that is open; raises ClewError where none matches."""
        request_id = self._opened()
        if request_id is None:
            raise ClewError(NO_MATCH)
        return self.answers.ask(_tree_of, Lens(), request_id=request_id)

    def failed(self, error: ClewError) -> dict[str, Any]:
        """That no request matches is no error."""
        return {"empty": NO_MATCH, "controls": []} if str(error) == NO_MATCH else super().failed(error)

    def words(self) -> tuple[list[str], Lens] | None:
        """What prints the request as a tree."""
        opened = self._opened()
        return None if opened is None else (["path", str(opened)], Lens())

    def choices(self, answer: Answer) -> Control:
        """The list of requests, the one of ``answer`` chosen."""
        chosen = str(answer.summary["request_id"])
        options = [(str(row["request_id"]), _label_of(row)) for row in self._slowest()]
        if chosen not in dict(options):
            options.insert(0, (chosen, _label_of(answer.summary)))
        return Control("request", "request", chosen, tuple(options), form="list")

    def choose(self, name: str, value: str) -> None:
        """Another request."""
        if name == "request" and value.isdecimal():
            self.model.set(replace(self.model.lens, request_ids=(int(value),)))

    def handle(self, message: dict[str, Any]) -> None:
        """All of the request, or what other views know, too."""
        if message.get("type") == "lead":
            self.model.set(self._only())
        else:
            super().handle(message)

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the program and thread picked, and only this request."""
        return picked(self._only(), _PLACE, message)

    def _only(self) -> Lens:
        request_id = self._opened()
        return self.model.lens if request_id is None else replace(self.model.lens, request_ids=(request_id,))

    def _slowest(self) -> list[dict[str, Any]]:
        """The slowest requests under the Lens, the one that is open aside."""
        lens = replace(self.model.lens, request_ids=())
        rows: list[dict[str, Any]] = self.answers.ask(requests, lens, limit=_LISTED).table.to_pylist()
        return rows

    def _opened(self) -> int | None:
        """The request looked at: the first that the Lens names, or the slowest under it; None: there is none."""
        if self.model.lens.request_ids:
            return self.model.lens.request_ids[0]
        rows = self._slowest()
        return int(rows[0]["request_id"]) if rows else None
