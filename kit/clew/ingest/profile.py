"""A profile: samples, stacks and threads in one form, whoever wrote them, and how it becomes tables of a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.native import tree
from clew.ops import OP_ID
from clew.symbols.missing import Missing

CAPTURE_STEP = 10**15

FRAMES = pa.schema(
    [
        pa.field("function", pa.string(), nullable=False),
        ("module", pa.string()),
        pa.field("kind", pa.string(), nullable=False),  # user, kernel, jit, inlined, unknown
        ("address", pa.uint64()),
        ("byte_offset", pa.uint64()),
        ("file", pa.string()),
        ("line", pa.uint32()),
        ("build_id", pa.string()),
    ]
)
STACKS = pa.schema([("parent", pa.int32()), pa.field("frame", pa.uint32(), nullable=False)])
THREADS = pa.schema(
    [
        ("pid", pa.int32()),
        ("tid", pa.int32()),
        ("name", pa.string()),
        ("command", pa.string()),
        ("ppid", pa.int32()),
        ("exe", pa.string()),
        ("start_ns", pa.int64()),
        ("end_ns", pa.int64()),
    ]
)
SAMPLES = pa.schema(
    [
        pa.field("event", pa.uint16(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        ("stack", pa.int32()),
        ("thread", pa.int32()),
        ("ts_ns", pa.int64()),
        ("cpu", pa.int32()),
        ("address", pa.uint64()),
        ("other_tid", pa.int32()),
        ("detail", pa.string()),
        ("thread_id", pa.uint64()),
        ("seq", pa.uint32()),
    ]
)


OTHER_TABLES = ("series", "map_value", "histogram", "printed", "imported_span")
"""Tables of a case that a profile may fill besides those of samples."""
FIRST_IMPORTED = 1 << 52
IMPORTED_STEP = 10**9
"""Imported spans are numbered from FIRST_IMPORTED on, with room for so many in a capture."""


@dataclass(frozen=True)
class Event:
    """What samples are samples of: see table ``sample_event``. ``op`` is a name of clew.ops, or None."""

    name: str
    kind: str = "on-cpu"
    unit: str = "samples"
    op: str | None = None


@dataclass
class Profile:
    """Tables of the schemas above; columns that a format does not know may be left out, and are NULL then.

    ``stacks.parent`` is a row of ``stacks`` (NULL: outermost frame) that stands before its children; ``stacks.frame`` a
    row of ``frames``; ``samples.stack`` a row of ``stacks`` (the innermost frame), ``samples.thread`` a row of
    ``threads``, ``samples.event`` an index into ``events``. A thread that changes its name or its program has a row for
    each. Stacks of calls that the preload library recorded have ``thread_id`` and ``seq`` of the call, not ``thread``.
    Times are ns of the case's clock (CLOCK_MONOTONIC) where the recording has it; else of the recording's own.

    ``tables`` are rows of other tables of a case, by name: ``series``, ``map_value``, ``histogram``, ``printed``;
    columns as in schema.sql without ``capture_id`` and ``host`` (those left out are NULL), and ``stack`` (a row of
    ``stacks``, or NULL) in place of ``stack_id``. What has nothing else (perf stat) is made by ``figures()``.
    """

    events: Sequence[Event]
    frames: pa.Table
    stacks: pa.Table
    samples: pa.Table
    threads: pa.Table = field(default_factory=THREADS.empty_table)
    lost: int = 0  # samples that the recorder could not write
    notes: Sequence[str] = ()  # what people must know to read it right: truncated, lines left out, ...
    missing: Missing = field(default_factory=Missing)  # what has no names
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    unread: int = 0  # bytes at the end that are cut or broken
    whole: bool = True  # the recorder ended the file in good order

    def said(self) -> list[str]:
        """``notes``, and what is missing."""
        return [*self.notes, *self.missing.notes()]


def figures(tables: Mapping[str, pa.Table], notes: Sequence[str] = ()) -> Profile:
    """A profile without samples: rows of other tables only, see ``Profile.tables``."""
    frames, stacks, samples = (schema.empty_table() for schema in (FRAMES, STACKS, SAMPLES))
    return Profile([], frames, stacks, samples, tables=tables, notes=notes)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """``table`` with exactly the columns of ``schema``; those it has not are NULL."""
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


class Tree:
    """Builds ``frames`` and ``stacks`` row by row, for formats that are small or hold each stack once."""

    def __init__(self) -> None:
        self._frames: dict[tuple[object, ...], int] = {}
        self._stacks: dict[tuple[int, int], int] = {}

    def frame(
        self,
        function: str,
        module: str | None = None,
        kind: str = "user",
        address: int | None = None,
        byte_offset: int | None = None,
        file: str | None = None,
        line: int | None = None,
        build_id: str | None = None,
    ) -> int:
        """The row of that frame."""
        key = (function, module, kind, address, byte_offset, file, line, build_id)
        return self._frames.setdefault(key, len(self._frames))

    def stack(self, frames: Iterable[int]) -> int | None:
        """The row of the stack of ``frames``, outermost first; None for no frames."""
        row = -1
        for frame in frames:
            row = self._stacks.setdefault((row, frame), len(self._stacks))
        return row if row >= 0 else None

    def under(self, row: int, frame: int) -> int:
        """The row of ``frame`` called by the innermost frame of the stack of ``row``."""
        return self._stacks.setdefault((row, frame), len(self._stacks))

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """(frames, stacks) so far."""
        columns: list[tuple[object, ...]] = list(zip(*self._frames, strict=True)) or [() for _ in FRAMES]
        frames = pa.table([_column(column, kind.type) for column, kind in zip(columns, FRAMES, strict=True)], FRAMES)
        parents = pa.array([parent if parent >= 0 else None for parent, _ in self._stacks], pa.int32())
        return frames, pa.table([parents, pa.array([frame for _, frame in self._stacks], pa.uint32())], STACKS)


def _column(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """``values`` as an array; halves of a character, which JSON may hold, are shown as \\udXXX."""
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array(
            [None if text is None else str(text).encode("utf-8", "backslashreplace") for text in values], kind
        )


def insert_profile(
    connection: duckdb.DuckDBPyConnection, capture_id: int, host: str, profile: Profile, *, first: int = 0
) -> None:
    """Add ``profile`` to the tables of a case, inside the caller's transaction.

    Rows are numbered from ``(capture_id - 1) * CAPTURE_STEP + first``: several profiles of one capture stay apart.
    """
    events = pa.table(
        {
            "name": pa.array([event.name for event in profile.events], pa.string()),
            "kind": pa.array([event.kind for event in profile.events], pa.string()),
            "unit": pa.array([event.unit for event in profile.events], pa.string()),
            "op_id": pa.array([OP_ID.get(event.op or "") for event in profile.events], pa.uint8()),
        }
    )
    threads, samples = conform(profile.threads, THREADS), conform(profile.samples, SAMPLES)
    for name in ("pid", "tid"):  # taken here: a join costs more than all the rest
        samples = samples.append_column(name, threads[name].take(samples["thread"]))
    tables = {
        "p_events": events,
        "p_frames": conform(profile.frames, FRAMES),
        "p_stacks": conform(profile.stacks, STACKS).append_column("depth", depths(profile.stacks)),
        "p_samples": samples,
        "p_threads": threads,
    }
    for name, table in tables.items():
        numbered = pa.array(np.arange(table.num_rows, dtype=np.uint64))
        connection.register(name, table.append_column("row", numbered) if name != "p_samples" else table)
    known = {"capture_id": capture_id, "base": (capture_id - 1) * CAPTURE_STEP + first, "host": host}
    known["first"] = FIRST_IMPORTED
    by_call = samples["thread_id"].null_count < samples.num_rows
    (workers,) = connection.execute("SELECT current_setting('threads')").fetchall()[0]
    connection.execute("SET threads = 1")  # several wait for one another longer than the work takes
    try:
        for statement in (*_INSERTS, _INSERT_CALLS if by_call else _INSERT_SAMPLES):
            connection.execute(statement, {name: value for name, value in known.items() if "$" + name in statement})
        for name, table in profile.tables.items():
            _insert_table(connection, name, table, known)
    finally:
        connection.execute(f"SET threads = {workers}")
        for name in tables:
            connection.unregister(name)


def _insert_table(
    connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table, known: Mapping[str, object]
) -> None:
    """Rows of one of ``Profile.tables``."""
    if name not in OTHER_TABLES:
        raise ValueError(f"{name} is no table that a profile may fill")
    columns, needed = "$capture_id AS capture_id, $host AS host, *", ["capture_id", "host"]
    if name == "imported_span":  # it says itself where it was
        numbers = (
            f"$capture_id AS capture_id, $first + (($capture_id::UBIGINT - 1) * {IMPORTED_STEP} + number) AS span_id"
        )
        columns, needed = f"{numbers}, * EXCLUDE (number)", ["capture_id", "first"]
    if "stack" in table.column_names:
        columns, needed = f"{columns} EXCLUDE (stack), $base + stack AS stack_id", [*needed, "base"]
    connection.register("p_table", table)
    try:
        connection.execute(
            f"INSERT INTO {name} BY NAME SELECT {columns} FROM p_table", {key: known[key] for key in needed}
        )
    finally:
        connection.unregister("p_table")


def forget_profile(connection: duckdb.DuckDBPyConnection, capture_id: int) -> None:
    """Remove what insert_profile() added for a capture, inside the caller's transaction."""
    own = ("sample", "stack", "frame", "sample_event", "landing.profile_thread", "landing.profile")
    for table in (*own, *OTHER_TABLES):
        connection.execute(f"DELETE FROM {table} WHERE capture_id = ?", [capture_id])


