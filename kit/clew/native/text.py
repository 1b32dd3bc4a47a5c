"""Text of ``perf script`` cut into samples; equal lines, halves of heads and stacks known by number (clew_text.h)."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.native.library import check, load

Array = NDArray[Any]
Ints = NDArray[np.int32]
_ANY, _U64 = ctypes.c_void_p, ctypes.c_uint64

ABSENT = 2**32 - 1
"""``before`` and ``after`` of a row that is no head with a time."""

LEAVE, SKIP = -1, -2
"""Instead of the frame of a line: leave stacks with it to somebody else; the line is no frame."""

NONE, UNKNOWN = -1, -2
"""Instead of the node of a row: it has no frame; it was left to somebody else."""

_ROW = np.dtype(
    [
        *((name, "u8") for name in ("begin", "time_at", "time_end", "head_end", "end", "first", "lines")),
        *(("time_ns", "i8"), ("period", "i8"), ("before", "u4"), ("after", "u4"), ("stack", "i4"), ("zero", "u4")),
    ]
)


class _Tables(ctypes.Structure):
    _fields_ = [
        *((name, _ANY) for name in ("rows", "lines", "line_ends", "half_ends", "line_bytes", "half_bytes")),
        *((name, _ANY) for name in ("parent", "frame")),
        *((name, _U64) for name in ("row_count", "line_count", "half_count", "node_count")),
    ]


@cache
def _library() -> ctypes.CDLL:
    library = load()
    for name, result, arguments in (
        ("clew_text_new", _ANY, [_U64]),
        ("clew_text_free", None, [_ANY]),
        ("clew_text_read", ctypes.c_int, [_ANY, ctypes.c_char_p, _U64, ctypes.POINTER(_Tables)]),
        ("clew_text_stacks", ctypes.c_int, [_ANY, _ANY, _ANY, ctypes.POINTER(_Tables)]),
        ("clew_text_fold", _U64, [_ANY, _ANY, _U64, _ANY, ctypes.c_char_p, _ANY, _U64, _ANY]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Text:
    """What was read so far. Rows are of the last block; lines, halves and nodes of all."""

    def __init__(self, most_halves: int) -> None:
        """``most_halves``: of heads in more kinds than that, rows are left to somebody else."""
        self._library = _library()
        self._tables = _Tables()
        self._handle = self._library.clew_text_new(most_halves)
        if not self._handle:
            raise MemoryError

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.clew_text_free(self._handle)
            self._handle = None

    def read(self, block: bytes) -> Array:
        """Rows of the paragraphs of ``block``: struct clew_text_row, until the next call."""
        done = self._library.clew_text_read(self._handle, block, len(block), ctypes.byref(self._tables))
        check(done, "cannot read the text")
        return _view(self._tables.rows, self._tables.row_count, _ROW)

    def stacks(self, wanted: Array, frame: Ints) -> None:
        """Put the nodes of the rows that are ``wanted`` (bool) into them; ``frame`` of each line, or LEAVE or SKIP."""
        flags, frames = np.ascontiguousarray(wanted, np.uint8), np.ascontiguousarray(frame, np.int32)
        arguments = flags.ctypes.data, frames.ctypes.data, ctypes.byref(self._tables)
        check(self._library.clew_text_stacks(self._handle, *arguments), "cannot read the text")

    def lines(self, begin: int) -> Iterator[bytes]:
        """Lines from number ``begin`` on."""
        told = self._tables
        return _names(told.line_ends, told.line_bytes, begin, told.line_count)

    def halves(self, begin: int) -> Iterator[bytes]:
        """Halves of heads, before and after their times, from number ``begin`` on."""
        told = self._tables
        return _names(told.half_ends, told.half_bytes, begin, told.half_count)

    def tree(self) -> tuple[Ints, Ints]:
        """(parent, frame) of each node, parents first, -1 above the outermost."""
        kind, told = np.dtype(np.int32), self._tables
        return _view(told.parent, told.node_count, kind).copy(), _view(told.frame, told.node_count, kind).copy()

    def folded(self, nodes: Array, names: Sequence[bytes]) -> list[bytes]:
        """The names of the frames of each of ``nodes`` (NONE: of none), joined from the outermost."""
        wanted, ends = np.ascontiguousarray(nodes, np.int32), np.empty(len(nodes) + 1, np.uint64)
        name_ends = np.cumsum([0, *map(len, names)]).astype(np.uint64)
        given = [wanted.ctypes.data, len(wanted), name_ends.ctypes.data, b"".join(names)]
        ends[0] = 0
        size = self._library.clew_text_fold(self._handle, *given, None, 0, ends[1:].ctypes.data)
        out = np.empty(size, np.uint8)
        self._library.clew_text_fold(self._handle, *given, out.ctypes.data, size, ends[1:].ctypes.data)
        text, places = out.tobytes(), ends.tolist()
        return [text[begin:end] for begin, end in itertools.pairwise(places)]


class Meanings:
    """What each line or half means, by number: found once, in order."""

    def __init__(self, mean: Callable[[bytes], int]) -> None:
        self._mean, self._count, self._values = mean, 0, np.empty(1024, np.int32)

    def __len__(self) -> int:
        return self._count

    def extend(self, names: Iterator[bytes]) -> Ints:
        """The meanings of all, after those of ``names``, which are the next ones."""
        more = np.fromiter(map(self._mean, names), np.int32)
        end = self._count + len(more)
        while end > len(self._values):
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._values[self._count : end] = more
        self._count = end
        return self._values[:end]


def _names(ends: int, text: int, begin: int, count: int) -> Iterator[bytes]:
    if begin >= count:
        return iter(())
    places = _view(ends, count + 1, np.dtype("u8"))[begin:].tolist()
    first = places[0]
    own = ctypes.string_at(text + first, places[-1] - first)
    return (own[start - first : end - first] for start, end in itertools.pairwise(places))


def _view(address: int | None, count: int, kind: np.dtype[Any]) -> Array:
    if not count or not address:
        return np.empty(0, kind)
    memory: Any = (ctypes.c_char * (count * kind.itemsize)).from_address(address)
    rows: Array = np.frombuffer(memory, kind)
    return rows
