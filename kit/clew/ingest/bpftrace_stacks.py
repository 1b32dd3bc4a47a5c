"""Stacks of bpftrace's maps as frames; addresses that it found no symbol for are looked up in the files they lie in.

bpftrace looks for symbols when it prints a map, and that is often after the process has ended. A recording of ours
therefore keeps where files lay in the process's memory.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from clew.ingest.bpftrace_keys import Line, lines_of
from clew.ingest.profile import Tree

_PLACES = pa.schema(
    [
        ("module", pa.string()),
        ("build_id", pa.string()),
        ("kind", pa.string()),
        ("pid", pa.int32()),
        ("address", pa.uint64()),
        ("file_offset", pa.uint64()),
    ]
)
_COLUMNS = ("function", "module", "kind", "address", "byte_offset", "file", "line", "build_id")


class Mapping(NamedTuple):
    """A file in the memory of a process: bytes from ``begin`` up to ``end`` are those from ``offset`` on in it."""

    begin: int
    end: int
    offset: int
    path: str


class Stacks:
    """The distinct stacks of a file; ``number`` gives each a number, ``tables`` says what they are."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[tuple[tuple[str, str], ...], int | None], int] = {}
        self._memory: dict[int, list[list[Mapping]]] = {}

    def mapped(self, said: Any) -> None:
        """Where files lay, as a recording keeps it: {"pid": 17, "files": [[begin, end, offset, path], ...]}."""
        if (
            not isinstance(said, dict)
            or not isinstance(said.get("pid"), int)
            or not isinstance(said.get("files"), list)
        ):
            return
        files = [row for row in said["files"] if isinstance(row, list) and len(row) == 4 and isinstance(row[3], str)]
        rows = [Mapping(*row) for row in files if all(isinstance(part, int) for part in row[:3])]
        self._memory.setdefault(said["pid"], []).append(sorted(rows))

    def number(self, stacks: tuple[tuple[str, str], ...], pid: int | None) -> int:
        """The number of a stack of process ``pid``."""
        return self._numbers.setdefault((stacks, pid), len(self._numbers))

    def tables(self, keep: Path | None = None) -> tuple[pa.Table, pa.Table, list[int | None]]:
        """(frames, stacks, row of ``stacks`` for each number). ``keep``: folder of symbols kept with the recording."""
        lines = [[(line, pid) for line in lines_of(stacks)] for stacks, pid in self._numbers]
        found = self._found(lines, keep)
        tree, rows = Tree(), list[int | None]()
        for stack in lines:
            frames: list[int] = []
            for line, pid in stack:
                place = (line.place, pid)
                frames += (
                    [tree.frame(*frame) for frame in found.get(place, ())]
                    if place in found
                    else [tree.frame(*line[:5])]
                )
            rows.append(tree.stack(frames))
        return *tree.tables(), rows

    def _found(
        self, lines: Sequence[Sequence[tuple[Line, int | None]]], keep: Path | None
    ) -> dict[tuple[int | None, int | None], list[tuple[Any, ...]]]:
        """Frames, the outermost first, of places without symbols that lie in a file."""
        asked = {
            (line.place, pid): self._place(line.place, pid) for stack in lines for line, pid in stack if line.place
        }
        places = [(key, place) for key, place in asked.items() if place is not None]
        if not places:
            return {}
        rows = [
            {
                "module": place[0],
                "kind": "user",
                "pid": key[1],
                "file_offset": place[1],
                "build_id": None,
                "address": None,
            }
            for key, place in places
        ]
        from clew.symbols.resolve import resolve  # most recordings have a name for every address

        resolved = resolve(pa.Table.from_pylist(rows, schema=_PLACES), keep)
        frames = resolved.frames.select(_COLUMNS).to_pylist()
        spans = zip(places, resolved.first.tolist(), resolved.count.tolist(), strict=True)
        return {
            key: [tuple(frame[name] for name in _COLUMNS) for frame in frames[first : first + count]]
            for (key, _), first, count in spans
        }

    def _place(self, address: int | None, pid: int | None) -> tuple[str, int] | None:
        """(path, offset in the file) of an address of a process, by the latest look at its memory that knows it."""
        if address is None or pid is None:
            return None
        for rows in reversed(self._memory.get(pid, [])):
            at = bisect.bisect_right([row.begin for row in rows], address) - 1
            if at >= 0 and address < rows[at].end:
                return rows[at].path, address - rows[at].begin + rows[at].offset
        return None
