"""Parquet tables as the raw files of captures: split and renumbered when they are imported, read as they are then."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from clew import __version__
from clew.capture.meta import Meta
from clew.errors import ClewError
from clew.ingest.pipeline import STALE
from clew.ingest.profile import IMPORTED_STEP
from clew.ingest.segments import CAPTURE_STEP
from clew.store import MANIFEST, ParquetStore

_LARGE = (
    *("event", "payload", "counter"),
    *("sample_event", "frame", "stack", "sample", "series", "map_value", "histogram", "printed"),
    "imported_span",
)
_SMALL = ("capture", "process", "thread", "connection")
_FIXED = ("op", "errno")
_SHIFTED = (
    *("thread_id", "process_id", "conn_id", "peer_conn_id"),
    *("event_id", "frame_id", "stack_id", "parent_id"),
)
READ = "event.parquet"
"""What landing.segment calls the large tables of such a capture."""


def is_tables(folder: Path) -> bool:
    """Whether the raw files of a capture are Parquet tables."""
    return (folder / READ).is_file()


def captures_in(source: Path) -> list[int]:
    """The numbers of the captures in a folder of Parquet tables; raises ClewError if it is none."""
    with ParquetStore(source).reading() as connection:
        rows = _run(connection, "SELECT capture_id FROM capture ORDER BY ALL").fetchall()
    return [row[0] for row in rows]


def split(source: Path, capture_id: int, folder: Path) -> None:
    """Write capture ``capture_id`` of the tables in ``source`` to ``folder``, numbered as that is called.

    What is written is again a folder of Parquet tables, and has a meta.json.
    """
    number = int(folder.name)
    rows = {}
    shift = (number - capture_id) * CAPTURE_STEP
    with ParquetStore(source).reading() as connection:
        for name in _LARGE + _SMALL + _FIXED:
            columns = [row[0] for row in _run(connection, f'DESCRIBE "{name}"').fetchall()]
            changed = [
                f"({column}::HUGEINT + {shift})::UBIGINT AS {column}" for column in columns if column in _SHIFTED
            ]
            if name == "imported_span":  # its parent_id is text
                changed = [f"(span_id::HUGEINT + {(number - capture_id) * IMPORTED_STEP})::UBIGINT AS span_id"]
            where = f"thread_id // {CAPTURE_STEP} = {capture_id - 1}" if "thread_id" in columns else "TRUE"
            if "capture_id" in columns:
                changed.append(f"{number}::UINTEGER AS capture_id")
                where = f"capture_id = {capture_id}"
            file = str(folder / f"{name}.parquet").replace("'", "''")
            replaced = f" REPLACE ({', '.join(changed)})" if changed else ""
            query = f'SELECT *{replaced} FROM "{name}" WHERE {where} ORDER BY ALL'
            _run(connection, f"COPY ({query}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
            rows[name] = _run(connection, f"SELECT count(*) FROM read_parquet('{file}')").fetchall()[0][0]
        row = _run(
            connection,
            f"SELECT engine, command, host, started_ns, ended_ns FROM capture WHERE capture_id = {capture_id}",
        )
        engine, command, host, started_ns, ended_ns = row.fetchall()[0]
    words = [command] if command else []
    (folder / MANIFEST).write_text(json.dumps({"clew": __version__, "tables": rows}) + "\n", "utf-8")
    Meta(engine, words, host, "imported", started_ns, "", {"from": MANIFEST}, ended_ns or started_ns).write(folder)


def insert_large(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Add the large tables of a capture, once; all or nothing."""
    key = [int(folder.name), READ]
    if connection.execute("SELECT 1 FROM landing.segment WHERE capture_id = ? AND name = ?", key).fetchall():
        return
    connection.execute("BEGIN")
    try:
        for name in _LARGE:
            _insert(connection, folder, name)
        connection.execute("INSERT INTO landing.segment VALUES (?, ?, 0, 0, TRUE)", key)
        connection.execute(STALE)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def insert_small(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Add the small tables of a capture, which are made anew at each ingest."""
    for name in _SMALL:
        _insert(connection, folder, name)


def _insert(connection: duckdb.DuckDBPyConnection, folder: Path, name: str) -> None:
    file = str(folder / f"{name}.parquet")
    if not Path(file).is_file():
        return  # written by a clew that had no such table
    try:
        connection.execute(f'INSERT INTO "{name}" BY NAME SELECT * FROM read_parquet($file)', {"file": file})
    except duckdb.Error as error:
        raise ClewError(f"cannot read {file}: {str(error).splitlines()[0]}", exit_code=1) from None


def _run(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(query)
    except duckdb.Error as error:
        raise ClewError(f"the tables are not clew's: {str(error).splitlines()[0]}") from None
