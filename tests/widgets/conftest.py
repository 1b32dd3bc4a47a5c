"""A synthetic three-tier case for the tests of widgets: plausible load, errors, hostile names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import clew
from clew.case import Case
from clew.store import schema_text

ORIGIN = 5_000_000_000_000
LENGTH = 12_000_000_000
OPS = (
    ("read", "read"), ("write", "write"), ("openat", "open"), ("close", "close"), ("accept4", "net"),
    ("connect", "net"), ("recv", "net"), ("send", "net"), ("epoll_wait", "wait"), ("fsync", "sync"),
    ("pread64", "read"),
)  # fmt: skip
ERRNOS = (
    (2, "ENOENT", "No such file or directory"),
    (11, "EAGAIN", "Try again"),
    (104, "ECONNRESET", "Connection reset by peer"),
)
# command, pid, threads, calls a second, typical duration in ns of each op
TIERS = (
    ("nginx", 1201, 1, 9000, 6_000),
    ("python3", 1310, 4, 5200, 45_000),
    ("postgres", 1402, 1, 3100, 130_000),
    ("wrk", 1500, 2, 2600, 9_000),
)
SECRET = "hunter2-Zx81kQ"
PAYLOAD = "PAYLOAD-BYTES-f7"
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
            weights = np.array([30, 26, 3, 3, 5, 2, 14, 12, 12, 0.6, 4]) * (
                1 if tier == 2 else np.array([1] * 9 + [0, 0])
            )
            op = random.choice(len(OPS), count, p=weights / weights.sum())
            spread = np.where(op == 8, 2.2, 1.1)
            duration = random.lognormal(
                np.log(typical * np.array([1, 1.3, 2.4, 0.3, 1.8, 8, 1, 1.2, 14, 90, 1.6])[op]), spread
            )
            duration = np.minimum(duration, 4e8)
            duration = np.where((when > 0.83) & (when < 0.86) & (tier == 2), duration * 40, duration)
            duration = np.minimum(duration, (1 - when) * LENGTH)
            errno = np.zeros(count, dtype=np.uint16)
            errno[(op == 2) & (random.random(count) < 0.18)] = 2
            errno[((op == 6) | (op == 0)) & (random.random(count) < 0.03)] = 11
            errno[(op == 7) & (when > 0.83) & (when < 0.86)] = 104
            moves = np.isin(op, (0, 1, 6, 7, 10)) & (errno == 0)
            parts.append({
                "thread_id": np.full(count, thread), "pid": np.full(count, pid), "tid": np.full(count, pid + number),
                "seq": np.arange(1, count + 1), "ts_ns": ORIGIN + (when * LENGTH).astype(np.int64),
                "dur_ns": duration.astype(np.int64),
                "op_id": op + 1, "errno": errno,
                "bytes": np.where(moves, random.lognormal(6, 1.6, count), 0).astype(np.int64),
                "moves": moves, "conn_id": np.where(op == 2, 0, tier * 20 + random.integers(1, 21, count)),
            })  # fmt: skip
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _insert(db: duckdb.DuckDBPyConnection, table: str, **values: object) -> None:
    names = ", ".join(f'? AS "{name}"' for name in values)
    db.execute(f"INSERT INTO {table} BY NAME SELECT {names}", list(values.values()))


def _people(db: duckdb.DuckDBPyConnection, names: list[str], lost: int) -> None:
    """Processes, threads and connections; with hostile names the first paths of each process are hostile too."""
    common = {"capture_id": 1, "host": "loom"}
    thread = 0
    for tier, (command, pid, threads, _rate, _typical) in enumerate(TIERS):
        hostile = names[tier] != command
        _insert(
            db, "process", **common, process_id=thread + 1, pid=pid, command=names[tier], ppid=1,
            start_ns=ORIGIN, how="fork",
            comm=names[tier][:15], exe=f"/home/zoltan/bin/{names[tier]}", cmdline=f"{names[tier]} --token {SECRET}",
            counted_read_bytes=900, counted_write_bytes=100, counted_read_calls=9, counted_write_calls=1,
            kernel_read_bytes=950, kernel_write_bytes=110, kernel_read_calls=10, kernel_write_calls=1,
            unseen="static" if tier == 3 else None,
        )  # fmt: skip
        image = thread + 1
        for number in range(threads):
            thread += 1
            _insert(
                db, "thread", **common, thread_id=thread, process_id=image, pid=pid, tid=pid + number, start_ns=ORIGIN,
                lost_events=lost if thread == 1 else 0, name=f"worker-{number}" if number else names[tier],
            )  # fmt: skip
        for number in range(1, 21):
            made = {**common, "conn_id": tier * 20 + number, "pid": pid}
            if number > 10:
                peer = f"203.0.113.{tier * 20 + number}:443" if number == 20 else f"10.0.0.{number}:5432"
                _insert(db, "connection", **made, kind="tcp", peer=peer)
                continue
            path = "/home/zoltan/.config/app.toml" if number == 7 else f"/srv/data/{tier}/part-{number:02}.bin"
            _insert(
                db,
                "connection",
                **made,
                kind="file",
                path=HOSTILE[number] if hostile and number < len(HOSTILE) else path,
            )


def make_case(
    folder: Path, *, seed: int = 7, scale: float = 1.0, hostile: bool = False, lost: int = 0, allocations: int = 0
) -> Path:
    """Write the tables of a case into ``folder`` as Parquet, as Case.to_parquet would."""
    folder.mkdir(parents=True, exist_ok=True)
    db = duckdb.connect()
    db.execute(schema_text())
    _insert(
        db, "capture", capture_id=1, engine="preload", host="loom", command=f"make load --password={SECRET}",
        started_ns=ORIGIN, ended_ns=ORIGIN + LENGTH, started_utc=datetime(2026, 11, 21, 8), exit_code=0, complete=True,
        lost_events=lost, skipped_bytes=0, traced=True, params=json.dumps({"version": "0.1.0", "payload": 256}),
    )  # fmt: skip
    db.executemany("INSERT INTO op VALUES (?, ?, ?)", [(index, *op) for index, op in enumerate(OPS, 1)])
    db.executemany("INSERT INTO errno VALUES (?, ?, ?)", ERRNOS)
    _people(db, [HOSTILE[index] if hostile else tier[0] for index, tier in enumerate(TIERS)], lost)
    db.register("batch", pa.table(_events(seed, scale)))
    db.execute(
        """
        INSERT INTO event BY NAME
        SELECT 1 AS capture_id, thread_id, 'loom' AS host, pid, tid, seq, ts_ns, dur_ns, op_id, 3 AS fd,
               CASE WHEN errno > 0 THEN -1 ELSE bytes END AS result, errno, CASE WHEN moves THEN bytes END AS bytes,
               nullif(conn_id, 0) AS conn_id
        FROM batch
        """
    )
    db.execute(
        "INSERT INTO payload SELECT thread_id, seq, encode(?), NULL, false FROM event WHERE seq <= 50 AND bytes > 0",
        [PAYLOAD],
    )
    if allocations:
        _insert(db, "op", op_id=200, op="malloc", **{"class": "alloc"})
        for number, op in enumerate((1, 200), 1):
            _insert(
                db, "counter", capture_id=1, thread_id=1, host="loom", pid=TIERS[0][1], tid=TIERS[0][1], op_id=op,
                ts_ns=ORIGIN + number, calls=allocations, errors=0, bytes=allocations * 8,
                busy_ns=None if op == 200 else 900,
            )  # fmt: skip
    names = db.execute("SELECT table_name FROM duckdb_tables() WHERE table_name <> 'setting'").fetchall()
    tables = [name for (name,) in names]
    for table in tables:
        db.execute(f"COPY \"{table}\" TO '{folder}/{table}.parquet' (FORMAT parquet)")
    (folder / "manifest.json").write_text(json.dumps({"clew": "0.1.0", "tables": dict.fromkeys(tables, 0)}))
    return folder


@pytest.fixture(scope="session", name="make_case")
def make_case_fixture() -> Callable[..., Path]:
    return make_case


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
