"""All views of requests in one place: a strip of tabs, and the one that is chosen. Views are found by their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clew.case import Case
from clew.lens import Lens
from clew_widgets.answers import Answers
from clew_widgets.lens_model import LensModel
from clew_widgets.views.request_view import Group, RequestState, RequestView
from clew_widgets.views.tabbed import Tabbed, found


def kinds() -> dict[str, type[RequestView] | type[Group]]:
    """Views of requests by name, in the order of their tabs: modules with ``REQUESTS = (order, class)``."""
    return found("REQUESTS")


class Requests(Tabbed):
    """The views of requests of ``case`` under one Lens; each is made when first shown, and asked only while it is."""

    mark = "REQUESTS"
    label = "Requests"

    def __init__(
        self,
        case: Case,
        model: LensModel | Lens | None = None,
        *,
        view: str = "requests",
        answers: Answers | None = None,
        colors: Mapping[str, str] | None = None,
    ) -> None:
        self.state = RequestState(changed=self.refresh, show=self.choose, colors=colors or {})
        super().__init__(case, model, view=view, answers=answers)
        self.add_class("clew-requests")

    def make(self, kind: Any) -> RequestView | Group:
        """The view of class ``kind``; it shares ``state`` with the others."""
        view: RequestView | Group = kind(self.case, self.model, answers=self.answers, state=self.state)
        return view

    @property
    def shown(self) -> tuple[RequestView, ...]:
        """The single views of the tab that is shown."""
        return tuple(self.view.views) if isinstance(self.view, Group) else (self.view,)
