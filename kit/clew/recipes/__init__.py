"""Recipes: bpftrace scripts with parameters, one text file each in ``library/``.

``names()`` and ``get(name)`` find them, ``parse(name, text)`` makes one of any text, ``run(case, recipe)`` records.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from clew.errors import ClewError, nearest
from clew.recipes.recipe import Bound, Param, Recipe, parse, parse_values

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Mapping, Sequence

__all__ = ["Bound", "Param", "Recipe", "get", "library", "names", "parse", "parse_values", "run"]


@cache
def library() -> dict[str, Recipe]:
    """Every recipe by its name, in the order of names."""
    files = sorted(
        (file for file in (resources.files(__name__) / "library").iterdir() if file.name.endswith(".bt")),
        key=lambda file: file.name,
    )
    return {file.name[:-3]: parse(file.name[:-3], file.read_text("utf-8")) for file in files}


def names() -> list[str]:
    """The names of all recipes."""
    return list(library())


def get(name: str) -> Recipe:
    """The recipe called ``name``; raises ClewError if there is none."""
    if name not in library():
        near = nearest(name, library())
        meant = f"; is it {near}?" if near else ""
        raise ClewError(f"there is no recipe {name!r:.40}{meant} `clew recipes` lists them")
    return library()[name]


def run(
    case: str | os.PathLike[str],
    recipe: Recipe | str,
    command: Sequence[str] = (),
    *,
    pid: int | None = None,
    seconds: float | None = None,
    stop: threading.Event | None = None,
    values: Mapping[str, Any] | None = None,
    **more: Any,
) -> list[str]:
    """Record into ``case`` (made if need be) by a recipe, the name of one, or the text of a script.

    Until ``command`` has ended, ``seconds`` are over, or the script says exit(); ``pid``: one process that runs.
    ``values``, and other names, are parameters of the recipe. ``stop`` ends it, too, when another thread sets it (a
    command that runs goes on, and is waited for). Returns what must be known to read the result right; or ClewError.
    """
    from pathlib import Path

    from clew.capture.engines import Target
    from clew.capture.engines.bpftrace import BpftraceEngine
    from clew.capture.session import Session

    if isinstance(recipe, str):
        recipe = get(recipe) if recipe in library() else _of_text(recipe)
    pids = () if pid is None else (pid,)
    target = Target(tuple(command), pids, system=not command and not pids, seconds=seconds)
    return Session([BpftraceEngine(recipe, {**(values or {}), **more}, stop)], target, Path(case)).run().said


def _of_text(text: str) -> Recipe:
    """A script; one word is taken for the name of a recipe that is not there."""
    return parse("script", text) if "{" in text else get(text)
