"""`clew record --engine gdb`: looks at processes with a real gdb, and never harms them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., list[str]]
Run = Callable[..., subprocess.CompletedProcess[str]]
Begin = Callable[..., subprocess.Popen[str]]
Go = Callable[[subprocess.Popen[str]], None]


def text_of(recorded: Any) -> str:
    """What gdb printed."""
    text: str = next(recorded.path.glob("raw/*/gdb.txt")).read_text()
    return text


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def test_every_thread_is_seen_as_often_as_asked(attach: Command, run: Run, running: Begin, recorded: Any) -> None:
    pid = running("threads", "3", "read", "0").pid
    before = time.monotonic_ns()
    done = run(attach("--engine", "gdb", "--pid", pid, "--every", "0.2", "--count", "3"))
    assert done.returncode == 0, done.stderr
    assert re.search(rf"process {pid} \(4 threads\) stands still for \d+\.\d\d s at each look", done.stderr)
    text = text_of(recorded)
    stamps = re.findall(r"^# clew snapshot monotonic_ns=(\d+) pid=(\d+)$", text, re.MULTILINE)
    assert [int(number) for _, number in stamps] == [pid] * 3
    times = [int(stamp) for stamp, _ in stamps]
    assert before < times[0] < times[1] < times[2] - 0.1e9
    assert len(re.findall(r"^Thread \d+ \(Thread 0x[0-9a-f]+ \(LWP \d+\) \"", text, re.MULTILINE)) == 12
    assert len(re.findall(r"^#\d+ .* in work \(", text, re.MULTILINE)) == 9
    assert (status(pid)["TracerPid"], status(pid)["State"][0]) == ("0", "S")
    assert recorded.meta("gdb")["options"]["looks"] == 3
    assert 0 < recorded.meta("gdb")["options"]["longest_pause_s"] < 30
    samples = recorded.rows("SELECT DISTINCT ts_ns, pid, tid FROM samples")
    assert {row["ts_ns"] for row in samples} == set(times)
    assert ({row["pid"] for row in samples}, len({row["tid"] for row in samples})) == ({pid}, 4)


def test_a_command_is_looked_at_until_it_ends(record: Command, run: Run, recorded: Any, does: str) -> None:
    done = run(record([does, "compute", "1500", "exit", "4"], "--engine", "gdb", "--every", "0.1"))
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1, done.stderr  # how long it stands still
    text = text_of(recorded)
    assert text.count("# clew snapshot") >= 2
    assert re.search(r"^#\d+ .*\bcompute \(ms=", text, re.MULTILINE)
    assert "python" not in text, "the command, not the copy of us that waits to become it"
    assert recorded.meta("gdb")["exit_code"] == 4


def test_signals_go_to_the_program_while_it_is_looked_at(
    attach: Command, begin: Begin, recorded: Any, tmp_path: Path
) -> None:
    counted = tmp_path / "counted"
    program = begin(["bash", "-c", f"trap 'echo x >> {counted}' USR1; echo up; while :; do sleep 0.01; done"])
    assert program.stdout
    assert program.stdout.readline() == "up\n"
    recorder = begin(attach("-q", "--engine", "gdb", "--pid", program.pid, "--every", "0.05"))
    sent = 0
    while text_of_or_nothing(recorded).count("# clew snapshot") < 4:
        program.send_signal(signal.SIGUSR1)
        sent += 1
        until = time.monotonic() + 60
        while len(_lines(counted)) < sent and time.monotonic() < until:
            time.sleep(0.01)
        assert len(_lines(counted)) == sent
        assert recorder.poll() is None
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait(60) == 0
    assert program.poll() is None
    assert sent > 3


def text_of_or_nothing(recorded: Any) -> str:
    """What gdb has printed so far."""
    return "".join(path.read_text() for path in recorded.path.glob("raw/*/gdb.txt"))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_process_is_let_go_however_the_recording_ends(
    attach: Command, begin: Begin, running: Begin, recorded: Any, go: Go, how: signal.Signals
) -> None:
    program = running("read", "0", "compute", "100000")
    go(program)
    recorder = begin(attach("-q", "--engine", "gdb", "--pid", program.pid, "--every", "0.01"))
    while "# clew snapshot" not in text_of_or_nothing(recorded):
        assert recorder.poll() is None, recorder.communicate()
        time.sleep(0.01)
    recorder.send_signal(how)  # likely in the middle of a look
    assert recorder.wait(60) == (-how if how == signal.SIGKILL else 0)
    until = time.monotonic() + 60
    while (status(program.pid)["TracerPid"] != "0" or status(program.pid)["State"][0] not in "RS") and (
        time.monotonic() < until
    ):
        time.sleep(0.01)
    assert status(program.pid)["TracerPid"] == "0"
    assert status(program.pid)["State"][0] in "RS"
    assert program.poll() is None


def test_it_ends_with_the_process(attach: Command, begin: Begin, running: Begin, recorded: Any, go: Go) -> None:
    program = running("read", "0", "exit", "0")
    recorder = begin(attach("--engine", "gdb", "--pid", program.pid, "--every", "0.05"))
    while "# clew snapshot" not in text_of_or_nothing(recorded):
        assert recorder.poll() is None, recorder.communicate()
        time.sleep(0.01)
    go(program)
    program.wait(60)
    _, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 0
    assert "cannot attach" not in said
    assert recorded.meta("gdb")["error"] is None


def test_whom_gdb_cannot_look_at_is_told_at_once(attach: Command, run: Run, running: Begin, begin: Begin) -> None:
    pid = running("read", "0").pid
    tracer = begin(["strace", "-q", "-o", "/dev/null", "-p", str(pid)])
    while status(pid)["TracerPid"] == "0":
        assert tracer.poll() is None
        time.sleep(0.01)
    for target, told in (
        (("--pid", pid), f"process {pid} is being traced by process {tracer.pid}"),
        (("--all",), "gdb looks at processes"),
        (("--cpu", "0"), "gdb looks at processes"),
        (("--pid", pid, "--every", "0"), "--every 0"),
        (("--pid", pid, "--count", "0"), "--count 0"),
    ):
        done = run(attach("--engine", "gdb", *target))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert told in done.stderr
    assert status(pid)["State"][0] != "T"


def test_gdb_and_perf_at_once(attach: Command, run: Run, running: Begin, recorded: Any, go: Go) -> None:
    program = running("read", "0", "compute", "100000")
    go(program)
    options = ("--engine", "gdb,perf", "--pid", program.pid, "--every", "0.3", "--for", "1500ms")
    assert run(attach(*options)).returncode == 0
    assert text_of(recorded).count("# clew snapshot") >= 1
    assert recorded.printed()["compute"] > 20
    assert sorted(os.listdir(recorded.path / "raw")) == ["001", "002"]  # noqa: PTH208 -- names only
