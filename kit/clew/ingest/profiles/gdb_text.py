"""What gdb prints for ``thread apply all bt``, once or many times: each stack is a sample of its thread.

Also ``bt full`` (local variables are left out) and ``bt`` of one thread. A look that ``clew record --engine gdb`` took
begins with a line that says when and of which process; else a look begins where a thread comes again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa

from clew.errors import ClewError
from clew.ingest.profile import THREADS, Event, Profile, Tree
from clew.ingest.profiles._gdb_frames import GdbFrame, gdb_frame, is_open
from clew.ingest.profiles._text import opened, unpacked

FORMAT = "backtraces of gdb"
RANK = 60
LOOK = "# clew snapshot monotonic_ns={} pid={}\n"
"""Begins a look, in ns and the number of the process."""
_LOOK = re.compile(r"# clew snapshot monotonic_ns=(\d{1,18}) pid=(\d{1,9})$")
_THREAD = re.compile(r"Thread (\d{1,9}(?:\.\d{1,9})?) \((.*)\):\s*$", re.DOTALL)
_LWP = re.compile(r"(?:\(LWP |^LWP |^process )(\d{1,9})\)?", re.DOTALL)
_NAME = re.compile(r'[^"]*?(?:\(LWP \d{1,9}\)|^LWP \d{1,9}|^process \d{1,9}|^Thread \S+) "(.*)"', re.DOTALL)
_PROCESS = re.compile(r"(?:\[Inferior \d+ \(process (\d{1,9})\) detached\]|Attaching to .*process (\d{1,9})$)")
_FIRST = re.compile(rb"^#0  ?(?:0x[0-9a-f]+ in )?[^\s\d].*(?:\(|<signal handler)", re.MULTILINE)
_HEAD = re.compile(rb"^(?:Thread \d+(?:\.\d+)? \(|# clew snapshot monotonic_ns=\d+ pid=\d+$)", re.MULTILINE)
_NEXT = re.compile(rb"^#1  ?(?:0x[0-9a-f]+ in )?[^\s\d]", re.MULTILINE)
_MANY = 1000  # threads
_CUT = ("(More stack frames follow", "Backtrace stopped:")
_LONGEST = 1 << 16  # characters of a frame that are looked at


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether a thread's heading and a first frame are there, or a first frame and its caller.

    Of a process with thousands of threads gdb first names each: more than is shown here.
    """
    head = unpacked(head).replace(b"\r\n", b"\n")
    if head.startswith(b"# clew snapshot monotonic_ns=") or head.count(b"\n[New LWP ") > _MANY:
        return True
    first = _FIRST.search(head)
    return bool(first) and bool(_HEAD.search(head) or (_NEXT.search(head, first.end() if first else 0)))


def read(path: Path) -> Profile:
    """Every stack; raises ClewError if there is none."""
    looks = _Looks()
    with opened(path) as file:
        for line in _lines(line.decode("utf-8", "replace").rstrip("\r\n") for line in file):
            looks.add(line)
    looks.end_stack()
    if not looks.stacks:
        raise ClewError(f"{path}: no stack of a thread in it")
    return looks.profile()


def _lines(lines: Iterator[str]) -> Iterator[str]:
    """``lines``, with those put together that gdb broke at the width of a terminal, or a thread's name did."""
    held = ""
    for line in lines:
        if held:
            goes_on = line.startswith("    ") and (is_open(held) or line.lstrip().startswith(("at ", "from ")))
            if goes_on and len(held) < _LONGEST:
                held += " " + line.strip()
                continue
            if held.startswith("Thread ") and not held.endswith("):") and line.rstrip().endswith("):"):
                yield held + "\n" + line
                held = ""
                continue
            yield held
            held = ""
        if line.startswith("#") or (line.startswith("Thread ") and not line.rstrip().endswith("):")):
            held = line[:_LONGEST]
        else:
            yield line
    if held:
        yield held


