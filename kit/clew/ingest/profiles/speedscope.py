"""speedscope's own JSON (https://www.speedscope.app/file-format-schema.json); py-spy and others write it, too.

A file holds one profile for each thread: "sampled" ones have stacks and weights, "evented" ones frames that open and
close.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._gathered import Gathered
from clew.ingest.profiles._json import damage, load
from clew.ingest.profiles._text import unpacked

FORMAT = "speedscope"
RANK = 20
_PY_SPY = re.compile(r'(?:Process (\d{1,9}) )?Thread (\d{1,9}) "(.*)"', re.DOTALL)
_PARTS = re.compile(rb'"shared"\s*:\s*\{\s*"frames"\s*:\s*\[|"startValue"\s*:\s*[-\d.eE+]+\s*,\s*"endValue"')
_NS = {"nanoseconds": 1, "microseconds": 1e3, "milliseconds": 1e6, "seconds": 1e9}


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether it names speedscope's schema, or begins as such files do that name it at their end."""
    text = unpacked(head)
    return b"speedscope.app/file-format-schema" in text or bool(text.lstrip()[:1] == b"{" and _PARTS.search(text))


def read(path: Path) -> Profile:
    """Every profile of the file; raises ClewError where it is damaged or holds no sample."""
    document = load(path)
    with damage(path):
        gathered, events = Gathered(), dict[Event, int]()
        frames = [
            gathered.tree.frame(str(frame["name"]), file=_text(frame.get("file")), line=_line(frame.get("line")))
            for frame in document["shared"]["frames"]
        ]
        for number, profile in enumerate(document["profiles"]):
            unit = profile["unit"]
            event = Event("samples", "wall", "ns") if unit in _NS else Event("samples", "other", _unit(unit))
            index = events.setdefault(event, len(events))
            thread = gathered.thread(*_thread(str(profile.get("name") or f"profile {number + 1}")))
            add = _sampled if profile["type"] == "sampled" else _evented
            add(gathered, profile, frames, index, thread)
        return gathered.profile(list(events), path)


def _thread(name: str) -> tuple[str | None, str | None, str]:
    """(pid, tid, name) of a profile; py-spy writes all of them into its name."""
    found = _PY_SPY.fullmatch(name)
    return (found[1], found[2], found[3] or "main thread") if found else (None, None, name)


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _line(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value < 2**32 else None


def _unit(unit: str) -> str:
    return "samples" if unit == "none" else str(unit)


def _sampled(gathered: Gathered, profile: dict[str, Any], frames: list[int], event: int, thread: int) -> None:
    scale = _NS.get(profile["unit"])
    at = float(profile.get("startValue") or 0)
    for stack, weight in zip(profile["samples"], profile["weights"], strict=True):
        row = gathered.tree.stack(frames[_index(number)] for number in stack)
        if weight:
            gathered.add(event, weight * (scale or 1), row, thread, at * scale if scale else None)
        at += weight


def _evented(gathered: Gathered, profile: dict[str, Any], frames: list[int], event: int, thread: int) -> None:
    scale = _NS.get(profile["unit"])
    stack, at = list[int](), float(profile.get("startValue") or 0)
    end = {"type": "end", "at": profile.get("endValue")}  # frames may stay open until then
    for change in [*profile["events"], *([end] if end["at"] is not None else [])]:
        now = float(change["at"])
        if now > at and stack:
            gathered.add(
                event, (now - at) * (scale or 1), gathered.tree.stack(stack), thread, at * scale if scale else None
            )
        at = now
        if change["type"] == "end":
            continue
        frame = frames[_index(change["frame"])]
        if change["type"] == "O":
            stack.append(frame)
        elif frame in stack:
            del stack[len(stack) - 1 - stack[::-1].index(frame) :]


def _index(number: Any) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"{number!r:.40} is no frame")
    return number
