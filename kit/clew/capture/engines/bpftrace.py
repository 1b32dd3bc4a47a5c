"""bpftrace: any script or one-liner, or a recipe of `clew recipes`; what it prints becomes tables while it runs."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.capture.engines import Engine, Target
from clew.errors import ClewError
from clew.recipes import Bound, Recipe, get, parse, parse_values

if TYPE_CHECKING:
    from clew.capture.engines._bpftrace_run import Run

FILE = "bpftrace.ndjson"
"""The file of a capture: what bpftrace printed, with times; its first line holds the script: ingest.bpftrace_json."""


def add_options(group: argparse._ArgumentGroup) -> None:
    """Options of the engine."""
    add = group.add_argument
    add("--recipe", dest="bpftrace_recipe", metavar="NAME", help="run this recipe; `clew recipes` lists them")
    add(
        "--set",
        dest="bpftrace_set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the recipe; may be repeated",
    )
    add("--script", dest="bpftrace_script", metavar="FILE", help="run this script; $1 in it is the process recorded")
    add("-e", "--program", dest="bpftrace_program", metavar="TEXT", help="run this one-liner, as bpftrace -e does")


def make(args: argparse.Namespace) -> BpftraceEngine:
    """The engine; raises ClewError for options that make no sense, and for a recipe that is not there."""
    asked = [args.bpftrace_recipe, args.bpftrace_script, args.bpftrace_program]
    values = parse_values(args.bpftrace_set)
    if sum(text is not None for text in asked) != 1:
        return BpftraceEngine(None, values)
    if args.bpftrace_recipe is not None:
        return BpftraceEngine(get(args.bpftrace_recipe), values)
    if args.bpftrace_program is not None:
        return BpftraceEngine(parse("program", args.bpftrace_program), values)
    return BpftraceEngine(_from_file(Path(args.bpftrace_script)), values)


def _from_file(path: Path) -> Recipe:
    try:
        return parse(path.stem, path.read_text("utf-8"))
    except OSError as error:
        raise ClewError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ClewError(f"{path} is no text") from None


class BpftraceEngine(Engine):
    """Runs ``recipe`` with ``values`` for its parameters; None: nothing was named, an error when it is used.

    ``stop``: ends the run when it is set, from any thread.
    """

    name = "bpftrace"

    def __init__(
        self, recipe: Recipe | None, values: Mapping[str, Any] | None = None, stop: threading.Event | None = None
    ) -> None:
        self.recipe, self.values = recipe, dict(values or {})
        self._stop = stop or threading.Event()
        self._bound: Bound | None = None
        self._run: Run | None = None

    def check(self, target: Target) -> None:
        """bpftrace is there and allowed, the parameters make sense, and the target is one process or all."""
        from clew.capture.engines._bpftrace_run import allowed

        if self.recipe is None:
            raise ClewError(
                "--engine bpftrace: say which script with --recipe NAME, --script FILE or -e TEXT, one of them"
            )
        if target.cpus is not None or len(target.pids) > 1:
            raise ClewError("--engine bpftrace looks at one process or at all; write the rest into the script")
        pid = target.pids[0] if target.pids else 1 if target.command else None
        self.recipe.bind(self.values, pid=pid)
        allowed()

    def options(self) -> dict[str, Any]:
        """Recipe, values, the script as it ran, and what bpftrace said."""
        bound, run = self._bound, self._run
        said = {"recipe": self.recipe.name if self.recipe else None, "values": bound.values if bound else self.values}
        return {**said, **({"script": bound.text} if bound else {}), **(run.described() if run else {})}

    def start(self, target: Target, folder: Path) -> None:
        """Return when every probe is attached."""
        from clew.capture.engines._bpftrace_run import Run

        assert self.recipe is not None
        pid = target.pids[0] if target.pids else None
        self._bound = self.recipe.bind(self.values, pid=pid)
        self._run = Run(self._bound, folder, FILE, pid)
        self._run.start(self.tell)

    def look(self) -> str | None:
        """Why bpftrace has ended; "" where the script said exit()."""
        return "" if self._stop.is_set() else self._run.ended() if self._run else None

    def progress(self) -> str:
        """How many records there are."""
        return f"{self._run.records:,} records" if self._run else ""

    def stop(self) -> Sequence[str]:
        """End bpftrace with SIGINT, so that it prints its maps, and take what it says."""
        return self._run.stop(self.tell, self.hurried) if self._run else ()

    def found(self) -> bool:
        """Whether the script printed anything."""
        return bool(self._run and self._run.records)
