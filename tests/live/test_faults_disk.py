"""A full disk, full shared memory, damaged segments: a clear word, a readable case, nothing lost uncounted."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import clew

CLEW = (sys.executable, "-m", "clew")
WRITES = """
SELECT decode(head) AS said FROM event JOIN op USING (op_id) JOIN payload USING (thread_id, seq)
WHERE op = 'write' ORDER BY seq
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
TOTALS = """
SELECT (SELECT sum(lost_events) FROM capture) AS lost, (SELECT sum(skipped_bytes) FROM capture) AS skipped,
       (SELECT bool_and(complete) FROM capture) AS complete, (SELECT count(*) FROM event) AS events
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "clew-test", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def numbers(case: clew.Case) -> list[int]:
    return [int(row["said"].removeprefix("number ")) for row in case.sql(WRITES).to_pylist()]


def totals(case: clew.Case) -> dict[str, Any]:
    row: dict[str, Any] = case.sql(TOTALS).to_pylist()[0]
    return row


@needs_root
def test_full_disk(
    build: Callable[..., Path], record: Callable[..., list[str]], small_disk: Path, tmp_path: Path
) -> None:
    """Recording ends with one clear line, the program goes on to its own end, the case holds what fitted."""
    told, case_path = tmp_path / "told", small_disk / "case"
    command = record([build("numbered"), told, "60000"], case=case_path)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert int.from_bytes(told.read_bytes()[:8], sys.byteorder) == 60_000
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 0  # the program's
    said = subprocess.run(
        [*CLEW, "counts", str(case_path), "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in said.stderr, said.stderr  # there is no room for tables, either
    shutil.copytree(case_path, tmp_path / "copy")
    rebuilt = subprocess.run(
        [*CLEW, "rebuild", str(tmp_path / "copy")], capture_output=True, text=True, timeout=120, check=False
    )
    assert rebuilt.returncode == 0, rebuilt.stderr
    with closing(clew.open(tmp_path / "copy")) as case:
        found = numbers(case)
        assert len(found) > 10_000
        assert found == list(range(len(found)))
        assert not totals(case)["complete"]


@needs_root
def test_disk_that_was_full_from_the_start(record: Callable[..., list[str]], small_disk: Path) -> None:
    with (small_disk / "filler").open("wb") as filler:
        filler.write(bytes((4 << 20) - os.statvfs(small_disk).f_bsize))
    done = subprocess.run(
        record(["/bin/true"], case=small_disk / "case"), capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@needs_root
def test_full_shared_memory(build: Callable[..., Path], record: Callable[..., list[str]], case_path: Path) -> None:
    """The rings' file system fills up while the program runs: no SIGBUS, every record it cost is counted."""
    program = build("fill_memory")
    script = f"mount -t tmpfs -o size=300m none /dev/shm && exec {' '.join(record([program, '/dev/shm/filler']))}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "full, and alive: 0\n"), done.stderr
    with closing(clew.open(case_path)) as case:
        moved = case.sql("SELECT count(*) AS n FROM event WHERE bytes = 100").to_pylist()[0]["n"]
        assert moved < 201 * 2000
        assert moved + totals(case)["lost"] >= 201 * 2000


@pytest.fixture
def recorded(build: Callable[..., Path], record: Callable[..., list[str]], case_path: Path, tmp_path: Path) -> Path:
    """A case of `numbered` with 20,000 writes; returns its one segment."""
    subprocess.run(record([build("numbered"), tmp_path / "told", "20000"]), timeout=120, check=True)
    (segment,) = case_path.glob("raw/*/seg-*.clew")
    return segment


def rebuilt(case_path: Path) -> clew.Case:
    done = subprocess.run([*CLEW, "rebuild", str(case_path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return clew.open(case_path)


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1], ids=str)
def test_truncated_segment(kept: float, recorded: Path, case_path: Path) -> None:
    os.truncate(recorded, int(recorded.stat().st_size * kept) | 1)
    with closing(rebuilt(case_path)) as case:
        found = numbers(case)
        assert found == list(range(len(found)))
        assert 20_000 * (kept - 0.1) < len(found) < 20_000
        assert not totals(case)["complete"]


def test_damaged_segment(recorded: Path, case_path: Path) -> None:
    """Ten bytes changed: at most ten blocks are lost, and the case says how many bytes."""
    data = bytearray(recorded.read_bytes())
    places = random.Random(7)
    for _ in range(10):
        data[places.randrange(4096, len(data) - 4096)] ^= 0x55
    recorded.write_bytes(data)
    with closing(rebuilt(case_path)) as case:
        found = numbers(case)
        assert found == sorted(set(found))
        assert set(found) <= set(range(20_000))
        after = totals(case)
        assert 0 < after["skipped"] < len(data)
        assert after["complete"]


@pytest.mark.parametrize("kind", ["empty", "zeros", "noise", "header only", "text"])
def test_what_is_no_segment(kind: str, recorded: Path, case_path: Path) -> None:
    content = {
        "empty": b"",
        "zeros": bytes(100_000),
        "noise": random.Random(3).randbytes(100_000),
        "header only": recorded.read_bytes()[:64],
        "text": b"hello\n" * 1000,
    }[kind]
    recorded.write_bytes(content)
    for words in (["rebuild"], ["counts"], ["info"], ["sql", "--json"]):
        command = [
            *CLEW,
            words[0],
            str(case_path),
            *(["SELECT count(*) AS n FROM event", "--json"] if "sql" in words else []),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        if words[0] == "sql":
            assert json.loads(done.stdout) == [{"n": 0}]


def test_damaged_meta(recorded: Path, case_path: Path) -> None:
    (recorded.parent / "meta.json").write_text('{"engine": "preload", "comm')
    done = subprocess.run([*CLEW, "rebuild", str(case_path)], capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) or len(done.stderr.splitlines()) == 1
