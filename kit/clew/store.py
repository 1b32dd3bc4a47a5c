"""How a case's tables are reached: a DuckDB file that several programs share, or a folder of Parquet files."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb

from clew.errors import ClewError

_WAIT_S = 20.0  # how long to wait for another program that writes to the case
_LINGER_S = 1.0  # how long an idle reader keeps the file: writers (also in other programs) get in after that
DATABASE = "case.duckdb"
MANIFEST = "manifest.json"


def schema_text() -> str:
    """schema.sql: every table of a case, with the unit of every column."""
    return (resources.files("clew") / "schema.sql").read_text("utf-8")


@cache
def schema_checksum() -> str:
    """Names the layout of a case file: another value means that it has to be made again from the raw files."""
    landing = (resources.files("clew.ingest") / "landing.sql").read_text("utf-8")
    return hashlib.sha256((schema_text() + landing).encode()).hexdigest()


def table_names() -> list[str]:
    """The tables and views of schema.sql, in its order."""
    words = [line.split() for line in schema_text().splitlines() if line.startswith("CREATE ")]
    return [line[2].strip("(") for line in words]


def view_names() -> list[str]:
    """The views among table_names(): they hold nothing of their own."""
    words = [line.split() for line in schema_text().splitlines() if line.startswith("CREATE VIEW ")]
    return [line[2] for line in words]


def _settings() -> dict[str, str | bool | int | float | list[str]]:
    """A quarter of the machine's memory, 256 MB at least and 1 GB at most: notebooks in small containers included."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(max(memory // 4, 256 << 20), 1 << 30)
    return {"memory_limit": f"{limit >> 20}MiB", "preserve_insertion_order": False}


def _connect(path: Path | str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(path, read_only=read_only, config=_settings())
    connection.execute("SET enable_progress_bar = false")  # it is printed to standard output
    # Where DuckDB expects few rows it would compare each with each, and it may expect far too few.
    connection.execute("SET asof_loop_join_threshold = 0")
    return connection


_stores: weakref.WeakValueDictionary[Path, FileStore] = weakref.WeakValueDictionary()


@atexit.register
def _close_all() -> None:
    """A timer that still holds a connection while Python ends makes DuckDB's binding complain about leaks."""
    for store in list(_stores.values()):
        store.close()


class FileStore:
    """case.duckdb. Readers share it; a writer has it alone, so everybody lets go of it when idle."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._reader: duckdb.DuckDBPyConnection | None = None
        self._release: threading.Timer | None = None

    @staticmethod
    def at(path: Path) -> FileStore:
        """The store of the file at ``path``: one in this program, so that two Cases do not wait for each other."""
        path = path.resolve()
        return _stores.setdefault(path, FileStore(path))

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection; raises ClewError if another program keeps the file locked too long."""
        with self._lock:
            self._stop_timer()
            if self._reader is None:
                self._reader = self._connect(read_only=True)
            try:
                yield self._reader
            finally:
                self._release = threading.Timer(_LINGER_S, self.close)
                self._release.daemon = True
                self._release.start()

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that may write, alone on the file; raises ClewError as reading() does."""
        with self._lock:
            self.close()
            connection = self._connect(read_only=False)
            self.path.chmod(0o600)
            try:
                with connection:
                    yield connection
            except duckdb.Error as error:
                if "No space left" not in str(error):
                    raise
                remedy = "make room, or copy the case to another disk"
                raise ClewError(f"{self.path}: No space left on device; {remedy}", exit_code=1) from None

    def close(self) -> None:
        """Let go of the file; it is opened again when needed."""
        with self._lock:
            self._stop_timer()
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _stop_timer(self) -> None:
        if self._release is not None:
            self._release.cancel()
            self._release = None

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        give_up = time.monotonic() + _WAIT_S
        while True:
            try:
                return _connect(self.path, read_only=read_only)
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                # The first is another program's lock, the second a reader in this program; both end by themselves.
                busy = "Conflicting lock" in reason or "different configuration" in reason
                if busy and time.monotonic() < give_up:
                    time.sleep(0.02)
                elif busy:
                    raise ClewError(f"{self.path} is being used by another program; try again later", 1) from None
                elif "Permission denied" in reason:
                    raise ClewError(f"cannot open {self.path}: permission denied") from None
                else:
                    remedy = f"`clew rebuild {self.path.parent}` makes it again"
                    raise ClewError(f"{self.path} is damaged, {remedy} ({reason})", exit_code=1) from None


class ParquetStore:
    """A folder of one Parquet file per table and a manifest: read-only, for any version of DuckDB."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        self._connection = _connect(":memory:", read_only=False)
        self._connection.execute(schema_text())
        for name in parquet_tables(folder):
            file = str(folder / f"{name}.parquet").replace("'", "''")
            try:
                if not self._connection.execute(f"SELECT 1 FROM read_parquet('{file}') LIMIT 1").fetchall():
                    continue  # the empty table of the schema is as good, and can be filled
                columns = self._columns(f'FROM "{name}"')
                there = self._columns(f"FROM read_parquet('{file}')")
                unknown = [f"NULL::{kind} AS {column}" for column, kind in columns.items() if column not in there]
                self._connection.execute(f'DROP TABLE "{name}"')
                self._connection.execute(
                    f"CREATE VIEW \"{name}\" AS SELECT {', '.join(['*', *unknown])} FROM read_parquet('{file}')"
                )
            except duckdb.Error as error:
                raise ClewError(f"cannot read {file}: {str(error).splitlines()[0]}") from None

    def _columns(self, source: str) -> dict[str, str]:
        """Names and types: tables that an older clew wrote lack some, of which nothing is known then."""
        return {name: kind for name, kind, *_ in self._connection.execute(f"DESCRIBE {source}").fetchall()}

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The connection, for one thread at a time."""
        with self._lock:
            yield self._connection

    def close(self) -> None:
        """Forget the folder."""
        with self._lock:
            self._connection.close()


def parquet_tables(folder: Path) -> list[str]:
    """The tables that a folder's manifest names; raises ClewError where the manifest is none of ours."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        names = list(manifest["tables"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ClewError(f"{folder / MANIFEST} is not a manifest of clew tables") from None
    known = table_names()
    if unknown := [name for name in names if name not in known]:
        raise ClewError(f"{folder / MANIFEST} names a table that clew does not know: {unknown[0]!r:.60}")
    return names
