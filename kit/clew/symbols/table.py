"""Symbols of one module as arrays, and which symbol an address belongs to."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.symbols.demangle import demangle

Array = NDArray[Any]
LOCAL, GLOBAL, WEAK = 0, 1, 2
PLT = 1
"""Bit of ``flags``: the entry of the procedure linkage table for a function elsewhere."""
STRETCHED = 2
"""Bit of ``flags``: has no size of its own; reaches to the next symbol, but not over a larger one around it."""

_PAGE = np.uint64(4096)
_MARK = b"clewSYM1"
_ARRAYS = {"start": "<u8", "end": "<u8", "name_at": "<u4", "flags": "|u1", "segments": "<u8"}
_LENGTHS = struct.Struct("<7Q")
_DEEPEST = 1000  # symbols that are looked back over for one around them


@dataclass(frozen=True)
class SymbolTable:
    """Functions by address: ``start`` ascending, ``end`` exclusive; names are in ``names``, each to a zero byte.

    Symbols with the same start are alternatives of which ``lookup`` names one. ``segments``: rows (offset in the file,
    size in the file, address) of what is loaded, code first; addresses count as in the symbol table.
    """

    start: Array
    end: Array
    name_at: Array
    flags: Array
    names: bytes
    segments: Array
    build_id: str | None = None

    def addresses(self, offsets: Array) -> tuple[Array, Array]:
        """(address, whether there is one) of offsets in the file."""
        address, known = np.zeros(len(offsets), np.uint64), np.zeros(len(offsets), bool)
        for begin, size, at in self.segments:
            inside = (offsets >= begin) & (offsets - begin < size) & ~known
            address[inside] = offsets[inside] - begin + at
            known |= inside
        return address, known

    def lookup(self, addresses: Array) -> Array:
        """The row of the symbol that each address (u64) lies in; -1 where none does."""
        if not len(self.start):
            return np.full(len(addresses), -1)
        row = self._chosen(np.searchsorted(self.start, addresses, side="right") - 1)
        stretched = (self.flags[row] & STRETCHED) != 0
        missed = addresses >= self.end[row]
        asked = np.flatnonzero((row >= 0) & (missed | stretched))
        if len(asked):  # the function may go on after a label or a smaller function inside it
            around = self._around(row[asked], addresses[asked])
            row[asked] = np.where((around < 0) & ~missed[asked], row[asked], around)
        return row

    def _around(self, row: Array, addresses: Array) -> Array:
        """The nearest row up to each of ``row`` with a size of its own that holds the address; -1 where none does."""
        end = np.where(self.flags & STRETCHED, self.start, self.end)
        reach = np.maximum.accumulate(end)
        found = np.full(len(row), -1)
        left = np.arange(len(row))
        for _ in range(_DEEPEST):
            left = left[(row[left] >= 0) & (addresses[left] < reach[row[left]])]
            if not len(left):
                break
            inside = addresses[left] < end[row[left]]
            found[left[inside]] = row[left[inside]]
            left = left[~inside]
            row[left] -= 1
        return found

    def _chosen(self, row: Array) -> Array:
        """In place of each row, of all symbols with its start, the one whose name tells most."""
        distinct, inverse = np.unique(row, return_inverse=True)
        begin = self.start[np.maximum(distinct, 0)]
        low, high = np.searchsorted(self.start, begin, side="left"), np.searchsorted(self.start, begin, side="right")
        for place in np.flatnonzero((high - low > 1) & (distinct >= 0)):
            rows = range(int(low[place]), int(high[place]))
            distinct[place] = min(rows, key=lambda one: (*_plainness(self.name(one)), one))
        return distinct[inverse]

    def name(self, row: int) -> str:
        """The name of a symbol for people: demangled, ``@plt`` behind that of a linkage entry."""
        name = demangle(self.raw_name(row))
        return name + "@plt" if self.flags[row] & PLT else name

    def raw_name(self, row: int) -> bytes:
        """The name as it stands in the file."""
        at = int(self.name_at[row])
        end = self.names.find(b"\0", at)
        return self.names[at : end if end >= 0 else len(self.names)]

    def to_bytes(self) -> bytes:
        """As a file: a mark, a checksum and lengths, then the arrays as they are."""
        parts = [getattr(self, name).tobytes() for name in _ARRAYS] + [self.names, bytes.fromhex(self.build_id or "")]
        body = _LENGTHS.pack(*map(len, parts)) + b"".join(parts)
        return _MARK + zlib.crc32(body).to_bytes(4, "little") + body

    @staticmethod
    def from_bytes(data: bytes) -> SymbolTable:
        """The table that to_bytes() wrote; raises ValueError if it is none."""
        begin = len(_MARK) + 4
        body = memoryview(data)[begin:]
        if data[: len(_MARK)] != _MARK or zlib.crc32(body).to_bytes(4, "little") != data[len(_MARK) : begin]:
            raise ValueError("damaged symbol table")
        edge = np.cumsum((_LENGTHS.size, *_LENGTHS.unpack_from(body))).tolist()
        pieces = [body[low:high] for low, high in pairwise(edge)]
        start, end, name_at, flags, segments = map(np.frombuffer, pieces, _ARRAYS.values())
        names, build_id = bytes(pieces[-2]), bytes(pieces[-1]).hex()
        return SymbolTable(start, end, name_at, flags, names, segments.reshape(-1, 3), build_id or None)


def _plainness(name: str) -> tuple[int, int]:
    return len(name) - len(name.lstrip("_")), -len(name)


def ordered(start: Array, size: Array, binding: Array, name_at: Array, flags: Array, names: bytes) -> SymbolTable:
    """A table of symbols as they come.

    Rules are those by which perf names functions: a symbol without a size reaches to the next one (the last to the end
    of the page after it); of symbols with the same start those with a size, then not weak, then global ones stay; the
    choice by name is left for `lookup`.
    """
    order = np.argsort(start, kind="stable")
    start, size, binding, name_at, flags = (each[order] for each in (start, size, binding, name_at, flags))
    end = start + size
    end[end < start] = np.uint64(2**64 - 1)
    if len(start):
        after = np.append(start[1:], (start[-1] + _PAGE - np.uint64(1)) // _PAGE * _PAGE + _PAGE)
        end = np.where(size == 0, after, end)
        flags = flags | np.where(size == 0, STRETCHED, 0).astype("u1")
        rank = ((end > start) * 4 + (binding != WEAK) * 2 + (binding == GLOBAL)).astype(np.uint8)
        group = np.cumsum(np.append(0, start[1:] != start[:-1]))
        best = np.zeros(int(group[-1]) + 1, np.uint8)
        np.maximum.at(best, group, rank)
        keep = rank == best[group]
        start, end, name_at, flags = (each[keep] for each in (start, end, name_at, flags))
    return SymbolTable(
        start.astype("<u8"),
        end.astype("<u8"),
        name_at.astype("<u4"),
        flags.astype("u1"),
        names,
        np.empty((0, 3), "<u8"),
    )


def joined(table: SymbolTable, more: SymbolTable) -> SymbolTable:
    """``table`` with those symbols of ``more`` that start where it has none."""
    new = ~np.isin(more.start, table.start)
    start = np.append(table.start, more.start[new])
    order = np.argsort(start, kind="stable")
    name_at = np.append(table.name_at, more.name_at[new] + np.uint32(len(table.names)))
    return replace(
        table,
        start=start[order],
        end=np.append(table.end, more.end[new])[order],
        name_at=name_at.astype("<u4")[order],
        flags=np.append(table.flags, more.flags[new])[order],
        names=table.names + more.names,
    )
