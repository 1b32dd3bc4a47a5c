"""Recorder, program, or both are killed, or the disk is full: what was recorded is there, once, and nothing hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clew import native
from clew.capture.meta import recover
from clew.errors import ClewError

Begin = Callable[..., subprocess.Popen[str]]
Count = Callable[[Path], int]


def ask(program: subprocess.Popen[str], line: str) -> None:
    """One line to the program, and its answer."""
    assert program.stdin
    assert program.stdout
    program.stdin.write(f"{line}\n")
    program.stdin.flush()
    assert program.stdout.readline() == "done\n"


def children(pid: int) -> list[int]:
    """The children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def arena_of(capture: Path) -> Path:
    """Where the arena of a capture is."""
    return Path(json.loads((capture / "meta.json").read_text())["arena"])


@pytest.mark.parametrize("order", ["recorder", "program", "recorder then program", "program then recorder"])
def test_killed_nothing_that_was_recorded_is_lost_or_doubled(
    begin: Begin, tmp_path: Path, asked: Path, null_writes: Count, order: str
) -> None:
    recorder = begin("record", "-q", "-o", "case", "--", asked)
    case = tmp_path / "case"
    capture = case / "raw" / "001"
    ask(recorder, "3000")
    ask(recorder, "300 4")
    (program,) = children(recorder.pid)
    expected = 4200
    if order == "program then recorder":
        os.kill(recorder.pid, signal.SIGSTOP)  # else it ends in good order before it is killed
    for who in order.split(" then "):
        os.kill(recorder.pid if who == "recorder" else program, signal.SIGKILL)
        if who == "recorder":
            recorder.wait()
            if order == "recorder":
                ask(recorder, "500")  # the program goes on, into its ring
                expected += 500
    if order == "program":
        assert recorder.wait() == 128 + signal.SIGKILL
        assert recover(capture) == 0
    else:
        recorder.wait()
        arena = arena_of(capture)
        recover(capture)
        assert not arena.parent.exists()
        assert recover(capture) == 0
    assert null_writes(case) == expected
    if order == "recorder":
        ask(recorder, "10")  # it is not recorded any more, and does not notice
        assert null_writes(case) == expected
        assert recorder.stdin
        recorder.stdin.close()


def test_nothing_is_recovered_under_a_recorder_that_lives(
    begin: Begin, tmp_path: Path, asked: Path, null_writes: Count
) -> None:
    recorder = begin("record", "-q", "-o", "case", "--", asked)
    ask(recorder, "1000")
    assert recover(tmp_path / "case" / "raw" / "001") == 0
    ask(recorder, "1000")
    assert recorder.stdin
    recorder.stdin.close()
    assert recorder.wait() == 0
    assert null_writes(tmp_path / "case") == 2000


def test_a_waiting_program_goes_on_when_its_recorder_was_killed(begin: Begin, asked: Path) -> None:
    recorder = begin("record", "-q", "--on-full", "wait", "--ring-size", "64K", "-o", "case", "--", asked)
    ask(recorder, "100")
    recorder.kill()
    recorder.wait()
    ask(recorder, "2000")  # far more than its ring holds
    assert recorder.stdin
    recorder.stdin.close()


FULL = """
import resource, sys
from pathlib import Path
from clew.capture.place import make_place
from clew.capture.recorder import Recorder

class Full:
    def show(self, stats):
        if stats.records > 2000:
            limit = (Path("case/raw/001/seg-000001.clew").stat().st_size + 5000, resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)

outcome = Recorder(sys.argv[1:], make_place(Path("case")), progress=Full().show, message=print).run()
print(outcome.error)
sys.exit(outcome.exit_code)
"""


def test_a_full_disk_ends_the_recording_and_not_the_program(tmp_path: Path, asked: Path, null_writes: Count) -> None:
    lines = "100\n" * 10_000 + "exit 5\n"
    (tmp_path / "lines").write_text(lines)
    with (tmp_path / "lines").open() as stdin:
        command = [sys.executable, "-c", FULL, str(asked)]
        done = subprocess.run(command, cwd=tmp_path, stdin=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    assert done.stdout.count("done\n") == 10_000
    assert "recording ended (writing the capture failed: File too large)" in done.stdout
    assert "Traceback" not in done.stderr
    case = tmp_path / "case"
    written = null_writes(case)
    assert written > 1000
    assert native.decode(case / "raw" / "001" / "seg-000001.clew", limit=10**7).pending_bytes == 0
    assert recover(case / "raw" / "001") > 0  # the disk has room again: what was still in memory is not lost
    assert null_writes(case) > written
    assert json.loads((case / "raw" / "001" / "meta.json").read_text())["exit_code"] == 5


def test_a_damaged_meta_json_is_told_in_one_line(tmp_path: Path) -> None:
    for content in ("", "[]", "{", '{"engine": "preload"}'):
        (tmp_path / "meta.json").write_text(content)
        with pytest.raises(ClewError, match="damaged"):
            recover(tmp_path)
