"""Segments as columns: one C call per batch, numpy arrays over the mapped file, no copy of payloads."""

from __future__ import annotations

import ctypes
import enum
import mmap
import os
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ClewError
from clew.native.library import ABI, Columns, Decoded, load

Array = npt.NDArray[Any]

HEADER = np.dtype(
    [("magic", "u8"), ("abi", "u4"), ("number", "u4"), ("ticks_per_s", "u8"), ("created_ns", "u8"), ("nonce", "u8")]
)
_HEADER_SIZE = 64  # struct clew_segment_header, its checksum included
NOTE = np.dtype(
    [
        *((name, "u8") for name in ("serial", "ticks", "data_at")),
        *((name, "u4") for name in ("type", "pid", "tid", "size")),
    ]
)
_NOTES_ROOM = 1 << 16
_EXPAND_ROOM = 4 << 20
_U32, _U64, _U16 = np.uint32, np.uint64, np.uint16
_TYPES: dict[str, type[np.generic]] = {
    **dict.fromkeys(("serial", "begin", "ticks", "conn_id", "offset", "data_at"), _U64),
    "result": np.int64,
    **dict.fromkeys(("pid", "tid", "seq", "head"), _U32),
    "fd": np.int32,
    **dict.fromkeys(("op", "flags", "error", "tail"), _U16),
}


class BlockType(enum.IntEnum):
    """enum clew_block_type."""

    RECORDS = 1
    COUNTERS = 2
    CLOCK = 3
    THREAD = 4
    LOSS = 5
    UNSEEN = 6
    END = 7


class Flag(enum.IntFlag):
    """enum clew_flag."""

    TEXT = 1
    STRUCT = 2
    PEEK = 4
    CUT = 8
    INHERITED = 16
    CANCELLED = 32
    NESTED = 64
    NONBLOCK = 128
    NAMES = 256


@dataclass(frozen=True)
class Block:
    """A block that does not hold records; ``ticks`` is when it was written."""

    type: int
    serial: int
    pid: int
    tid: int
    ticks: int
    payload: bytes


@dataclass(frozen=True)
class Batch:
    """Records of consecutive whole blocks of one segment; every array has one entry per record.

    ``begin`` and ``ticks`` are in ticks of the capture's clock, see `clocks()`; ``data_at`` is where the
    ``head`` and then the ``tail`` bytes are in ``data``. ``skipped_bytes`` belonged to damaged blocks;
    ``pending_bytes`` at the end of the file are no whole block: being written, or torn.
    """

    serial: Array
    pid: Array
    tid: Array
    op: Array
    flags: Array
    begin: Array
    ticks: Array
    result: Array
    conn_id: Array
    offset: Array
    fd: Array
    seq: Array
    error: Array
    head: Array
    tail: Array
    data_at: Array
    notes: Array
    data: Array
    ticks_per_s: int
    created_ns: int
    next_offset: int
    skipped_bytes: int
    pending_bytes: int
    complete: bool

    def __len__(self) -> int:
        return len(self.serial)

    @cached_property
    def blocks(self) -> list[Block]:
        """The blocks that do not hold records, in the order of the file."""
        return [
            Block(
                **{name: int(note[name]) for name in ("type", "serial", "pid", "tid", "ticks")},
                payload=self.data[int(note["data_at"]) : int(note["data_at"]) + int(note["size"])].tobytes(),
            )
            for note in self.notes
        ]

    def notes_of(self, kind: BlockType) -> Array:
        """The NOTE entries of one type of block."""
        found: Array = self.notes[self.notes["type"] == kind]
        return found


def map_file(path: str | os.PathLike[str]) -> Array:
    """The bytes of a file, mapped; raises ClewError if it cannot be read or is empty."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- a descriptor for mmap
            data: Array = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
            return data
    except ValueError:
        raise ClewError(f"{path} is empty: no segment of clew") from None
    except OSError as error:
        raise ClewError(f"cannot read {path}: {error.strerror}") from None


def _columns(arrays: dict[str, Array]) -> Columns:
    return Columns(*(arrays[field[0]].ctypes.data for field in Columns._fields_))


def decode(path: str | os.PathLike[str], offset: int = 0, limit: int = 1_000_000, max_bytes: int = 256 << 20) -> Batch:
    """Decode whole blocks from ``offset`` (0, or an earlier ``next_offset``) until ``limit`` records or ``max_bytes``.

    A batch holds more than ``limit`` only if one block does. At the end of the file ``next_offset`` stays
    where whole blocks end, so a growing file can be asked again. Raises ClewError if it is no segment, or of another
    format.
    """
    data = map_file(path)
    result, decoded = -22, Decoded(need_records=limit)
    notes = np.empty(_NOTES_ROOM, NOTE)
    arrays: dict[str, Array] = {}
    while decoded.need_records:
        room = max(1, int(decoded.need_records))
        arrays = {name: np.empty(room, kind) for name, kind in _TYPES.items()}
        result = load().clew_decode(
            data.ctypes.data,
            len(data),
            offset,
            max_bytes,
            ctypes.byref(_columns(arrays)),
            room,
            notes.ctypes.data,
            len(notes),
            ctypes.byref(decoded),
        )
    if result < 0:
        raise ClewError(f"{path} is no segment of clew, or offset {offset} is not one of its blocks")
    header = data[: HEADER.itemsize].view(HEADER)[0]
    told = zlib.crc32(data[: _HEADER_SIZE - 4].tobytes()) == int(data[_HEADER_SIZE - 4 : _HEADER_SIZE].view("<u4")[0])
    if told and header["abi"] != ABI:  # a damaged header tells nothing
        raise ClewError(f"{path} is of format {header['abi']}, this clew reads {ABI}: use the clew that recorded it")
    return Batch(
        **{name: array[: decoded.records] for name, array in arrays.items()},
        notes=notes[: decoded.notes].copy(),
        data=data,
        ticks_per_s=int(header["ticks_per_s"]),
        created_ns=int(header["created_ns"]),
        next_offset=int(decoded.next_offset),
        skipped_bytes=int(decoded.skipped),
        pending_bytes=int(decoded.pending),
        complete=bool(decoded.complete),
    )


def expand(batch: Batch, selected: Array, begin_ns: Array, ticks_ns: Array, *, json: bool, payload: bool) -> bytes:
    """Lines of text or JSON for the records of ``batch`` at the indices ``selected``; safe to print to a terminal."""
    arrays = {name: np.ascontiguousarray(getattr(batch, name)[selected]) for name in _TYPES}
    arrays["begin"] = np.ascontiguousarray(begin_ns[selected], np.uint64)
    arrays["ticks"] = np.ascontiguousarray(ticks_ns[selected], np.uint64)
    columns = _columns(arrays)
    room, pieces, at = _EXPAND_ROOM, [], ctypes.c_uint64(0)
    while at.value < len(selected):
        text = np.empty(room, np.uint8)
        before = at.value
        size = load().clew_expand(
            batch.data.ctypes.data,
            len(batch.data),
            ctypes.byref(columns),
            before,
            len(selected),
            int(json) | int(payload) << 1,
            text.ctypes.data,
            room,
            ctypes.byref(at),
        )
        pieces.append(text[:size].tobytes())
        if at.value == before:
            room *= 4  # one record with a very long payload
    return b"".join(pieces)
