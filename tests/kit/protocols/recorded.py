"""Real servers and clients, recorded on the spot, and the messages that came of it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

import clew
from clew.protocols import extract

DRIVERS = Path(__file__).parent / "drivers"


class Recorded:
    """A driver's run: ``folder`` is what it was given, ``said`` what it printed; ``options`` are the recorder's."""

    def __init__(self, tmp_path: Path, driver: str, *options: str) -> None:
        self.folder = tmp_path / "work"
        self.folder.mkdir()
        program = [sys.executable, str(DRIVERS / f"run_{driver}.py"), str(self.folder)]
        recorder = [sys.executable, "-m", "clew", "record", "-q", "-o", str(tmp_path / "case"), *options, "--"]
        done = subprocess.run([*recorder, *program], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        self.said = done.stdout
        self.kept_all = "full" in options
        case = clew.open(tmp_path / "case")
        copy = tmp_path / "messages.duckdb"
        copy.write_bytes((case.path / "case.duckdb").read_bytes())
        self._tables = duckdb.connect(str(copy))
        extract(self._tables)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query on the case's tables, message among them."""
        return self._tables.execute(sql, list(values)).fetchall()

    def count(self, where: str, *values: Any) -> int:
        """Messages for which ``where`` holds."""
        return int(self.rows(f"SELECT count(*) FROM message WHERE {where}", *values)[0][0])

    def check_both_ends(self, protocol: str, *, all_answered: bool = True) -> None:
        """Both ends tell the same messages; each reply is one request's, and (``all_answered``) the other way round.

        Who leaves with questions open may leave answers unread, too: then what was read is among what was sent.
        """
        shape = "SELECT role, exchange, byte_offset, bytes, kind, name, status, error, held, whole FROM message"
        shape += " WHERE protocol = ? AND sent = ? AND role <> 'other'"  # notices may be in a hole, or told to the dead
        sent, read = (Counter(map(repr, self.rows(shape, protocol, end))) for end in (True, False))
        assert read and (sent == read if all_answered else read <= sent)
        assert self.count("protocol = ? AND NOT whole", protocol) == 0
        for role in ("request", "reply"):
            pairs = self.rows(
                "SELECT conn_id, exchange, count(*) FROM message"
                " WHERE protocol = ? AND role = ? GROUP BY ALL ORDER BY ALL",
                *(protocol, role),
            )
            assert all(exchange is not None and times == 1 for _, exchange, times in pairs), role
            if role == "request":
                asked = pairs
        assert pairs == asked if all_answered else set(pairs) <= set(asked)
