"""A synthetic three-tier case for the tests of widgets: nginx, python and postgres under load, with errors and hostile names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clew
import duckdb
import numpy as np
import pyarrow as pa
import pytest
from clew.case import Case
from clew.store import schema_text

ORIGIN = 5_000_000_000_000
LENGTH = 12_000_000_000
OPS = (
    ("read", "read"), ("write", "write"), ("openat", "open"), ("close", "close"), ("accept4", "net"), ("connect", "net"),
    ("recv", "net"), ("send", "net"), ("epoll_wait", "wait"), ("fsync", "sync"), ("pread64", "read"),
)  # fmt: skip
ERRNOS = ((2, "ENOENT", "No such file or directory"), (11, "EAGAIN", "Try again"), (104, "ECONNRESET", "Connection reset by peer"))
# command, pid, threads, calls a second, typical duration in ns of each op
TIERS = (("nginx", 1201, 1, 9000, 6_000), ("python3", 1310, 4, 5200, 45_000), ("postgres", 1402, 1, 3100, 130_000), ("wrk", 1500, 2, 2600, 9_000))
SECRET = "hunter2-Zx81kQ"
HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "a\x1b[31mred\x1b[0m",
    "left\u202egnp.exe",
    "quote'\"`${7*7}\\",
    "line\nbreak\u2028two",
)


def _events(seed: int, scale: float) -> dict[str, np.ndarray[Any, Any]]:
    """Records of all threads as columns: steady load, a burst in the middle, a stall near the end."""
    random = np.random.default_rng(seed)
    parts: list[dict[str, np.ndarray[Any, Any]]] = []
    thread = 0
    for tier, (_command, pid, threads, rate, typical) in enumerate(TIERS):
        for number in range(threads):
            thread += 1
            count = int(rate * scale * LENGTH / 1e9 / threads)
            when = np.concatenate([random.uniform(0, 1, count * 4 // 5), random.normal(0.55, 0.035, count // 5)])
            when = np.sort(np.clip(when, 0.001, 0.98))
            count = len(when)
            weights = np.array([30, 26, 3, 3, 5, 2, 14, 12, 12, 0.6, 4]) * (1 if tier == 2 else np.array([1] * 9 + [0, 0]))
            op = random.choice(len(OPS), count, p=weights / weights.sum())
            spread = np.where(op == 8, 2.2, 1.1)
            duration = random.lognormal(np.log(typical * np.array([1, 1.3, 2.4, 0.3, 1.8, 8, 1, 1.2, 14, 90, 1.6])[op]), spread)
            duration = np.minimum(duration, 4e8)
            duration = np.where((when > 0.83) & (when < 0.86) & (tier == 2), duration * 40, duration)
            errno = np.zeros(count, dtype=np.uint16)
            errno[(op == 2) & (random.random(count) < 0.18)] = 2
            errno[((op == 6) | (op == 0)) & (random.random(count) < 0.03)] = 11
            errno[(op == 7) & (when > 0.83) & (when < 0.86)] = 104
            moves = np.isin(op, (0, 1, 6, 7, 10)) & (errno == 0)
            parts.append({
                "thread_id": np.full(count, thread), "pid": np.full(count, pid), "tid": np.full(count, pid + number),
                "seq": np.arange(1, count + 1), "ts_ns": ORIGIN + (when * LENGTH).astype(np.int64), "dur_ns": duration.astype(np.int64),
                "op_id": op + 1, "errno": errno, "bytes": np.where(moves, random.lognormal(6, 1.6, count), 0).astype(np.int64),
                "moves": moves, "conn_id": np.where(op == 2, 0, tier * 20 + random.integers(1, 21, count)),
            })  # fmt: skip
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def make_case(folder: Path, *, seed: int = 7, scale: float = 1.0, hostile: bool = False, lost: int = 0) -> Path:
    """Write the tables of a case into ``folder`` as Parquet, as Case.to_parquet would."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = _events(seed, scale)
    db = duckdb.connect()
    db.execute(schema_text())
    names = [HOSTILE[index] if hostile else tier[0] for index, tier in enumerate(TIERS)]
    params = json.dumps({"clew": "0.1.0", "payload": 256})
    db.execute(
        "INSERT INTO capture VALUES (1, 'preload', 'loom', ?, ?, ?, TIMESTAMP '2026-11-21 08:00:00', 0, true, ?, 0, ?)",
        [f"make load --password={SECRET}", ORIGIN, ORIGIN + LENGTH, lost, params],
    )
    for index, (op, kind) in enumerate(OPS, 1):
        db.execute("INSERT INTO op VALUES (?, ?, ?)", [index, op, kind])
    for error in ERRNOS:
        db.execute("INSERT INTO errno VALUES (?, ?, ?)", list(error))
    thread = 0
    for tier, (_command, pid, threads, _rate, _typical) in enumerate(TIERS):
        image = thread + 1
        db.execute(
            "INSERT INTO process BY NAME SELECT ? AS process_id, 1 AS capture_id, 'loom' AS host, ? AS pid, ? AS command, 1 AS ppid, ? AS start_ns, "
            "'fork' AS how, ? AS comm, ? AS exe, ? AS cmdline, 900 AS counted_read_bytes, 100 AS counted_write_bytes, 9 AS counted_read_calls, "
            "1 AS counted_write_calls, 950 AS kernel_read_bytes, 110 AS kernel_write_bytes, 10 AS kernel_read_calls, 1 AS kernel_write_calls, ? AS unseen",
            [image, pid, names[tier], ORIGIN, names[tier][:15], f"/home/alice/bin/{names[tier]}", f"{names[tier]} --token {SECRET}",
             "static" if tier == 3 else None],
        )  # fmt: skip
        for number in range(threads):
            thread += 1
            dropped = lost if thread == 1 else 0
            db.execute(
                "INSERT INTO thread BY NAME SELECT ? AS thread_id, ? AS process_id, 1 AS capture_id, 'loom' AS host, ? AS pid, ? AS tid, "
                "? AS start_ns, ? AS lost_events, ? AS name",
                [thread, image, pid, pid + number, ORIGIN, dropped, names[tier] if number == 0 else f"worker-{number}"],
            )
        for number in range(1, 21):
            named = hostile and number < len(HOSTILE)
            path = HOSTILE[number] if named else f"/srv/data/{tier}/part-{number:02}.bin"
            if number == 7:
                path = "/home/alice/.config/app.toml"
            peer = None if number < 11 else f"203.0.113.{tier * 20 + number}:443" if number == 20 else f"10.0.0.{number}:5432"
            db.execute(
                "INSERT INTO connection BY NAME SELECT ? AS conn_id, 1 AS capture_id, 'loom' AS host, ? AS pid, ? AS kind, ? AS path, ? AS peer",
                [tier * 20 + number, pid, "file" if peer is None else "tcp", path if peer is None else None, peer],
            )
    batch = pa.table(columns)
    db.register("batch", batch)
    db.execute(
        "INSERT INTO event BY NAME SELECT 1 AS capture_id, thread_id, 'loom' AS host, pid, tid, seq, ts_ns, dur_ns, op_id, 3 AS fd, "
        "CASE WHEN errno > 0 THEN -1 ELSE bytes END AS result, errno, CASE WHEN moves THEN bytes END AS bytes, "
        "nullif(conn_id, 0) AS conn_id FROM batch"
    )
    db.execute("INSERT INTO payload SELECT thread_id, seq, 'PAYLOAD-BYTES-' || seq, NULL, false FROM event WHERE seq <= 50 AND bytes IS NOT NULL")
    tables = [row[0] for row in db.execute("SELECT table_name FROM duckdb_tables() WHERE table_name <> 'setting'").fetchall()]
    for table in tables:
        db.execute(f"COPY \"{table}\" TO '{folder}/{table}.parquet' (FORMAT parquet)")
    (folder / "manifest.json").write_text(json.dumps({"clew": "0.1.0", "tables": dict.fromkeys(tables, 0)}))
    return folder


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    opened = clew.open(make_case(tmp_path_factory.mktemp("case") / "plain"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def hostile_case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    opened = clew.open(make_case(tmp_path_factory.mktemp("case") / "hostile", scale=0.1, hostile=True, lost=41))
    yield opened
    opened.close()
