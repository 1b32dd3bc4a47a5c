"""From calls to requests: the stages in their order, only where something new was recorded."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import duckdb

from clew.causal import attribute, clock, imported, match, paths, spent, tasks
from clew.errors import ClewError
from clew.protocols import extract
from clew.protocols.services import VARIABLE
from clew.store import FileStore

Progress = Callable[[str, float], None]
IMPORTED = 1 << 52
"""Spans and requests of files that other tools wrote are numbered from here on: they stay as they are."""

_STATE = (
    "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM payload), (SELECT count(*) FROM connection), "
    "(SELECT count(*) FROM thread), (SELECT count(*) FROM imported_span), "
    "(SELECT coalesce(max(ended_ns), 0) FROM capture)"
)


def trace(
    store: FileStore,
    case: Path,
    progress: Progress | None = None,
    *,
    again: bool = False,
    services: str | os.PathLike[str] | None = None,
) -> bool:
    """Fill message, span, link, request, shape and working of ``case``; returns whether anything was done.

    ``progress`` hears the stage and the share of it that is done. ``services`` is a file in the format of
    /etc/services: it is remembered; else $CLEW_SERVICES counts, else the one remembered. Nothing is done where nothing
    new was recorded and services are the same (unless ``again``), or where the case cannot be written.
    """
    with store.reading() as connection:
        chosen = services or os.environ.get(VARIABLE) or _remembered(connection)
        if not again and _setting(connection, "traced") == _state(connection, chosen):
            return False
    if not os.access(case, os.W_OK):
        return False
    tell = progress or _silence
    with store.writing() as connection:
        connection.execute("BEGIN")
        _forget(connection)
        tell("messages", 0)
        extract(connection, lambda share: tell("messages", share), chosen)
        clock.align(connection)
        tell("connections", 0)
        match.match(connection)
        tasks.own(connection)
        tell("requests", 0)
        links = attribute.link(connection)
        tell("paths", 0)
        paths.make(connection, links)
        del links  # what follows needs its room
        imported.make(connection)
        spent.make(connection)
        connection.execute("INSERT OR REPLACE INTO setting VALUES ('traced', ?)", [_state(connection, chosen)])
        if services:
            connection.execute("INSERT OR REPLACE INTO setting VALUES ('services', ?)", [str(Path(services).resolve())])
        connection.execute("COMMIT")
        tell("paths", 1)
    return True


def _silence(_stage: str, _share: float) -> None:
    """Progress that nobody hears."""


def _forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Take away what an earlier look found, but for what was imported."""
    connection.execute("DELETE FROM message")
    for table, key in (("span", "span_id"), ("link", "span_id"), ("request", "request_id"), ("working", "request_id")):
        connection.execute(f"DELETE FROM {table} WHERE {key} < $imported", {"imported": IMPORTED})
    connection.execute("DELETE FROM shape WHERE shape_id NOT IN (SELECT shape_id FROM request)")


def _state(connection: duckdb.DuckDBPyConnection, services: str | os.PathLike[str] | None) -> str:
    """What was recorded, as far as it changes when more is, and what says which port is which service."""
    try:
        names = zlib.crc32(Path(services).read_bytes()) if services else 0
    except OSError as error:
        raise ClewError(f"cannot read {services}: {error.strerror}") from None
    return json.dumps([*connection.execute(_STATE).fetchall()[0], names])


def _remembered(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The services file that was named for this case, if it is still there."""
    path = _setting(connection, "services")
    return path if path and Path(path).is_file() else None


def _setting(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    rows = connection.execute("SELECT value FROM setting WHERE name = ?", [name]).fetchall()
    return rows[0][0] if rows else None
