"""Raw captures to tables: only what is new, and again from nothing if asked."""

from __future__ import annotations

import errno
import json
import os
import shlex
from dataclasses import asdict
from pathlib import Path

import duckdb

from clew.capture.meta import RAW, Meta, captures, recover
from clew.errors import ClewError
from clew.ingest import tables
from clew.ingest.call_stacks import insert_call_stacks
from clew.ingest.capture_profile import has_grown, ingest_profile, is_profile
from clew.ingest.clocks import forget_moved, host_clocks
from clew.ingest.pipeline import SEGMENTS, STALE, ahead, insert, pieces, resource, statements
from clew.ops import ACCOUNT, OPS
from clew.store import DATABASE, FileStore, schema_checksum, schema_text

# Of two names for one number, that of manual pages and strace.
_USUAL_NAMES = {errno.EOPNOTSUPP: "EOPNOTSUPP", errno.EDEADLK: "EDEADLK"}


def update(store: FileStore, case: Path) -> int:
    """Bring what is new in the raw files of ``case`` into its tables; returns the number of new events.

    Nothing is opened for writing where there is nothing new, or where the folder cannot be written (somebody else's
    case is shown as it was). Raises ClewError if a file cannot be read.
    """
    if store.path.exists():
        outdated = _outdated(store)
        if not outdated and not _anything_new(store, case):
            return 0
        if outdated and os.access(case, os.W_OK) and captures(case):
            remove_database(case)
        elif outdated:
            _need_tables(store, case)
            return 0
    if not os.access(case, os.W_OK):
        if store.path.exists():
            return 0
        raise ClewError(f"{case} was never ingested and cannot be written: copy it to a folder of yours")
    with store.writing() as connection:
        _prepare(connection)
        before = _count(connection)
        forget_moved(connection)
        imported = [folder for folder in captures(case) if tables.is_tables(folder)]
        for folder in captures(case):
            if folder not in imported:
                _note_meta(connection, folder)
            if folder in imported:
                tables.insert_large(connection, folder)
            elif is_profile(folder):
                ingest_profile(connection, folder)
            else:
                _ingest_capture(connection, folder)
        if _is_stale(connection):
            _derive(connection, imported)
        return _count(connection) - before


def rebuild(case: Path) -> tuple[int, int]:
    """Make the tables of ``case`` again from its raw files, after taking what a dead recorder left in its arena.

    Returns (events, recovered records). Raises ClewError if there is no case.
    """
    if not (case / RAW).is_dir():
        if not case.exists():
            raise ClewError(f"there is no case at {case}")
        raise ClewError(f"{case} has no raw files to rebuild from (no folder {RAW}/)")
    recovered = sum(recover(folder) for folder in captures(case))
    remove_database(case)
    return update(FileStore.at(case / DATABASE), case.resolve()), recovered


def remove_database(case: Path) -> None:
    """Forget the derived tables of ``case``."""
    FileStore.at(case / DATABASE).close()
    try:
        for name in (DATABASE, DATABASE + ".wal"):
            (case / name).unlink(missing_ok=True)
    except OSError as error:
        raise ClewError(f"cannot write to {case}: {error.strerror}") from None


def _outdated(store: FileStore) -> bool:
    """Whether the file was made by a clew with other tables, or by one that was killed while it made them."""
    with store.reading() as connection:
        try:
            rows = connection.execute("SELECT value FROM setting WHERE name = 'schema'").fetchall()
        except duckdb.CatalogException:
            return True
        return rows != [(schema_checksum(),)]


def _need_tables(store: FileStore, case: Path) -> None:
    """Raise the ClewError that says what to do where a file that cannot be made again lacks what questions ask for."""
    columns = "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal"
    with duckdb.connect() as empty, store.reading() as connection:
        empty.execute(schema_text())
        wanted, there = (set(one.execute(columns).fetchall()) for one in (empty, connection))
    if wanted <= there:
        return
    remedy = "copy it to a folder of yours" if captures(case) else "its raw files are gone: read it with that clew"
    raise ClewError(f"the tables of {case} were made by another version of clew, and cannot be made again: {remedy}")


