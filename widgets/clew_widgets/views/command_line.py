"""The command that prints what a view shows: a Lens and edits as options of ``clew``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from clew.lens import Lens

_FIELDS = {
    "hosts": "host",
    "commands": "command",
    "pids": "pid",
    "tids": "tid",
    "ops": "op",
    "files": "file",
    "peers": "peer",
    "errnos": "errno",
    "functions": "function",
    "modules": "module",
    "requests": "request",
    "request_ids": "request-id",
    "shapes": "shape",
}


def options(lens: Lens, origin_ns: int) -> list[str]:
    """``lens`` as options that every subcommand with a Lens takes; times count from ``origin_ns``."""
    words = [f"--{option}={value}" for field, option in _FIELDS.items() for value in getattr(lens, field)]
    if lens.stack:
        words.append(f"--stack={';'.join(lens.stack)}")
    if lens.took is not None:
        words.append("--took=" + "..".join("" if ns is None else f"{ns}ns" for ns in lens.took))
    low, high = lens.latency or (None, None)
    times = {
        "from": None if lens.start_ns is None else lens.start_ns - origin_ns,
        "to": None if lens.end_ns is None else lens.end_ns - origin_ns,
        "slower": low,
        "faster": high,
    }
    return words + [f"--{name}={value}ns" for name, value in times.items() if value is not None]


def line(case: Path, words: Sequence[str], lens: Lens, origin_ns: int) -> str:
    """The line for a shell: ``words`` (a subcommand and its options) about ``case`` under ``lens``."""
    subcommand, *more = words
    events = [f"--event={name}" for name in lens.events if not any(one.startswith("--event=") for one in more)]
    return shlex.join(["clew", subcommand, str(case), *more, *events, *options(lens, origin_ns)])


def stacks(
    case: Path,
    lens: Lens,
    origin_ns: int,
    event: str | None,
    *,
    tree: bool = True,
    direction: str = "down",
    by: str = "function",
    root: str | None = None,
    edits: Iterable[tuple[str, str]] = (),
) -> str:
    """The ``clew stacks`` line for a shell."""
    words = ["clew", "stacks", str(case)]
    words += ["--tree"] if tree else []
    words += [f"--event={event}"] if event else [f"--event={name}" for name in lens.events]
    words += ["--direction=up"] if direction == "up" else []
    words += [f"--by={by}"] if by != "function" else []
    words += [f"--root={root}"] if root is not None else []
    words += [f"--{what}={pattern}" for what, pattern in edits if what != "recursion"]
    return shlex.join(words + options(lens, origin_ns))
