"""Recording off and on again while it runs: one word of the arena, which the recorder hands on to every thread."""

from __future__ import annotations

from pathlib import Path

from clew.capture.meta import Meta, captures
from clew.errors import ClewError
from clew.native import Arena, Mode


def switch(case: Path, *, on: bool) -> None:
    """Switch the captures of ``case`` that are running now; raises ClewError if there is none."""
    running = [meta for directory in captures(case) if (meta := Meta.read(directory)).arena and meta.ended_ns is None]
    found = False
    for meta in running:
        if meta.arena and Path(meta.arena).is_file():
            traced = bool(meta.options.get("trace", True))
            full = Mode.COUNT | Mode.TRACE if traced else Mode.COUNT
            Arena(Path(meta.arena)).mode = full if on else Mode.OFF
            found = True
    if not found:
        raise ClewError(f"nothing is being recorded into {case}")
