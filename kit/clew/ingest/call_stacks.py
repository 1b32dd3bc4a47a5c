"""Stacks that programs took of themselves become samples: addresses to modules and symbols, equal stacks once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clew.ingest.profile import STACKS, Event, Profile, insert_profile, note_profile
from clew.native import perf
from clew.native.stacks import ENDS, TICK
from clew.ops import OPS
from clew.symbols.missing import Missing
from clew.symbols.resolve import resolve

Array = npt.NDArray[Any]

CHUNK = 200_000
"""Stacks that are made samples of at a time."""
TRUNCATED = "[truncated]"
"""Stands for the outermost frames of a stack that did not get there."""

_ADDRESS = np.uint64((1 << 48) - 1)
"""Bits of an address or offset that tell places apart: user memory ends there on every machine clew runs on."""
_ROW = np.dtype([("parent", "i4"), ("place", "u4"), ("child", "u4"), ("next", "u4")])
"""struct clew_perf_stack (native/include/clew_perf.h)."""
_CLASS = {number: kind for number, _, kind in OPS}
_NAME = {number: name for number, name, _ in OPS}
_TICK_EVENT = Event("cpu-time", "on-cpu", "ns")
_WHOLE, _CUT = ENDS.index("whole"), ENDS.index("cut")


class _Flat(NamedTuple):
    """Stacks as one array of addresses: stack n is addresses[ends[n] : ends[n + 1]], innermost first."""

    addresses: Array
    ends: Array

    @property
    def lengths(self) -> Array:
        """Frames of each."""
        return np.diff(self.ends)


def insert_call_stacks(
    connection: duckdb.DuckDBPyConnection, capture_id: int, host: str, folder: Path, options: Mapping[str, Any]
) -> None:
    """Make samples of the STACK records of a capture that are not samples yet, each chunk all or nothing.

    ``folder``: of the capture, for the symbols that were kept beside it; ``options``: what it was recorded with.
    """
    keep, missing = folder / "symbols", Missing()
    while True:
        connection.execute("BEGIN")
        try:
            chunk = connection.sql(
                """SELECT rowid, thread_id, pid, ts_ns, op, call_seq, weight, stack_end, addresses
                   FROM landing.call_stack WHERE capture_id = ? ORDER BY rowid LIMIT ?""",
                params=[capture_id, CHUNK],
            ).to_arrow_table()
            if not chunk.num_rows:
                connection.execute("ROLLBACK")
                return
            maps, images = _known(connection, capture_id)
            profile = _profile(chunk, maps, images, keep if keep.is_dir() else None)
            insert_profile(connection, capture_id, host, profile, first=_first(connection, capture_id))
            connection.execute(
                "DELETE FROM landing.call_stack WHERE capture_id = ? AND rowid <= ?",
                [capture_id, chunk["rowid"][-1].as_py()],
            )
            connection.register("chunk", chunk)
            connection.execute(
                """INSERT INTO landing.stack_total
                   SELECT ?, op, stack_end, len(addresses) = 0, count(*) FROM chunk GROUP BY ALL""",
                [capture_id],
            )
            connection.unregister("chunk")
            missing |= profile.missing
            note_profile(connection, capture_id, 0, _notes(connection, capture_id, options, missing))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _first(connection: duckdb.DuckDBPyConnection, capture_id: int) -> int:
    """Where the numbers of the next profile of the capture may begin."""
    row = connection.execute(
        """SELECT coalesce(max(number) + 1, 0) FROM (
               SELECT max(stack_id) AS number FROM stack WHERE capture_id = $id
               UNION ALL SELECT max(frame_id) FROM frame WHERE capture_id = $id
               UNION ALL SELECT max(event_id) FROM sample_event WHERE capture_id = $id)""",
        {"id": capture_id},
    ).fetchall()[0]
    return int(row[0]) % 10**15


def _known(connection: duckdb.DuckDBPyConnection, capture_id: int) -> tuple[pa.Table, dict[int, Array]]:
    """What is known of the capture's code in the order in which it was told, and when each pid began a new image."""
    maps = connection.sql(
        'SELECT pid, ts_ns, start, "end", file_offset, path, build_id FROM landing.stack_map WHERE capture_id = ? '
        "ORDER BY ts_ns",
        params=[capture_id],
    ).to_arrow_table()
    begun = connection.execute(
        """SELECT pid, list(ts_ns ORDER BY ts_ns) FROM landing.image
           WHERE capture_id = ? AND how <> 'vfork' GROUP BY pid""",
        [capture_id],
    ).fetchall()
    return maps, {pid: np.array(times, np.int64) for pid, times in begun}


