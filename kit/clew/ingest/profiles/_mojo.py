r"""MOJO, the binary form of austin's samples (its only one since version 4): ``MOJ``, a version, then events.

An event is a byte that says its kind, then numbers and strings. A number has 6 bits in its first byte, 7 in each that
follows; bit 7 says that one follows, bit 6 of the first that it is below 0. A string ends with NUL. Strings and frames
have numbers within their process. A sample begins with STACK and holds what comes until the next, frames from the
outermost. STACK_REPEAT: outside of the frames given so far are those of the thread's sample before, but for native ones
at its inner end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

MAGIC = b"MOJ"
_METADATA, _STACK, _FRAME, _INVALID, _FRAME_REF, _KERNEL, _GC, _IDLE, _TIME, _MEMORY, _STRING, _STRING_REF = range(
    1, 13
)
_REPEAT, _TASK_STACK, _TASK_WAITER, _TASK_RUNNING = range(13, 17)
_NUMBERS = {_STRING_REF: 1, _TASK_WAITER: 2, _TASK_RUNNING: 1}  # of events that say nothing of stacks
_UNKNOWN = 1  # the string that is never written
_MOST_BYTES = 10  # of a number: 64 bits


class Place(NamedTuple):
    """A frame."""

    name: str
    file: str | None = None
    line: int = 0
    kernel: bool = False


@dataclass
class Taken:
    """A sample: frames from the outermost, microseconds and bytes since the one before; None: not measured."""

    pid: int
    thread: str
    frames: list[Place] = field(default_factory=list)
    time: int | None = None
    memory: int | None = None


class Mojo:
    """The samples of ``data``; ``cut`` then says whether it ends inside one. Raises ValueError where it is no MOJO."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, len(MAGIC)
        self._strings = dict[tuple[int, int], str]()
        self._frames = dict[tuple[int, int], Place]()
        self._before = dict[tuple[int, str], list[Place]]()
        self._of_task = 0  # frames to come that are a waiting task's
        self.cut = False

    def __iter__(self) -> Iterator[Taken]:
        sample = None
        try:
            version = self._number()
            while self._at < len(self._data):
                kind = self._data[self._at]
                self._at += 1
                if kind == _METADATA:
                    self._string(), self._string()
                elif kind == _STACK:
                    pid = self._number()
                    if version >= 3:
                        self._number()  # the interpreter
                    following = Taken(pid, self._string())
                    if sample:
                        yield self._ended(sample)
                    sample = following
                elif sample is None:
                    raise ValueError(f"an event {kind} before the first sample")
                else:
                    self._event(kind, sample, version)
        except EOFError:
            self.cut = True
            return
        if sample:
            yield self._ended(sample)

    def _ended(self, sample: Taken) -> Taken:
        self._before[sample.pid, sample.thread] = sample.frames
        return sample

    def _event(self, kind: int, sample: Taken, version: int) -> None:
        """One event inside ``sample``."""
        if kind == _STRING:
            key = self._number()
            self._strings[sample.pid, key] = self._string()
        elif kind == _FRAME:
            key, file, name, line = (self._number() for _ in range(4))
            if version > 1:
                _ = [self._number() for _ in range(3)]  # the end of the line, columns
            self._frames[sample.pid, key] = Place(self._named(sample, name), self._named(sample, file), line)
        elif kind == _FRAME_REF:
            place = self._frames[sample.pid, self._number()]
            if self._of_task:
                self._of_task -= 1
            else:
                sample.frames.append(place)
        elif kind == _KERNEL:
            sample.frames.append(Place(self._string(), kernel=True))
        elif kind in (_INVALID, _GC):
            sample.frames.append(Place(":INVALID:" if kind == _INVALID else ":GC:"))
        elif kind == _TIME:
            sample.time = self._number()
        elif kind == _MEMORY:
            sample.memory = self._number()
        elif kind == _REPEAT:
            outer = list(self._before.get((sample.pid, sample.thread), ()))
            while outer and _is_native(outer[-1]):
                outer.pop()
            sample.frames[:0] = outer
        elif kind == _TASK_STACK:
            *_, self._of_task = (self._number() for _ in range(3))
        elif kind != _IDLE:
            if kind not in _NUMBERS:
                raise ValueError(f"an event of the unknown kind {kind}")
            for _ in range(_NUMBERS[kind]):
                self._number()

    def _named(self, sample: Taken, key: int) -> str:
        return "<unknown>" if key == _UNKNOWN else self._strings[sample.pid, key]

    def _number(self) -> int:
        """The number that begins here; raises EOFError where it is cut."""
        start = self._at
        byte = self._byte()
        value, negative, shift = byte & 0x3F, byte & 0x40, 6
        while byte & 0x80:
            if self._at - start >= _MOST_BYTES:
                raise ValueError("a number of more than 64 bits")
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
        return -value if negative else value

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise EOFError
        self._at += 1
        return self._data[self._at - 1]

    def _string(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise EOFError
        text = self._data[self._at : end].decode("utf-8", "backslashreplace")
        self._at = end + 1
        return text


def _is_native(place: Place) -> bool:
    file = place.file or ""
    return not file.endswith(".py") and not (file.startswith("<") and file.endswith(">"))
