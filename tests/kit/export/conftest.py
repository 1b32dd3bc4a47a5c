"""A case with two requests, made by hand: web asks a database, over TCP and over a unix socket."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

import clew
from clew.case import Case

MS = 1_000_000
GET = b"GET /item/17?key=SECRET HTTP/1.1\r\nHost: shop\r\n\r\n"
BODY = b"x" * 5000
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n"
ASKED = b"SELECT * FROM item WHERE id = 17\0"
ASK = b"Q" + struct.pack(">I", 4 + len(ASKED)) + ASKED
FOUND = b"C" + struct.pack(">I", 13) + b"SELECT 1\0" + b"Z" + struct.pack(">I", 5) + b"I"
START = struct.pack(">II", 20, 196608) + b"user\0me\0\0\0\0\0"
READY = b"R" + struct.pack(">II", 8, 0) + b"Z" + struct.pack(">I", 5) + b"I"
SELECT = "SELECT * FROM item WHERE id = ?"
NASTY = "GET /<b>\"\\x'; DROP TABLE span; --\x1b[31m {é}\x01"

_TRACE, _PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def _record_calls(recorded: Any) -> None:
    recorded.clock(0)
    recorded.records(1, 100, 100, recorded.process(1, 100, "web", exe="/bin/web"))
    recorded.records(2, 200, 200, recorded.process(2, 200, "postgres", exe="/bin/postgres"))
    addresses = [("10.0.0.1", 80), ("10.0.0.9", 40000), ("127.0.0.1", 41000), ("127.0.0.1", 5432)]
    recorded.records(
        1,
        100,
        100,
        recorded.conn(1, 1, 5, flags=1, local=addresses[0], remote=addresses[1], begin=MS),
        recorded.conn(1, 2, 5, flags=2, local=addresses[2], remote=addresses[3], begin=2 * MS),
    )
    recorded.records(
        2, 200, 200, recorded.conn(2, 3, 5, flags=1, local=addresses[3], remote=addresses[2], begin=2 * MS)
    )

    def call(serial: int, op: str, conn_id: int, offset: int, at: int, data: bytes, tail: bytes = b"", hole: int = 0):
        size = len(data) + len(tail) + hole
        return recorded.record(
            serial, op, data, tail, conn_id=conn_id, offset=offset, fd=5, begin=at, ticks=1000, result=size,
            flags=8 if hole else 0,
        )  # fmt: skip

    web = [
        call(1, "read", 1, 0, 3 * MS, GET),
        call(1, "write", 2, 0, 4 * MS, START),
        call(1, "read", 2, 0, 5 * MS, READY),
        call(1, "write", 2, len(START), 6 * MS, ASK),
        call(1, "read", 2, len(READY), 8 * MS, FOUND),
        call(1, "write", 1, 0, 9 * MS, OK + BODY[:100], BODY[:100], hole=4800),
    ]
    database = [
        call(2, "read", 3, 0, 4 * MS + 5000, START),
        call(2, "write", 3, 0, 5 * MS - 5000, READY),
        call(2, "read", 3, len(START), 6 * MS + 5000, ASK),
        call(2, "write", 3, len(READY), 7 * MS, FOUND),
    ]
    recorded.records(1, 100, 100, *web)
    recorded.records(2, 200, 200, *database)
    recorded.clock(20 * MS)
    recorded.end()
    recorded.write()


_SPANS = [
    # id request parent tid command kind name protocol start end status error message rule sure depth
    (1, 1, None, 100, "web", "server", "GET /item/?", "http1", 3, 9, "200", False, 1, "root", 1.0, 0),
    (2, 1, 1, 100, "web", "client", SELECT, "postgres", 6, 8, "OK", False, 2, "thread", 1.0, 1),
    (3, 1, 2, 200, "postgres", "server", SELECT, "postgres", 6.5, 7, "OK", False, 3, "match", 0.97, 2),
    (4, 4, None, 100, "web", "server", NASTY, "http1", 4, 12, "500", True, None, "root", 1.0, 0),
    (5, 5, None, 200, "postgres", "client", "NOTIFY ?", "postgres", 13, None, None, False, None, "unresolved", 0.0, 0),
]  # fmt: skip


def _fill(connection: duckdb.DuckDBPyConnection) -> None:
    """What the linker would find, with everything an export can meet."""
    for table in ("span", "request", "message", "link", "shape", "working"):
        connection.execute(f"DELETE FROM {table}")
    (base,) = connection.execute("SELECT min(started_ns) FROM capture").fetchall()[0]
    threads = dict(connection.execute("SELECT tid, thread_id FROM thread").fetchall())
    for number, (correlation, summary) in enumerate(
        [(f"traceparent=00-{_TRACE}-{_PARENT}-01", "GET /item/17?key=SECRET"), (None, "id = 17"), (None, None)], 1
    ):
        connection.execute(
            """INSERT INTO message BY NAME SELECT ? AS msg_id, 1 AS capture_id, ? AS conn_id, ? AS thread_id,
               'h' AS host, 100 AS pid, 100 AS tid, 1 AS seq, FALSE AS sent, 'request' AS role, 0 AS first_ns,
               0 AS last_ns, 0 AS byte_offset, 33 AS bytes, 'http1' AS protocol, FALSE AS error,
               ? AS correlation, ? AS summary, TRUE AS whole""",
            [number, 1, threads[100], correlation, summary],
        )
    for row in _SPANS:
        number, request, parent, tid, command, kind, name, protocol, *more = row
        start, end, status, error, message, *rest = more
        connection.execute(
            """INSERT INTO span BY NAME SELECT ? AS span_id, ? AS request_id, ? AS parent_span_id, 1 AS capture_id,
               ? AS thread_id, 'h' AS host, ? AS pid, ? AS tid, ? AS command, ? AS kind, ? AS name, ? AS protocol,
               ? AS start_ns, ? AS end_ns, ? AS status, ? AS error, ? AS request_msg_id, ? AS link_rule,
               ? AS confidence, ? AS depth""",
            [
                *(number, request, parent, threads[tid], tid, tid, command, kind, name, protocol),
                *(base + int(start * MS), None if end is None else base + int(end * MS), status, error, message),
                *rest,
            ],
        )
    connection.execute("INSERT INTO link VALUES (3, 4, 'unlikely', 0.4)")
    connection.execute(
        """INSERT INTO request BY NAME
           SELECT request_id, 1 AS capture_id, name, host, command, start_ns, end_ns, end_ns - start_ns AS dur_ns,
                  status, error, link_rule <> 'unresolved' AS resolved, confidence, 1 AS spans, 1 AS processes,
                  7 AS shape_id
           FROM span WHERE parent_span_id IS NULL"""
    )


@pytest.fixture(scope="session")
def recorded(capture_class: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case as recorded, calls with payload; not to be changed."""
    folder = tmp_path_factory.mktemp("recorded") / "case"
    _record_calls(capture_class(folder / "raw" / "001"))
    clew.open(folder).close()
    return folder


@pytest.fixture(scope="session")
def made(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The same with spans made by hand, as Parquet tables, which nobody links anew."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(recorded, folder / "case")
    case = clew.open(folder / "case")
    with case._store.writing() as connection:
        _fill(connection)
    tables = case.to_parquet(folder / "tables")
    case.close()
    return clew.open(tables)
