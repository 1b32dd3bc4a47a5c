"""One function, line by line and instruction by instruction, with what its samples weigh there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.case import RAW, Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.native import tree
from clew.questions.answer import Answer
from clew.questions.forest import Weighed, note, summary, weigh
from clew.symbols import annotate as code
from clew.symbols import debug
from clew.symbols.keep import FOLDER
from clew.symbols.kernel import read_kallsyms
from clew.symbols.load import load_table

Array = NDArray[Any]
_WITHOUT_CODE = {
    "user": "the file of {} is gone, or another by now",
    "kernel": "where functions of {} end is not known",
    "jit": "code that a program made while it ran is not kept",
}


@dataclass(frozen=True)
class _Place:
    """The one piece of code that is shown: of a module, from ``start`` to before ``end``."""

    module: str
    build_id: str | None
    kind: str
    start: int
    end: int
    keep: Path


@dataclass(frozen=True)
class _Hits:
    """Stack rows whose frame is the function; all arrays have an entry for each of them.

    ``own`` is what samples weigh that were taken in its code, inlined functions included; ``self`` without these.
    ``called`` is what of ``total`` came by calls: their addresses are where a call returns to. The kernel does not wait
    for one.
    """

    row: Array
    address: Array  # -1: not known
    file: list[str | None]
    line: Array
    own: Array
    self: Array
    total: Array
    called: Array


def annotate(case: Case, lens: Lens, function: str, module: str | None = None, event: str | None = None) -> Answer:
    """Where in ``function`` the samples of ``event`` under ``lens`` were taken.

    Columns: ``file``, ``line``, ``address`` (of an instruction, as the module's symbol table counts; NULL in rows of
    source lines), ``text`` (NULL: not to be had), ``self`` (of samples taken there; an instruction has those of inlined
    functions, too, a line has not), ``total`` (there or in what was called from there; each stack counts once). First
    the source lines, then the instructions. Summary: as `flame`, with module, build_id, start, end. ``module``: which
    one, where several have a function of that name; else that with the most samples is shown, and the note says so.
    Raises ClewError where no sample under ``lens`` is in the function.
    """
    weighed = weigh(case, lens, event)
    place, hits, notes = _choose(case, weighed, function, module)
    instructions, written = [], None
    if place.end == place.start and place.kind in _WITHOUT_CODE:
        notes.append(f"{_WITHOUT_CODE[place.kind].format(place.module)}: no instructions")
    elif place.end > place.start:
        try:
            found = code.disassemble(place.module, place.build_id, place.start, place.end, place.keep)
            instructions, written = list(found.instructions), found.written_ns
        except ClewError as error:
            notes.append(str(error))
    lines = debug.load_lines(place.module, place.build_id, place.keep) if place.kind != "kernel" else None
    chains = lines.chains([one.address for one in instructions]) if lines is not None else debug.Chains()
    source = _source_rows(weighed, hits, function, chains, written, notes)
    table = pa.concat_tables([source, _code_rows(weighed, hits, instructions, chains)])
    figures = summary(weighed) | {
        "module": place.module,
        "build_id": place.build_id,
        "start": place.start,
        "end": place.end,
    }
    title = f"{function} in {place.module}: {figures['event']} ({figures['unit']})"
    said = [text for text in (*dict.fromkeys(notes), note(weighed, figures)) if text]
    return Answer(table, weighed.sql, title, "; ".join(said) or None, figures)


def _choose(case: Case, weighed: Weighed, function: str, module: str | None) -> tuple[_Place, _Hits, list[str]]:
    """The place of that name that weighs most, its samples, and what is to be said of others."""
    forest = weighed.forest
    frames = case.sql(
        """SELECT function, module, kind, address, byte_offset, file, line, build_id, capture_id
           FROM frame ORDER BY frame_id"""
    )
    match = pc.equal(frames["function"], function)
    if module is not None:
        match = pc.and_(match, pc.fill_null(pc.equal(frames["module"], module), False))
    is_match = match.to_numpy()
    total = tree.totals(forest.parent, weighed.weight)
    rows = np.flatnonzero(is_match[forest.frame] & (total > 0))
    if not len(rows):
        where = f" of {module}" if module is not None else ""
        raise ClewError(f"no sample under this lens is in {function!r:.80}{where}")
    inlined = pc.equal(frames["kind"], "inlined").to_numpy()[forest.frame]
    own = _own(forest.parent, weighed.weight, inlined)
    of = frames.take(pa.array(forest.frame[rows]))
    address = pc.fill_null(of["address"], 0).to_numpy()
    offset = pc.fill_null(of["byte_offset"], 0).to_numpy()
    located = of["byte_offset"].is_valid().to_numpy() & of["address"].is_valid().to_numpy()
    start = np.where(located, address - offset, 0)
    label = pa.table(
        {
            "module": of["module"],
            "build_id": of["build_id"],
            "start": start,
            "inlined": inlined[rows],
            "row": np.arange(len(rows)),
        }
    )
    weights = tree.count_once(forest.parent, np.where(is_match[forest.frame], forest.frame, -1).astype(np.int32), total)
    groups = (
        label.append_column("weight", pa.array(weights[rows]))
        .group_by(["module", "build_id", "start", "inlined"])
        .aggregate([("weight", "sum"), ("row", "min")])
        .sort_by([("inlined", "ascending"), ("weight_sum", "descending"), ("row_min", "ascending")])
        .to_pylist()
    )
    best = groups[0]
    same = np.ones(len(rows), bool)
    for name in ("module", "build_id"):
        column = of[name]
        same &= (
            column.is_null() if best[name] is None else pc.fill_null(pc.equal(column, best[name]), False)
        ).to_numpy()
    # places where it was inlined belong to it as well, for the lines
    chosen = same & ((start == np.uint64(best["start"])) | inlined[rows])
    notes = []
    others = [group for group in groups[1:] if not group["inlined"]]
    if others and not best["inlined"]:
        named = sorted({str(group["module"]) for group in others})
        notes.append(
            f"{len(others)} more functions are called so (in {', '.join(named[:3])}): this is the one with most samples"
        )
    first = of.slice(best["row_min"], 1).to_pylist()[0]
    keep = Path(case.path) / RAW / f"{first['capture_id']:03d}" / FOLDER
    place = _place(best, first, keep)
    picked = rows[chosen]
    known = of["address"].is_valid().to_numpy()[chosen]
    hits = _Hits(
        picked,
        np.where(known & ~inlined[picked], address[chosen].astype(np.int64), -1),
        of["file"].filter(pa.array(chosen)).to_pylist(),
        pc.fill_null(of["line"], 0).to_numpy()[chosen].astype(np.int64),
        own[picked],
        weighed.weight[picked],
        total[picked],
        _called(forest.parent, total, inlined, pc.equal(frames["kind"], "kernel").to_numpy()[forest.frame])[picked],
    )
    return place, hits, notes


def _own(parent: tree.Ints, weight: tree.Floats, inlined: Array) -> tree.Floats:
    """What each row weighs itself, where samples of inlined functions are of the function that holds their code."""
    return tree.gather(_holder(parent, inlined), weight, len(parent))


def _holder(parent: tree.Ints, inlined: Array) -> Array:
    """For each row the one of the function that its code is in."""
    holder = np.arange(len(parent))
    moving = np.flatnonzero(inlined & (parent >= 0))
    while len(moving):
        holder[moving] = parent[holder[moving]]
        moving = moving[inlined[holder[moving]] & (parent[holder[moving]] >= 0)]
    return holder


def _called(parent: tree.Ints, total: tree.Floats, inlined: Array, kernel: Array) -> tree.Floats:
    """What the rows that each row calls weigh, those of inlined functions for the one that holds their code."""
    holder = _holder(parent, inlined)
    callee = np.flatnonzero((parent >= 0) & ~inlined & ~kernel)
    return tree.gather(holder[parent[callee]], total[callee], len(parent))


def _place(best: dict[str, Any], frame: dict[str, Any], keep: Path) -> _Place:
    """Where the code of the function begins and ends."""
    module, start, end = best["module"] or "", int(best["start"]), int(best["start"])
    if best["inlined"] or not module or frame["byte_offset"] is None:
        return _Place(module, best["build_id"], frame["kind"], 0, 0, keep)
    if frame["kind"] == "kernel":
        try:
            kernel = read_kallsyms(keep)
        except ClewError:
            return _Place(module, None, "kernel", start, start, keep)
        row = int(kernel.lookup(np.array([start], np.uint64))[0])
        end = int(kernel.end[row]) if row >= 0 else start
    elif frame["kind"] == "user":
        table = load_table(module, best["build_id"], keep)
        row = int(table.lookup(np.array([start], np.uint64))[0]) if table is not None else -1
        end = int(table.end[row]) if table is not None and row >= 0 else start
    return _Place(module, best["build_id"], frame["kind"], start, end, keep)


def _once(weighed: Weighed, hits: _Hits, key: Array, weights: Array, count: int) -> Array:
    """The sum of ``weights`` of each key (-1: none) over ``hits``; each stack counts once for each."""
    parent = weighed.forest.parent
    keys, value = np.full(len(parent), -1, np.int32), np.zeros(len(parent))
    keys[hits.row], value[hits.row] = np.where(weights > 0, key, -1), weights
    once = tree.count_once(parent, keys, value)[hits.row]
    held = key >= 0
    return tree.gather(key[held], once[held], count)


def _source_rows(
    weighed: Weighed, hits: _Hits, function: str, chains: debug.Chains, written: int | None, notes: list[str]
) -> pa.Table:
    """The lines of the function, from the first to the last that it has code or samples of, in each file."""
    numbers: dict[tuple[str, int], int] = {}
    key = np.array(
        [
            numbers.setdefault((file, int(line)), len(numbers)) if file and line else -1
            for file, line in zip(hits.file, hits.line, strict=True)
        ],
        np.int64,
    )
    total = _once(weighed, hits, key, hits.total, len(numbers))
    held = key >= 0
    own = tree.gather(key[held], hits.self[held], len(numbers))
    spans: dict[str, list[int]] = {}
    for file, line in numbers:
        spans.setdefault(file, []).append(line)
    for name, file_at, line in zip(chains.function, chains.file, chains.line, strict=True):
        if file_at >= 0 and line and chains.texts[name] == function:
            spans.setdefault(chains.texts[file_at], []).append(line)
    rows: list[tuple[str, int, str | None, float, float]] = []
    for file, seen in spans.items():
        try:
            text = code.source_lines(file, written)
        except ClewError as error:
            notes.append(str(error))
            text = []
        sampled = sorted({line for name, line in numbers if name == file})
        wanted = range(_head(text, min(seen)), min(max(seen), len(text)) + 1) if text else sampled
        for line in wanted:
            number = numbers.get((file, line))
            figures = (float(own[number]), float(total[number])) if number is not None else (0.0, 0.0)
            rows.append((file, line, text[line - 1] if text else None, *figures))
    if not spans:
        notes.append("no debug information: lines are not known")
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * 5
    return _table(columns[0], columns[1], [None] * len(rows), columns[2], columns[3], columns[4])


def _head(text: Sequence[str], first: int) -> int:
    """The line from which a function is shown: what stands close above its code is most likely its head."""
    line = min(first, len(text))
    while line > max(1, first - 3) and text[line - 2].strip() and not text[line - 2].rstrip().endswith((";", "}")):
        line -= 1
    return line


def _code_rows(
    weighed: Weighed, hits: _Hits, instructions: Sequence[code.Instruction], chains: debug.Chains
) -> pa.Table:
    """The instructions; of code that cannot be read, the addresses that samples have."""
    inside = hits.address >= 0
    if not instructions:
        found = np.unique(hits.address[inside])
        instructions = [code.Instruction(int(address), 1, "") for address in found]
    begin = np.array([one.address for one in instructions], np.int64)
    end = begin + np.array([one.size for one in instructions], np.int64)

    def at(address: Array) -> Array:
        row = np.searchsorted(begin, address, side="right") - 1
        good = inside & (row >= 0)
        good[good] &= address[good] < end[row[good]]
        return np.where(good, row, -1)

    if not len(begin):
        return _table([], [], [], [], [], [])
    here = at(hits.address)
    calls = at(hits.address - 1)
    calls = np.where(calls >= 0, calls, here)
    own = tree.gather(here[here >= 0], hits.own[here >= 0], len(begin))
    total = _once(weighed, hits, calls, hits.called, len(begin))
    total += _once(weighed, hits, here, hits.total - hits.called, len(begin))
    files: list[str | None] = [None] * len(begin)
    lines: list[int | None] = [None] * len(begin)
    for row, file, line in zip(chains.place, chains.file, chains.line, strict=True):  # the innermost comes last
        if file >= 0 and line:
            files[row], lines[row] = chains.texts[file], line
    texts = [one.text or None for one in instructions]
    return _table(files, lines, begin.tolist(), texts, own, total)


def _table(file: Any, line: Any, address: Any, text: Any, own: Any, total: Any) -> pa.Table:
    return pa.table(
        {
            "file": pa.array(file, pa.string()),
            "line": pa.array(line, pa.uint32()),
            "address": pa.array(address, pa.uint64()),
            "text": pa.array(text, pa.string()),
            "self": pa.array(own, pa.float64()),
            "total": pa.array(total, pa.float64()),
        }
    )
