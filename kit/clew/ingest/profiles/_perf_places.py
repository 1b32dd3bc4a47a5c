"""Places of perf.data to frames, and stacks of places to stacks of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.ingest.profile import STACKS
from clew.native import perf

Array = NDArray[Any]
_KINDS = pa.array(["user", "kernel", "jit", "unknown"])


@dataclass(frozen=True)
class Frames:
    """``frames`` of all places; place N is the ``count`` [N] rows from ``first`` [N] on, outermost first."""

    frames: pa.Table
    first: Array
    count: Array


def places_of(recording: perf.Recording, build_ids: Mapping[str, str]) -> pa.Table:
    """The distinct places as the symbols room wants them; ``build_ids`` of modules of which no record had one."""
    rows = recording.place
    own = [bytes(row["build_id"][: row["build_id_size"]]).hex() for row in recording.module]
    names = [recording.texts[number] for number in recording.module["name"].tolist()]
    known = [own_id or build_ids.get(name) for own_id, name in zip(own, names, strict=True)]
    module = pa.array(np.ascontiguousarray(rows["module"]), mask=rows["module"] < 0)
    address = np.ascontiguousarray(rows["address"])
    return pa.table(
        {
            "module": pa.array(names, pa.string()).take(module),
            "build_id": pa.array(known, pa.string()).take(module),
            "kind": _KINDS.take(pa.array(np.ascontiguousarray(rows["kind"]))),
            "pid": pa.array(np.ascontiguousarray(rows["pid"]), mask=rows["pid"] < 0),
            "address": pa.array(address, mask=rows["kind"] == perf.USER),
            "file_offset": pa.array(address, mask=rows["kind"] != perf.USER),
        }
    )


def resolve_places(recording: perf.Recording, build_ids: Mapping[str, str], keep: Path | None) -> Frames:
    """A frame, or several where code was inlined, for each place."""
    places = places_of(recording, build_ids)
    count = places.num_rows
    frames = {
        "function": pa.array(["[unknown]"] * count),
        "module": places["module"],
        "kind": places["kind"],
        "address": pa.array(np.ascontiguousarray(recording.place["address"])),
        "build_id": places["build_id"],
    }
    return Frames(pa.table(frames), np.arange(count), np.ones(count, np.int64))


def expand(stack: Array, resolved: Frames) -> tuple[pa.Table, Array]:
    """Stacks of frames, and for each row of ``stack`` (parent, place) the row that it became."""
    place = stack["place"]
    count, first = resolved.count[place].astype(np.int64), resolved.first[place].astype(np.int64)
    ends = np.cumsum(count)
    leaf = ends - 1
    total = int(ends[-1]) if len(ends) else 0
    inside = np.arange(total) - np.repeat(ends - count, count)  # how deep within its place
    parent = np.arange(-1, total - 1)
    outer = ends - count
    above = stack["parent"]
    parent[outer] = np.where(above >= 0, leaf[above], -1)
    frame = np.repeat(first, count) + inside
    table = pa.table(
        [pa.array(parent.astype(np.int32), mask=parent < 0), pa.array(frame.astype(np.uint32))], schema=STACKS
    )
    return table, leaf.astype(np.int32)
