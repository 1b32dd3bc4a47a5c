"""perf that fails, finds nothing or may not: one line with the remedy, nothing half made, no case that looks well."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.commands import main

CLEW = (sys.executable, "-m", "clew")
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
Command = Callable[..., list[str]]
Run = Callable[..., subprocess.CompletedProcess[str]]
Begin = Callable[..., subprocess.Popen[str]]
PerfOf = Callable[[subprocess.Popen[str]], int]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--event", "nonsense"], "event nonsense: perf does not know it"),
        (["--event", "sched:no_such_thing"], "event sched:no_such_thing: "),
        (["--syscalls=clos"], "--syscalls"),
        (["--stat", "nonsense"], "event nonsense: perf does not know it"),
        (["--call-graph", "magic"], "--call-graph magic: write fp, dwarf"),
        (["--call-graph", "dwarf,99"], "--call-graph dwarf,99: perf copies"),
        (["--rate", "0"], "--rate 0: "),
        (["--interval", "5"], "--interval 5: "),
        (["--on-cpu", "no"], "--on-cpu no: then name"),
        (["--for", "never"], "is no time"),
        (["--for", "0"], "more than nothing"),
        (["--pid", "1"], "--pid and a command"),
        (["--all", "--cpu", "0"], "--all and --cpu"),
        (["--cpu", "none"], "--cpu 'none'"),
        (["--payload", "none"], "--payload is an option of --engine preload"),
        (["--every", "3"], "--every is an option of --engine gdb"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_leaves_nothing(
    record: Command, run: Run, tmp_path: Path, options: list[str], told: str
) -> None:
    done = run(record(["touch", tmp_path / "begun"], "--engine", "perf", *options))
    assert done.returncode == 2
    assert done.stderr.startswith("clew: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "neither a case, nor the program's file: it has not begun"


def test_an_option_says_which_engine(record: Command, attach: Command, run: Run, recorded: Any, running: Begin) -> None:
    """Beside the calls of a command; alone where there is no command, whose calls cannot be recorded."""
    assert run(record(["true"], "-q", "--page-faults")).returncode == 0
    engines = "SELECT engine FROM capture ORDER BY capture_id"
    assert [row["engine"] for row in recorded.rows(engines)] == ["preload", "perf"]
    pid = running("read", "0").pid
    assert run(attach("-q", "--pid", pid, "--every", "1", "--count", "1")).returncode == 0
    assert [row["engine"] for row in recorded.rows(engines)] == ["preload", "perf", "gdb"]


def test_the_preload_library_beside_a_perf_that_fails_leaves_nothing(record: Command, run: Run, tmp_path: Path) -> None:
    done = run(record(["touch", tmp_path / "begun"], "--engine", "preload,perf", "--event", "nonsense"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []
    assert not list(Path("/dev/shm").glob(f"clew-arena-*/{tmp_path.name}"))


def test_a_command_that_cannot_start_leaves_nothing(record: Command, run: Run, tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    lost.write_text("#!/no/such/interpreter\n")
    lost.chmod(0o755)
    for command, code in ((["no-such-command"], 127), ([str(lost)], 127), ([str(tmp_path)], 126)):
        done = run(record(command, "--engine", "perf"))
        assert (done.returncode, done.stderr.count("\n")) == (code, 1)
        assert not (tmp_path / "case").exists()


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (["--pid", "4194303"], "there is no such process"),
        (["--pid", "self"], "write the number"),
        (["--cpu", "4000"], "there is no processor 4000"),
        ([], "what is to be recorded?"),
    ],
)
def test_whom_there_is_not(attach: Command, run: Run, tmp_path: Path, target: list[str], told: str) -> None:
    done = run(attach("--engine", "perf", *target))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    if os.geteuid() == 0 or "--cpu" not in target:
        assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_sample_is_told_with_the_reason(record: Command, run: Run, recorded: Any) -> None:
    done = run(record(["sleep", "0.05"], "--engine", "perf", "--rate", "1"))
    assert done.returncode == 0, "the program's"
    assert done.stderr == (
        "clew: perf took no sample: sleep 0.05 was on a processor for less than a sample's time (1 Hz)\n"
    )
    assert "no sample" in recorded.meta()["options"]["said"][0]
    notes = recorded.rows("SELECT notes FROM capture")[0]["notes"]
    assert notes.startswith("perf.data was not read: ")
    assert "was on a processor for less than a sample's time" in notes


def test_an_idle_process_is_told_and_an_error(attach: Command, run: Run, running: Begin) -> None:
    pid = running("read", "0").pid
    done = run(attach("-q", "--engine", "perf", "--pid", pid, "--for", "200ms"))
    assert done.returncode == 1
    assert f"process {pid} was on a processor for less than a sample's time" in done.stderr
    assert "--off-cpu" in done.stderr


def test_an_event_that_did_not_happen(record: Command, run: Run, does: str) -> None:
    done = run(record([does, "exit", "0"], "--engine", "perf", "--on-cpu", "no", "--event", "alignment-faults"))
    assert done.returncode == 0
    assert "met none of alignment-faults" in done.stderr


def test_a_perf_that_is_killed_is_told_and_the_rest_goes_on(
    record: Command, begin: Begin, recorded: Any, does: str, perf_of: PerfOf
) -> None:
    """As the kernel does where memory is short."""
    command = [does, "compute", "300", "read", "0", "compute", "300", "exit", "9"]
    recorder = begin(record(command, "--engine", "perf,preload"))
    assert recorder.stdout
    assert recorder.stdout.readline() == "ready\n"
    os.kill(perf_of(recorder), signal.SIGKILL)
    _, said = recorder.communicate("!", timeout=60)
    assert recorder.returncode == 9
    assert "clew: perf ended: it was killed" in said
    assert recorded.meta()["error"]
    assert recorded.rows("SELECT count(*) > 0 AS calls FROM calls WHERE op = 'read'") == [{"calls": True}]


def test_a_recorder_that_is_killed_leaves_no_perf_and_a_recording(
    record: Command, begin: Begin, recorded: Any, does: str, perf_of: PerfOf, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = begin(record([does, "compute", "300", "read", "0"], "--engine", "perf"))
    assert recorder.stdout
    assert recorder.stdout.readline() == "ready\n"
    descriptor = os.pidfd_open(perf_of(recorder))
    recorder.kill()
    recorder.wait()
    assert _ended(descriptor), "perf ends with us"
    assert recorded.rows("SELECT count(*) AS samples FROM sample") == [{"samples": 0}]
    assert main(["stacks", str(recorded.path)]) == 2
    assert "its recorder was killed: `clew rebuild` gets what is left" in capsys.readouterr().err
    assert main(["rebuild", str(recorded.path)]) == 0
    capsys.readouterr()
    assert "was not read" not in recorded.rows("SELECT notes FROM capture")[0]["notes"]
    assert recorded.functions()["compute"] > 30


def _ended(descriptor: int) -> bool:
    """Whether the process that ``descriptor`` is of ends within half a minute."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        return bool(poll.poll(30_000))
    finally:
        os.close(descriptor)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_privileges_own_programs_only(run: Run, tmp_path: Path, does: str) -> None:
    """Each refusal says what would help; what is allowed works."""
    level = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    place = tmp_path / "open"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    program = place / "does"
    program.write_bytes(Path(does).read_bytes())
    program.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents):  # pytest's are 0700
        if folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)

    def attempt(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run([*NOBODY, *CLEW, "record", "-o", "case", "--engine", *arguments], cwd=place)

    if level <= 2:
        done = attempt("perf", "--", str(program), "compute", "300")
        assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
        assert (place / "case/raw/001/perf.data").stat().st_size > 1000
    for arguments, told in (
        (("perf", "--pid", str(os.getpid())), "belongs to another user: run as root"),
        (("gdb", "--pid", str(os.getpid())), "belongs to another user: run as root"),
        (("perf", "--off-cpu", "--", "true"), "run as root"),
        (("perf", "--syscalls=read", "--", "true"), "run as root"),
        (("perf", "--all", "--for", "1"), "run as root, or: sysctl kernel.perf_event_paranoid=-1"),
    ):
        if "--all" in arguments and level < 1:
            continue
        done = attempt(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.count("\n") == 1, done.stderr
        assert told in done.stderr, arguments


def test_perf_that_is_not_installed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/true").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for engine, package in (("perf", "linux-perf"), ("gdb", "gdb")):
        done = run([*CLEW, "record", "--engine", engine, "-o", tmp_path / "case", "--", "true"])
        assert done.returncode == 2
        assert f"apt-get install {package}" in done.stderr
        assert not (tmp_path / "case").exists()


def test_one_broken_recording_does_not_hide_the_others(record: Command, run: Run, recorded: Any, does: str) -> None:
    assert run(record([does, "compute", "100", "shut", "3"], "--engine", "perf,preload")).returncode == 0
    next(recorded.path.glob("raw/*/perf.data")).write_bytes(b"nothing that perf would write" * 100)
    calls = recorded.rows("SELECT count(*) AS calls FROM calls WHERE op = 'close' AND fd >= 1000")
    assert calls == [{"calls": 3}]
    notes = recorded.rows("SELECT notes FROM capture WHERE engine = 'perf'")[0]["notes"]
    assert "perf.data was not read" in notes
