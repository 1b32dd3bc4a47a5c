"""Several views in one place: a strip of tabs, and the one that is chosen. Views are found by their files."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import ipywidgets

from clew.case import Case
from clew.lens import Lens
from clew_widgets import views
from clew_widgets.answers import Answers
from clew_widgets.lens_model import LensModel
from clew_widgets.widget import Widget


@cache
def found(mark: str) -> dict[str, Any]:
    """Classes by their ``name``, in the order of their tabs: modules of this folder with ``MARK = (order, class)``."""
    entries = []
    for info in pkgutil.iter_modules(views.__path__):
        entry = getattr(import_module(f"{views.__name__}.{info.name}"), mark, None)
        if entry is not None:
            entries.append(entry)
    return {kind.name: kind for _, kind in sorted(entries, key=lambda entry: (entry[0], entry[1].name))}


class Tabs(Widget):
    """The strip of tabs; each of ``kinds`` has a name, a title and a hint."""

    def __init__(self, label: str, kinds: dict[str, Any]) -> None:
        super().__init__("tabs")
        self.label = label
        self.kinds = kinds
        self.on_choice: Callable[[str], None] = lambda _name: None

    def show(self, chosen: str) -> None:
        """Mark the tab that is shown."""
        tabs = [[name, kind.title, kind.hint] for name, kind in self.kinds.items()]
        self.spec = {"tabs": tabs, "chosen": chosen, "label": self.label, "note": ""}

    def handle(self, message: dict[str, Any]) -> None:
        """Another tab."""
        if message.get("type") == "tab":
            self.on_choice(str(message.get("name")))


class Note(Widget):
    """One line in the place of views that have nothing to show."""

    def __init__(self, label: str, note: str) -> None:
        super().__init__("tabs")
        self.spec = {"tabs": [], "chosen": "", "label": label, "note": note}


class Tabbed(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Views of ``case`` under one Lens; each is made when first shown, and asked only while it is.

    A subclass has ``mark`` (see found()), ``label``, and makes a view.
    """

    mark = ""
    label = ""

    def __init__(
        self, case: Case, model: LensModel | Lens | None = None, *, view: str, answers: Answers | None = None
    ) -> None:
        self.case = case
        self.model = model if isinstance(model, LensModel) else LensModel(model)
        self.answers = answers or Answers(case)
        self.tabs = Tabs(self.label, found(self.mark))
        self.tabs.on_choice = self.choose
        self._made: dict[str, Any] = {}
        super().__init__([self.tabs])
        self.chosen = ""
        self.choose(view)
        if not isinstance(model, LensModel):
            self.model.observe(lambda _change: self.refresh(), "lens")

    def make(self, kind: Any) -> Any:
        """The view of class ``kind``."""
        raise NotImplementedError

    @property
    def view(self) -> Any:
        """The view that is shown."""
        return self._made[self.chosen]

    def choose(self, name: str) -> None:
        """Show another view."""
        if name not in self.tabs.kinds:
            return
        self.chosen = name
        if name in self._made:
            self.view.refresh()
        else:
            self._made[name] = self.make(self.tabs.kinds[name])
        self.tabs.show(name)
        self.children = [self.tabs, self.view]

    def refresh(self) -> None:
        """Ask again for the view that is shown."""
        if self.chosen:
            self.view.refresh()

    @property
    def static(self) -> str:
        """The static twin of the view that is shown."""
        return str(self.view.static)

    def finding(self) -> str:
        """What is shown, in one line."""
        return str(self.view.finding())

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        data = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/plain": self.finding(), "text/html": self.static}