class _Looks:
    """Stacks found so far."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.threads: dict[tuple[int | None, int | None, str | None], int] = {}
        self.stacks: list[int | None] = []
        self.owner: list[tuple[int | None, str | None]] = []  # thread, name
        self.process: list[int | None] = []
        self.times: list[int | None] = []
        self.look = 0  # first stack of this look
        self.seen: set[str] = set()  # threads of this look
        self.pid: int | None = None
        self.time_ns: int | None = None
        self.thread: tuple[int | None, str | None] = (None, None)
        self.frames: list[GdbFrame] = []
        self.cut = self.broken = 0

    def add(self, line: str) -> None:
        """One line."""
        if line.startswith("#"):
            self.framed(line)
        elif found := _THREAD.match(line):
            self.end_stack()
            if found[1] in self.seen:
                self.end_look()
            self.seen.add(found[1])
            tid, name = _LWP.search(found[2]), _NAME.match(found[2])
            self.thread = int(tid[1]) if tid else None, name[1] if name else None
        elif line.lstrip().startswith(_CUT):
            self.cut += 1
        elif found := _PROCESS.match(line):
            self.end_stack()
            pid = int(found[1] or found[2])
            if found[1]:  # what is said after a look is about it
                self.process[self.look :] = [pid] * (len(self.stacks) - self.look)
            self.end_look()
            self.pid = None if found[1] else pid

    def framed(self, line: str) -> None:
        """A line that begins with ``#``."""
        if look := _LOOK.match(line):
            self.end_stack()
            self.end_look()
            self.time_ns, self.pid = int(look[1]), int(look[2])
            return
        frame = gdb_frame(line)
        if frame is None:
            self.broken += 1
            return
        if frame.number == 0 or (self.frames and frame.number <= self.frames[-1].number):
            self.end_stack()
        self.frames.append(frame)

    def end_stack(self) -> None:
        """The stack of a thread is complete."""
        if not self.frames:
            return
        rows = []
        known = any(frame.has_address for frame in self.frames)
        for frame, outer in zip_longest(self.frames, self.frames[1:]):
            # Of functions inlined into each other gdb gives the address with the innermost.
            inlined = known and outer is not None and not outer.has_address and not outer.function.startswith("<signal")
            kind = "inlined" if inlined else "user"
            rows.append(self.tree.frame(frame.function, frame.module, kind, None, None, frame.file, frame.line))
        self.stacks.append(self.tree.stack(reversed(rows)))
        self.owner.append(self.thread)
        self.process.append(self.pid)
        self.times.append(self.time_ns)
        self.frames = []

    def end_look(self) -> None:
        """What follows is another look."""
        self.look, self.seen, self.thread = len(self.stacks), set(), (None, None)

    def profile(self) -> Profile:
        """Everything as tables."""
        frames, stacks = self.tree.tables()
        keys = [(pid, *owner) for pid, owner in zip(self.process, self.owner, strict=True)]
        for key in keys:
            self.threads.setdefault(key, len(self.threads))
        main: dict[int | None, str | None] = {pid: name for pid, tid, name in self.threads if pid and pid == tid}
        rows = [(pid, tid, name, main.get(pid, name), None, None, None, None) for pid, tid, name in self.threads]
        threads = [pa.array(column, kind.type) for column, kind in zip(zip(*rows, strict=True), THREADS, strict=True)]
        samples = pa.table(
            {
                "event": pa.array([0] * len(keys), pa.uint16()),
                "weight": pa.array([1.0] * len(keys)),
                "stack": pa.array(self.stacks, pa.int32()),
                "thread": pa.array([self.threads[key] for key in keys], pa.int32()),
                "ts_ns": pa.array(self.times, pa.int64()),
            }
        )
        notes = [f"gdb did not go to the outermost frame of {self.cut} stacks"] if self.cut else []
        notes += [f"{self.broken} lines begin with # and are no frames"] if self.broken else []
        event = Event("gdb", "wall", "samples")
        return Profile([event], frames, stacks, samples, pa.table(threads, schema=THREADS), notes=notes)
