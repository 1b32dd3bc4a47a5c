"""The one Lens that all views of an Explorer share, with its history: every change of it can be undone."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from traitlets import HasTraits, Instance

from clew.lens import Lens

_DEPTH = 200


class LensModel(HasTraits):
    """Holds ``lens``; views observe it and call set(); the Lens itself is immutable."""

    lens = Instance(Lens)

    def __init__(self, lens: Lens | None = None) -> None:
        super().__init__(lens=lens or Lens())
        self._past: list[Lens] = []
        self._future: list[Lens] = []

    def set(self, lens: Lens) -> None:
        """Look at ``lens`` from now on; no step in the history if nothing changes."""
        if lens == self.lens:
            return
        self._past = [*self._past[-_DEPTH + 1 :], self.lens]
        self._future.clear()
        self.lens = lens

    def remove(self, field: str, value: Any = None) -> None:
        """Take one chip away: ``value`` of ``field``, or all of ``field`` ("time": both ends)."""
        whole = field in ("time", "latency", "took")
        self.set(self.lens.without(field) if whole else self.lens.without(field, value))

    def reset(self) -> None:
        """Look at everything again; this too can be undone."""
        self.set(Lens())

    def undo(self) -> None:
        """Go back one step; nothing happens where there is none."""
        if self._past:
            self._future.append(self.lens)
            self.lens = self._past.pop()

    def redo(self) -> None:
        """Go forward one step that was undone."""
        if self._future:
            self._past.append(self.lens)
            self.lens = self._future.pop()

    @property
    def can_undo(self) -> bool:
        """Whether undo() would change anything."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether redo() would change anything."""
        return bool(self._future)


def as_code(lens: Lens) -> str:
    """``lens`` as Python that makes it again; only the fields that are set."""
    unset = Lens()
    values = [(field.name, getattr(lens, field.name)) for field in fields(lens)]
    inside = ", ".join(f"{name}={value!r}" for name, value in values if value != getattr(unset, name))
    return f"from clew.lens import Lens\n\nlens = Lens({inside})\n"
