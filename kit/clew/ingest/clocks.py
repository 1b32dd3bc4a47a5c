"""Whose clock the times of each capture are of, and how they are moved to the first host's: once, all of them.

What is read from raw files has the times of its own host. Once it is known how far that host's clock is from the first
one's, every time of the capture is moved; and when anything new arrives, captures that were moved are read again from
the raw files first, so that tables do not depend on the steps in which they were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import duckdb

from clew.ingest.pipeline import STALE
from clew.ingest.segments import CAPTURE_STEP

_FARTHEST = 1 << 61  # ns: hostile files have times from end to end of what 64 bits hold
_STAY = ("landing.clock", "landing.meta", "landing.segment", "host_clock")
_MADE_LATER = ("message", "span", "link", "request", "shape", "working")  # by clew.causal, from all captures
_LENGTHS = ("dur_ns", "busy_ns")


class Shift(Protocol):
    """From ``from_ns`` of a host's own clock on, what is to be added to it: offset_ns + drift * (t - from_ns)."""

    @property
    def from_ns(self) -> int:
        """ns of the own clock."""
        ...

    @property
    def offset_ns(self) -> int:
        """ns."""
        ...

    @property
    def drift(self) -> float:
        """ns per ns."""
        ...


@dataclass(frozen=True)
class HostClock:
    """One CLOCK_MONOTONIC, and the captures whose times are of it. Times of ``wall_ns``: ns since 1970."""

    key: str
    host: str
    captures: tuple[int, ...]
    started_ns: int
    wall_ns: int | None  # at started_ns; None: not known
    wall_error_ns: int | None  # by which wall_ns is off at most; None: nobody knows


def host_clocks(connection: duckdb.DuckDBPyConnection) -> list[HostClock]:
    """The clocks of a case, the first host's first. Captures whose clock is not known (imports) are of none."""
    rows = connection.execute(
        """
        SELECT coalesce(meta ->> 'boot', 'host ' || host) AS key, arg_min(host, capture_id),
               list(capture_id ORDER BY capture_id), arg_min(try_cast(meta ->> 'started_ns' AS BIGINT), capture_id),
               arg_min(epoch_ns(try_cast(meta ->> 'started_utc' AS TIMESTAMPTZ)), capture_id),
               arg_min(try_cast(meta ->> 'wall_error_ns' AS BIGINT), capture_id)
        FROM landing.meta
        WHERE meta ->> 'started_utc' LIKE '____-__-__T%' AND try_cast(meta ->> 'started_ns' AS BIGINT) IS NOT NULL
              AND capture_id NOT IN (SELECT capture_id FROM landing.segment WHERE name = 'event.parquet')
        GROUP BY key ORDER BY min(capture_id)
        """
    ).fetchall()
    return [HostClock(key, host, tuple(captures), *times) for key, host, captures, *times in rows]


def moved(connection: duckdb.DuckDBPyConnection) -> set[int]:
    """Captures whose times were moved, or found to need it but without a way to know how far."""
    return {row[0] for row in connection.execute("SELECT capture_id FROM landing.moved").fetchall()}


def forget_moved(connection: duckdb.DuckDBPyConnection) -> None:
    """Remove captures whose times were moved from the tables, so that they are read again; all or nothing."""
    captures = moved(connection)
    if not captures:
        return
    connection.execute("BEGIN")
    for name, columns in _tables(connection).items():
        if "capture_id" in columns and name not in (*_MADE_LATER, "landing.meta"):
            where = "WHERE capture_id IN (SELECT unnest($captures))"
            connection.execute(f"DELETE FROM {name} {where}", {"captures": list(captures)})
    for capture in captures:
        connection.execute("DELETE FROM payload WHERE thread_id // ? = ?", [CAPTURE_STEP, capture - 1])
    connection.execute(STALE)
    connection.execute("COMMIT")


def move(connection: duckdb.DuckDBPyConnection, captures: Sequence[int], shifts: Sequence[Shift]) -> None:
    """Move every time of ``captures`` by ``shifts`` (in order), inside the caller's transaction.

    Order is kept: where a shift would begin before the one before it ended, times stand still until it is past that.
    """
    shifts = [shift for shift in shifts if abs(shift.offset_ns) < _FARTHEST]
    chosen = {"captures": list(captures)}
    for name, columns in _tables(connection).items() if shifts else ():
        times = [each for each in columns if each.endswith("_ns") and each not in _LENGTHS]
        if "capture_id" not in columns or not times or name in (*_STAY, *_MADE_LATER):
            continue
        sets = [f"{each} = {_moved(each, shifts)}" for each in times]
        if name == "event" and any(shift.drift for shift in shifts):
            sets.append(f"dur_ns = {_moved('(ts_ns + dur_ns)', shifts)} - {_moved('ts_ns', shifts)}")
        elif name == "event" and len(shifts) > 1:
            sets.append(f"dur_ns = greatest({_moved('(ts_ns + dur_ns)', shifts)} - {_moved('ts_ns', shifts)}, 0)")
        connection.execute(
            f"UPDATE {name} SET {', '.join(sets)} WHERE capture_id IN (SELECT unnest($captures))", chosen
        )
    connection.executemany("INSERT INTO landing.moved VALUES (?)", [[capture] for capture in captures])


def _moved(column: str, shifts: Sequence[Shift]) -> str:
    """SQL: ``column`` on the first host's clock. Numbers only: nothing in it comes from a capture as text."""
    time = f"least(greatest({column}, {-_FARTHEST}), {_FARTHEST})"
    arms, floor = [], None
    for number, shift in enumerate(shifts):
        added = f"{time} + {shift.offset_ns}"
        if shift.drift:
            added += f" + round(({time} - {shift.from_ns})::DOUBLE * {shift.drift!r})::BIGINT"
        value = added if floor is None else f"greatest({added}, {floor})"
        if number + 1 == len(shifts):
            arms.append(f"ELSE {value} END")
            break
        until = shifts[number + 1].from_ns
        arms.append(f"WHEN {column} < {until} THEN {value}")
        end = until + shift.offset_ns + round(shift.drift * (until - shift.from_ns))
        floor = max(end, floor) if floor is not None else end
    return f"CASE WHEN {column} IS NULL THEN NULL {' '.join(arms)}"


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Columns of each table (no view), those of the schema landing called landing.NAME."""
    rows = connection.execute(
        """
        SELECT CASE WHEN schema_name = 'main' THEN table_name ELSE schema_name || '.' || table_name END,
               list(column_name)
        FROM duckdb_columns() SEMI JOIN duckdb_tables() USING (database_name, schema_name, table_name)
        WHERE schema_name IN ('main', 'landing') AND NOT internal AND database_name = current_database()
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return dict(rows)
