"""Records of perf.data as columns: decoded, put in order of time and joined to stacks by libclew.so (clew_perf.h)."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clew.native.library import check, load

Array = NDArray[Any]
_ANY, _U64 = ctypes.c_void_p, ctypes.c_uint64
NO_TIME = -(2**63)
"""A time that is not known."""

USER, KERNEL, JIT, UNKNOWN = range(4)
"""Kinds of places: enum clew_perf_kind."""

_NOTE = np.dtype([("at", "u8"), ("type", "u4"), ("size", "u4")])
_ID = np.dtype([("id", "u8"), ("event", "u8")])
_EVENT = np.dtype(
    [
        *((name, "u8") for name in ("sample_type", "read_format", "branch_type", "regs_user", "period")),
        *((name, "u4") for name in ("sample_id_all", "keep_raw", "build_ids", "inherit")),
    ]
)
_MADE = np.dtype([("ts_ns", "i8"), ("start", "u8"), ("length", "u8"), ("pid", "i8")])
_ROWS: dict[str, np.dtype[np.void]] = {
    "sample": np.dtype(
        [
            *(("weight", "f8"), ("ts_ns", "i8"), ("address", "u8"), ("raw_at", "u8"), ("raw_size", "u4")),
            *(("stack", "i4"), ("thread", "i4"), ("cpu", "i4"), ("event", "u4"), ("mode", "u4")),
        ]
    ),
    "stack": np.dtype([("parent", "i4"), ("place", "u4"), ("child", "u4"), ("next", "u4")]),
    "place": np.dtype(
        [("address", "u8"), ("module", "i4"), ("pid", "i4"), ("kind", "u4"), ("is_return", "u4"), ("made", "i8")]
    ),
    "module": np.dtype([("name", "u4"), ("build_id_size", "u4"), ("pid", "i4"), ("build_id", "u1", 20)]),
    "thread": np.dtype(
        [
            *((name, "i8") for name in ("start_ns", "end_ns")),
            *((name, "i4") for name in ("pid", "tid", "ppid", "name", "command", "exe")),
        ]
    ),
    "switch": np.dtype([("ts_ns", "i8"), ("tid", "i4"), ("out", "u4")]),
    "ksymbol": np.dtype([("start", "u8"), ("length", "u4"), ("name", "u4")]),
}

_COUNTERS = (
    *("kernel_text", "kernel_symbol", "lost", "throttled", "guest", "of_no_event", "broken", "without_time", "end"),
    "unwound",
)


class _Input(ctypes.Structure):
    _fields_ = [
        ("data", _ANY),
        ("size", _U64),
        ("mapped", _U64),
        ("events", _ANY),
        ("event_count", _U64),
        ("ids", _ANY),
        ("id_count", _U64),
        ("unwind", _U64),
        ("files", _ANY),
        ("file_count", _U64),
        ("made", _ANY),
        ("made_count", _U64),
    ]


class _Tables(ctypes.Structure):
    _fields_ = [
        *((name, _ANY) for name in _ROWS),
        *((name, _ANY) for name in ("text_ends", "text_bytes")),
        *((f"{name}_count", _U64) for name in (*_ROWS, "text")),
        *((name, ctypes.c_int64) for name in _COUNTERS),
    ]


@cache
def _library() -> ctypes.CDLL:
    library = load()
    library.clew_perf_notes.restype = ctypes.c_int64
    library.clew_perf_notes.argtypes = [_ANY, _U64, _U64, ctypes.POINTER(_U64), _ANY, _U64]
    library.clew_perf_read.restype = ctypes.c_int
    library.clew_perf_read.argtypes = [ctypes.POINTER(_Input), ctypes.POINTER(_ANY), ctypes.POINTER(_Tables)]
    library.clew_perf_expand.restype = ctypes.c_int64
    library.clew_perf_expand.argtypes = [_ANY, _U64, _ANY, _ANY, _ANY, _ANY, _ANY, _U64]
    library.clew_perf_close.restype = None
    library.clew_perf_close.argtypes = [_ANY]
    return library


class Layout(NamedTuple):
    """What of a perf_event_attr says how its records are laid out, and the weight of samples that tell none."""

    sample_type: int
    read_format: int
    branch_type: int
    regs_user: int
    period: int
    sample_id_all: bool
    keep_raw: bool
    build_ids: bool
    inherit: bool


def is_mapped(data: Array) -> bool:
    """Whether ``data`` lies in a file that is mapped to be read: its pages are those of the file for ever."""
    base: object = data
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return isinstance(base, mmap.mmap) and not data.flags.writeable


def notes(data: Array) -> tuple[Array, int]:
    """(at, type, size) of each record that speaks of the file (types from 64 up); where whole records end."""
    at, pieces = _U64(0), []
    while True:
        found = np.empty(4096, _NOTE)
        begin = at.value
        given = data.ctypes.data, len(data), int(is_mapped(data)), ctypes.byref(at), found.ctypes.data, len(found)
        count = _library().clew_perf_notes(*given)
        pieces.append(found[:count])
        if count < len(found) or at.value == begin:
            return np.concatenate(pieces), int(at.value)


@dataclass
class Recording:
    """What the records of one file say, as struct clew_perf_tables has it; names are numbers of ``texts``, -1: none.

    The arrays are views into memory that is given back with `close()`.
    """

    sample: Array
    stack: Array
    place: Array
    module: Array
    thread: Array
    switch: Array
    ksymbol: Array
    kernel_text: int
    kernel_symbol: int
    lost: int
    throttled: int
    guest: int
    of_no_event: int
    broken: int
    without_time: int
    end: int
    unwound: int
    _text: tuple[Array, bytes]
    _handle: ctypes.c_void_p

    @cached_property
    def texts(self) -> list[str]:
        """Names as text; bytes that are not UTF-8 as \\xNN."""
        ends, text = self._text
        steps = ends.tolist()
        return [
            text[begin:end].decode("utf-8", "backslashreplace").replace("\0", "\\x00")
            for begin, end in itertools.pairwise(steps)
        ]

    def close(self) -> None:
        """Give the memory back; the arrays must not be used any more."""
        handle, self._handle = self._handle, ctypes.c_void_p()
        _library().clew_perf_close(handle)
        for name in _ROWS:
            setattr(self, name, np.empty(0, _ROWS[name]))


def read(
    data: Array,
    events: Sequence[Layout],
    ids: Sequence[tuple[int, int]],
    *,
    unwind: bool = False,
    files: Mapping[str, str | None] | None = None,
    made: Sequence[tuple[int, int, int, int]] = (),
) -> Recording:
    """Read the records in ``data`` (bytes); ``ids``: (id, index into ``events``). Raises ClewError (no memory).

    ``unwind``: walk stacks that were copied into samples; ``files``: where modules are that are not where they were,
    None: nowhere. ``made``: (ns, address, bytes, pid) of functions that programs made while they ran, in order of time.
    """
    layouts, numbers = np.array([tuple(event) for event in events], _EVENT), np.array(ids, _ID)
    texts = [os.fsencode(text) if text else None for pair in (files or {}).items() for text in pair]
    moved = (ctypes.c_char_p * len(texts))(*texts)
    functions = np.array(made, _MADE)
    given = _Input(
        data.ctypes.data,
        len(data),
        int(is_mapped(data)),
        layouts.ctypes.data,
        len(layouts),
        numbers.ctypes.data,
        len(numbers),
        int(unwind),
        ctypes.addressof(moved),
        len(texts) // 2,
        functions.ctypes.data,
        len(functions),
    )
    handle, tables = ctypes.c_void_p(), _Tables()
    done = _library().clew_perf_read(ctypes.byref(given), ctypes.byref(handle), ctypes.byref(tables))
    check(done, "cannot read the records")
    rows: dict[str, Any] = {
        name: _view(getattr(tables, name), getattr(tables, f"{name}_count"), kind) for name, kind in _ROWS.items()
    }
    ends = _view(tables.text_ends, tables.text_count + 1 if tables.text_count else 0, np.dtype("u8")).copy()
    text = ctypes.string_at(tables.text_bytes, int(ends[-1])) if len(ends) else b""
    told: dict[str, Any] = {name: int(getattr(tables, name)) for name in _COUNTERS}
    told["kernel_text"] %= 1 << 64
    return Recording(**rows, **told, _text=(ends, text), _handle=handle)


def expand(stack: Array, first: Array, count: Array) -> tuple[Array, Array, Array]:
    """Rows of ``Recording.stack`` as stacks of frames: place P is ``count`` [P] >= 1 frames from ``first`` [P] on.

    Returns (parent, frame) of each stack of frames, -1 above the outermost, and for each row of ``stack`` the last of
    those that it became.
    """
    first, count = np.ascontiguousarray(first, np.int32), np.ascontiguousarray(count, np.int32)
    room = int(count[stack["place"]].sum(dtype=np.int64))
    parent, frame, last = np.empty(room, np.int32), np.empty(room, np.uint32), np.empty(len(stack), np.int32)
    arguments = [stack, first, count, parent, frame, last]
    at = [array.ctypes.data for array in arguments]
    check(_library().clew_perf_expand(at[0], len(stack), *at[1:], room), "cannot expand stacks")
    return parent, frame, last


def _view(address: int | None, count: int, kind: np.dtype[Any]) -> Array:
    if not address or not count:
        return np.empty(0, kind)
    memory: Any = (ctypes.c_char * (count * kind.itemsize)).from_address(address)
    rows: Array = np.frombuffer(memory, kind)
    return rows


def gather(data: Array, at: Array, size: int) -> Array:
    """``size`` bytes from each place of ``data``, as rows; every place must have them."""
    lengths = np.full(len(at), size, np.uint64)
    out, _ = _strings("clew_gather", data, at, lengths, 1)
    return out[: len(at) * size].reshape(len(at), size)


def texts(data: Array, at: Array, lengths: Array) -> tuple[Array, Array]:
    """Strings of ``data`` as (UTF-8 bytes, the n + 1 offsets of their ends); bytes that are not UTF-8 as \\xNN."""
    return _strings("clew_gather_text", data, at, lengths, 4)


def _strings(name: str, data: Array, at: Array, lengths: Array, growth: int) -> tuple[Array, Array]:
    at, lengths = np.ascontiguousarray(at, np.uint64), np.ascontiguousarray(lengths, np.uint64)
    out, ends = np.empty(int(lengths.sum()) * growth + 1, np.uint8), np.zeros(len(at) + 1, np.int64)
    function = getattr(load(), name)
    places = [data.ctypes.data, len(data), at.ctypes.data, lengths.ctypes.data, len(at)]
    check(function(*places, out.ctypes.data, len(out), ends[1:].ctypes.data), "cannot gather strings")
    return out, ends
