"""What the views of stacks of an Explorer share besides the Lens: event, merging, edits with undo, function, thread."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from clew.lens import Lens
from clew_widgets.lens_model import LensModel


@dataclass(frozen=True)
class Edit:
    """One edit of the stacks: ``what`` and ``pattern`` as questions take them, ``label`` for its chip."""

    what: str
    pattern: str
    label: str


def edit(what: str, name: str) -> Edit:
    """The edit of exactly the function ``name``."""
    if what == "recursion":
        return Edit(what, "", "recursion joined")
    said = {"hide": "without frame", "drop": "no stacks with", "merge": "merged below", "focus": "only stacks with"}
    return Edit(what, rf"\A{re.escape(name)}\Z", f"{said[what]} {name}")


@dataclass
class StackState:
    """Choices that stay when another view of stacks is shown. ``changed`` tells whoever shows them."""

    event: str | None = None
    by: str = "function"
    function: str | None = None
    thread: tuple[int, int] | None = None  # pid, tid
    edits: tuple[Edit, ...] = ()
    changed: Callable[[], None] = lambda: None
    open_function: Callable[[], None] | None = None
    _past: list[tuple[Edit, ...] | Lens] = field(default_factory=list)

    @property
    def questions(self) -> tuple[tuple[str, str], ...]:
        """The edits as questions take them."""
        return tuple((one.what, one.pattern) for one in self.edits)

    @property
    def can_undo(self) -> bool:
        """Whether undo() would change anything."""
        return bool(self._past)

    def set_edits(self, edits: tuple[Edit, ...]) -> None:
        """Other edits from now on; undo() takes it back."""
        if edits == self.edits:
            return
        self._past.append(self.edits)
        self.edits = edits
        self.changed()

    def set_lens(self, model: LensModel, lens: Lens) -> None:
        """Another Lens; undo() takes it back as long as nobody else has changed it."""
        if lens == model.lens:
            return
        self._past.append(lens)
        model.set(lens)

    def undo(self, model: LensModel) -> None:
        """Take the last edit back, or the last change of the Lens that a view of stacks made."""
        while self._past:
            last = self._past.pop()
            if isinstance(last, tuple):
                self.edits = last
                self.changed()
                return
            if model.lens == last:
                model.undo()
                return
