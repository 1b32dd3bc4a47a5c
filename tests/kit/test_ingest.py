"""Raw segments become tables: once, in whatever steps, whatever is broken, the same each time."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew import questions
from clew.case import Case
from clew.ingest.run import rebuild
from clew.lens import Lens
from clew.ops import OPS

ROOT = Path(__file__).parents[2]
UNKNOWN = 2**64 - 1
Maker = Callable[..., Any]


def rows(case: Case, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in case.sql(query).to_pylist()]


def everything(case: Case) -> dict[str, list[dict[str, Any]]]:
    """Every table in an order of its own."""
    return {
        name: case.sql(f'SELECT * FROM "{name}" ORDER BY ALL').to_pylist() for name in case.tables if name != "calls"
    }


def reads(made: Any, serial: int, count: int, begin: int = 0) -> list[bytes]:
    return [made.record(serial, "read", begin=begin + at, ticks=5, result=3, conn_id=1, fd=4) for at in range(count)]


def test_ops_are_those_of_the_header() -> None:
    text = (ROOT / "native" / "include" / "clew_record.h").read_text()
    found = {}
    for item in text.split("#define CLEW_OPS(X)")[1].split("\n\n")[0].split("X(")[1:]:
        number, _, name, kind = (part.strip(' )"\\\n\t') for part in item.split(","))
        found[int(number)] = (name, kind.split(")")[0].strip().lower())
    assert {number: (name, kind) for number, name, kind in OPS} == found


def test_a_record_becomes_a_row(capture: Maker) -> None:
    made = capture(host="box")
    made.clock(0)
    start = made.process(7, 10, "prog", exe="/bin/prog")
    moved = made.record(7, "write", b"hello", b"!", begin=100, ticks=50, result=9, conn_id=3, offset=4, fd=5, flags=8)
    failed = made.record(7, "read", begin=200, ticks=60, result=-1, error=11, fd=5)
    peeked = made.record(7, "recv", begin=300, result=2, flags=4)
    items = made.record(7, "fread", struct.pack("<QII", 4096, 0, 0), begin=400, result=2, flags=2)
    made.records(7, 10, 11, start, moved, failed, peeked, items)
    made.clock(1000)
    made.write()
    case = clew.open(made.folder.parents[1])
    columns = "thread_id, host, pid, tid, seq, ts_ns, dur_ns, op, fd, result, errno, bytes, conn_id, byte_offset"
    assert rows(case, f"SELECT {columns} FROM event JOIN op USING (op_id) ORDER BY seq") == [
        (7, "box", 10, 11, 2, 1_000_100, 50, "write", 5, 9, 0, 9, 3, 4),
        (7, "box", 10, 11, 3, 1_000_200, 60, "read", 5, -1, 11, None, None, None),
        (7, "box", 10, 11, 4, 1_000_300, 0, "recv", None, 2, 0, None, None, None),
        (7, "box", 10, 11, 5, 1_000_400, 0, "fread", None, 2, 0, 4096, None, None),
    ]
    assert rows(case, "SELECT seq, head, tail, cut FROM payload") == [(2, b"hello", b"!", True)]
    assert rows(case, "SELECT pid, command, exe, cmdline, how FROM process") == [
        (10, "prog", "/bin/prog", "one two", "first")
    ]
    assert rows(case, "SELECT command, op, error FROM calls WHERE errno > 0") == [("prog", "read", "EAGAIN")]


def test_clock_is_lines_between_readings(capture: Maker) -> None:
    made = capture()
    made.clock(1000, 10_000)
    made.clock(2000, 12_000)  # 2 ns a tick
    made.clock(3000, 15_000)  # 3 ns a tick
    times = [500, 1000, 1500, 2500, 3500]
    made.records(1, 1, 1, *(made.record(1, "read", begin=at, ticks=10) for at in times))
    made.write()
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT ts_ns, dur_ns FROM event ORDER BY seq") == [
        (9_000, 20), (10_000, 20), (11_000, 20), (13_500, 30), (16_500, 30),
    ]  # fmt: skip


def test_again_adds_nothing_and_more_adds_more(capture: Maker) -> None:
    made = capture(ended=False)
    made.clock(0)
    made.records(1, 1, 1, *reads(made, 1, 10))
    made.clock(1000)
    made.records(2, 1, 2, made.record(2, "read", begin=1050))
    made.write()
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT count(*) FROM event") == [(10,)]
    assert case.refresh() == 0
    made.records(1, 1, 1, *reads(made, 1, 5, 1100))
    made.write()
    assert case.refresh() == 0  # no clock reading yet: their times would change
    made.clock(2000)
    made.write()
    assert case.refresh() == 6
    made.records(1, 1, 1, *reads(made, 1, 7, 2100))
    made.clock(3000)
    made.write(2)
    assert clew.open(made.folder.parents[1]).refresh() == 0
    assert rows(case, "SELECT count(*), count(DISTINCT seq) FROM event WHERE thread_id = 1") == [(22, 22)]


def test_steps_do_not_show(capture: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes in one go, in many batches, and while they were being written: the same tables."""
    made = capture(ended=False)
    case: Case | None = None
    made.clock(0)
    for step in range(1, 8):
        serial = step % 3 + 1
        if step < 4:
            made.records(serial, serial, serial, made.process(serial, serial, f"p{serial}", exe="/bin/p", begin=step))
        child = [made.record(serial, "vfork_child", result=90 + step, begin=step * 100)]
        child += [made.record(serial, "open", begin=step * 100 + 1, conn_id=step, fd=3)]
        made.records(serial, serial, serial, *child)
        made.clock(step * 100 + 30)
        made.write(1 + step // 3)
        case = clew.open(made.folder.parents[1])
        made.records(serial, serial, serial, made.record(serial, "write", begin=step * 100 + 40, result=1))
        made.records(serial, serial, serial, made.record(serial, "vfork", begin=step * 100, ticks=50, result=90 + step))
        made.records(serial, serial, serial, *reads(made, serial, 20, step * 100 + 60))
        made.clock(step * 100 + 90)
        made.write(1 + step // 3)
    assert case is not None
    case.refresh()
    stepwise = everything(case)
    rebuild(case.path)
    assert everything(case) == stepwise
    monkeypatch.setattr("clew.ingest.pipeline.BATCH_RECORDS", 3)
    rebuild(case.path)
    assert everything(case) == stepwise


def test_children_of_vfork_are_charged_what_they_do(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    make = made.record
    first = [
        make(1, "vfork_child", result=50, begin=10),
        make(1, "dup2", begin=11),
        make(1, "vfork", begin=9, ticks=9, result=50),
    ]
    second = [
        make(1, "vfork_child", result=51, begin=30),
        make(1, "close", begin=31),
        make(1, "clone", begin=29, result=51),
    ]
    made.records(
        1, 7, 7, made.process(1, 7, "make", exe="/bin/make"), *first, make(1, "write", begin=20, result=1), *second
    )
    made.records(2, 50, 50, made.process(2, 50, "cc", ppid=7, how=2, exe="/bin/cc", begin=15))
    made.clock(100)
    made.write()
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT op, pid, tid, thread_id, command FROM calls ORDER BY ts_ns, seq") == [
        ("vfork", 7, 7, 1, "make"),
        ("dup2", 50, 50, 1_000_000_001, "make"),
        ("write", 7, 7, 1, "make"),
        ("clone", 7, 7, 1, "make"),
        ("close", 51, 51, 2_000_000_001, "make"),
    ]
    assert rows(case, "SELECT pid, ppid, how, command, exe, end_ns FROM process ORDER BY start_ns") == [
        (7, 1, "first", "make", "/bin/make", None),
        (50, 7, "vfork", "make", "/bin/make", 1_000_015),
        (50, 7, "exec", "cc", "/bin/cc", None),
        (51, 7, "vfork", "make", "/bin/make", None),
    ]


def test_connections(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    here, there = ("127.0.0.1", 4000), ("127.0.0.1", 80)
    client = [made.conn(1, 1, 5, local=here, begin=5), made.conn(1, 1, 5, flags=2, local=here, remote=there, begin=6)]
    server = [made.conn(2, 2, 5, flags=1, local=there, remote=here, begin=7)]
    pipe = [made.conn(1, 3, 4, flags=4, peer=4, inode=9), made.conn(1, 4, 4, flags=8, peer=3, inode=9)]
    old = [made.conn(1, 5, 1, "/var/log", record_flags=16)]
    passed = made.conn(1, 6, 7, flags=2, peer_pid=77, begin=8)
    closed = [
        made.record(1, "close", conn_id=1, begin=50),
        made.record(1, "close", conn_id=2, begin=60, error=9, result=-1),
    ]
    made.records(1, 1, 1, made.process(1, 1, "curl"), *client, *pipe, *old, *closed, passed)
    made.records(2, 2, 2, made.process(2, 2, "web"), *server)
    made.clock(100)
    made.write()
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT conn_id, peer_pid FROM connection WHERE peer_pid IS NOT NULL") == [(6, 77)]
    columns = (
        "conn_id, pid, kind, path, local, remote, role, peer, opened_ns - 1000000, closed_ns - 1000000, peer_conn_id"
    )
    assert rows(case, f"SELECT {columns} FROM connection WHERE kind <> 'unix' ORDER BY conn_id") == [
        (1, 1, "tcp", None, "127.0.0.1:4000", "127.0.0.1:80", "connected", "web 127.0.0.1:80", 5, 50, 2),
        (2, 2, "tcp", None, "127.0.0.1:80", "127.0.0.1:4000", "accepted", "curl 127.0.0.1:*", 7, None, 1),
        (3, 1, "pipe", None, "pipe:[9]", None, "read end", None, 0, None, 4),
        (4, 1, "pipe", None, "pipe:[9]", None, "write end", None, 0, None, 3),
        (5, 1, "file", "/var/log", None, None, None, None, None, None, None),
    ]


def test_what_a_cgi_program_was_asked_for(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    asked = made.record(1, "cgi", b"REQUEST_METHOD=GET\nREQUEST_URI=/'; DROP\n", flags=1, begin=5)
    made.records(1, 7, 7, made.process(1, 7, "item.cgi"), asked)
    made.clock(100)
    made.write()
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT * FROM landing.cgi") == [
        (1, 1, 7, 1_000_005, "REQUEST_METHOD=GET\nREQUEST_URI=/'; DROP\n")
    ]
    assert rows(case, "SELECT count(*) FROM event") == [(0,)]


def test_the_object_of_a_wakeup_is_its_offset(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    address = 0x7F0012345678
    calls = [
        made.record(1, "cond_wait", offset=address, begin=5, ticks=20, result=110, error=110),
        made.record(1, "sem_post", offset=address + 8, begin=30),
        made.record(1, "tls_read", b"clear", conn_id=1, begin=40, result=5),
        made.record(1, "tls_read", conn_id=1, begin=50, result=-1, error=11),
    ]
    made.records(1, 1, 1, made.process(1, 1, "pool"), made.conn(1, 1, 5), *calls)
    made.clock(100)
    made.write()
    case = clew.open(made.folder.parents[1])
    columns = "op, class, byte_offset, error, bytes, conn_id"
    assert rows(case, f"SELECT {columns} FROM calls ORDER BY ts_ns") == [
        ("cond_wait", "wakeup", address, "ETIMEDOUT", None, None),
        ("sem_post", "wakeup", address + 8, None, None, None),
        ("tls_read", "tls", None, None, 5, 1),
        ("tls_read", "tls", None, "EAGAIN", None, 1),
    ]
    assert rows(case, "SELECT head::VARCHAR FROM payload") == [("clear",)]


def test_coverage_counts_an_account_over_execs(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    made.records(
        1,
        5,
        5,
        made.process(1, 5, "sh", exe="/bin/sh"),
        made.record(1, "read", result=100, begin=5),
        made.record(1, "recv", result=7000, begin=6),  # the kernel's account knows nothing of sockets' own calls
    )
    ended = made.record(2, "process_end", struct.pack("<4Q", 900, 100, 9, UNKNOWN), flags=2, begin=90)
    made.records(
        2,
        5,
        5,
        made.process(2, 5, "ls", how=2, exe="/bin/ls", begin=50),
        made.record(2, "write", result=60, begin=60),
        ended,
    )
    made.clock(100)
    made.write()
    case = clew.open(made.folder.parents[1])
    said = questions.coverage(case)
    assert "it stands with the last of them" in (said.note or "")
    answer = said.table.to_pylist()
    assert [row["command"] for row in answer] == ["ls", "sh"]  # what adds the column up counts nothing twice
    assert {
        row["command"]: (row["counted_bytes"], row["kernel_bytes"], row["kernel_calls"], row["share"]) for row in answer
    } == {
        "sh": (100, None, None, None),
        "ls": (60, 1000, None, 0.16),
    }
    assert rows(case, "SELECT command, end_ns FROM process ORDER BY start_ns") == [("sh", 1_000_050), ("ls", 1_000_090)]


def test_coverage_leaves_out_what_children_did(capture: Maker) -> None:
    made = capture()
    made.clock(0)

    def end(serial: int, *figures: int) -> bytes:
        return made.record(serial, "process_end", struct.pack("<4Q", *figures), flags=2, begin=serial * 10)

    made.records(3, 7, 7, made.process(3, 7, "child", ppid=6, how=1, begin=3), end(3, 10, 20, 1, 2))
    made.records(4, 6, 6, made.process(4, 6, "middle", ppid=5, how=1, begin=2), end(4, 110, 220, 11, 22))
    made.records(5, 5, 5, made.process(5, 5, "top", begin=1), end(5, 1110, 2220, 111, 222))
    made.clock(100)
    made.write()
    columns = "command, kernel_read_bytes, kernel_write_bytes, kernel_read_calls, kernel_write_calls"
    assert rows(clew.open(made.folder.parents[1]), f"SELECT {columns} FROM process ORDER BY pid") == [
        ("top", 1000, 2000, 100, 200),
        ("middle", 100, 200, 10, 20),
        ("child", 10, 20, 1, 2),
    ]


def test_unseen_programs_are_programs(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    made.records(1, 5, 5, made.process(1, 5, "sh", exe="/bin/sh"))
    made.records(1, 5, 5, made.record(1, "unseen", b"/usr/bin/sudo", flags=1, result=2, fd=6, begin=20))
    made.records(1, 5, 5, made.record(1, "unseen", b"/usr/lib/php/x.so", flags=1, result=9, fd=5, begin=25))
    made.block(6, struct.pack("<II", 5, 5), ticks=30)
    made.clock(100)
    made.write()
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT command, pid, unseen FROM process ORDER BY start_ns") == [
        ("sh", 5, "deepbind, io_uring"),
        ("sudo", 6, "setuid"),
    ]


def test_losses_are_the_last_totals(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    made.records(1, 5, 6, *reads(made, 1, 3))
    for lost in (2, 5):
        made.block(5, struct.pack("<6Q", lost, 9, 0, 0, 0, 0), serial=1, pid=5, tid=6)
        made.block(5, struct.pack("<6Q", 0, 0, lost * 10, 1, 0, 0))
    made.clock(100)
    made.end()
    made.write()
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT lost_events, skipped_bytes, complete FROM capture") == [(55, 0, True)]
    assert rows(case, "SELECT tid, lost_events FROM thread") == [(6, 5)]
    losses = questions.losses(case).table.to_pylist()
    assert [(row["tid"], row["lost_events"]) for row in losses] == [(None, 55), (6, 5)]
    asked = (
        questions.counts(case, Lens()),
        questions.top(case, Lens(), interval_ns=10),
        questions.latency(case, Lens()),
        questions.errors(case, Lens()),
        questions.activity(case, Lens()),
    )
    assert all("55 calls were lost while recording" in (answer.note or "") for answer in asked)


def test_a_damaged_block_is_skipped_and_told(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    made.records(1, 1, 1, *reads(made, 1, 10))
    good = sum(len(block) for block in made.blocks)
    made.records(1, 1, 1, *reads(made, 1, 10, 100))
    bad = sum(len(block) for block in made.blocks) - good
    made.records(1, 1, 1, *reads(made, 1, 10, 200))
    made.clock(1000)
    path = made.write()
    data = bytearray(path.read_bytes())
    data[64 + good + 100] ^= 1
    path.write_bytes(data)
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT count(*) FROM event") == [(20,)]
    assert rows(case, "SELECT skipped_bytes FROM capture") == [(bad,)]


def test_what_no_recorder_writes_is_skipped_though_its_checksums_are_right(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    made.records(1, 5, 5, made.process(1, 5, "a"), *reads(made, 1, 10))
    made.records(1, 6, 6, made.process(1, 6, "b"))  # the same thread, as another process
    good = sum(len(block) for block in made.blocks)
    made.records(1, 1 << 31, 5, *reads(made, 1, 10, 100))
    made.records(1 << 60, 5, 5, *reads(made, 1, 10, 200))
    bad = sum(len(block) for block in made.blocks) - good
    made.clock(1000)
    made.write()
    made.records(2, 7, 7, made.process(2, 7, "c", ppid=(1 << 32) - 1), *reads(made, 2, 10, 300))
    second = made.write(2).stat().st_size
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT count(*), min(pid), max(pid) FROM event") == [(10, 5, 5)]
    assert rows(case, "SELECT count(*) FROM process") == [(1,)]
    assert rows(case, "SELECT skipped_bytes FROM capture") == [(bad + second,)]


def test_a_torn_end_is_left_and_the_rest_read(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    made.records(1, 1, 1, *reads(made, 1, 10))
    made.records(1, 1, 1, *reads(made, 1, 10, 100))
    path = made.write()
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    (made.folder / "seg-000002.clew").write_bytes(whole[:10])
    (made.folder / "seg-000003.clew").write_bytes(b"x" * 1000)
    (made.folder / "seg-000004.clew").write_bytes(b"")
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT count(*) FROM event") == [(10,)]
    lost = len(made.block(1, b"".join(reads(made, 1, 10)))) - 100 + 10 + 1000
    assert rows(case, "SELECT skipped_bytes FROM capture") == [(lost,)]
    assert case.refresh() == 0
    assert rows(case, "SELECT skipped_bytes FROM capture") == [(lost,)]


def test_captures_are_numbered_apart(capture: Maker) -> None:
    for number in (1, 2):
        made = capture(number, command=f"c{number}")
        made.clock(0)
        made.records(1, 1, 1, made.conn(1, 1, 1, f"/f{number}"), *reads(made, 1, 3))
        made.clock(100)
        made.write()
    case = clew.open(made.folder.parents[1])
    assert rows(case, "SELECT capture_id, thread_id, conn_id, file FROM calls GROUP BY ALL ORDER BY ALL") == [
        (1, 1, 1, "/f1"),
        (2, 10**15 + 1, 10**15 + 1, "/f2"),
    ]


KILLED = """
import os, signal, sys
import clew
from clew.ingest import pipeline, run
whole, left = pipeline.insert, [int(sys.argv[2])]
def insert(connection, piece, host):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    whole(connection, piece, host)
run.insert = insert
pipeline.BATCH_RECORDS = 10
clew.open(sys.argv[1])
"""


@pytest.mark.parametrize("batches", [0, 1, 5])
def test_a_killed_ingest_is_repeated_without_doubles(capture: Maker, batches: int) -> None:
    made = capture()
    made.clock(0)
    for step in range(10):
        made.records(1, 1, 1, *reads(made, 1, 10, step * 100))
    made.clock(10_000)
    made.write()
    path = made.folder.parents[1]
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(batches)], check=False)
    assert done.returncode == -signal.SIGKILL
    case = clew.open(path)
    assert rows(case, "SELECT count(*), count(DISTINCT seq) FROM event") == [(100, 100)]
    assert rows(case, "SELECT count(*) FROM thread") == [(1,)]


def test_a_file_of_another_clew_is_made_again(capture: Maker) -> None:
    made = capture()
    made.clock(0)
    made.records(1, 1, 1, *reads(made, 1, 10))
    made.clock(100)
    made.write()
    case = clew.open(made.folder.parents[1])
    before = everything(case)
    with case._store.writing() as connection:  # type: ignore[union-attr]
        connection.execute("UPDATE setting SET value = 'other' WHERE name = 'schema'; DELETE FROM event")
    again = clew.open(case.path)
    assert everything(again) == before
