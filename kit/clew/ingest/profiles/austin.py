"""Text of austin, the sampler of Python programs: folded stacks whose first parts name process and thread.

Version 1 writes ``Thread <tid>;function (module);L<line>;... <us>``, versions 2 and 3
``P<pid>;T<tid>;file:function:line;... <us>``, both with ``# name: value`` lines around them.
"""

from __future__ import annotations

import re
from pathlib import Path

from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._gathered import Gathered
from clew.ingest.profiles._json import damage
from clew.ingest.profiles._text import opened, unpacked

FORMAT = "austin"
RANK = 40
_LINE = re.compile(
    r"^(?:P(?:rocess )?(?P<pid>\d+);)?T(?:hread )?(?P<tid>[0-9a-fx:]+)(?P<stack>(?:;.*)?) (?P<value>-?\d+)(?:,.*)?$"
)
_NEW = re.compile(r"^(?P<file>.*):(?P<name>[^:]*):(?P<line>\d+)$")
_OLD = re.compile(r"^(?P<name>.*) \((?P<file>.*)\)$")
_LINE_OF_OLD = re.compile(r"^L(\d+)$")
_US = 1000  # ns
_IDLE = "::IDLE::"


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether the first lines are austin's."""
    lines = unpacked(head).decode("utf-8", "replace").splitlines()[:20]
    if any(line.startswith("# austin:") for line in lines):
        return True
    said = [line for line in lines[:-1] if line.strip() and not line.startswith("#")]
    return bool(said) and all(_LINE.match(line) for line in said)


def read(path: Path) -> Profile:
    """Every stack with its time; raises ClewError where there is none."""
    gathered, strange = Gathered(), 0
    with damage(path), opened(path) as file:
        for raw in file:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            found = _LINE.match(line)
            if not found:
                strange += bool(line.strip()) and not line.startswith("#")
                continue
            value = int(found["value"])
            if value > 0 and _IDLE not in found["stack"]:
                tid = found["tid"].split(":")[-1]
                number = int(tid, 16) if tid.startswith("0x") else int(tid) if tid.isdecimal() else None
                thread = gathered.thread(found["pid"], number, f"thread {found['tid']}")
                gathered.add(0, value * _US, gathered.tree.stack(_frames(gathered, found["stack"])), thread)
        notes = [f"{strange} lines are no stacks of austin and were left out"] if strange else []
        return gathered.profile([Event("austin", "wall", "ns")], path, notes)


def _frames(gathered: Gathered, text: str) -> list[int]:
    """Version 1 gives the line of a frame as a part of its own behind it."""
    parts, frames = text.split(";")[1:], list[int]()
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        if _LINE_OF_OLD.match(part):
            continue
        found = _NEW.match(part) or _OLD.match(part)
        behind = _LINE_OF_OLD.match(after)
        number = int(behind[1]) if behind else int(found["line"]) if found and "line" in found.groupdict() else 0
        line = number if 0 < number < 2**32 else None
        if found:
            frames.append(gathered.tree.frame(found["name"], found["file"], file=found["file"], line=line))
        elif part:
            frames.append(gathered.tree.frame(part, line=line))
    return frames
