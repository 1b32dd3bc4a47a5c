"""All views of stacks in one place: a strip of tabs, and the one that is chosen. Views are found by their files."""

from __future__ import annotations

from typing import Any

from clew.case import Case
from clew.lens import Lens
from clew_widgets.answers import Answers
from clew_widgets.lens_model import LensModel
from clew_widgets.views.stack_state import StackState
from clew_widgets.views.stack_view import StackView
from clew_widgets.views.tabbed import Tabbed, found


def kinds() -> dict[str, type[StackView]]:
    """Views of stacks by name, in the order of their tabs: modules of this folder with ``STACKS = (order, class)``."""
    return found("STACKS")


class Stacks(Tabbed):
    """The views of stacks of ``case`` under one Lens; each is made when first shown, and asked only while it is."""

    mark = "STACKS"
    label = "Stacks"

    def __init__(
        self, case: Case, model: LensModel | Lens | None = None, *, view: str = "flame", answers: Answers | None = None
    ) -> None:
        self.state = StackState(changed=self.refresh, open_function=lambda: self.choose("sandwich"))
        super().__init__(case, model, view=view, answers=answers)
        self.add_class("clew-stacks")

    def make(self, kind: Any) -> StackView:
        """The view of class ``kind``; it shares ``state`` with the others."""
        view: StackView = kind(self.case, self.model, answers=self.answers, state=self.state)
        return view
