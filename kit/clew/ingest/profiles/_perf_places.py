"""Places of perf.data to frames, and stacks of places to stacks of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.ingest.profile import STACKS
from clew.native import perf
from clew.symbols.resolve import Resolved, resolve

Array = NDArray[Any]
_KINDS = pa.array(["user", "kernel", "jit", "unknown"])


def places_of(recording: perf.Recording, build_ids: Mapping[str, str]) -> pa.Table:
    """The distinct places as the symbols room wants them; ``build_ids`` of modules of which no record had one."""
    rows, module = recording.place, recording.module
    own = [bytes(row["build_id"][: row["build_id_size"]]).hex() for row in module]
    names = [recording.texts[number] for number in module["name"].tolist()]
    known = [own_id or build_ids.get(name) for own_id, name in zip(own, names, strict=True)]
    number = np.ascontiguousarray(rows["module"])
    within = pa.array(number, mask=number < 0)
    address, kind = np.ascontiguousarray(rows["address"]), np.ascontiguousarray(rows["kind"])
    mapped_by = module["pid"][number] if len(module) else number
    pid = np.where((kind == perf.USER) & (number >= 0), mapped_by, rows["pid"])
    return pa.table(
        {
            "module": pa.array(names, pa.string()).take(within),
            "build_id": pa.array(known, pa.string()).take(within),
            "kind": _KINDS.take(pa.array(kind)),
            "pid": pa.array(pid.astype(np.int32), mask=pid < 0),
            "address": pa.array(address, mask=kind == perf.USER),
            "file_offset": pa.array(address, mask=kind != perf.USER),
            "is_return": pa.array(rows["is_return"] != 0),
        }
    )


def resolve_places(recording: perf.Recording, build_ids: Mapping[str, str], keep: Path | None) -> Resolved:
    """A frame, or several where code was inlined, for each place."""
    start = None
    if recording.kernel_symbol >= 0:
        start = recording.texts[recording.kernel_symbol], recording.kernel_text
    found = resolve(places_of(recording, build_ids), keep, kernel_start=start)
    return _with_ksymbols(recording, found) if len(recording.ksymbol) else found


def _with_ksymbols(recording: perf.Recording, found: Resolved) -> Resolved:
    """BPF programs have the name that the kernel told when they were loaded: they may be gone by now."""
    of_module = {int(name): number for number, name in enumerate(recording.module["name"])}
    loaded = [of_module[name] for name in recording.ksymbol["name"].tolist() if name in of_module]
    here = np.flatnonzero((recording.place["kind"] == perf.KERNEL) & np.isin(recording.place["module"], loaded))
    rows = found.first[here]
    names = pa.array([recording.texts[number] for number in recording.module["name"].tolist()], pa.string())
    chosen = np.full(found.frames.num_rows, -1, np.int64)
    chosen[rows] = recording.place["module"][here]
    own = names.take(pa.array(chosen, mask=chosen < 0))
    column = found.frames.column_names.index("function")
    frames = found.frames.set_column(column, "function", pc.coalesce(own, found.frames["function"]))
    return replace(found, frames=frames)


def expand(stack: Array, resolved: Resolved) -> tuple[pa.Table, Array]:
    """Stacks of frames, and for each row of ``stack`` (parent, place) the row of its innermost frame."""
    parent, frame, last = perf.expand(stack, resolved.first, resolved.count)
    return pa.table([pa.array(parent, mask=parent < 0), pa.array(frame)], schema=STACKS), last
