"""How long messages take to become requests, spans and shapes, in which memory; beside a join that finds less.

Each size runs in a process of its own, so that its peak memory is its own. The peer is DuckDB alone: messages matched
at both ends, and each call given to the last request of its thread by an ASOF join: no event loops, no shapes.
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
from clew.causal import attribute, match, paths, spent
from clew.store import schema_text

SIZES = (1_000_000, 10_000_000, 50_000_000)
LANES = 16  # requests at a time; each has a thread in every program
EACH = 12  # messages of a request: three connections, two ends, there and back
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "1GiB",
    "preserve_insertion_order": False,
}

_PROGRAMS = """
INSERT INTO process (process_id, capture_id, host, pid, command, start_ns)
SELECT 1 + hop, 1, 'here', 1 + hop, ['load', 'web', 'app', 'database'][1 + hop], 0 FROM range(4) t(hop);
INSERT INTO thread
SELECT 1000 * (1 + hop) + lane, 1 + hop, 1, 'here', 1 + hop, 1000 * (1 + hop) + lane, NULL, NULL, 0, NULL, 0
FROM range(4) t(hop), range({lanes}) u(lane);
INSERT INTO connection (conn_id, capture_id, host, pid, kind, opened_ns, peer_conn_id)
SELECT 10000 * (1 + hop) + 2 * lane + side, 1, 'here', 1, 'tcp', 0, 10000 * (1 + hop) + 2 * lane + 1 - side
FROM range(3) a(hop), range({lanes}) b(lane), range(2) c(side)
"""

# The lanes' requests follow one another, a millisecond each; inner calls lie within outer ones.
_MESSAGES = """
INSERT INTO message
SELECT row_number() OVER (), 1, 10000 * (1 + hop) + 2 * lane + side, 1000 * (1 + hop + side) + lane, 'here',
       1 + hop + side, 1000 * (1 + hop + side) + lane, 0, (side = 0) = (back = 0),
       CASE back WHEN 0 THEN 'request' ELSE 'reply' END, turn, NULL,
       ts, ts + 1000, turn * 100, 100, 'http1', 'GET', CASE back WHEN 0 THEN 'GET /' || hop || '/' || kind END, NULL,
       CASE back WHEN 1 THEN '200' END, FALSE, NULL, NULL, TRUE
FROM (
    SELECT i % {lanes} AS lane, i // {lanes} AS turn, hash(i * 7) % 5 AS kind, hop, side, back,
           (i // {lanes}) * 1000000 + (hash(i) % 400000)::BIGINT
           + CASE back WHEN 0 THEN hop * 50000 + side * 10000 ELSE 500000 - hop * 50000 - side * 10000 END AS ts
    FROM range({requests}) r(i), range(3) a(hop), range(2) b(side), range(2) c(back))
"""

_PEER = """
CREATE TEMP TABLE asked AS SELECT * FROM message WHERE role = 'request';
CREATE TEMP TABLE met AS
SELECT s.msg_id, c.msg_id AS parent FROM asked s JOIN connection e USING (conn_id)
JOIN asked c ON c.conn_id = e.peer_conn_id AND c.byte_offset = s.byte_offset WHERE c.sent AND NOT s.sent;
CREATE TEMP TABLE worked AS
SELECT c.msg_id, s.msg_id AS parent FROM (SELECT * FROM asked WHERE sent) c
ASOF JOIN (SELECT * FROM asked WHERE NOT sent) s ON s.thread_id = c.thread_id AND s.last_ns <= c.first_ns
"""


def make(path: Path, messages: int) -> None:
    """A case's tables at `path` with about so many messages of requests through four programs."""
    with duckdb.connect(path, config=SETTINGS) as connection:
        connection.execute(schema_text())
        connection.execute(_PROGRAMS.format(lanes=LANES))
        connection.execute(_MESSAGES.format(lanes=LANES, requests=messages // EACH))


def link(path: Path) -> tuple[float, float, int, float]:
    """(seconds, MB at most, requests, seconds of the sums besides) that it takes to link the messages at `path`.

    Tables are written. The sums are where the time of each span went and who called whom (tables span_time, span_wait,
    hop); memory is with them.
    """
    began = time.perf_counter()
    with duckdb.connect(path, config=SETTINGS) as connection:
        connection.execute("BEGIN")
        match.match(connection)
        paths.make(connection, attribute.link(connection))
        connection.execute("COMMIT")
        linked = time.perf_counter()
        connection.execute("BEGIN")
        spent.make(connection)
        connection.execute("COMMIT")
        requests = connection.execute("SELECT count(*) FROM request WHERE spans = 6").fetchall()[0][0]
    summed = time.perf_counter() - linked
    return linked - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, requests, summed


def peer(path: Path) -> tuple[float, float, int]:
    """The same of the peer."""
    began = time.perf_counter()
    with duckdb.connect(path, config=SETTINGS) as connection:
        connection.execute(_PEER)
        count = connection.execute("SELECT count(*) FROM worked").fetchall()[0][0]
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, count


def alone(what: str, path: Path) -> list[str]:
    """`what` in a process of its own: the words that it prints."""
    command = [sys.executable, "-m", "benchmarks.causal", what, str(path)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def measure() -> Table:
    """Seconds and memory at each size; an AssertionError if a request was not put together."""
    table = Table(
        "Messages to requests",
        ("messages", "s", "messages/s", "sums of them: s", "MB", "DuckDB, matched ends and threads alone: s"),
    )
    for size in SIZES:
        with TemporaryDirectory(prefix="clew-bench-") as folder:
            path = Path(folder) / "case.duckdb"
            make(path, size)
            seconds, memory, requests, summed = (float(word) for word in alone("link", path))
            assert requests == size // EACH, f"{requests:.0f} of {size // EACH} requests were put together"
            less = float(alone("peer", path)[0])
        rate = f"{size / seconds:,.0f}"
        table.rows.append((f"{size:,}", f"{seconds:.1f}", rate, f"{summed:.1f}", f"{memory:,.0f}", f"{less:.1f}"))
    return table


if __name__ == "__main__":
    print(*{"link": link, "peer": peer}[sys.argv[1]](Path(sys.argv[2])))
