"""A case of a shop in three tiers whose spans, requests, shapes and working intervals are known: written, not traced.

Four lanes work side by side, each a web worker (``web``, an event loop), a thread of ``app`` and two back ends of
``postgres``, the last on another host. A lane serves one request after the other, so that no two intervals of a thread
overlap. ``write_case(folder, requests)`` makes as many requests as wanted, always the same for the same arguments:

    GET /          web -> app, answered from memory
    GET /item/?    web -> app -> two queries, one after the other; 2 in 100 have a slow second query and page faults
    GET /search    web -> app -> two queries at once, the second linked with confidence 0.8 only
    POST /order    web -> app -> a query that fails in 1 of 20, and a log statement that outlives its parent
    SELECT version()   app -> postgres: nobody knows for whom (unresolved)

The last request of lane 0 is a GET /item/? that was cut by the end of the recording in its second query.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

import clew
from clew.case import Case
from clew.causal import spent
from clew.ops import OP_ID, OPS
from clew.store import DATABASE, schema_checksum, schema_text

LANES = 4
START = 1_000_000_000  # ns, when the first request begins
STEPS = 8  # span k (0 to 6) of request i has the id 8 * i + k + 1
HOME, ITEM, SEARCH, ORDER, STRAY = range(5)
NAMES = ("GET /", "GET /item/?", "GET /search", "POST /order", "SELECT version()")
_FIND, _STOCK = "SELECT * FROM item WHERE id = ?", "SELECT n FROM stock WHERE item = ?"
_WORDS, _TITLES = "SELECT id FROM words WHERE word = ?", "SELECT id FROM titles WHERE title = ?"
_BUY, _LOG = "INSERT INTO orders VALUES (?)", "INSERT INTO log VALUES (?)"


def _front(name: str) -> list[tuple[Any, ...]]:
    return [
        (0, None, "server", "web", "a", name, "http1", "root", 1.0, 0),
        (1, 0, "client", "web", "a", name, "http1", "loop", 1.0, 1),
        (2, 1, "server", "app", "a", name, "http1", "match", 1.0, 2),
    ]


def _query(k: int, name: str, confidence: float = 1.0, rule: str = "thread") -> list[tuple[Any, ...]]:
    return [
        (k, 2, "client", "app", "a", name, "postgres", rule, confidence, 3),
        (k + 1, k, "server", "postgres", "b", name, "postgres", "match", 1.0, 4),
    ]


# What step k of a kind of request is: its parent, kind, command, host, name, protocol, rule, confidence, depth.
TREES: dict[int, list[tuple[Any, ...]]] = {
    HOME: _front(NAMES[HOME]),
    ITEM: _front(NAMES[ITEM]) + _query(3, _FIND) + _query(5, _STOCK),
    SEARCH: _front(NAMES[SEARCH]) + _query(3, _WORDS) + _query(5, _TITLES, 0.8, "queue"),
    ORDER: _front(NAMES[ORDER]) + _query(3, _BUY) + _query(5, _LOG),
    STRAY: [
        (0, None, "client", "app", "a", NAMES[STRAY], "postgres", "unresolved", 0.0, 0),
        (1, 0, "server", "postgres", "b", NAMES[STRAY], "postgres", "match", 1.0, 1),
    ],
}
Spans = dict[int, tuple[np.ndarray, np.ndarray]]


def _times(kind: np.ndarray, chance: np.random.Generator) -> tuple[Spans, np.ndarray]:
    """(start, end) in ns of step k of every request, from the request's own begin; how long its lane is taken."""
    n = len(kind)

    def some(low: int, high: int) -> np.ndarray:
        return chance.integers(low, high, n)

    web, hop, app, net = some(5_000, 20_000), some(8_000, 30_000), some(20_000, 60_000), some(30_000, 80_000)
    first, second = some(100_000, 400_000), some(200_000, 500_000)
    slow = (kind == ITEM) & (chance.random(n) < 0.02)
    second = np.where(slow, second * 20, second)
    stray = kind == STRAY
    s: Spans = {}
    begin = np.zeros(n, np.int64)
    at1 = begin + web
    at2 = at1 + hop
    at3 = np.where(stray, begin, at2 + app)
    end4 = at3 + net + first
    end3 = end4 + net
    at5 = np.where(kind == SEARCH, at3 + 2_000, np.where(kind == ORDER, end3 + 1_000, end3 + app))
    end6 = at5 + net + second
    end5 = end6 + net
    last = np.where(kind == ITEM, end5, np.where(kind == SEARCH, np.maximum(end3, end5), end3))
    end2 = np.where(kind == HOME, at2 + app, last + 10_000)
    end1 = end2 + hop
    end0 = end1 + web
    s[0] = (begin, np.where(stray, end3, end0))
    s[1] = (np.where(stray, at3 + net, at1), np.where(stray, end4, end1))
    s[2], s[3], s[4] = (at2, end2), (at3, end3), (at3 + net, end4)
    s[5], s[6] = (at5, end5), (at5 + net, end6)
    taken = np.where(kind == HOME, end0, np.maximum(np.maximum(end0, end3), np.where(stray, 0, end5)))
    return s, taken + chance.integers(10_000, 100_000, n)


