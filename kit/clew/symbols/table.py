"""Symbols of one module as arrays, and which symbol an address belongs to."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.symbols.demangle import demangle

Array = NDArray[Any]
LOCAL, GLOBAL, WEAK = 0, 1, 2
PLT = 1
"""Bit of ``flags``: the entry of the procedure linkage table for a function elsewhere."""

_PAGE = np.uint64(4096)


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
        missed = np.flatnonzero((row >= 0) & (addresses >= self.end[row]))
        if len(missed):  # the function may go on after a label or a smaller function inside it
            reach = np.maximum.accumulate(self.end)
            held = addresses[missed] < reach[row[missed]]
            row[missed[~held]] = -1
            for place in missed[held]:
                row[place] = self._around(int(row[place]), addresses[place], reach)
        return row

    def _around(self, row: int, address: Any, reach: Array) -> int:
        """The nearest row before ``row`` that reaches to ``address``."""
        while row >= 0 and address < reach[row]:
            if address < self.end[row]:
                return row
            row -= 1
        return -1

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
        """As a file (NumPy's npz)."""
        file = io.BytesIO()
        np.savez(
            file,
            start=self.start,
            end=self.end,
            name_at=self.name_at,
            flags=self.flags,
            names=np.frombuffer(self.names, np.uint8),
            segments=self.segments,
            build_id=np.frombuffer(bytes.fromhex(self.build_id or ""), np.uint8),
        )
        return file.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> SymbolTable:
        """The table that to_bytes() wrote; raises ValueError if it is none."""
        kinds = {"start": "<u8", "end": "<u8", "name_at": "<u4", "flags": "|u1", "names": "|u1", "segments": "<u8"}
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = {name: file[name] for name in (*kinds, "build_id")}
        except Exception as error:
            raise ValueError("damaged symbol table") from error
        rows = len(arrays["start"])
        if any(arrays[name].dtype.str != kind for name, kind in kinds.items()) or any(
            arrays[name].shape != (rows,) for name in ("start", "end", "name_at", "flags")
        ):
            raise ValueError("damaged symbol table")
        if arrays["segments"].ndim != 2 or arrays["segments"].shape[1] != 3:
            raise ValueError("damaged symbol table")
        build_id = arrays["build_id"].tobytes().hex() or None
        names = arrays["names"].tobytes()
        return SymbolTable(
            arrays["start"], arrays["end"], arrays["name_at"], arrays["flags"], names, arrays["segments"], build_id
        )


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
