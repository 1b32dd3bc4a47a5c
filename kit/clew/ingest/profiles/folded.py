"""Folded stacks: one line for each stack, frames from the outermost joined by ``;``, then a blank and how often.

The format of FlameGraph's stackcollapse scripts. Suffixes _[k], _[j] and _[i] of a frame say kernel, JIT and inlined.
Two numbers in every line are a comparison: before and after. Where every stack begins with ``command-PID/TID``, or as
py-spy writes processes and threads, that is its thread. py-spy writes commands as they are, so that a stack may take
several lines, and a thread without frames as a blank and how often. In UTF-8 or, with a byte order mark, UTF-16; lines
that are no stacks are counted and left out.
"""

from __future__ import annotations

import codecs
import re
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from clew.errors import ClewError
from clew.ingest.profile import THREADS, Event, Profile, Tree
from clew.ingest.profiles._chains import Chains
from clew.ingest.profiles._text import opened, unpacked

FORMAT = "folded stacks"
RANK = 90
_COUNT = re.compile(r"\d{1,30}(?:\.\d*)?(?:[eE][+-]?\d{1,2})?|\.\d{1,30}")
_THREAD = re.compile(r"(.*)-(\d{1,9}|\?)/(\d{1,9})$")
_PY_SPY = re.compile(
    r'(?=process |thread )(?:process (?P<pid>\d{1,9}):"(?P<command>.*?)"(?:;|$))*'
    r"(?:thread \((?:(?P<tid>\d{1,9})|0x[0-9A-Fa-f]+)\)(?:: (?P<name>[^;]*))?(?:;|$))?",
    re.DOTALL,
)
_OPEN = re.compile(r'process \d{1,9}:"')
_JOINED = 1000  # lines of one command
_KINDS = {"_[k]": "kernel", "_[j]": "jit", "_[i]": "inlined"}
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_TRUSTED = 50  # lines of which half must look right


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether most of the first lines are a stack and a count, and one of them has more than one frame."""
    head = unpacked(head)
    text = head.decode(_encoding(head), "replace")
    if "\0" in text or text.startswith("#!"):
        return False
    first = islice(_joined(iter(text.splitlines(keepends=True))), _TRUSTED)
    lines = [line for line in first if line.strip() and not line.startswith("#")]
    good = [line for line in lines if (";" in line or not line[0].isspace()) and _split(line)]
    return bool(good) and 2 * len(good) >= len(lines) and any(";" in line for line in good)


def read(path: Path) -> Profile:
    """Stacks with their counts; raises ClewError if there is none."""
    folded = _Folded()
    with opened(path) as raw:
        for line in _joined(_lines(raw)):
            folded.add(line)
    if not folded.stacks:
        raise ClewError(f"{path}: no stack in it")
    return folded.profile()


def _encoding(head: bytes) -> str:
    return _MARKS.get(head[:2], "utf-8-sig")


def _split(line: str) -> tuple[str, float] | None:
    """The stack and the count of a line; None if it has none."""
    stack, blank, count = line.rstrip().rpartition(" ")
    return (stack, float(count)) if _COUNT.fullmatch(count) and blank and not stack.isspace() else None


def _joined(lines: Iterator[str]) -> Iterator[str]:
    """``lines``, but those of one process of py-spy, whose command may hold line feeds, as one."""
    for line in lines:
        yield "".join([line, *_until_closed(lines)]) if _OPEN.match(line) and not _closed(line) else line


def _until_closed(lines: Iterator[str]) -> Iterator[str]:
    for line in islice(lines, _JOINED):
        yield line
        if _closed(line):
            return


def _closed(line: str) -> bool:
    """Whether a command ends in ``line``, and a stack does."""
    found = _split(line)
    return found is not None and ('";' in found[0] or found[0].endswith('"'))


def _lines(raw: BinaryIO) -> Iterator[str]:
    """The lines of ``raw``, by the mark it begins with."""
    first = raw.readline()
    encoding = _encoding(first)
    if encoding == "utf-16":
        yield from (first + raw.read()).decode(encoding, "replace").split("\n")
        return
    yield first.decode(encoding, "replace")
    for line in raw:
        yield line.decode("utf-8", "replace")


class _Folded:
    """Stacks found so far."""

    def __init__(self) -> None:
        self.stacks: list[str] = []
        self.weights = array("d")
        self.strange = 0

    def add(self, line: str) -> None:
        """One line."""
        found = _split(line)
        if found:
            self.stacks.append(found[0])
            self.weights.append(found[1])
        else:
            self.strange += bool(line.strip()) and not line.startswith("#")

    def profile(self) -> Profile:
        """Everything as tables."""
        first = [_split(stack) for stack in self.stacks]
        columns = {"weight": np.array(self.weights)}
        events = ["samples"]
        if all(first):
            self.stacks = [found[0] for found in first if found]
            before = np.array([found[1] for found in first if found])
            events, columns = ["after", "before"], {"weight": np.concatenate([columns["weight"], before])}
        threads, thread = dict[_Owner, int](), None
        for tell in (_of_script, _of_py_spy):
            told = [tell(stack) for stack in self.stacks]
            if all(told):
                owners = [found[0] for found in told if found]
                thread = np.array([threads.setdefault(owner, len(threads)) for owner in owners], np.int32)
                self.stacks = [found[1] for found in told if found]
                break
        frames, stacks, stack = self.tables()
        turns = len(events)
        columns["event"] = np.repeat(np.arange(turns, dtype=np.uint16), len(self.stacks))
        if thread is not None:
            columns["thread"] = np.tile(thread, turns)
        samples = pa.table({name: pa.array(column) for name, column in columns.items()})
        samples = samples.append_column("stack", pa.chunked_array([stack] * turns, pa.int32()))
        samples = samples.filter(pa.array(columns["weight"] > 0)) if turns > 1 else samples
        notes = [f"{self.strange} lines are no folded stacks and were left out"] if self.strange else []
        made = [Event(name, "other", "samples") for name in events]
        return Profile(made, frames, stacks, samples, _threads(list(threads)), notes=notes)

    def tables(self) -> tuple[pa.Table, pa.Table, pa.Array]:
        """(frames, stacks, column ``stack``). Callers that stacks have in common are taken apart once."""
        tree, chains = Tree(), Chains()
        frames, callers, rows = _Frames(tree), dict[str, int](), array("i")
        for stack in self.stacks:
            outer, more, inner = stack.rpartition(";")
            row = callers.get(outer) if more else -1
            if row is None:
                row = callers[outer] = chains.add(list(map(frames.__getitem__, outer.split(";"))))
            rows.append(chains.under(row, frames[inner]) if stack else -1)
        return tree.tables()[0], *chains.rows(rows)


class _Owner(NamedTuple):
    """A thread as stacks name it; None: not told."""

    pid: int | None
    tid: int | None
    name: str | None
    command: str | None


class _Frames(dict[str, int]):
    """Names to rows of frames."""

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self.tree = tree

    def __missing__(self, name: str) -> int:
        kind = _KINDS.get(name[-4:], "user")
        row = self[name] = self.tree.frame(name if kind == "user" else name[:-4], kind=kind)
        return row


def _of_script(stack: str) -> tuple[_Owner, str] | None:
    """Whose the stack is, and the rest of it, where it begins with ``command-PID/TID``."""
    root, _, rest = stack.partition(";")
    found = _THREAD.match(root)
    return (_Owner(_whole(found[2]), _whole(found[3]), found[1], None), rest) if found else None


def _of_py_spy(stack: str) -> tuple[_Owner, str] | None:
    """The same where it begins as ``py-spy record --format raw`` writes processes (with children) and threads."""
    found = _PY_SPY.match(stack)
    if not found:
        return None
    words = (found["command"] or "").split()
    command = words[0].rpartition("/")[2] if words else None
    return _Owner(_whole(found["pid"]), _whole(found["tid"]), found["name"], command), stack[found.end() :]


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _threads(owners: list[_Owner]) -> pa.Table:
    """The threads that the stacks name; a process is called as its first thread is, if nothing else is known."""
    main = {one.pid: one.name for one in owners if one.pid == one.tid}
    table = [
        (one.pid, one.tid, one.name, one.command or main.get(one.pid, one.name), None, None, None, None)
        for one in owners
    ]
    columns = list(zip(*table, strict=True)) or [()] * len(THREADS)
    return pa.table([pa.array(column, kind.type) for column, kind in zip(columns, THREADS, strict=True)], THREADS)