def write_case(folder: Path, requests: int = 400, *, seed: int = 7, calls: bool = True, database: bool = False) -> Case:
    """A case at ``folder`` with that many requests; without ``calls`` no messages, events and samples (quicker).

    It is one of Parquet tables: what is in them is not traced again. ``database``: as a recorded case has it, marked as
    traced.
    """
    if database:
        from clew.causal.run import _state

        _write_database(folder, requests, seed, calls).close()
        with duckdb.connect(str(folder / DATABASE)) as connection:
            connection.execute("INSERT INTO setting VALUES ('traced', ?)", [_state(connection, None)])
        return clew.open(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        case = _write_database(Path(made) / "case", requests, seed, calls)
        case.to_parquet(folder)
        case.close()
    return clew.open(folder)


def _write_database(folder: Path, requests: int, seed: int, calls: bool) -> Case:
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    kind = chance.choice(5, requests, p=[0.2, 0.4, 0.2, 0.15, 0.05])
    lane = np.arange(requests) % LANES
    cut = np.flatnonzero(lane == 0)[-1:]
    kind[cut] = ITEM
    spans, taken = _times(kind, chance)
    begin = np.empty(requests, np.int64)
    for number in range(LANES):
        mine = lane == number
        begin[mine] = START + number * 1_000 + np.cumsum(taken[mine]) - taken[mine]
    failed = (kind == ORDER) & (chance.random(requests) < 0.05)
    rows = []
    for k, (start, end) in spans.items():
        has = np.array([k < len(TREES[one]) for one in range(5)])[kind]
        number = np.flatnonzero(has)
        open_ended = np.isin(number, cut) & np.isin(k, (0, 1, 2, 5, 6))
        rows.append(
            pa.table(
                {
                    "i": number,
                    "k": np.full(len(number), k),
                    "kind": kind[number],
                    "lane": lane[number],
                    "failed": failed[number],
                    "start_ns": begin[number] + start[number],
                    "end_ns": pa.array(begin[number] + end[number], mask=open_ended),
                }
            )
        )
    with duckdb.connect(str(folder / DATABASE)) as connection:
        _fill(connection, pa.concat_tables(rows), int((begin + taken).max()), calls)
    return clew.open(folder)


def _fill(connection: duckdb.DuckDBPyConnection, step: pa.Table, last: int, calls: bool) -> None:
    from importlib import resources

    connection.execute("SET preserve_insertion_order = false")
    connection.execute(schema_text())
    connection.execute((resources.files("clew.ingest") / "landing.sql").read_text("utf-8"))
    connection.execute("INSERT INTO setting VALUES ('schema', ?)", [schema_checksum()])
    connection.executemany("INSERT INTO op VALUES (?, ?, ?)", [list(op) for op in OPS])
    fields = "kind, k, parent, span_kind, command, host, name, protocol, rule, confidence, depth"
    connection.execute(
        "CREATE TEMP TABLE tree (kind INT, k INT, parent INT, span_kind VARCHAR, command VARCHAR, host VARCHAR,"
        " name VARCHAR, protocol VARCHAR, rule VARCHAR, confidence DOUBLE, depth INT)"
    )
    tree = [[kind, *node] for kind, nodes in TREES.items() for node in nodes]
    connection.executemany(f"INSERT INTO tree ({fields}) VALUES ({', '.join('?' * 11)})", tree)
    connection.register("step", step)
    values = {
        "last": last,
        "start": START,
        "steps": STEPS,
        "read": OP_ID["read"],
        "write": OP_ID["write"],
    }
    for statement in (_TABLES + (_CALLS if calls else "")).split(";"):
        if statement.strip():
            asked = {name: value for name, value in values.items() if f"${name}" in statement}
            connection.execute(statement, asked)
    spent.make(connection)


# Threads: web worker of a lane 11.., app 21.. (one process, 20), postgres 31.. (first query) and 41.. (second query).
_TABLES = """
INSERT INTO capture VALUES
    (1, 'preload', 'a', 'shop', $start, $last, NULL, 0, TRUE, 0, 0, TRUE, NULL, NULL),
    (2, 'preload', 'b', 'postgres', $start, $last, NULL, 0, TRUE, 0, 0, TRUE, NULL, NULL);
CREATE TEMP TABLE worker AS
    SELECT 'web' AS command, 'a' AS host, 1 AS capture_id, 11 + l AS pid, 11 + l AS tid, l AS lane, 0 AS second
    FROM range(4) t(l)
    UNION ALL SELECT 'app', 'a', 1, 20, 21 + l, l, 0 FROM range(4) t(l)
    UNION ALL SELECT 'postgres', 'b', 2, 31 + 10 * s + l, 31 + 10 * s + l, l, s FROM range(4) t(l), range(2) u(s);
INSERT INTO process BY NAME
    SELECT min(tid) AS process_id, capture_id, host, pid, command, 1 AS ppid, $start AS start_ns, command AS comm,
           '/bin/' || command AS exe
    FROM worker GROUP BY ALL;
INSERT INTO thread BY NAME
    SELECT tid AS thread_id, min(tid) OVER (PARTITION BY pid) AS process_id, capture_id, host, pid, tid,
           command AS name, $start AS start_ns, 0 AS lost_events
    FROM worker;
CREATE TEMP TABLE one AS
    SELECT s.*, t.* EXCLUDE (kind, k), w.* EXCLUDE (command, host, lane), s.i * $steps + s.k + 1 AS id,
           s.i * $steps + 1 AS root, t.kind = 3 AND failed AND s.k < 5 AS bad
    FROM step s JOIN tree t ON t.kind = s.kind AND t.k = s.k
    JOIN worker w ON w.command = t.command AND w.lane = s.lane
                 AND w.second = CASE WHEN t.command = 'postgres' AND s.k = 6 THEN 1 ELSE 0 END;
INSERT INTO span
    SELECT id, root, CASE WHEN parent IS NOT NULL THEN i * $steps + parent + 1 END, capture_id, tid, host, pid, tid,
           command, span_kind, name, protocol,
           100 * lane + CASE k WHEN 0 THEN 1 WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE k + 1 END,
           start_ns, end_ns, CASE WHEN end_ns IS NULL THEN NULL WHEN bad AND k < 3 THEN '500' WHEN bad THEN '23505'
                                  WHEN protocol = 'http1' THEN '200' ELSE 'OK' END,
           bad, 2 * id, CASE WHEN end_ns IS NOT NULL THEN 2 * id + 1 END, rule, confidence, depth, kind * 8 + k
    FROM one ORDER BY root, id;
INSERT INTO request
    SELECT root, any_value(capture_id) FILTER (k = 0), any_value(name) FILTER (k = 0), any_value(host) FILTER (k = 0),
           any_value(command) FILTER (k = 0), min(start_ns) FILTER (k = 0), max(end_ns) FILTER (k = 0),
           max(end_ns - start_ns) FILTER (k = 0),
           CASE WHEN bool_or(end_ns IS NULL) THEN NULL WHEN bool_or(bad) THEN '500'
                WHEN any_value(kind) = 4 THEN 'OK' ELSE '200' END,
           bool_or(bad), any_value(kind) <> 4, min(confidence), count(*), count(DISTINCT (host, pid)),
           any_value(kind) + 1
    FROM one GROUP BY root ORDER BY root;
INSERT INTO shape
    SELECT kind + 1, any_value(name) FILTER (k = 0),
           string_agg(repeat('  ', depth) || command || ' ' ||
                      CASE span_kind WHEN 'client' THEN '→ ' ELSE '' END || name, chr(10) ORDER BY k),
           count(*), CASE count(*) WHEN 2 THEN 2 WHEN 3 THEN 2 ELSE 4 END, max(depth)
    FROM tree WHERE kind IN (SELECT kind FROM step) GROUP BY kind;
UPDATE shape SET processes = 4 - (shape_id IN (1, 5))::INT * 2;
INSERT INTO working
    SELECT host, pid, tid, start_ns, end_ns, root, id, confidence FROM (
        SELECT o.host, o.pid, o.tid, o.start_ns, c.start_ns AS end_ns, o.root, o.id, o.confidence
        FROM one o JOIN one c ON c.id = o.id + 1 WHERE o.command = 'web' AND o.k = 0
        UNION ALL
        SELECT o.host, o.pid, o.tid, c.end_ns, o.end_ns, o.root, o.id, o.confidence
        FROM one o JOIN one c ON c.id = o.id + 1 WHERE o.command = 'web' AND o.k = 0 AND o.end_ns IS NOT NULL
        UNION ALL
        SELECT host, pid, tid, start_ns, coalesce(end_ns, $last), root, id, confidence
        FROM one WHERE span_kind = 'server' AND command <> 'web' OR rule = 'unresolved')
    ORDER BY host, tid, start_ns;
INSERT INTO host_clock VALUES (2, 'b', $start, 1500.0, 20.0, 12000.0, 100)
"""

# Each span has two messages (its end's request and reply) and two calls that moved them; samples fall into working.
_CALLS = """
;INSERT INTO connection BY NAME
    SELECT conn_id, any_value(capture_id) AS capture_id, any_value(host) AS host, any_value(pid) AS pid, 5 AS fd,
           'tcp' AS kind, '10.0.0.1:' || conn_id AS local,
           CASE WHEN any_value(protocol) = 'postgres' THEN '10.0.0.2:5432' ELSE '10.0.0.1:80' END AS remote,
           CASE any_value(kind) WHEN 'server' THEN 'accepted' ELSE 'connected' END AS role,
           CASE WHEN any_value(kind) = 'client' THEN '10.0.0.2:5432' ELSE '10.0.0.1:*' END AS peer, $start AS opened_ns
    FROM span GROUP BY conn_id;
CREATE TEMP TABLE said AS
    SELECT s.*, m.reply, CASE WHEN reply THEN end_ns ELSE start_ns END AS at_ns,
           reply = (s.kind = 'server') AS sent,
           row_number() OVER (PARTITION BY thread_id ORDER BY CASE WHEN reply THEN end_ns ELSE start_ns END,
                                                              span_id) AS seq
    FROM span s, (VALUES (FALSE), (TRUE)) m(reply) WHERE NOT reply OR end_ns IS NOT NULL;
INSERT INTO message BY NAME
    SELECT 2 * span_id + reply::INT AS msg_id, capture_id, conn_id, thread_id, host, pid, tid, seq, sent,
           CASE WHEN reply THEN 'reply' ELSE 'request' END AS role, request_id AS exchange,
           at_ns - 1000 AS first_ns, at_ns AS last_ns, 0 AS byte_offset,
           CASE WHEN reply THEN 1500 ELSE 120 END AS bytes, protocol,
           CASE WHEN NOT reply THEN split_part(name, ' ', 1) END AS kind,
           CASE WHEN NOT reply THEN name END AS name,
           CASE WHEN NOT reply THEN replace(name, '?', request_id::VARCHAR) ELSE status END AS summary,
           CASE WHEN reply THEN status END AS status, reply AND error AS error, TRUE AS whole
    FROM said;
INSERT INTO event BY NAME
    SELECT capture_id, thread_id, host, pid, tid, seq, at_ns - 1000 AS ts_ns, 1000 AS dur_ns,
           CASE WHEN sent THEN $write ELSE $read END AS op_id, 5 AS fd,
           CASE WHEN reply THEN 1500 ELSE 120 END AS result, 0 AS errno,
           CASE WHEN reply THEN 1500 ELSE 120 END AS bytes, conn_id, 0 AS byte_offset
    FROM said ORDER BY thread_id, seq;
INSERT INTO sample_event VALUES (1, 1, 'cpu-clock', 'on-cpu', 'ns', NULL), (2, 2, 'cpu-clock', 'on-cpu', 'ns', NULL),
    (3, 2, 'page-faults', 'fault', 'faults', NULL);
INSERT INTO frame BY NAME
    SELECT f AS frame_id, 1 AS capture_id, ['main', 'handle', 'parse', 'execute', 'scan'][f] AS function, 'user' AS kind
    FROM range(1, 6) t(f);
INSERT INTO stack VALUES (1, 1, NULL, 1, 1), (2, 1, 1, 2, 2), (3, 1, 2, 3, 3), (4, 1, 1, 4, 2), (5, 1, 4, 5, 3);
INSERT INTO sample BY NAME
    SELECT CASE host WHEN 'a' THEN 1 ELSE 2 END AS capture_id, tid AS thread_id, host, pid, tid,
           start_ns + (end_ns - start_ns) // 2 AS ts_ns, CASE host WHEN 'a' THEN 1 ELSE 2 END AS event_id,
           1e6 AS weight, CASE host WHEN 'a' THEN 3 ELSE 5 END AS stack_id
    FROM working WHERE (span_id * 2654435761) % 97 < 25;
INSERT INTO sample BY NAME
    SELECT 2 AS capture_id, w.tid AS thread_id, w.host, w.pid, w.tid, w.start_ns + 1000 * n AS ts_ns, 3 AS event_id,
           1.0 AS weight, 5 AS stack_id, 4096 * n AS address
    FROM working w, range(1, 6) t(n) WHERE w.host = 'b' AND w.end_ns - w.start_ns > 2000000
"""