def _anything_new(store: FileStore, case: Path) -> bool:
    with store.reading() as connection:
        rows = connection.execute("SELECT capture_id, name, next_offset FROM landing.segment").fetchall()
        metas = dict(connection.execute("SELECT capture_id, meta FROM landing.meta").fetchall())
        stale = _is_stale(connection)
    seen = {(capture_id, name): offset for capture_id, name, offset in rows}
    for folder in captures(case):
        capture_id = int(folder.name)
        if tables.is_tables(folder):
            if (capture_id, tables.READ) not in seen:
                return True
            continue
        if metas.get(capture_id) != _meta_text(Meta.read(folder)):
            return True
        if is_profile(folder):
            if has_grown(folder, {name: offset for (number, name), offset in seen.items() if number == capture_id}):
                return True
            continue
        for segment in folder.glob(SEGMENTS):
            if segment.stat().st_size > seen.get((capture_id, segment.name), 0):
                return True
    return stale


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables in a new file."""
    if connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'setting'").fetchall():
        return
    connection.execute("BEGIN")
    connection.execute(schema_text())
    connection.execute(resource("landing.sql"))
    connection.executemany("INSERT INTO op VALUES (?, ?, ?)", [list(op) for op in OPS])
    codes = sorted((dict(errno.errorcode) | _USUAL_NAMES).items())
    connection.executemany(
        "INSERT INTO errno VALUES (?, ?, ?)", [[code, name, os.strerror(code)] for code, name in codes]
    )
    connection.execute("INSERT INTO setting VALUES ('schema', ?)", [schema_checksum()])
    connection.execute("COMMIT")


def _ingest_capture(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    capture_id, meta = int(folder.name), Meta.read(folder)
    ended = _ended(meta)
    for piece in ahead(pieces(connection.cursor(), folder, capture_id, ended)):
        insert(connection, piece, meta.host)
    insert_call_stacks(connection, capture_id, meta.host, folder, meta.options)


def _note_meta(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Take over what meta.json of a capture says now."""
    capture_id, meta = int(folder.name), Meta.read(folder)
    ended = _ended(meta)
    command = shlex.join(meta.command).encode("utf-8", "backslashreplace").decode()
    traced = bool(meta.options.get("trace", True))
    known = connection.execute("SELECT meta FROM landing.meta WHERE capture_id = ?", [capture_id]).fetchall()
    if known != [(_meta_text(meta),)]:
        connection.execute("BEGIN")
        connection.execute(
            "INSERT OR REPLACE INTO landing.meta VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [capture_id, _meta_text(meta), meta.engine, meta.host, command, meta.exit_code, traced, ended],
        )
        connection.execute(STALE)
        connection.execute("COMMIT")


def _meta_text(meta: Meta) -> str:
    """meta.json as text; what is only true while it is being recorded left out."""
    return json.dumps(asdict(meta) | {"recorder_pid": None, "arena": None, "ended": _ended(meta)})


def _ended(meta: Meta) -> bool:
    """Whether nothing will be added to the capture any more, save by recovery."""
    if meta.received is False:
        return False
    if meta.ended_ns is not None or meta.recorder_pid is None:
        return True
    try:
        os.kill(meta.recorder_pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _derive(connection: duckdb.DuckDBPyConnection, imported: list[Path]) -> None:
    """Make the small tables from the landing tables, and from captures that were imported as tables."""
    connection.execute("BEGIN")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE account AS SELECT unnest($ops) AS op_id, unnest($accounts) AS account",
        {"ops": list(ACCOUNT), "accounts": list(ACCOUNT.values())},
    )
    for statement in statements("derive.sql"):
        connection.execute(statement)
    for folder in imported:
        tables.insert_small(connection, folder)
    if len(host_clocks(connection)) > 1:
        from clew.causal.clock import align

        align(connection)
    connection.execute("DELETE FROM setting WHERE name = 'stale'")
    connection.execute("COMMIT")


def _is_stale(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether something was read that the small tables do not show yet; true also after an ingest that was killed."""
    return bool(connection.execute("SELECT 1 FROM setting WHERE name = 'stale'").fetchall())


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("SELECT count(*) FROM event").fetchall()[0][0])
