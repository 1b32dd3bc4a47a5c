"""A bpftrace recipe in a notebook: its text to edit, its parameters, a button that runs it, and what came of it."""

from __future__ import annotations

import re
import shlex
import threading
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets

import clew
from clew import recipes
from clew.capture.meta import captures
from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.maps import maps, printed
from clew.recipes import Recipe
from clew.units import printable
from clew_widgets.views.maps import MapHistogram, MapTable

_PRINTED = 200  # lines shown of what a script prints
_WIDE = ipywidgets.Layout(width="100%")


class RecipeView(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """``RecipeView("call-histogram", "case")``: edit, Run, Stop; each run is one more capture of the case.

    It records a command, a process, or the whole machine (neither named), for so many seconds. bpftrace needs root.
    """

    def __init__(self, recipe: Recipe | str, case: str | Path, *, seconds: float = 10.0) -> None:
        self.recipe = recipes.get(recipe) if isinstance(recipe, str) else recipe
        self.path = Path(case)
        self.text = ipywidgets.Textarea(self.recipe.text, description="recipe", rows=18, layout=_WIDE)
        self.text.style.font_family = "monospace"
        self.values: dict[str, Any] = {}
        self.parameters = ipywidgets.VBox()
        self.command = ipywidgets.Text(description="command", placeholder="make -j4", layout=_WIDE)
        self.pid = ipywidgets.Text(description="process", placeholder="its number")
        self.seconds = ipywidgets.BoundedFloatText(seconds, min=0.1, max=86400, description="seconds")
        self.run_button = ipywidgets.Button(description="Run", button_style="primary", icon="play")
        self.stop_button = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.status = ipywidgets.HTML()
        self.results = ipywidgets.VBox()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.run_button.on_click(lambda _button: self.run())
        self.stop_button.on_click(lambda _button: self._stop.set())
        self.text.observe(lambda _change: self._ask_parameters(), "value")
        buttons = ipywidgets.HBox([self.run_button, self.stop_button, self.status])
        target = ipywidgets.HBox([self.command, self.pid, self.seconds])
        super().__init__([self.text, self.parameters, target, buttons, self.results])
        self._ask_parameters()

    def run(self) -> None:
        """Record in a thread; the buttons change at once, the results when it is over."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stop.clear()
        self.run_button.disabled, self.stop_button.disabled = True, False
        self._say("attaching probes, recording ...")
        self._thread = threading.Thread(target=self._work, name="clew-recipe", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when the run is over."""
        if self._thread is not None:
            self._thread.join()

    def _ask_parameters(self) -> None:
        """A field for each parameter of the text as it is now; what was typed stays."""
        try:
            recipe = self.recipe.edit(self.text.value)
        except ClewError as error:
            self._say(str(error))
            return
        self._say("")
        before = {name: field.value for name, field in self.values.items()}
        self.recipe = recipe
        self.values = {
            param.name: ipywidgets.Text(
                before.get(param.name, param.default or ""),
                description=param.name,
                placeholder="the process recorded" if param.type == "pid" else param.type,
                tooltip=param.help,
            )
            for param in recipe.params
        }
        notes = [ipywidgets.HTML(escape(param.help)) for param in recipe.params]
        rows = zip(self.values.values(), notes, strict=True)
        self.parameters.children = [ipywidgets.HBox(list(row)) for row in rows]

    def _chosen(self) -> dict[str, str]:
        """Values that differ from their defaults: a process that was not named is the one recorded."""
        defaults = self.recipe.defaults()
        return {name: field.value for name, field in self.values.items() if field.value != defaults.get(name, "")}

    def _work(self) -> None:
        try:
            recipe = self.recipe.edit(self.text.value)
            pid = self.pid.value.strip()
            if pid and not re.fullmatch(r"[0-9]{1,10}", pid):
                raise ClewError(f"process {pid!r:.40}: write its number")
            try:
                command = shlex.split(self.command.value)
            except ValueError as error:
                raise ClewError(f"command: {error}") from None
            seconds = self.seconds.value
            values = self._chosen()
            said = recipes.run(
                self.path,
                recipe,
                command,
                pid=int(pid) if pid else None,
                seconds=seconds,
                stop=self._stop,
                values=values,
            )
            self._show(clew.open(self.path), said)
        except ClewError as error:
            self._say(str(error))
        finally:
            self.run_button.disabled, self.stop_button.disabled = False, True

    def _show(self, case: Case, said: list[str]) -> None:
        """The maps of the last capture, each as a table or a distribution, and what was printed."""
        capture_id = max(int(folder.name) for folder in captures(self.path))
        found = maps(case, Lens(), capture_id=capture_id).table.to_pylist()
        views: list[Any] = []
        for row in found:
            kind = MapHistogram if row["what"] == "histogram" else MapTable
            views.append(kind(case, row["name"], unit=self._unit(row["name"]), capture_id=capture_id))
        lines = printed(case, Lens(), capture_id=capture_id).table["text"].to_pylist()
        if lines:
            left = f"\n... {len(lines) - _PRINTED:,} more" if len(lines) > _PRINTED else ""
            text = "\n".join(printable(part) for line in lines[:_PRINTED] for part in line.rstrip("\n").split("\n"))
            views.append(ipywidgets.HTML(f"<pre>{escape(text + left)}</pre>"))
        self.results.children = views
        what = f"{len(found)} maps, {len(lines):,} printed, capture {capture_id}"
        self._say("; ".join([what, *said]))

    def _unit(self, name: str) -> str:
        """ "ns" where the recipe says so of a map."""
        return next(("ns" for fills in self.recipe.fills if f" {name}:" in fills and fills.endswith("; ns")), "")

    def _say(self, text: str) -> None:
        self.status.value = escape(printable(text))
