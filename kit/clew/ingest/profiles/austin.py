"""Files of austin, the sampler of Python programs: text of versions 1 to 3, and MOJO, which version 4 writes.

Text is folded stacks whose first parts name process and thread: version 1 writes ``Thread <tid>;function
(module);L<line>;... <us>``, later ones ``P<pid>;T<tid>;file:function:line;... <us>`` or, if asked for, ``...;
file:function;L<line>;...``, all with ``# name: value`` lines around them. In mode memory the number is bytes, below 0
if they were freed; in mode full there are three: microseconds, whether the thread was idle, bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._gathered import Gathered
from clew.ingest.profiles._json import damage
from clew.ingest.profiles._mojo import MAGIC, Mojo, Place, Taken
from clew.ingest.profiles._text import opened, unpacked

FORMAT = "austin"
RANK = 40
_LINE = re.compile(
    r"^(?:P(?:rocess )?(?P<pid>\d{1,9});T(?:hread )?|T(?:hread )?(?=[0-9a-fx:]+[; ]))"
    r"(?P<tid>[^;]{1,80}?)(?P<stack>;.*)? "
    r"(?P<first>-?\d{1,18})(?:,(?P<idle>\d),(?P<memory>-?\d{1,18}))?$"
)
_NEW = re.compile(r"^(?P<file>.*):(?P<name>[^:]*):(?P<line>\d{1,9})$")
_OLD = re.compile(r"^(?P<name>.*) \((?P<file>.*)\)$")
_LINE_OF_OLD = re.compile(r"^L(\d{1,9})$")
_VERSION = re.compile(MAGIC + rb"[\x01-\x3f]")
_US = 1000  # ns
_IDLE = "::IDLE::"
_TIME = Event("austin", "wall", "ns")
_MEMORY = Event("memory allocated", "alloc", "bytes"), Event("memory freed", "alloc", "bytes")


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether it begins as MOJO does, or the first lines are austin's."""
    head = unpacked(head)
    if _VERSION.match(head):
        return True
    lines = head.decode("utf-8", "replace").splitlines()[:20]
    if any(line.startswith("# austin:") for line in lines):
        return True
    said = [line for line in lines[:-1] if line.strip() and not line.startswith("#")]
    return bool(said) and all(_LINE.match(line) for line in said)


def read(path: Path) -> Profile:
    """Every stack with its time or memory; raises ClewError where there is none."""
    gathered = Gathered()
    with damage(path), opened(path) as file:
        start = file.read(len(MAGIC) + 1)
        binary = Mojo(start + file.read()) if _VERSION.match(start) else None
        text = _Text()
        for taken in binary or text.samples(_lines(start, file)):
            _add(gathered, taken)
        notes = [f"{text.strange} lines are no stacks of austin and were left out"] if text.strange else []
        notes += ["the file ends inside a sample, which was left out"] if binary and binary.cut else []
        return gathered.profile([_TIME, *_MEMORY], path, notes)


def _add(gathered: Gathered, taken: Taken) -> None:
    """A sample: its time, and the memory it took or gave back."""
    tid = taken.thread.split(":")[-1]
    number = int(tid, 16) if tid.startswith("0x") else int(tid) if tid.isdecimal() else None
    stack = None
    for event, weight in enumerate(((taken.time or 0) * _US, taken.memory or 0, -(taken.memory or 0))):
        if weight > 0:
            thread = gathered.thread(taken.pid or None, number, f"thread {taken.thread}")
            stack = gathered.tree.stack(_frame(gathered, place) for place in taken.frames) if stack is None else stack
            gathered.add(event, weight, stack, thread)


def _frame(gathered: Gathered, place: Place) -> int:
    kind, line = "kernel" if place.kernel else "user", place.line if 0 < place.line < 2**32 else None
    return gathered.tree.frame(place.name, place.file, kind, file=place.file, line=line)


def _lines(start: bytes, file: Iterator[bytes]) -> Iterator[str]:
    for raw in file:
        yield (start + raw).decode("utf-8", "replace").rstrip("\r\n")
        start = b""


class _Text:
    """Lines of text; ``strange`` of them are nothing that austin writes."""

    def __init__(self) -> None:
        self.strange = 0

    def samples(self, lines: Iterator[str]) -> Iterator[Taken]:
        """The samples of ``lines``."""
        memory = False
        for line in lines:
            if line.startswith("#"):
                memory = memory or line.partition(": ") == ("# mode", ": ", "memory")
            elif found := _LINE.match(line):
                stack = found["stack"] or ""
                if _IDLE in stack:
                    continue
                first, more = int(found["first"]), found["memory"]
                taken = Taken(int(found["pid"] or 0), found["tid"], _places(stack))
                taken.time, taken.memory = (None, first) if memory else (first, int(more) if more else None)
                yield taken
            else:
                self.strange += bool(line.strip())


def _places(text: str) -> list[Place]:
    """The frames of a stack. The line of a frame may be a part of its own behind it."""
    places = list[Place]()
    for part in text.split(";")[1:]:
        behind = _LINE_OF_OLD.match(part)
        if behind and places:
            name, file, *_ = places[-1]
            of, colon, function = name.rpartition(":") if file is None else ("", "", "")
            places[-1] = Place(function, of, int(behind[1])) if colon else Place(name, file, int(behind[1]))
        elif found := _NEW.match(part):
            places.append(Place(found["name"], found["file"], int(found["line"])))
        elif found := _OLD.match(part):
            places.append(Place(found["name"], found["file"]))
        elif part:
            places.append(Place(part))
    return places
