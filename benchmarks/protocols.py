"""How fast recorded payload becomes messages: HTTP/1 and PostgreSQL at both ends of 2,000 connections.

Two figures each: the pass in C alone, and all of it (read from the case, told, written to table message).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.table import Table

CALLS, CONNECTIONS, KEPT = 2_000_000, 2_000, 320
HEADERS = "".join(f"X-Header-{number}: a value of the usual length\r\n" for number in range(4))
SHAPES = {
    "http1": (
        (b"GET /item/4711/reviews?page=2 HTTP/1.1\r\nHost: shop\r\n" + HEADERS.encode() + b"\r\n", 0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n" + HEADERS.encode() + b"\r\n", 4000),
    ),
    "postgres": (
        (
            b"Q\0\0\0\x72"
            + b"SELECT name, price FROM item WHERE id = 4711 AND shop IN (1, 2, 3) -- "
            + b"x" * 41
            + b"\0",
            0,
        ),
        (b"T\0\0\0\x21\0\1" + b"name\0" + bytes(22) + b"D\0\0\x0f\xf0\0\1\0\0\x0f\xe6", 4070),
    ),
}


def make(path: Path, shape: str) -> int:
    """A case file of CALLS calls: each connection's client asks and the server answers in turn; bytes kept."""
    from clew.ops import OPS
    from clew.store import schema_text

    request, (reply, body) = SHAPES[shape][0][0], SHAPES[shape][1]
    if shape == "postgres":
        end = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I"
        filler = body - len(end)
        length = (4 + 2 + 4 + filler).to_bytes(4, "big")
        reply = reply[:-11] + b"D" + length + b"\0\1" + filler.to_bytes(4, "big")
        tail = (b"v" * 64 + end)[-64:]
        body = filler + len(end)
    else:
        tail = b"v" * 64
    with duckdb.connect(str(path)) as connection:
        connection.execute(schema_text())
        connection.executemany("INSERT INTO op VALUES (?, ?, ?)", [list(op) for op in OPS])
        connection.execute(
            f"""INSERT INTO connection BY NAME
                SELECT i + 1 AS conn_id, 1 AS capture_id, 'h' AS host, 1 AS pid, 'tcp' AS kind,
                       '127.0.0.1:80' AS remote, CASE WHEN i % 2 = 0 THEN 'connected' ELSE 'accepted' END AS role
                FROM range({CONNECTIONS}) AS t(i)"""
        )
        sizes = {"request": len(request), "reply": len(reply) + body}
        connection.execute(
            f"""INSERT INTO event SELECT 1, 1 + i % 8, 'h', 1, 1 + (i % 8)::INTEGER, (i // 8 + 1)::UINTEGER,
                i * 1000, 500, CASE WHEN sent THEN 10 ELSE 1 END, 3, n, 0, n, 1 + i % {CONNECTIONS},
                (turn // 2) * CASE WHEN asks THEN {sizes["request"]} ELSE {sizes["reply"]} END
                FROM (SELECT *, CASE WHEN asks THEN {sizes["request"]} ELSE {sizes["reply"]} END AS n,
                             asks = (i % {CONNECTIONS} % 2 = 0) AS sent
                      FROM (SELECT i, i // {CONNECTIONS} AS turn, (i // {CONNECTIONS}) % 2 = 0 AS asks
                            FROM range({CALLS}) AS t(i)))"""
        )
        kept_reply = reply[:256] if len(reply) > 256 else reply + b"v" * (256 - len(reply))
        cut_request = len(request) > KEPT
        connection.execute(
            f"""INSERT INTO payload SELECT thread_id, seq, CASE WHEN asks THEN $request ELSE $reply END,
                CASE WHEN NOT asks THEN $tail WHEN {cut_request} THEN $request_tail END, NOT asks OR {cut_request}
                FROM (SELECT thread_id, seq, (ts_ns // 1000 // {CONNECTIONS}) % 2 = 0 AS asks FROM event)""",
            {
                "request": request[:256] if cut_request else request,
                "request_tail": request[-64:],
                "reply": kept_reply,
                "tail": tail,
            },
        )
        kept = connection.execute("SELECT sum(octet_length(head) + coalesce(octet_length(tail), 0)) FROM payload")
        return int(kept.fetchall()[0][0])


def report(path: Path) -> None:
    """Print the figures of the case file at ``path``, a line each: name, tab, figure."""
    from clew.native.protocols import Talks
    from clew.protocols import extract

    in_c = 0.0
    feed = Talks.feed

    def timed(*arguments: object) -> None:
        nonlocal in_c
        begin = time.process_time()
        feed(*arguments)  # type: ignore[arg-type]
        in_c += time.process_time() - begin

    Talks.feed = timed  # type: ignore[method-assign,assignment]
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET memory_limit = '1GB'; SET preserve_insertion_order = false; SET threads = 2")
        query = "SELECT sum(octet_length(head) + coalesce(octet_length(tail), 0)), count(*) FROM payload"
        kept, calls = connection.execute(query).fetchall()[0]
        begin, wall = time.process_time(), time.perf_counter()
        extract(connection)
        cpu, wall = time.process_time() - begin, time.perf_counter() - wall
        messages = connection.execute("SELECT count(*), count(*) FILTER (whole) FROM message").fetchall()[0]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{kept / in_c / 1e6:.0f}\t{kept / cpu / 1e6:.0f}\t{calls / in_c / 1e6:.1f}\t{calls / cpu / 1e6:.1f}\t"
        f"{messages[0]:,} ({messages[1]:,} whole)\t{wall:.1f}\t{memory:.0f}"
    )


def measure() -> Table:
    """MB of payload and millions of calls for each second of CPU time."""
    columns = ("protocol", "C: MB/s", "all: MB/s", "C: M calls/s", "all: M calls/s", "messages", "wall s", "memory MB")
    table = Table(f"Payload of {CALLS:,} calls to messages", columns)
    with TemporaryDirectory(prefix="clew-bench-") as folder:
        for shape in SHAPES:
            path = Path(folder) / f"{shape}.duckdb"
            make(path, shape)
            line = [sys.executable, "-m", "benchmarks.protocols", str(path)]
            done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
            table.rows.append((shape, *done.stdout.strip().split("\t")))
    return table


if __name__ == "__main__":
    report(Path(sys.argv[1]))
