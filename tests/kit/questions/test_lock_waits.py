"""What requests waited for inside a program, on a few calls made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

import clew
from clew import questions
from clew.case import Case
from clew.lens import Lens
from clew.ops import OP_ID, OPS
from clew.store import schema_text

MS = 1_000_000
WORK = {
    11: ("GET /slow", 1, 0, 100 * MS),
    12: ("GET /quick", 2, 10 * MS, 110 * MS),
    13: ("GET /late", 3, 200 * MS, 400 * MS),
}
"""Span (and request): its name, thread, when the thread worked for it."""
CALLS = [  # thread, call, object, begin, length, errno
    (2, "sem_wait", 0xA, 20 * MS, 60 * MS, 0),  # until GET /slow lets go
    (1, "sem_post", 0xB, 70 * MS, 0, 0),  # another lock
    (1, "sem_post", 0xA, 79 * MS, 0, 0),
    (2, "sem_wait", 0xA, 90 * MS, MS // 100, 0),  # too short to tell
    (3, "cond_wait", 0xC, 210 * MS, 50 * MS, 0),  # until a thread that works for no request makes what was waited for
    (4, "cond_signal", 0xC, 259 * MS, 0, 0),
    (3, "cond_wait", 0xC, 270 * MS, 20 * MS, 110),  # its time was over
    (3, "futex_wait", 0xA, 300 * MS, 30 * MS, 0),  # last woken long before it began to wait: by whom is not known
]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = duckdb.connect()
    made.execute(schema_text())
    common, where = "1 AS capture_id, 'h' AS host", "9 AS pid, $t AS thread_id, $t AS tid"
    made.execute(
        f"""INSERT INTO capture BY NAME SELECT {common}, 'preload' AS engine, 0 AS started_ns, TRUE AS complete,
            0 AS lost_events, 0 AS skipped_bytes, TRUE AS traced"""
    )
    made.execute("DELETE FROM op")
    made.executemany("INSERT INTO op VALUES (?, ?, ?)", [list(op) for op in OPS])
    for seq, (tid, op, at, begin, length, errno) in enumerate(CALLS, 1):
        made.execute(
            f"""INSERT INTO event BY NAME SELECT {common}, {where}, $seq AS seq, $begin AS ts_ns, $length AS dur_ns,
                $op AS op_id, 0 AS result, $errno AS errno, $at AS byte_offset""",
            {"t": tid, "seq": seq, "begin": begin, "length": length, "op": OP_ID[op], "errno": errno, "at": at},
        )
    for number, (name, tid, begin, end) in WORK.items():
        one = {"n": number, "name": name, "t": tid, "begin": begin, "end": end}
        request = f"{common}, $n AS request_id, $name AS name, $begin AS start_ns, $end AS end_ns, 'shop' AS command"
        sure = "FALSE AS error, 1.0 AS confidence"
        made.execute(
            f"""INSERT INTO span BY NAME SELECT {request}, {where}, $n AS span_id, 'server' AS kind, {sure},
                'root' AS link_rule, 0 AS depth""",
            one,
        )
        made.execute(
            f"""INSERT INTO request BY NAME SELECT {request}, $end - $begin AS dur_ns, {sure}, TRUE AS resolved,
                1 AS spans, 1 AS processes, 1 AS shape_id""",
            {name: value for name, value in one.items() if name != "t"},
        )
        made.execute(
            """INSERT INTO working BY NAME SELECT 'h' AS host, 9 AS pid, $t AS tid, $begin AS start_ns, $end AS end_ns,
                $n AS request_id, $n AS span_id, 1.0 AS confidence""",
            {name: value for name, value in one.items() if name != "name"},
        )
    tables = {name: 0 for (name,) in made.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    for table in ("setting", "span_time", "span_wait", "hop"):  # the last three are made of the others
        del tables[table]
    for table in tables:
        made.execute(f"COPY {table} TO '{tmp_path}/{table}.parquet'")
    (tmp_path / "manifest.json").write_text(json.dumps({"clew": "0.1.0", "tables": tables}))
    return clew.open(tmp_path)


def test_who_let_a_request_go_on(case: Case) -> None:
    rows = questions.lock_waits(case, Lens()).table.to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("shop", "GET /late", None, 2, 80 * MS, 50 * MS),
        ("shop", "GET /quick", "GET /slow", 1, 60 * MS, 60 * MS),
    ]
    quick = questions.lock_waits(case, Lens(requests=("GET /quick",)))
    assert quick.table.to_pylist() == rows[1:]
    assert questions.lock_waits(case, Lens(requests=("GET /slow",))).note == (
        "no request waited for a condition variable, a semaphore or a futex; time limits that ran out are left out"
    )
    every = questions.lock_waits(case, Lens(requests=("GET /quick",)), shortest_ns=1000)
    assert every.table["waits"].to_pylist() == [1, 1]
    case.close()
