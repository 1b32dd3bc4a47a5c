"""Captures of other engines: what readers know (perf.data, perf stat, ...) becomes tables; again when a file grows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from clew.capture.meta import META, Meta
from clew.errors import ClewError
from clew.ingest.pipeline import STALE
from clew.ingest.profile import forget_profile, insert_profile, note_profile
from clew.ingest.profiles import is_folder_of_perf, read_once, reader_of
from clew.ops import ENGINES_OF_SEGMENTS
from clew.symbols.missing import Missing

_STEP = 10**13
"""Between the numbers of one profile and the next in one capture."""


def is_profile(folder: Path) -> bool:
    """Whether a capture is one of profiles, not of the preload library's segments."""
    return Meta.read(folder).engine not in ENGINES_OF_SEGMENTS


def profiles(folder: Path) -> list[Path]:
    """The files of a capture that readers are asked about.

    What has a folder of its own (symbols/) only helps them, but for what perf record --threads writes; a file with a
    dot before its name is not finished yet.
    """
    return sorted(
        path
        for path in folder.iterdir()
        if (path.is_file() or is_folder_of_perf(path)) and path.name != META and not path.name.startswith(".")
    )


def has_grown(folder: Path, seen: Mapping[str, int]) -> bool:
    """Whether a file of the capture is longer or shorter than ``seen`` says."""
    return any(path.stat().st_size != seen.get(path.name, -1) for path in profiles(folder))


def ingest_profile(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Read every file of a capture, if one of them has changed; all or nothing.

    One that is broken, empty or unknown is named in the capture's notes: it must not keep the rest from being seen.
    """
    capture_id, host = int(folder.name), Meta.read(folder).host
    seen = dict(
        connection.execute(
            "SELECT name, next_offset FROM landing.segment WHERE capture_id = ?", [capture_id]
        ).fetchall()
    )
    if not has_grown(folder, seen):
        return
    connection.execute("BEGIN")
    try:
        forget_profile(connection, capture_id)
        lost, notes, missing = 0, list[str](), Missing()
        for number, path in enumerate(profiles(folder)):
            reader, unread, whole = reader_of(path), 0, True
            try:
                if reader is None:
                    raise ClewError("it is nothing that clew reads" if path.stat().st_size else "it is empty")
                profile = read_once(reader, path)
            except ClewError as error:  # what else the case holds can still be looked at
                notes.append(f"{path.name} was not read: {error}")
            else:
                insert_profile(connection, capture_id, host, profile, first=number * _STEP)
                lost, unread, whole = lost + profile.lost, profile.unread, profile.whole
                notes += profile.notes
                missing |= profile.missing
            connection.execute(
                """INSERT OR REPLACE INTO landing.segment VALUES (?, ?, ?, ?, ?)""",
                [capture_id, path.name, path.stat().st_size, unread, whole],
            )
        note_profile(connection, capture_id, lost, [*dict.fromkeys(notes), *missing.notes()])
        connection.execute(STALE)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
