"""How fast recorded payload becomes messages: HTTP/1 and PostgreSQL at both ends of 2,000 connections.

Two figures each: the pass in C alone, and all of it (read from the case, told, written to table message).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.table import Table

CONNECTIONS = 2_000
HEADERS = "".join(f"X-Header-{number}: a value of the usual length\r\n" for number in range(4)).encode()


@dataclass(frozen=True)
class Shape:
    """One exchange, how many calls of it, and how many bytes of head and tail of each call were kept."""

    request: bytes
    reply: bytes
    calls: int = 2_000_000
    head: int = 256
    tail: int = 64

    def kept(self, data: bytes) -> tuple[bytes, bytes | None]:
        """What a recording keeps of a call that moved ``data``."""
        whole = len(data) <= self.head + self.tail
        return (data, None) if whole else (data[: self.head], data[-self.tail :])


def page(size: int) -> bytes:
    """A response with a body of ``size`` bytes."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % size + HEADERS + b"\r\n" + b"v" * size


def rows(size: int) -> bytes:
    """PostgreSQL's answer to a simple query: one row of ``size`` bytes."""
    message = {b"T": b"\0\1name\0" + bytes(18), b"D": b"\0\1" + size.to_bytes(4, "big") + b"v" * size}
    message |= {b"C": b"SELECT 1\0", b"Z": b"I"}
    return b"".join(kind + (len(content) + 4).to_bytes(4, "big") + content for kind, content in message.items())


GET = b"GET /item/4711/reviews?page=2 HTTP/1.1\r\nHost: shop\r\n" + HEADERS + b"\r\n"
QUERY = b"SELECT name, price FROM item WHERE id = 4711 AND shop IN (1, 2, 3) -- " + b"x" * 41 + b"\0"
SHAPES = {
    "http1": Shape(GET, page(4_000)),
    "http1, 16 KB kept whole": Shape(GET, page(16_000), calls=100_000, head=1 << 20),
    "postgres": Shape(b"Q" + (len(QUERY) + 4).to_bytes(4, "big") + QUERY, rows(4_000)),
}


def make(path: Path, shape: Shape) -> None:
    """A case file: each connection's client asks and the server answers in turn; every second is a server's end."""
    from clew.ops import OPS
    from clew.store import schema_text

    sizes = {"asked": len(shape.request), "answered": len(shape.reply)}
    (request, request_tail), (reply, reply_tail) = shape.kept(shape.request), shape.kept(shape.reply)
    options = {"options": {"payload_head": shape.head, "payload_tail": shape.tail}}
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(schema_text())
        connection.executemany("INSERT INTO op VALUES (?, ?, ?)", [list(op) for op in OPS])
        connection.execute(
            f"""INSERT INTO connection BY NAME
                SELECT i + 1 AS conn_id, 1 AS capture_id, 'h' AS host, 1 AS pid, 'tcp' AS kind,
                       '127.0.0.1:80' AS remote, CASE WHEN i % 2 = 0 THEN 'connected' ELSE 'accepted' END AS role
                FROM range({CONNECTIONS}) AS t(i)"""
        )
        connection.execute(
            """INSERT INTO capture BY NAME
               SELECT 1 AS capture_id, 'preload' AS engine, 'h' AS host, 0 AS started_ns, TRUE AS complete,
                      0 AS lost_events, 0 AS skipped_bytes, TRUE AS traced, $options AS params""",
            {"options": json.dumps(options)},
        )
        connection.execute(
            f"""INSERT INTO event
                SELECT 1, 1 + i % 8, 'h', 1, 1 + i % 8, i // 8 + 1, i * 1000, 500, CASE WHEN sent THEN 10 ELSE 1 END, 3,
                       n, 0, n, 1 + i % {CONNECTIONS}, (turn // 2) * n
                FROM (SELECT *, CASE WHEN asks THEN $asked ELSE $answered END AS n,
                             asks = (i % {CONNECTIONS} % 2 = 0) AS sent
                      FROM (SELECT i, i // {CONNECTIONS} AS turn, (i // {CONNECTIONS}) % 2 = 0 AS asks
                            FROM range({shape.calls}) AS t(i)))""",
            sizes,
        )
        connection.execute(
            f"""INSERT INTO payload
                SELECT thread_id, seq, CASE WHEN asks THEN $request ELSE $reply END,
                       CASE WHEN asks THEN $request_tail::BLOB ELSE $reply_tail::BLOB END, NOT asks
                FROM (SELECT thread_id, seq, (ts_ns // 1000 // {CONNECTIONS}) % 2 = 0 AS asks FROM event)""",
            {"request": request, "request_tail": request_tail, "reply": reply, "reply_tail": reply_tail},
        )


def report(path: Path) -> None:
    """Print the figures of the case file at ``path``, a line each: name, tab, figure."""
    from clew.native.protocols import Talks
    from clew.protocols import extract

    in_c = 0.0
    feed = Talks.feed

    def timed(*arguments: object) -> None:
        nonlocal in_c
        begin = time.thread_time()
        feed(*arguments)  # type: ignore[arg-type]
        in_c += time.thread_time() - begin

    Talks.feed = timed  # type: ignore[method-assign,assignment]
    with duckdb.connect(str(path)) as connection:
        for setting in ("memory_limit = '1GB'", "preserve_insertion_order = false", "threads = 2"):
            connection.execute(f"SET {setting}")
        connection.execute("SET enable_progress_bar = false")
        query = "SELECT sum(octet_length(head) + coalesce(octet_length(tail), 0)), count(*) FROM payload"
        kept, calls = connection.execute(query).fetchall()[0]
        begin, wall = time.process_time(), time.perf_counter()
        connection.execute("BEGIN")
        extract(connection)
        connection.execute("COMMIT")
        cpu, wall = time.process_time() - begin, time.perf_counter() - wall
        messages = connection.execute("SELECT count(*), count(*) FILTER (whole) FROM message").fetchall()[0]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{kept / in_c / 1e6:.0f}\t{kept / cpu / 1e6:.0f}\t{calls / in_c / 1e6:.1f}\t{calls / cpu / 1e6:.1f}\t"
        f"{messages[0]:,} ({messages[1]:,} whole)\t{wall:.1f}\t{kept / wall / 1e6:.0f}\t{memory:.0f}"
    )


def measure() -> Table:
    """MB of payload and millions of calls for each second of CPU time; wall: on two processors."""
    columns = (
        *("protocol", "C: MB/s", "all: MB/s", "C: M calls/s", "all: M calls/s", "messages", "wall s", "wall: MB/s"),
        "memory MB",
    )
    table = Table("Payload to messages", columns)
    with TemporaryDirectory(prefix="clew-bench-") as folder:
        for name in SHAPES:
            path = Path(folder) / f"{len(table.rows)}.duckdb"
            line = [sys.executable, "-m", "benchmarks.protocols", str(path)]
            subprocess.run([*line, name], check=True)  # made elsewhere: its memory is not what is measured
            done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
            table.rows.append((name, *done.stdout.strip().split("\t")))
    return table


if __name__ == "__main__":
    if len(sys.argv) > 2:
        make(Path(sys.argv[1]), SHAPES[sys.argv[2]])
    else:
        report(Path(sys.argv[1]))
