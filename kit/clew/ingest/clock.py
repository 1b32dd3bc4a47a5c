"""Ticks of a capture's clock as nanoseconds of CLOCK_MONOTONIC.

Straight lines between the recorder's readings of both.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.native.decode import map_file

Array = npt.NDArray[Any]

_HEADER = struct.Struct("<IHHIIQIIQQQQ")  # struct clew_block_header
SEGMENT_HEADER = 64
_MAGIC = struct.pack("<I", 0x4B424C43)
_CLOCK_BLOCK = 3
_CLOCK = np.dtype([(name, "<u8") for name in ("ticks", "monotonic_ns", "realtime_ns", "uncertainty_ticks")])


class Clock:
    """Readings of both clocks, at least one; before the first and after the last the nearest line goes on."""

    def __init__(self, readings: Array, ticks_per_s: int) -> None:
        readings = np.unique(readings)  # in order of ticks
        self._ticks = readings["ticks"]
        self._ns = readings["monotonic_ns"].astype(np.int64)
        if len(readings) > 1:
            self._slope = np.diff(self._ns) / np.diff(self._ticks).astype(np.float64)
        else:
            self._slope = np.array([1e9 / ticks_per_s if ticks_per_s else 1.0])

    def to_ns(self, begin: Array, ticks: Array) -> tuple[Array, Array]:
        """(time in ns, duration in ns) of calls that began at ``begin`` and took ``ticks``.

        All arrays of equal length.
        """
        if not len(begin):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        last = len(self._slope) - 1
        low, high = (self._ticks.searchsorted(edge(begin), "right") - 1 for edge in (np.min, np.max))
        line: Any = int(min(max(low, 0), last))  # most batches lie between two readings: then no lookup for each record
        if int(min(max(high, 0), last)) != line:
            line = np.clip(self._ticks.searchsorted(begin, "right") - 1, 0, last)
        slope = self._slope[line]
        since = (begin - self._ticks[line]).view(np.int64)  # wraps to negative before the first reading
        with np.errstate(invalid="ignore"):  # what no clock says becomes some time or other
            return self._ns[line] + np.rint(since * slope).astype(np.int64), np.rint(ticks * slope).astype(np.int64)


def readings(path: Path, offset: int) -> tuple[Array, int]:
    """The CLOCK blocks of a segment from ``offset`` on, and where the last of them ends (``offset`` if there is none).

    What was recorded before a reading stands before it in the file: up to there times never change any more. Walks
    headers only, one step a block.
    """
    data = memoryview(map_file(path).data)
    at, end, found = max(offset, SEGMENT_HEADER), offset, []
    nonce = struct.unpack_from("<Q", data, 32)[0] if len(data) >= SEGMENT_HEADER else 0
    while at + _HEADER.size <= len(data):
        fields = _HEADER.unpack_from(data, at)
        size = fields[3]
        following = at + _HEADER.size + (size + 7) // 8 * 8
        if data[at : at + 4] != _MAGIC or fields[10] != nonce or following > len(data):
            at = _next_magic(data, at + 8)
            continue
        if fields[1] == _CLOCK_BLOCK and size == _CLOCK.itemsize and _intact(data, at, fields[4], size):
            found.append(np.frombuffer(data, _CLOCK, 1, at + _HEADER.size).copy())
            end = following
        at = following
    return (np.concatenate(found) if found else np.empty(0, _CLOCK)), end


def from_columns(columns: Mapping[str, Array]) -> Array:
    """Readings as readings() gives them, from their columns."""
    rows = np.empty(len(columns["ticks"]), _CLOCK)
    for name in _CLOCK.names or ():
        rows[name] = columns[name]
    return rows


def _intact(data: memoryview, at: int, crc: int, size: int) -> bool:
    block = bytearray(data[at : at + _HEADER.size + size])
    block[12:16] = bytes(4)
    return zlib.crc32(block) == crc


def _next_magic(data: memoryview, at: int) -> int:
    """Where the next aligned magic is, or the end: a damaged block is skipped as the decoder does."""
    step = 1 << 20
    while at < len(data):
        words = np.frombuffer(data[at : at + step // 8 * 8][: (len(data) - at) // 8 * 8 or 0], "<u8")
        hits = np.flatnonzero((words & 0xFFFFFFFF) == 0x4B424C43)
        if len(hits):
            return at + int(hits[0]) * 8
        at += max(len(words) * 8, 8)
    return len(data)