def _images(pid: Array, ts_ns: Array, begun: Mapping[int, Array]) -> Array:
    """A number for each row: which program image of which pid it is of."""
    number = np.zeros(len(pid), np.int64)
    for each in np.unique(pid).tolist():
        own = pid == each
        times = begun.get(each)
        if times is not None:
            number[own] = np.searchsorted(times, ts_ns[own], "right")
    return pid.astype(np.int64) << 24 | number


def _flat(column: pa.ChunkedArray) -> _Flat:
    lists = column.combine_chunks()
    lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
    ends = lists.offsets.to_numpy().astype(np.int64)
    return _Flat(lists.values.to_numpy(zero_copy_only=False)[ends[0] : ends[-1]], ends - ends[0])


def _profile(chunk: pa.Table, maps: pa.Table, begun: Mapping[int, Array], keep: Path | None) -> Profile:
    flat = _flat(chunk["addresses"])
    pid, ts_ns = chunk["pid"].to_numpy(), chunk["ts_ns"].to_numpy()
    image = _images(pid, ts_ns, begun)
    place, places = _places(flat, pid, image, ts_ns, maps, begun)
    stack_end = chunk["stack_end"].to_numpy()
    deep = flat.lengths > 0
    root = len(places["pid"])  # the place of what was not reached
    places = _with_root(places)
    rows, leaf = _tree(place, flat, np.where((stack_end != _WHOLE) & deep, root, -1))
    resolved = resolve(places, keep)
    frames = _named(resolved.frames, int(resolved.first[root]))
    parent, frame, last = perf.expand(rows, resolved.first, resolved.count)
    op = chunk["op"].to_numpy()
    used, event = np.unique(op, return_inverse=True)
    samples = pa.table(
        {
            "event": event.astype(np.uint16),
            "weight": chunk["weight"].cast(pa.float64()),
            "stack": pa.array(last[np.maximum(leaf, 0)] if len(last) else leaf, mask=leaf < 0),
            "ts_ns": chunk["ts_ns"],
            "thread_id": chunk["thread_id"],
            "seq": chunk["call_seq"],
        }
    )
    stacks = pa.table([pa.array(parent, mask=parent < 0), pa.array(frame)], schema=STACKS)
    return Profile([_event(number) for number in used.tolist()], frames, stacks, samples, missing=resolved.missing)


def _event(op: int) -> Event:
    if op == TICK:
        return _TICK_EVENT
    name = _NAME.get(op, f"op {op}")
    if _CLASS.get(op) != "alloc":
        return Event(name, "call", "calls", name)
    return Event(name, "alloc", "calls" if name == "free" else "bytes", name)


def _places(
    flat: _Flat, pid: Array, image: Array, ts_ns: Array, maps: pa.Table, begun: Mapping[int, Array]
) -> tuple[Array, dict[str, Array]]:
    """For each address the row of its place, and the columns of places: pid, map (row of ``maps``, -1), address."""
    lengths = flat.lengths
    map_pid, map_ts = maps["pid"].to_numpy(), maps["ts_ns"].to_numpy()
    map_image = _images(map_pid, map_ts, begun)
    start, end = maps["start"].to_numpy(), maps["end"].to_numpy()
    of_image = np.repeat(image, lengths)
    when = np.repeat(ts_ns, lengths)
    order = np.argsort(of_image, kind="stable")
    bounds = np.searchsorted(of_image[order], np.unique(of_image), "left")
    found = np.full(len(flat.addresses), -1, np.int64)
    for rows in np.split(order, bounds[1:]) if len(order) else ():
        own = np.flatnonzero(map_image == of_image[rows[0]])
        found[rows] = _within(flat.addresses[rows], when[rows], own, start, end, map_ts)
    # What lies in a file is the same place in every process; code of no file is its process's own.
    known = found >= 0
    offset = flat.addresses.copy()
    offset[known] = flat.addresses[known] - start[found[known]] + maps["file_offset"].to_numpy()[found[known]]
    whose = np.unique(np.repeat(pid, lengths), return_inverse=True)[1].astype(np.uint64)
    whose[known] = _files(maps)[found[known]]
    key = offset & _ADDRESS | whose << np.uint64(48) | (~known).astype(np.uint64) << np.uint64(63)
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return place.astype(np.int32), {
        "pid": np.repeat(pid, lengths)[first],
        "offset": offset[first],
        "known": known[first],
        "path": maps["path"].take(pa.array(found[first], mask=~known[first])),
        "build_id": maps["build_id"].take(pa.array(found[first], mask=~known[first])),
    }


def _files(maps: pa.Table) -> Array:
    """A number for each map: of its file, from 0."""
    names = [maps[name].combine_chunks().dictionary_encode("encode").indices for name in ("path", "build_id")]
    path, build_id = (index.to_numpy(zero_copy_only=False).astype(np.int64) for index in names)
    number: Array = np.unique(path << 32 | build_id, return_inverse=True)[1]
    return number.astype(np.uint64)


