"""The flight recorder on a real perf: the right seconds are kept, without a gap, and nothing else stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import clew

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="perf of the whole machine is for root")
CLEW = [sys.executable, "-m", "clew"]
SPIN = """
import sys, time
def ordinary(until):
    while time.monotonic() < until: sum(range(50))
def burst(until):
    while time.monotonic() < until: sum(range(50))
start = time.monotonic()
ordinary(start + 60)
"""


@pytest.fixture
def spinning() -> Iterator[subprocess.Popen[bytes]]:
    """A program that never leaves its processor, which therefore never idles."""
    program = subprocess.Popen([sys.executable, "-c", SPIN])
    os.sched_setaffinity(program.pid, {max(os.sched_getaffinity(0))})
    yield program
    program.kill()
    program.wait()


def watch(case: Path, *options: str) -> subprocess.Popen[str]:
    command = [*CLEW, "watch", "-o", str(case), *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_the_seconds_around_the_trigger_are_kept_without_a_gap(
    tmp_path: Path, spinning: subprocess.Popen[bytes]
) -> None:
    case, now = tmp_path / "case", tmp_path / "now"
    also = "sh -c 'while sleep 0.2; do echo beat >> {folder}/beats; done'"
    options = ["--before", "6", "--after", "2", "--count", "1", "--also", also]
    watcher = watch(case, "--when", f"shell test -e {now}", *options)
    assert watcher.stderr
    assert "watching" in watcher.stderr.readline()
    time.sleep(11)
    touched = time.monotonic_ns()
    now.touch()
    said = watcher.communicate(timeout=60)[1]
    assert watcher.returncode == 0, said
    assert "fired: shell" in said
    assert sorted(path.name for path in case.iterdir()) == ["raw"]
    kept = clew.open(case)
    times = kept.sql("SELECT cpu, ts_ns FROM sample ORDER BY cpu, ts_ns").to_pydict()
    first, last = min(times["ts_ns"]), max(times["ts_ns"])
    assert first <= touched - 6e9 + 1.5e9  # looked at once a second
    assert last >= touched + 2e9
    assert last - first < 6e9 + 2e9 + 2 * 2e9 + 4e9  # files of two seconds, and some time to turn them over
    # cpu-clock ticks on a processor that does not idle: a gap is a lost sample
    worst = kept.sql(
        """SELECT max(gap) AS worst FROM (
               SELECT ts_ns - lag(ts_ns) OVER (PARTITION BY cpu ORDER BY ts_ns) AS gap FROM sample
               WHERE cpu = (SELECT mode(cpu) FROM sample WHERE pid = $pid) AND ts_ns BETWEEN $first AND $last)""",
        {"pid": spinning.pid, "first": touched - 5_000_000_000, "last": touched + 1_500_000_000},
    )["worst"][0].as_py()
    assert worst < 0.1e9
    assert (case / "raw/001/also/beats").read_text().startswith("beat")
    assert not [path for path in case.rglob("*") if path.stat().st_mode & 0o077]
    assert kept.captures().to_pylist()[0]["command"].startswith("watch")


def test_what_could_not_fire_and_what_could_not_be_kept_is_told(tmp_path: Path) -> None:
    case = tmp_path / "case"
    figures = tmp_path / "figures"
    figures.write_text("here 1\n")
    absent, options = f"file {figures} absent > 0", ["--before", "300", "--after", "0", "--count", "1"]
    watcher = watch(case, "--when", absent, "--when", f"file {figures} here > 0", *options)
    said = watcher.communicate(timeout=60)[1]
    assert watcher.returncode == 0, said
    assert said.count("has no 'absent' yet") == 1
    assert f"{absent}: there never was a figure to compare" in said
    assert "here > 0: there never" not in said
    short = "s from before the trigger, not 300 s: watching had only begun"
    assert short in said
    assert short in clew.open(case).captures()["notes"][0].as_py()


def test_what_does_not_meet_keep_if_is_dropped(tmp_path: Path, spinning: subprocess.Popen[bytes]) -> None:
    case = tmp_path / "case"
    options = ["--before", "2", "--after", "1", "--for", "8", "--keep-if", "frame ~ no_such_function_anywhere"]
    watcher = watch(case, "--when", f"cpu {spinning.pid} > 5", *options)
    said = watcher.communicate(timeout=60)[1]
    assert watcher.returncode == 1
    assert "dropped: not frame" in said
    assert "nothing was kept" in said
    assert not case.exists()


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    case = tmp_path / "case"
    watcher = watch(case, "--when", "shell false")
    deadline = time.monotonic() + 30
    while not list(case.glob(".watch-*/perf.data")) and time.monotonic() < deadline:
        time.sleep(0.1)
    watcher.send_signal(signal.SIGINT)
    assert "nothing was kept" in watcher.communicate(timeout=60)[1]
    assert not case.exists()


def test_the_disk_it_takes_is_bounded(tmp_path: Path) -> None:
    case = tmp_path / "case"
    watcher = watch(case, "--when", "shell false", "--before", "4", "--for", "25")
    files = []
    while watcher.poll() is None:
        files.append(len(list(case.glob(".watch-*/perf.data*"))))
        time.sleep(0.5)
    assert 2 <= max(files) <= 6  # files of two seconds: four seconds, the one being written, and the turn between


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--when"),
        (["--when", "nonsense"], "write shell COMMAND"),
        (["--when", "shell true", "--keep-if", "x"], "--keep-if"),
        (["--when", "shell true", "--also", "/no/such/program"], "No such file"),
        (["--when", "shell true", "--pid", "4194304"], "has ended"),
    ],
)
def test_mistakes_are_one_line_and_make_nothing(tmp_path: Path, options: list[str], said: str) -> None:
    case = tmp_path / "case"
    watcher = watch(case, "-q", *options)
    text = watcher.communicate(timeout=60)[1]
    assert watcher.returncode in (1, 2)
    assert said in text
    assert len(text.splitlines()) == 1
    assert not case.exists()
