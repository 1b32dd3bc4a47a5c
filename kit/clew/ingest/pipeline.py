"""A capture's segments in batches: decoded ahead in a thread, inserted each in one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from clew.errors import ClewError
from clew.ingest import clock
from clew.ingest.segments import CAPTURE_STEP, Vforks, tables_of
from clew.native import Batch, clocks, decode
from clew.ops import NOTES, OP_ID

BATCH_RECORDS = 1_000_000
SEGMENTS = "seg-*.clew"
STALE = "INSERT OR REPLACE INTO setting VALUES ('stale', '1')"
"""Says that the small tables are to be derived anew."""


@dataclass
class Piece:
    """One batch on its way from the decoder to the tables."""

    capture_id: int
    segment: str
    size: int  # bytes of the file
    next_offset: int
    skipped: int
    complete: bool
    tables: dict[str, pa.Table]


def pieces(cursor: duckdb.DuckDBPyConnection, folder: Path, capture_id: int, ended: bool) -> Iterator[Piece]:
    """The new batches of a capture, in the order of its files."""
    offsets = dict(
        cursor.execute("SELECT name, next_offset FROM landing.segment WHERE capture_id = ?", [capture_id]).fetchall()
    )
    known = cursor.execute(
        "SELECT ticks, monotonic_ns, realtime_ns, uncertainty_ticks FROM landing.clock WHERE capture_id = ?",
        [capture_id],
    ).fetchnumpy()
    carried = cursor.execute(
        "SELECT serial, children, open_pid FROM landing.vfork WHERE capture_id = ?", [capture_id]
    ).fetchall()
    vforks = Vforks({row[0]: row[1] for row in carried if row[1]}, {row[0]: row[2] for row in carried if row[2]})
    segments = sorted(folder.glob(SEGMENTS))
    found = [clock.readings(path, offsets.get(path.name, 0)) for path in segments if path.stat().st_size]
    segments = [path for path in segments if path.stat().st_size]
    readings = np.concatenate([clock.from_columns(known), *(rows for rows, _ in found)])
    last = max((index for index, (rows, _) in enumerate(found) if len(rows)), default=-1)
    for index, path in enumerate(segments):
        # While recording goes on, what stands behind the last clock reading waits for the next one.
        if not ended and index > last:
            return
        stop = found[index][1] if index == last and not ended else path.stat().st_size
        offset = offsets.get(path.name, 0)
        while offset < stop:
            batch = _decoded(path, offset, stop)
            if batch is None:
                if ended:  # a torn end or a file without its head: lost, and counted
                    yield Piece(capture_id, path.name, stop - offset, stop, stop - offset, False, {})
                break
            times = clock.Clock(readings, batch.ticks_per_s)
            tables = tables_of(batch, times, capture_id, vforks)
            tables |= {"clocks": clocks(batch), "vforks": vforks.table()}
            size, offset = batch.next_offset - offset, batch.next_offset
            yield Piece(capture_id, path.name, size, offset, batch.skipped_bytes, batch.complete, tables)


def _decoded(path: Path, offset: int, stop: int) -> Batch | None:
    """The next batch; None if there is no whole block up to ``stop``."""
    begin = max(offset, clock.SEGMENT_HEADER)
    try:
        batch = decode(path, offset, BATCH_RECORDS, stop - begin) if stop > begin else None
    except ClewError:
        if not path.is_file():
            raise
        return None
    return batch if batch is not None and batch.next_offset > begin else None  # a batch without records is false


def ahead(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """``pieces``, made by a thread of their own, one ahead: decoding and inserting both run without the GIL."""
    ready: queue.Queue[Piece | BaseException | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def work() -> None:
        end: BaseException | None = None
        try:
            for piece in pieces:
                ready.put(piece)
                if stopped.is_set():
                    return
        except BaseException as error:  # raised again where the pieces are used
            end = error
        ready.put(end)

    worker = threading.Thread(target=work, name="clew-decode", daemon=True)
    worker.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        while worker.is_alive():
            try:
                ready.get_nowait()
            except queue.Empty:
                worker.join(0.01)


def insert(connection: duckdb.DuckDBPyConnection, piece: Piece, host: str) -> None:
    """Add one batch and how far it reaches, all or nothing.

    One whose checksums are right but whose numbers are such as no recorder writes is skipped, and its bytes counted.
    """
    try:
        _insert(connection, piece, host)
    except (duckdb.ConversionException, duckdb.OutOfRangeException):
        _insert(connection, replace(piece, skipped=piece.size, tables={}), host)


def _insert(connection: duckdb.DuckDBPyConnection, piece: Piece, host: str) -> None:
    for name, table in piece.tables.items():
        connection.register(name, table)
    known = {
        "capture_id": piece.capture_id,
        "base": (piece.capture_id - 1) * CAPTURE_STEP,
        "host": host,
        "notes": NOTES,
        "close": OP_ID["close"],
        "cgi": OP_ID["cgi"],
        "task_run": OP_ID["task_run"],
        "task_new": OP_ID["task_new"],
        "unseen": OP_ID["unseen"],
        "execve": OP_ID["execve"],
    }
    connection.execute("BEGIN")
    try:
        for statement in statements("insert.sql") if piece.tables else ():
            connection.execute(statement, {name: value for name, value in known.items() if "$" + name in statement})
        connection.execute(STALE)
        connection.execute(
            """INSERT INTO landing.segment VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
               SET next_offset = excluded.next_offset, skipped_bytes = skipped_bytes + excluded.skipped_bytes,
                   complete = complete OR excluded.complete""",
            [piece.capture_id, piece.segment, piece.next_offset, piece.skipped, piece.complete],
        )
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        for name in piece.tables:
            connection.unregister(name)


@cache
def statements(name: str) -> tuple[str, ...]:
    """The statements of an SQL file of this package."""
    text = "\n".join(line for line in resource(name).splitlines() if not line.startswith("--"))
    return tuple(part.strip() for part in text.split(";\n") if part.strip())


def resource(name: str) -> str:
    """The text of a file of this package."""
    return (resources.files("clew.ingest") / name).read_text("utf-8")