def _within(addresses: Array, when: Array, own: Array, start: Array, end: Array, told: Array) -> Array:
    """The row of the map that each address lay in at its time: the last told before, else the first told after.

    ``own`` are rows of maps of one image, in the order in which they were told: a library may take the place of
    another one, and a thread may have used a map before the one that found it had told it.
    """
    found = np.full(len(addresses), -1, np.int64)
    distinct, index = np.unique(addresses, return_inverse=True)
    low, high = np.searchsorted(distinct, start[own]), np.searchsorted(distinct, end[own])
    holds = [(row, index >= a, index < b) for row, a, b in zip(own.tolist(), low, high, strict=True) if a < b]
    for row, above, below in reversed(holds):
        found[above & below] = row
    if len(holds) > 1:
        for row, above, below in holds:
            found[above & below & (when >= told[row])] = row
    return found


def _with_root(places: Mapping[str, Any]) -> pa.Table:
    """``places`` as the symbols room wants them, and one more: what was not reached."""
    known = np.r_[places["known"], False]
    offset = np.r_[places["offset"], np.uint64(0)]
    kind = np.where(known, "user", "jit").astype(object)
    kind[-1] = "unknown"
    return pa.table(
        {
            "module": pa.concat_arrays([*places["path"].chunks, pa.nulls(1, pa.string())]),
            "build_id": pa.concat_arrays([*places["build_id"].chunks, pa.nulls(1, pa.string())]),
            "kind": pa.array(kind, pa.string()),
            "pid": pa.array(np.r_[places["pid"], 0].astype(np.int32)),
            "address": pa.array(offset, mask=known),
            "file_offset": pa.array(offset, mask=~known),
        }
    )


def _named(frames: pa.Table, row: int) -> pa.Table:
    """``frames`` with the name of what was not reached."""
    names = frames["function"].to_pylist()
    names[row] = TRUNCATED
    return frames.set_column(frames.column_names.index("function"), "function", pa.array(names, pa.string()))


def _tree(place: Array, flat: _Flat, root: Array) -> tuple[Array, Array]:
    """Stacks as a tree from the outermost frame: its rows (parent, place), and the row of each stack, -1 for none.

    ``root``: a place that stands outside of a stack's outermost frame, -1: none.
    """
    ends, lengths = flat.ends, flat.lengths
    node = np.full(len(lengths), -1, np.int64)
    parents, places, count = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    alive = np.flatnonzero(lengths > 0)
    depth = -1
    while len(alive):
        here = root[alive] if depth < 0 else place[ends[alive + 1] - 1 - depth]
        moved = here >= 0
        key = (node[alive[moved]] + 1) << 32 | here[moved]
        distinct, index = np.unique(key, return_inverse=True)
        parents.append((distinct >> 32) - 1)
        places.append(distinct & 0xFFFFFFFF)
        node[alive[moved]] = index + count
        count += len(distinct)
        depth += 1
        alive = alive[lengths[alive] > depth]
    rows = np.zeros(count, _ROW)
    rows["parent"], rows["place"] = np.concatenate(parents), np.concatenate(places)
    return rows, node.astype(np.int32)


def _notes(
    connection: duckdb.DuckDBPyConnection, capture_id: int, options: Mapping[str, Any], missing: Missing
) -> list[str]:
    """What people must know to read the capture's stacks right."""
    every = {str(name): int(calls) for name, calls in (options.get("stacks") or {}).items()}
    sampled = [f"{name}: one call of {calls}" for name, calls in every.items() if calls > 1]
    notes = [f"each stack stands for several ({', '.join(sampled)})"] if sampled else []
    rows = connection.execute(
        """SELECT stack_end, empty, sum(stacks)::BIGINT FROM landing.stack_total WHERE capture_id = ? GROUP BY ALL""",
        [capture_id],
    ).fetchall()
    totals = {(end, empty): stacks for end, empty, stacks in rows}
    everything = sum(totals.values())
    for end, what in ((_CUT, "were cut"), (ENDS.index("broken"), "could not be followed to their beginning")):
        if count := totals.get((end, False), 0):
            notes.append(f"{count} of {everything} stacks {what}: {TRUNCATED} stands for the rest")
    if any(empty for _, empty in totals):
        notes.append("CPU time without a stack: threads had SIGPROF blocked while they spent it")
    (gone,) = connection.execute(
        "SELECT count(DISTINCT pid) FROM landing.unseen WHERE capture_id = ? AND reason = 'sampler'", [capture_id]
    ).fetchall()[0]
    if gone:
        notes.append(
            f"{gone} processes were not sampled to their end: they use SIGPROF, or forbid themselves system calls"
        )
    return [*notes, *missing.notes()]