def note_profile(connection: duckdb.DuckDBPyConnection, capture_id: int, lost: int, notes: Sequence[str]) -> None:
    """Say how long the capture's samples and figures last and what was lost; once, after all profiles."""
    connection.execute(
        """INSERT OR REPLACE INTO landing.profile
           SELECT $capture_id, min(ts_ns), max(ts_ns), $lost, $notes
           FROM (SELECT ts_ns FROM sample WHERE capture_id = $capture_id
                 UNION ALL SELECT ts_ns FROM series WHERE capture_id = $capture_id
                 UNION ALL SELECT ts_ns FROM map_value WHERE capture_id = $capture_id
                 UNION ALL SELECT ts_ns FROM histogram WHERE capture_id = $capture_id
                 UNION ALL SELECT ts_ns FROM printed WHERE capture_id = $capture_id)""",
        {"capture_id": capture_id, "lost": lost, "notes": "; ".join(notes) or None},
    )


def depths(stacks: pa.Table) -> pa.Array:
    """Frames from the root, from 1, for each row of ``stacks``."""
    parents = pc.fill_null(stacks["parent"].cast(pa.int32()), -1).to_numpy()
    return pa.array(tree.depths(parents), pa.int32()).cast(pa.uint16())


_INSERTS = (
    """INSERT INTO sample_event SELECT $base + row, $capture_id, name, kind, unit, op_id FROM p_events""",
    """INSERT INTO frame
       SELECT $base + row, $capture_id, function, module, kind, address, byte_offset, file, line, build_id
       FROM p_frames""",
    """INSERT INTO stack SELECT $base + row, $capture_id, $base + parent, $base + frame, depth FROM p_stacks""",
    """INSERT INTO landing.profile_thread
       SELECT $base + row + 1, $capture_id, $base + min(row) OVER (PARTITION BY pid, command, exe) + 1, pid, tid, name,
              coalesce(command, name, 'pid ' || pid, 'unknown'), ppid, exe, start_ns, end_ns
       FROM p_threads""",
)
_INSERT_SAMPLES = """INSERT INTO sample
       SELECT $capture_id, $base + thread + 1, $host, pid, tid, cpu, ts_ns, $base + event, weight, $base + stack,
              address, other_tid, detail, seq
       FROM p_samples"""
_INSERT_CALLS = """INSERT INTO sample
       SELECT $capture_id, coalesce(s.thread_id, $base + s.thread + 1), $host, coalesce(s.pid, e.pid),
              coalesce(s.tid, e.tid), s.cpu, s.ts_ns, $base + s.event, s.weight, $base + s.stack, s.address,
              s.other_tid, s.detail, s.seq
       FROM p_samples s
       LEFT JOIN (SELECT thread_id, pid, tid FROM landing.seen WHERE capture_id = $capture_id GROUP BY ALL) e
            ON e.thread_id = s.thread_id"""
