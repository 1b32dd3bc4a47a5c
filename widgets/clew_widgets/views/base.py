"""A view: a question, a drawing, and what a click does to the Lens. It holds no SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.units import printable
from clew_widgets.answers import Answers
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.figure import HEIGHT, scaffold
from clew_widgets.drawing.static import safe, twin
from clew_widgets.lens_model import LensModel
from clew_widgets.views import command_line
from clew_widgets.widget import Widget

EMPTY = "No recorded call matches the lens. Remove a chip, or undo."


@dataclass(frozen=True)
class Control:
    """A choice above a drawing; ``local`` ones are made in the page, the others ask the question again.

    ``form``: "" shows all options side by side, "list" one to choose from, "text" suggests them for what is typed.
    """

    name: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...]
    local: bool = False
    form: str = ""

    def spec(self) -> dict[str, Any]:
        """As the page wants it."""
        return {
            "name": self.name,
            "label": self.label,
            "value": self.value,
            "options": [list(one) for one in self.options],
            "local": self.local,
            "form": self.form,
        }


def panel(
    view: str,
    title: str,
    drawing: Drawing,
    *,
    sql: str = "",
    note: str = "",
    warning: str = "",
    controls: tuple[Control, ...] = (),
    total: int | None = None,
    command: str = "",
    empty: str = EMPTY,
    leads: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The spec of a panel: the same for a widget and for the report. ``total`` is the calls it shows.

    ``command`` prints the same in a shell.

    ``leads``: buttons to other views, {label, buttons: [{name, label, to: CSS selector of the view}]}.
    """
    return {
        "view": view,
        "title": title,
        "note": note,
        "warning": printable(warning),
        "controls": [control.spec() for control in controls],
        "kind": drawing.kind,
        "body": drawing.body,
        "item": drawing.item or (scaffold(drawing.kind) if drawing.kind in HEIGHT else None),
        "empty": "" if drawing.rows else empty,
        "error": "",
        "sql": sql.strip(),
        "command": printable(command),
        "total": total,
        "leads": leads,
    }


class View(Widget):
    """One view of ``case`` through the Lens of ``model``, which other views may share.

    Shown by itself in a notebook it stands alone: ``Counts(case, by="op")``. A subclass has ``name`` and ``title``,
    and the methods ask, draw and act.
    """

    name = ""
    title = ""

    def __init__(self, case: Case, model: LensModel | Lens | None = None, *, answers: Answers | None = None) -> None:
        super().__init__("panel")
        self.answers = answers or Answers(case)
        self.answer: Answer | None = None
        self.case = case
        self.model = model if isinstance(model, LensModel) else LensModel(model)
        self._finding = ""
        self.on_choice: Callable[[], None] = lambda: None
        self.refresh()
        if not isinstance(model, LensModel):  # alone: nobody else tells it when the Lens changes
            self.model.observe(lambda _change: self.refresh(), "lens")

    def ask(self) -> Answer:
        """The question, through the Lens."""
        raise NotImplementedError

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The drawing of the answer, and what panel() shall say beside it."""
        raise NotImplementedError

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens after what the user did."""
        raise NotImplementedError

    def words(self) -> tuple[list[str], Lens] | None:
        """The subcommand of clew that prints what is shown, with its options, and its Lens; None: there is none.

        The case is put after the first word.
        """
        return None

    def refresh(self) -> None:
        """Ask again and draw; what cannot be asked is said in the view's place."""
        self.busy = True
        try:
            self.answer = None
            self.answer = answer = self.ask()
            self.show(answer)
        except ClewError as error:
            said = self.failed(error)
            self._finding = f"{self.title}: {said.get('empty') or said['error']}"
            self.static = f"<p>{safe(self._finding)}</p>"
            self.spec = {"view": self.name, "title": self.title, "controls": [], **said}
        finally:
            self.busy = False

    def show(self, answer: Answer) -> None:
        """Draw the answer."""
        drawing, said = self.draw(answer)
        said["note"] = "; ".join(filter(None, (said.get("note"), answer.note)))
        if words := self.words():
            said["command"] = command_line.line(self.case.path, *words, self.answers.bounds()[0])
        spec = panel(self.name, self.title, drawing, sql=answer.sql, **said)
        self._finding = f"{self.title}: {drawing.finding if drawing.rows else spec['empty']}"
        self.static = twin(self.title, drawing) if drawing.rows else f"<p>{safe(self._finding)}</p>"
        self.spec = spec

    def failed(self, error: ClewError) -> dict[str, Any]:
        """What the spec of the panel says when the question cannot be asked."""
        return {"error": printable(str(error))}

    def finding(self) -> str:
        """What the view shows, in one line."""
        return self._finding

    def choose(self, name: str, value: str) -> None:
        """Another choice in a control that asks again."""

    def handle(self, message: dict[str, Any]) -> None:
        """A choice, or something that changes the Lens."""
        if message.get("type") == "option":
            self.choose(str(message.get("name")), str(message.get("value")))
            self.on_choice()
        elif message.get("type") in ("pick", "brush"):
            self.model.set(self.act(message))
