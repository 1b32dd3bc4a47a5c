"""Stacks of a Python process as ``py-spy dump`` prints them, once or again and again into one file.

    process  "Process " PID ": " COMMAND
    thread   "Thread " TID " (" STATE ")" [": \\"" NAME "\\""]     TID: of the kernel, or 0x and Python's own number
    frame    4 blanks, FUNCTION " (" FILE ":" LINE ")", the innermost first; of native code FUNCTION " (" MODULE ")"

With ``--locals`` arguments and local variables stand below their frame, further to the right.
"""

from __future__ import annotations

import re
from pathlib import Path

from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._gathered import Gathered
from clew.ingest.profiles._json import damage
from clew.ingest.profiles._text import opened, unpacked

FORMAT = "stacks of py-spy dump"
RANK = 55
_PROCESS = re.compile(r"Process (\d{1,9}): (.*)")
_THREAD = re.compile(r'Thread (\d{1,9}|0x[0-9A-Fa-f]{1,16})(?:/0x[0-9A-Fa-f]{1,16})? \([a-z+ ]*\)(?:: "(.*)")?')
_PYTHON = re.compile(r" {4}(\S.*?) \((.*):(\d{1,9})\)")
_NATIVE = re.compile(r" {4}(\S.*) \((.*)\)")
_BEGIN = re.compile(
    rb"^Process \d{1,9}: [^\n]*\n(?:[^\n]*\n){0,100}?Python v\d+\.\d+[^\n]*\n\n?Thread ", re.MULTILINE
)  # a command may have lines


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether a process, its Python and a thread follow each other."""
    return bool(_BEGIN.search(unpacked(head).replace(b"\r\n", b"\n")))


def read(path: Path) -> Profile:
    """A sample for each thread of each dump; raises ClewError if there is none."""
    gathered = Gathered()
    pid: str | None = None
    command: str | None = None
    thread: int | None = None
    stack = list[int]()  # from the innermost

    def end() -> None:
        if thread is not None:
            gathered.add(0, 1, gathered.tree.stack(reversed(stack)), thread)
        stack.clear()

    with damage(path), opened(path) as file:
        for raw in file:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if found := _PROCESS.fullmatch(line):
                end()
                words = found[2].split()
                pid, command, thread = found[1], words[0].rpartition("/")[2] if words else None, None
            elif found := _THREAD.fullmatch(line):
                end()
                thread = gathered.thread(pid, found[1], found[2] or f"thread {found[1]}", command)
            elif found := _PYTHON.fullmatch(line):
                stack.append(gathered.tree.frame(found[1], found[2], file=found[2], line=int(found[3])))
            elif found := _NATIVE.fullmatch(line):
                stack.append(gathered.tree.frame(found[1], found[2]))
        end()
        return gathered.profile([Event("py-spy", "wall", "samples")], path)
