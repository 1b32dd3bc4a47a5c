"""From places in programs to frames: function, module, file and line, inlined functions on their own.

The one way in for readers and recorders; what it finds is the same again as long as `keep` is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.errors import ClewError
from clew.symbols import debug
from clew.symbols.find import is_elsewhere
from clew.symbols.jit import map_name, read_map, text_of
from clew.symbols.jitdump import Made
from clew.symbols.kernel import KERNEL, read_kallsyms
from clew.symbols.load import load_table
from clew.symbols.missing import Missing

Array = NDArray[Any]
UNKNOWN = "[unknown]"
PLACES = pa.schema(
    [
        ("module", pa.string()),  # path as mapped, [vdso], ...; NULL: not known
        ("build_id", pa.string()),  # hexadecimal; NULL: not known
        ("kind", pa.string()),  # user, kernel, jit, unknown
        ("pid", pa.int32()),  # jit: whose memory; user: a process that had the module mapped; NULL: not known
        ("address", pa.uint64()),  # kernel, jit: absolute; user without file_offset: as the symbol table counts
        ("file_offset", pa.uint64()),  # user: where in the module's file
        ("is_return", pa.bool_()),  # address is where a call returns to: lines are those of the byte before it
        ("made", pa.int64()),  # jit: which of ``made`` lay there at the time of the samples; NULL: not known
    ]
)
"""Columns of ``places``; those that are left out are NULL."""


@dataclass(frozen=True)
class Resolved:
    """``frames`` (columns of a profile's frames), and for each place its outermost row in them and how many there are.

    The rows of a place stand together, from the function itself to the innermost one that was inlined into it.
    ``missing``: what has no names; ``notes`` say what else is to be known, for people.
    """

    frames: pa.Table
    first: NDArray[np.int32]
    count: NDArray[np.int32]
    notes: list[str] = field(default_factory=list)
    missing: Missing = field(default_factory=Missing)


@dataclass
class _Found:
    """One row for each place; names are indexes into ``texts``."""

    function: Array
    module: Array
    kind: Array
    address: Array
    known: Array  # whether address is known
    offset: Array
    named: Array  # whether offset is known
    texts: dict[str, int]
    chains: list[tuple[Array, Array, Array, Array]]  # place, function, file, line of each row
    notes: list[str] = field(default_factory=list)
    missing: Missing = field(default_factory=Missing)

    def text(self, value: str) -> int:
        return self.texts.setdefault(value, len(self.texts))


_KINDS = ("user", "kernel", "jit", "inlined", "unknown")


def resolve(
    places: pa.Table,
    keep: Path | None = None,
    *,
    inlines: bool = True,
    kernel_start: tuple[str, int] | None = None,
    dumps: Mapping[int, Path] | None = None,
    made: Sequence[Made] = (),
) -> Resolved:
    """The frames of ``places`` (columns of PLACES), one row for each distinct location.

    ``keep``: the folder of symbols beside a recording, looked at first. ``inlines``: also say lines and inlined
    functions where there is debug information. ``kernel_start``: name and address of a symbol of the kernel that was
    recorded, where it may have been started again since. ``dumps``: jit-PID.dump files, by pid; ``made``: functions in
    them, by the number that places have. Never raises for what is not found: that is ``[unknown]``.
    """
    rows = places.num_rows
    columns = {
        field.name: places[field.name].cast(field.type)
        if field.name in places.column_names
        else pa.chunked_array([pa.nulls(rows, field.type)])
        for field in PLACES
    }
    found = _Found(
        np.zeros(rows, np.int32),
        np.full(rows, -1, np.int32),
        np.full(rows, _KINDS.index("unknown"), np.int8),
        pc.fill_null(columns["address"], 0).to_numpy().copy(),
        columns["address"].is_valid().to_numpy().copy(),
        np.zeros(rows, np.uint64),
        np.zeros(rows, bool),
        {UNKNOWN: 0},
        [],
    )
    kind = columns["kind"].to_numpy()
    module = columns["module"].combine_chunks().dictionary_encode()
    _name_modules(found, module)
    _user(found, np.flatnonzero(kind == "user"), columns, keep, inlines)
    _kernel(found, np.flatnonzero(kind == "kernel"), keep, kernel_start)
    is_made = columns["made"].is_valid().to_numpy()
    _made(found, np.flatnonzero(is_made), columns, made)
    _jit(found, np.flatnonzero((kind == "jit") & ~is_made), columns["pid"], keep, dumps or {})
    return _expanded(found, columns["build_id"])


def _name_modules(found: _Found, module: pa.DictionaryArray) -> None:
    if isinstance(module, pa.ChunkedArray):
        module = module.combine_chunks()
    numbers = np.array([found.text(name) for name in module.dictionary.to_pylist()] + [-1], np.int32)
    found.module[:] = numbers[pc.fill_null(module.indices, len(numbers) - 1).to_numpy(zero_copy_only=False)]


def _groups(*columns: pa.ChunkedArray) -> tuple[Array, list[tuple[Any, ...]]]:
    """(group of each row, values of each group) of rows with equal values."""
    number = np.zeros(len(columns[0]), np.int64)
    dictionaries = []
    for column in columns:
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        values = encoded.dictionary.to_pylist()
        number = number * max(1, len(values)) + encoded.indices.to_numpy(zero_copy_only=False)
        dictionaries.append(values)
    distinct, group = np.unique(number, return_inverse=True)
    keys = []
    for value in distinct.tolist():
        key: list[Any] = []
        for values in reversed(dictionaries):
            value, index = divmod(value, max(1, len(values)))
            key.insert(0, values[index] if values else None)
        keys.append(tuple(key))
    return group, keys


def _user(found: _Found, rows: Array, columns: dict[str, pa.ChunkedArray], keep: Path | None, inlines: bool) -> None:
    if not len(rows):
        return
    found.kind[rows] = _KINDS.index("user")
    chosen = pa.array(rows)
    column = {name: columns[name].take(chosen) for name in columns}
    column["pid"] = _of_containers(column["pid"])
    group, keys = _groups(column["module"], column["build_id"], column["pid"])
    offset = pc.fill_null(column["file_offset"], 0).to_numpy()
    in_file = column["file_offset"].is_valid().to_numpy()
    back = pc.fill_null(column["is_return"], False).to_numpy()
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(len(keys) + 1))
    without = set()
    for number, (module, build_id, pid) in enumerate(keys):
        here = order[edges[number] : edges[number + 1]]
        table = load_table(module, build_id, keep, pid) if module else None
        if table is None:
            found.known[rows[here]] &= ~in_file[here]
            if module and module.startswith("/"):
                without.add(module)
            continue
        address, known = table.addresses(offset[here])
        address = np.where(in_file[here], address, found.address[rows[here]])
        known = np.where(in_file[here], known, found.known[rows[here]])
        found.address[rows[here]], found.known[rows[here]] = address, known
        symbol = np.where(known, table.lookup(address), -1)
        within = address - table.start[np.maximum(symbol, 0)] if len(table.start) else address
        _put(found, rows[here], symbol, table.name, within)
        lines = debug.load_lines(module, build_id, keep, pid) if inlines else None
        if lines is not None:
            asked = rows[here[known]]
            _add_lines(found, lines, asked, (address - (back[here] & (address > 0)))[known])
    found.missing |= Missing(files=frozenset(without))


def _of_containers(pids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Only the pids of processes whose files are not ours: for all others the path says enough."""
    other = [pid for pid in pc.unique(pids).to_pylist() if pid is not None and is_elsewhere(pid)]
    return pc.if_else(pc.is_in(pids, pa.array(other, pa.int32())), pids, pa.scalar(None, pa.int32()))


def _add_lines(found: _Found, lines: debug.Lines, rows: Array, addresses: Array) -> None:
    """Write down what debug information knows of places (``rows``)."""
    distinct, inverse = np.unique(addresses, return_inverse=True)
    known = lines.chains(distinct.tolist())
    if not known.place:
        return
    numbers = np.array([found.text(text) for text in known.texts] + [-1], np.int32)
    place = np.array(known.place)
    low, high = np.searchsorted(place, inverse, side="left"), np.searchsorted(place, inverse, side="right")
    row = _ranges(low, high - low)
    found.chains.append(
        (
            np.repeat(rows, high - low),
            numbers[np.array(known.function)][row],
            numbers[np.array(known.file)][row],
            np.array(known.line, np.uint32)[row],
        )
    )


def _ranges(start: Array, count: Array) -> Array:
    """start[0], start[0] + 1, ... count[0] of them, then start[1], ..."""
    before = np.cumsum(count) - count
    rows: Array = np.arange(int(count.sum())) + np.repeat(start - before, count)
    return rows


def _put(found: _Found, rows: Array, symbol: Array, name: Callable[[int], str], offset: Array) -> None:
    """Write functions (by number of symbol; -1: none) and the offsets in them."""
    distinct, inverse = np.unique(symbol, return_inverse=True)
    texts = [0 if one < 0 else found.text(name(one)) for one in distinct.tolist()]
    found.function[rows] = np.array(texts, np.int32)[inverse]
    found.named[rows] = symbol >= 0
    found.offset[rows] = np.where(symbol >= 0, offset, 0)


def _kernel(found: _Found, rows: Array, keep: Path | None, start: tuple[str, int] | None) -> None:
    if not len(rows):
        return
    found.kind[rows] = _KINDS.index("kernel")
    found.module[rows[found.module[rows] < 0]] = found.text(KERNEL)
    try:
        kernel = read_kallsyms(keep)
    except ClewError as error:
        found.notes.append(f"no names of kernel functions: {error}")
        return
    now = kernel.address(start[0]) if start else None
    moved = (start[1] - now) % 2**64 if start and now is not None else 0
    address = found.address[rows] - np.uint64(moved)
    symbol = kernel.lookup(address)
    _put(found, rows, symbol, kernel.name, address - kernel.start[np.maximum(symbol, 0)])
    in_module = (symbol >= 0) & (kernel.module[np.maximum(symbol, 0)] > 0)
    numbers = np.array([found.text(name) for name in kernel.modules], np.int32)
    found.module[rows[in_module]] = numbers[kernel.module[symbol[in_module]]]


def _made(found: _Found, rows: Array, columns: dict[str, pa.ChunkedArray], made: Sequence[Made]) -> None:
    """Code of which is known what lay there at the time."""
    if not len(rows):
        return
    found.kind[rows] = _KINDS.index("jit")
    _name_jit(found, rows, pc.fill_null(columns["pid"], -1).to_numpy()[rows])
    number = columns["made"].take(pa.array(rows)).to_numpy()
    begin = np.array([one.start for one in made], np.uint64)[number]
    _put(found, rows, number, lambda one: text_of(made[one].name), found.address[rows] - begin)


def _name_jit(found: _Found, rows: Array, pids: Array) -> None:
    """The module of code that a process made itself, as perf calls it."""
    for pid in np.unique(pids[pids >= 0]).tolist():
        here = rows[pids == pid]
        found.module[here[found.module[here] < 0]] = found.text(f"/tmp/{map_name(pid)}")  # noqa: S108


def _jit(found: _Found, rows: Array, pids: pa.ChunkedArray, keep: Path | None, dumps: Mapping[int, Path]) -> None:
    if not len(rows):
        return
    found.kind[rows] = _KINDS.index("jit")
    pid = pc.fill_null(pids, -1).to_numpy()[rows]
    _name_jit(found, rows, pid)
    without = set()
    for one in np.unique(pid).tolist():
        here = rows[pid == one]
        known = read_map(one, keep, dumps.get(one)) if one >= 0 else None
        if known is None:
            without.add(one)
            continue
        piece = known.lookup(found.address[here])
        offset = found.address[here] - known.begin[np.maximum(piece, 0)] if len(known.begin) else found.address[here]
        _put(found, here, piece, known.name, offset)
    found.missing |= Missing(makers=frozenset(without))


def _expanded(found: _Found, build_ids: pa.ChunkedArray) -> Resolved:
    """The table of frames: each place's own function, then what was inlined into it."""
    rows = len(found.function)
    count = np.ones(rows, np.int32)
    for place, *_ in found.chains:
        count[place] = np.bincount(place, minlength=rows)[place]
    first = np.zeros(rows, np.int32)
    np.cumsum(count[:-1], out=first[1:])
    place = np.repeat(np.arange(rows), count)
    function, kind = found.function[place], found.kind[place]
    file, line = np.full(len(place), -1, np.int32), np.zeros(len(place), np.uint32)
    step = np.arange(len(place)) - first[place]
    for own, names, files, numbers in found.chains:
        at = _ranges(first[own[np.append(True, own[1:] != own[:-1])]], np.unique(own, return_counts=True)[1])
        file[at], line[at] = files, numbers
        function[at] = np.where((step[at] > 0) | (function[at] == 0), names, function[at])
    inlined = step > 0
    kind = np.where(inlined, _KINDS.index("inlined"), kind)
    texts = pa.array(list(found.texts), pa.string())
    known = found.known[place]
    frames = pa.table(
        {
            "function": texts.take(pa.array(function)),
            "module": texts.take(pa.array(np.maximum(found.module[place], 0), mask=found.module[place] < 0)),
            "kind": pa.array(list(_KINDS), pa.string()).take(pa.array(kind)),
            "address": pa.array(found.address[place], mask=~known),
            "byte_offset": pa.array(found.offset[place], mask=~found.named[place] | inlined),
            "file": texts.take(pa.array(np.maximum(file, 0), mask=file < 0)),
            "line": pa.array(line, mask=line == 0),
            "build_id": build_ids.combine_chunks().take(pa.array(place)),
        }
    )
    return Resolved(frames, first, count, found.notes, found.missing)
