"""Recording off and on again while it runs: one word of the arena, which the recorder hands on to every thread."""

from __future__ import annotations

from pathlib import Path

from clew.capture.meta import RAW, Meta, captures, is_alive
from clew.case import Case
from clew.errors import ClewError
from clew.native import Arena, Mode


def switch(case: Path, *, on: bool) -> None:
    """Switch the captures of ``case`` that are running now; raises ClewError, and says why, if there is none."""
    Case.as_it_is(case).close()  # says why it cannot be looked at
    try:
        running = [meta for meta in _metas(case) if meta.ended_ns is None]
        if not sum(_switch(meta, on=on) for meta in running):
            raise ClewError(_why_none(case, running))
    except PermissionError:
        raise ClewError(
            f"cannot switch the recording of {case}: permission denied; it is for whoever records"
        ) from None


def _metas(case: Path) -> list[Meta]:
    if (case / RAW).is_dir():
        next((case / RAW).iterdir(), None)  # captures() takes a folder that cannot be read for an empty one
    return [Meta.read(directory) for directory in captures(case)]


def _switch(meta: Meta, *, on: bool) -> bool:
    """Whether that capture has a switch; it is used if so."""
    if not meta.arena or not Path(meta.arena).is_file():
        return False
    full = Mode.COUNT | Mode.TRACE if bool(meta.options.get("trace", True)) else Mode.COUNT
    Arena(Path(meta.arena)).mode = full if on else Mode.OFF
    return True


def _why_none(case: Path, running: list[Meta]) -> str:
    names = ", ".join(sorted({meta.engine for meta in running if is_alive(meta.recorder_pid)}))
    if not names:
        return f"nothing is being recorded into {case}"
    return f"what is being recorded into {case} is by {names}: only what the preload library records can be switched"
