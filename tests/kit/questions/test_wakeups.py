"""Who woke whom, on a few samples made by hand: what is a wait for somebody, and what is none."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

import clew
from clew import questions
from clew.case import Case
from clew.lens import Lens
from clew.store import schema_text

MS = 1_000_000
OFF = [  # thread, who woke it, how long it was off, what it did when it left
    (1, 2, 5 * MS, "prev_state=S"),
    (1, 2, 3 * MS, "prev_state=S"),
    (1, None, 7 * MS, "prev_state=D"),
    (2, None, 90 * MS, "prev_state=R"),
    (2, None, 10 * MS, "prev_state=R+"),
    (2, 1, 2 * MS, None),  # imported: nothing is known of how it left
]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = duckdb.connect()
    made.execute(schema_text())
    common = "1 AS capture_id, 'h' AS host"
    made.execute(
        f"""INSERT INTO capture BY NAME SELECT {common}, 'perf' AS engine, 0 AS started_ns, TRUE AS complete,
            0 AS lost_events, 0 AS skipped_bytes, FALSE AS traced"""
    )
    image = "9 AS process_id, 9 AS pid, 'shop' AS command, 0 AS start_ns"
    made.execute(f"INSERT INTO process BY NAME SELECT {common}, {image}")
    made.execute("INSERT INTO sample_event VALUES (1, 1, 'off-cpu', 'off-cpu', 'ns', NULL)")
    for tid in (1, 2):
        made.execute(
            f"""INSERT INTO thread BY NAME SELECT {common}, 9 AS process_id, 9 AS pid, $t AS thread_id, $t AS tid,
                't' || $t AS name, 0 AS start_ns, 0 AS lost_events""",
            {"t": tid},
        )
    for at, (tid, waker, ns, detail) in enumerate(OFF):
        made.execute(
            f"""INSERT INTO sample BY NAME SELECT {common}, 1 AS event_id, 9 AS pid, $t AS thread_id, $t AS tid,
                $at AS ts_ns, $ns AS weight, $waker AS other_tid, $detail AS detail""",
            {"at": at, "t": tid, "ns": ns, "waker": waker, "detail": detail},
        )
    tables = {name: 0 for (name,) in made.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    del tables["setting"]
    for table in tables:
        made.execute(f"COPY {table} TO '{tmp_path}/{table}.parquet'")
    (tmp_path / "manifest.json").write_text(json.dumps({"clew": "0.1.0", "tables": tables}))
    return clew.open(tmp_path)


def test_a_turn_without_a_processor_is_no_wait_for_anybody(case: Case) -> None:
    answer = questions.wakeups(case, Lens())
    found = [(row["waker"], row["sleeper"], row["waits"], row["off_ns"]) for row in answer.table.to_pylist()]
    assert found == [("t2", "t1", 2, 8 * MS), (None, "t1", 1, 7 * MS), ("t1", "t2", 1, 2 * MS)]
    assert answer.note == (
        "no waker: a timer or another interrupt, or who it was is not recorded; "
        "not here: 100 ms in 2 turns in which threads could run, and waited for a processor"
    )
    only = questions.wakeups(case, Lens(tids=(1,)), limit=1)
    assert only.note is None
    case.close()
