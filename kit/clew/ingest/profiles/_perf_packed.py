"""Compressed records of perf.data (perf record -z): one zstd stream, cut into records as buffers were emptied."""

from __future__ import annotations

import io
import mmap
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

import numpy as np
import zstandard
from numpy.typing import NDArray

from clew.errors import ClewError

COMPRESSED, COMPRESSED2 = 81, 83
"""Types of these records; the second one begins with the length of its contents."""

Array = NDArray[Any]
_HEADER = 8  # bytes before a record's contents
_CHUNK = 1 << 20
_MOST_RATIO = 256  # bytes that one compressed byte stands for: what claims more is no recording


class _Parts(io.RawIOBase):
    """Byte strings one after the other, as a file that is read once."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._left = parts, b""

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            self._left = next((part for part in self._parts if part), b"")
        size = len(self._left) if size < 0 else size
        found, self._left = self._left[:size], self._left[size:]
        return found


def unpack(records: Array, packed: Sequence[tuple[int, int, int]], end: int) -> tuple[Array, bool]:
    """All records in one stretch, and whether the last could be read: first those that are not compressed.

    ``packed``: (place in ``records``, type, bytes) of compressed records; ``end``: where whole records end. The stretch
    is in a file without a name, so that it need not fit into memory. Raises ClewError if it would be absurdly long.
    """
    with tempfile.TemporaryFile() as file:
        before, whole = 0, True
        for at, _, size in [*packed, (end, 0, 0)]:
            file.write(records[before:at].data)
            before = at + size
        most, written = max(1 << 30, _MOST_RATIO * len(records)), 0
        source = cast(BinaryIO, _Parts(_contents(records, *part) for part in packed))
        with zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True) as plain:
            try:
                while chunk := plain.read(_CHUNK):
                    written += file.write(chunk)
                    if written > most:
                        raise ClewError("the compressed records hold more than any recording")
            except zstandard.ZstdError:
                whole = False
        file.flush()
        if not file.tell():
            return np.empty(0, np.uint8), whole
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8), whole


def _contents(records: Array, at: int, kind: int, size: int) -> bytes:
    content = records[at + _HEADER : at + size].tobytes()
    return content[8 : 8 + int.from_bytes(content[:8], "little")] if kind == COMPRESSED2 else content
