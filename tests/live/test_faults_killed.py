"""kill -9 of the recorder, of the program, of both: every record written is found again, the rest is counted."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import clew

CLEW = (sys.executable, "-m", "clew")
Start = Callable[..., "Running"]


class Running:
    """`numbered`, recorded: it writes "number 0", "number 1", ... and says how many of its writes have returned."""

    def __init__(self, command: list[str], told: Path) -> None:
        self.told = told
        self.recorder = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.wait_for_writes(1)
        children = Path(f"/proc/{self.recorder.pid}/task/{self.recorder.pid}/children").read_text().split()
        (self.program,) = map(int, children)

    def writes(self) -> int:
        data = self.told.read_bytes()[:8] if self.told.exists() else b""
        return int(struct.unpack("q", data)[0]) if len(data) == 8 else 0

    def wait_for_writes(self, count: int) -> None:
        end = time.monotonic() + 60
        while self.writes() < count:
            assert time.monotonic() < end, "the program does not get on"
            time.sleep(0.005)

    def wait_for_program(self) -> None:
        end = time.monotonic() + 60
        while Path(f"/proc/{self.program}").exists() and "Z" not in state(self.program):
            assert time.monotonic() < end, "the program does not end"
            time.sleep(0.005)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


@pytest.fixture
def start(build: Callable[..., Path], record: Callable[..., list[str]], tmp_path: Path) -> Iterator[Start]:
    """start(count, *options): the program, recorded; what still runs at the end of the test is killed."""
    running: list[Running] = []

    def start(count: int, *options: str) -> Running:
        told = tmp_path / "told"
        running.append(Running(record([build("numbered"), told, str(count)], *options), told))
        return running[-1]

    yield start
    for one in running:
        for pid in (one.recorder.pid, one.program):
            if state(pid) != "Z":
                os.kill(pid, signal.SIGKILL)
        one.recorder.wait()


def rebuild(case: Path) -> str:
    done = subprocess.run([*CLEW, "rebuild", str(case)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


NUMBERS = """
SELECT decode(head) AS said, seq FROM event JOIN op USING (op_id) JOIN payload USING (thread_id, seq)
WHERE op = 'write' ORDER BY seq
"""
TOTALS = """
SELECT count(*) AS events, (SELECT sum(lost_events) FROM capture) AS lost,
       (SELECT bool_or(complete) FROM capture) AS complete FROM event
"""


def numbers(case: clew.Case) -> list[int]:
    return [int(row["said"].removeprefix("number ")) for row in case.sql(NUMBERS).to_pylist()]


def test_program_killed(start: Start, case_path: Path) -> None:
    running = start(1_000_000)
    running.wait_for_writes(20_000)
    os.kill(running.program, signal.SIGKILL)
    assert running.recorder.wait(timeout=60) == 128 + signal.SIGKILL
    returned = running.writes()
    with closing(clew.open(case_path)) as case:
        found = numbers(case)
        assert found == list(range(len(found)))
        assert returned <= len(found) <= returned + 1
        (totals,) = case.sql(TOTALS).to_pylist()
        assert (totals["lost"], totals["complete"]) == (0, True)
    assert f"{totals['events']:,}" in rebuild(case_path).replace(" ", "").replace("\u202f", "")


def test_both_killed(start: Start, case_path: Path) -> None:
    running = start(1_000_000)
    running.wait_for_writes(20_000)
    os.kill(running.recorder.pid, signal.SIGKILL)
    os.kill(running.program, signal.SIGKILL)
    running.wait_for_program()
    rebuild(case_path)
    returned = running.writes()
    with closing(clew.open(case_path)) as case:
        found = numbers(case)
        assert found == list(range(len(found)))
        (totals,) = case.sql(TOTALS).to_pylist()
        assert returned <= len(found) + totals["lost"]
        assert totals["lost"] > 0 or returned <= len(found) <= returned + 1
        assert not totals["complete"]


@pytest.mark.parametrize("on_full", ["drop", "wait"])
def test_recorder_killed(on_full: str, start: Start, case_path: Path) -> None:
    """The program goes on to its end: what fits its ring is found, the rest is counted as lost."""
    running = start(200_000, "--on-full", on_full)
    running.wait_for_writes(10_000)
    os.kill(running.recorder.pid, signal.SIGKILL)
    at_least = running.writes()
    running.recorder.wait()
    running.wait_for_program()
    assert running.writes() == 200_000
    rebuild(case_path)
    with closing(clew.open(case_path)) as case:
        found = numbers(case)
        (totals,) = case.sql(TOTALS).to_pylist()
        assert found[:at_least] == list(range(at_least))
        assert len(found) < 200_000
        assert totals["lost"] >= 2 * (200_000 - len(found))
        assert not totals["complete"]


def test_rebuild_twice_is_the_same(start: Start, case_path: Path) -> None:
    running = start(1_000_000)
    running.wait_for_writes(5_000)
    os.kill(running.recorder.pid, signal.SIGKILL)
    os.kill(running.program, signal.SIGKILL)
    running.wait_for_program()
    assert rebuild(case_path).split(" (")[0].strip() == rebuild(case_path).split(" (")[0].strip()
    raw = sorted(path.stat().st_size for path in (case_path / "raw").rglob("*.clew"))
    rebuild(case_path)
    assert raw == sorted(path.stat().st_size for path in (case_path / "raw").rglob("*.clew"))


def test_interrupted_twice(start: Start, case_path: Path) -> None:
    """The second Ctrl-C ends the recording, not the program."""
    running = start(150_000)
    running.wait_for_writes(10_000)
    for _ in range(2):
        running.recorder.send_signal(signal.SIGINT)
        time.sleep(0.2)  # two signals, not one
    running.wait_for_program()
    assert running.writes() == 150_000
    assert running.recorder.wait(timeout=60) == 0
    with closing(clew.open(case_path)) as case:
        found = numbers(case)
        assert found[:10_000] == list(range(10_000))
        assert len(found) < 150_000


def test_child_that_outlives_the_recording_is_not_held_up(
    build: Callable[..., Path], record: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Nobody empties its ring any more: with --on-full wait, too, it goes on."""
    told = tmp_path / "told"
    shell = f"{build('numbered')} {told} 100000 >/dev/null 2>&1 & exit 3"
    done = subprocess.run(record(["/bin/sh", "-c", shell], "--on-full", "wait"), timeout=60, check=False)
    assert done.returncode == 3
    end = time.monotonic() + 60
    while int.from_bytes(told.read_bytes()[:8], sys.byteorder) < 100_000:
        assert time.monotonic() < end, "the child does not get on"
        time.sleep(0.01)
