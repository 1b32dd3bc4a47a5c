"""Functions that a program makes while it runs: the perf-PID.map files that node, Python, Java and others write.

Where there is none, a jit-PID.dump says it (jitdump.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.symbols.jitdump import functions, is_dump

Array = NDArray[Any]
_LINE = re.compile(rb"^[ \t]*(?:0x)?([0-9a-fA-F]{1,16})[ \t]+(?:0x)?([0-9a-fA-F]{1,16})[ \t]+([^\n]*)$", re.MULTILINE)
_MOST = 1 << 28


@dataclass(frozen=True)
class JitMap:
    """Pieces of memory, ascending and apart, each with the row of ``names`` that was the last to be written there."""

    start: Array
    end: Array
    begin: Array  # of the whole function, of which this piece is left
    row: Array
    names: list[str]
    path: str

    def lookup(self, addresses: Array) -> Array:
        """The piece that each address (u64) lies in; -1 where none does."""
        if not len(self.start):
            return np.full(len(addresses), -1)
        piece = np.searchsorted(self.start, addresses, side="right") - 1
        piece[(piece >= 0) & (addresses >= self.end[np.maximum(piece, 0)])] = -1
        return piece

    def name(self, piece: int) -> str:
        """The name of the function that a piece is of."""
        return self.names[int(self.row[piece])]


def map_name(pid: int) -> str:
    """The name of a process's map, as the programs that write it know it."""
    return f"perf-{pid}.map"


def map_paths(pid: int) -> list[Path]:
    """Where the map of a living process may be: in its own file system, by its pid in its own namespace."""
    inner = pid
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        pass
    else:
        found = re.search(r"^NSpid:\s+(.*)$", status, re.MULTILINE)
        if found and found[1].split():
            inner = int(found[1].split()[-1])
    return [Path(f"/proc/{pid}/root") / "tmp" / map_name(inner), Path("/tmp") / map_name(pid)]  # noqa: S108 -- by convention


def read_map(pid: int, keep: Path | None = None, dump: Path | None = None) -> JitMap | None:
    """The map of a process, kept or still there, else what its ``dump`` says; None without any."""
    places = [keep / map_name(pid)] if keep is not None else []
    for path in (*places, *map_paths(pid), *([dump] if dump else [])):
        try:
            state = path.stat()
            if path.is_file():
                return _parsed(path, state.st_mtime_ns, state.st_size, pid)
        except OSError:
            continue
    return None


@lru_cache(64)
def _parsed(path: Path, _changed: int, _size: int, pid: int) -> JitMap:
    with path.open("rb") as file:
        content = file.read(_MOST)
    name = f"/tmp/{map_name(pid)}"  # noqa: S108
    if not is_dump(content):
        return parse(content, name)
    return _painted_map([(one.start, one.length, one.name) for one in functions(content)], name)


def parse(content: bytes, path: str = "") -> JitMap:
    """The functions of lines ``start size name`` (hexadecimal; the name may hold blanks); other lines are passed over.

    Where functions overlap, the later line has the memory: its code took the place of what was there.
    """
    return _painted_map([(int(one[1], 16), int(one[2], 16), one[3]) for one in _LINE.finditer(content)], path)


def text_of(name: bytes) -> str:
    """The name of a function as text; bytes that are not UTF-8 as \\xNN."""
    return name.rstrip(b"\r").decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _painted_map(found: list[tuple[int, int, bytes]], path: str) -> JitMap:
    """The map of functions (address, bytes, name) as they were written."""
    found = [(start, min(start + size, 2**64 - 1), name) for start, size, name in found if size]
    names = [text_of(name) for _, _, name in found]
    if not found:
        nothing = np.empty(0, np.uint64)
        return JitMap(nothing, nothing, nothing, np.empty(0, np.int64), [], path)
    start = np.array([one[0] for one in found], np.uint64)
    end = np.array([one[1] for one in found], np.uint64)
    edge, row = _painted(start, end)
    held = row >= 0
    return JitMap(edge[:-1][held], edge[1:][held], start[row[held]], row[held], names, path)


def _painted(start: Array, end: Array) -> tuple[Array, Array]:
    """(edges, row that has the memory from each edge to the next; -1 for none) where later rows lie above earlier."""
    edge = np.unique(np.concatenate([start, end]))
    low, high = np.searchsorted(edge, start), np.searchsorted(edge, end)
    row = np.full(len(edge) - 1, -1, np.int64)
    following = np.arange(len(edge))  # union-find: the first piece from here that has no row yet

    def free(at: int) -> int:
        while following[at] != at:
            following[at] = following[following[at]]
            at = int(following[at])
        return at

    for one in range(len(start) - 1, -1, -1):
        at = free(int(low[one]))
        while at < high[one]:
            row[at] = one
            following[at] = at + 1
            at = free(at + 1)
    return edge, row
