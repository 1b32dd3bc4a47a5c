"""Places of perf.data to frames, and stacks of places to stacks of frames."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.ingest.profile import STACKS
from clew.native import perf
from clew.symbols.jitdump import NAME, Made, dump_name, functions, has_monotonic_times
from clew.symbols.kernel import KALLSYMS, KERNEL
from clew.symbols.resolve import Resolved, resolve

Array = NDArray[Any]
_BUILD_ID_NOTE = struct.pack("<III", 4, 20, 3) + b"GNU\0"  # head of an ELF note NT_GNU_BUILD_ID
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
            "made": pa.array(np.ascontiguousarray(rows["made"]), mask=rows["made"] < 0),
        }
    )


def resolve_places(
    recording: perf.Recording,
    build_ids: Mapping[str, str],
    keep: Path | None,
    release: str = "",
    made: Sequence[Made] = (),
) -> Resolved:
    """A frame, or several where code was inlined, for each place.

    ``release``: of the kernel that was recorded; ``made``: the functions that `recording` was read with.
    """
    start = None
    if recording.kernel_symbol >= 0:
        start = recording.texts[recording.kernel_symbol], recording.kernel_text
    places = places_of(recording, build_ids)
    kept = keep is not None and (keep / KALLSYMS).is_file()
    if kept or is_running_kernel(build_ids.get(KERNEL), release):
        found = resolve(places, keep, kernel_start=start, dumps=dumps_of(recording, keep), made=made)
    else:
        found = _of_another_kernel(places, keep, dumps_of(recording, keep), made)
    return _with_ksymbols(recording, found) if len(recording.ksymbol) else found


def dumps_of(recording: perf.Recording, keep: Path | None = None) -> dict[int, Path]:
    """Where processes wrote what their compilers made, by pid: they map the file once, for perf to know of it.

    ``keep``: the folder of symbols beside the recording, which may have it.
    """
    names = ((recording.texts[row["name"]], int(row["pid"])) for row in recording.module)
    said = {pid: Path(name) for name, pid in names if pid >= 0 and NAME.search(name)}
    kept = {pid: keep / dump_name(pid) for pid in said if keep is not None}
    return {pid: kept[pid] if pid in kept and kept[pid].is_file() else path for pid, path in said.items()}


def made_in(dumps: Mapping[int, Path]) -> list[tuple[int, Made]]:
    """(pid, function) of all that ``dumps`` tell the time of, in order of time."""
    found = []
    for pid, path in dumps.items():
        with contextlib.suppress(OSError):
            content = path.read_bytes() if path.is_file() else b""
            if has_monotonic_times(content):
                found += [(pid, one) for one in functions(content) if one.ts_ns < 2**63]
    return sorted(found, key=lambda one: one[1].ts_ns)


def is_running_kernel(build_id: str | None, release: str = "") -> bool:
    """Whether a kernel of that build-id (hexadecimal) or else that release runs here; True where neither is known."""
    if build_id:
        try:
            notes = Path("/sys/kernel/notes").read_bytes()
        except OSError:
            notes = b""
        at = notes.find(_BUILD_ID_NOTE)
        if at >= 0:
            return notes[at + len(_BUILD_ID_NOTE) :][:20].hex() == build_id
    return not release or release == os.uname().release


def _of_another_kernel(
    places: pa.Table, keep: Path | None, dumps: Mapping[int, Path], made: Sequence[Made]
) -> Resolved:
    """Nothing here names the functions of a kernel that does not run here."""
    column = places.column_names.index("kind")
    is_kernel = pc.equal(places["kind"], "kernel")
    hidden = places.set_column(column, "kind", pc.if_else(is_kernel, "unknown", places["kind"]))
    found = resolve(hidden, keep, dumps=dumps, made=made)
    kinds = np.array(found.frames["kind"].to_pylist(), object)
    kinds[found.first[is_kernel.to_numpy()]] = "kernel"
    frames = found.frames.set_column(found.frames.column_names.index("kind"), "kind", pa.array(kinds, pa.string()))
    said = ["the kernel that was recorded does not run here: its functions have no names"]
    return replace(found, frames=frames, notes=[*found.notes, *said])


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
