"""`clew record --engine perf` with a real perf on real programs: what it finds is what the programs did."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew import questions
from clew.errors import ClewError
from clew.lens import Lens

Command = Callable[..., list[str]]
Run = Callable[..., subprocess.CompletedProcess[str]]
Begin = Callable[..., subprocess.Popen[str]]
PerfOf = Callable[[subprocess.Popen[str]], int]
Go = Callable[[subprocess.Popen[str]], None]
root = pytest.mark.skipif(os.geteuid() != 0, reason="tracepoints and other processes are for root")


def test_samples_are_of_what_computes_and_join_the_calls(record: Command, run: Run, recorded: Any, does: str) -> None:
    done = run(record([does, "compute", "600", "shut", "50", "exit", "7"], "--engine", "perf,preload"))
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    samples = recorded.rows("SELECT * FROM samples WHERE command LIKE 'does%'")
    calls = recorded.rows("SELECT * FROM calls WHERE op = 'close' AND fd >= 1000")
    assert len(calls) == 50
    assert len(samples) > 100  # 600 ms at 499 Hz are 299
    assert {(row["pid"], row["tid"]) for row in samples} == {(row["pid"], row["tid"]) for row in calls}
    told = recorded.meta("preload")
    assert all(told["started_ns"] < row["ts_ns"] < told["ended_ns"] for row in samples)
    computing = [row["ts_ns"] for row in samples if row["function"] == "compute"]
    assert computing[-1] < calls[0]["ts_ns"] < computing[-1] + 100e6, "the calls come after it, on the same clock"
    assert recorded.functions(samples[0]["event"])["compute"] > 0.9 * len(samples)
    assert [recorded.meta(engine)["exit_code"] for engine in ("preload", "perf")] == [7, 7]


@pytest.mark.parametrize("graph", ["fp", "dwarf", "dwarf,4096", "none"])
def test_stacks_are_recorded_as_asked(record: Command, run: Run, recorded: Any, does: str, graph: str) -> None:
    done = run(record([does, "compute", "200"], "--engine", "perf", "--call-graph", graph, "--rate", "199"))
    assert (done.returncode, done.stderr) == (0, "")
    header = recorded.script("--header")
    assert ("CALLCHAIN" in header, "STACK_USER" in header) == (graph != "none", graph.startswith("dwarf"))
    assert graph != "fp" or min(recorded.printed()[name] for name in ("compute", "work", "main")) > 10
    assert graph != "dwarf,4096" or "sample_stack_user = 4096" in header
    assert recorded.meta()["options"]["call_graph"] == graph
    case = clew.open(recorded.path)
    assert case.sql("SELECT count(*) AS n FROM process").to_pylist()[0]["n"] > 0
    answer = questions.coverage(case)
    assert (answer.table.num_rows, answer.note) == (0, "only the preload library counts calls")
    case.close()


def test_it_is_said_that_the_library_that_reads_it_is_missing(
    attach: Command, run: Run, recorded: Any, does: str, tmp_path: Path
) -> None:
    environment = {**os.environ, "CLEW_LIBRARY": str(tmp_path / "libclew.so")}
    done = run([*attach("-q", "--engine", "perf"), "--", does, "compute", "100"], env=environment)
    assert done.returncode == 0
    assert "cannot be read yet" in done.stderr
    assert "libclew.so" in done.stderr
    assert recorded.functions()["compute"] > 5, "with the library it can be read"


def test_a_program_is_recorded_from_its_exec_on(record: Command, run: Run, recorded: Any, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done; exec sleep 0.01\n")  # no #!: sh runs it
    script.chmod(0o755)
    done = run(record([script], "--engine", "perf"))
    assert (done.returncode, done.stderr) == (0, "")
    said = recorded.script("--show-task-events").splitlines()
    assert [line.split("exec: ")[1].split(":")[0] for line in said if "COMM exec" in line] == ["sh", "sleep"]


def test_a_process_that_runs_is_attached_to(
    attach: Command, begin: Begin, running: Begin, recorded: Any, perf_of: PerfOf
) -> None:
    program = running("threads", "2", "read", "0", "compute", "400")
    recorder = begin(attach("-q", "--engine", "perf", "--pid", program.pid))
    perf_of(recorder)
    assert program.stdin
    program.stdin.write("!!")
    program.stdin.close()
    program.wait(60)  # the recording ends with it
    _, said = recorder.communicate(timeout=60)
    assert (recorder.returncode, said) == (0, "")
    samples = recorded.rows("SELECT pid, tid FROM samples")
    assert {row["pid"] for row in samples} == {program.pid}
    assert len({row["tid"] for row in samples} - {program.pid}) == 2
    assert recorded.meta()["exit_code"] is None


def test_ctrl_c_ends_an_attached_recording_and_not_the_process(
    attach: Command, begin: Begin, running: Begin, recorded: Any, perf_of: PerfOf, go: Go
) -> None:
    program = running("read", "0", "compute", "100000")
    recorder = begin(attach("--engine", "perf", "--pid", program.pid))
    perf = perf_of(recorder)
    go(program)
    time.sleep(0.5)
    recorder.send_signal(signal.SIGINT)
    _, said = recorder.communicate(timeout=60)
    assert (recorder.returncode, said.count("\n")) == (0, 1)
    assert said.startswith("clew: perf ")
    assert program.poll() is None
    assert not Path(f"/proc/{perf}").exists()
    assert recorded.functions()["compute"] > 30


def test_ctrl_c_goes_to_the_program_and_what_it_did_is_kept(
    record: Command, begin: Begin, recorded: Any, does: str
) -> None:
    """A terminal sends it to both; perf, in a group of its own, gets none and loses nothing."""
    script = f"trap 'exit 5' INT; {does} compute 300; echo up; while :; do sleep 0.01; done"
    recorder = begin(record(["sh", "-c", script], "--engine", "perf"), process_group=0)
    assert recorder.stdout
    assert recorder.stdout.readline() == "up\n"
    os.killpg(recorder.pid, signal.SIGINT)
    _, said = recorder.communicate(timeout=60)
    assert (recorder.returncode, said) == (5, "")
    assert recorded.functions()["compute"] > 30


def test_a_second_ctrl_c_ends_the_recording_and_not_the_program(
    record: Command, begin: Begin, recorded: Any, does: str
) -> None:
    script = f"trap : INT; {does} compute 200; echo up; read line; exit 6"
    recorder = begin(record(["sh", "-c", script], "--engine", "perf"))
    assert recorder.stdout
    assert recorder.stderr
    assert recorder.stdout.readline() == "up\n"
    recorder.send_signal(signal.SIGINT)
    time.sleep(0.2)
    recorder.send_signal(signal.SIGINT)
    assert "stopped by Ctrl-C" in recorder.stderr.readline()
    _, said = recorder.communicate("\n", timeout=60)
    assert (recorder.returncode, said) == (6, "")
    assert recorded.functions()["compute"] > 20


@pytest.mark.parametrize("engines", ["perf", "perf,preload"])
def test_the_time_is_over_and_the_program_goes_on(
    record: Command, run: Run, recorded: Any, does: str, engines: str
) -> None:
    done = run(record([does, "compute", "1500", "exit", "3"], "--engine", engines, "--for", "500ms"))
    assert done.returncode == 3
    assert done.stderr == "clew: recording ended (after 0.5 s); the program goes on without it\n"
    for engine in engines.split(","):
        told = recorded.meta(engine)
        assert told["ended_ns"] - told["started_ns"] < 1.4e9
        assert told["exit_code"] == 3


@root
def test_the_whole_machine(attach: Command, run: Run, running: Begin, recorded: Any, go: Go) -> None:
    busy = [running("read", "0", "compute", "100000") for _ in range(2)]
    for each in busy:
        go(each)
    assert run(attach("--engine", "perf", "--all", "--for", "300ms")).returncode == 0
    found = {row["pid"] for row in recorded.rows("SELECT pid FROM samples WHERE kind = 'on-cpu'")}
    assert found >= {each.pid for each in busy}


@root
def test_one_processor(attach: Command, run: Run, running: Begin, recorded: Any, go: Go) -> None:
    for _ in os.sched_getaffinity(0):
        go(running("read", "0", "compute", "100000"))
    cpu = min(os.sched_getaffinity(0))
    assert run(attach("--engine", "perf", "--cpu", cpu, "--for", "300ms")).returncode == 0
    assert recorded.rows("SELECT DISTINCT cpu FROM samples") == [{"cpu": cpu}]


@root
def test_off_cpu_shows_where_it_waits(record: Command, run: Run, recorded: Any, does: str) -> None:
    done = run(record([does, *(["rest", "20"] * 10)], "--engine", "perf", "--off-cpu", "--on-cpu", "no"))
    assert (done.returncode, done.stderr) == (0, "")
    said = recorded.script("--show-switch-events")
    assert said.count("sched:sched_switch:") >= 10
    assert said.count("PERF_RECORD_SWITCH IN") >= 10
    assert (
        recorded.printed()["work"] >= 10
    )  # libc keeps no frame pointers: that of rest, which calls it, is passed over
    assert "cpu-clock" not in said
    case = clew.open(recorded.path)
    named = questions.functions(case, Lens(), "off-cpu")
    by_function = questions.samples_by(case, Lens(), "function", "off-cpu")
    for answer, column, weight in ((named, "function", "self"), (by_function, "name", "weight")):
        own = {row[column]: row[weight] for row in answer.table.to_pylist()}
        assert sum(own[name] for name in own if "nanosleep" in name) > 0.15e9
        assert own.get("__schedule", 0) == 0
        assert sum(own.values()) == pytest.approx(named.summary["total"])
        assert "frame that called the kernel's scheduler" in (answer.note or "")
    assert "__schedule" in questions.flame(case, Lens(), "off-cpu").table["name"].to_pylist()


def test_page_faults_have_their_addresses(record: Command, run: Run, recorded: Any, does: str) -> None:
    done = run(record([does, "touch", "1000"], "--engine", "perf", "--page-faults", "--on-cpu", "no"))
    assert done.returncode == 0
    begin, size = int(done.stdout, 16), os.sysconf("SC_PAGE_SIZE")
    inside = recorded.rows(
        f"""SELECT address, function FROM samples
            WHERE event = 'page-faults' AND address BETWEEN {begin} AND {begin + 1000 * size - 1}"""
    )
    assert sorted((row["address"] - begin) // size for row in inside) == list(range(1000))
    assert {row["function"] for row in inside} == {"touch"}


@root
def test_system_calls_by_name_are_as_many_as_were_made(record: Command, run: Run, recorded: Any, does: str) -> None:
    options = ("--engine", "perf,preload", "--on-cpu", "no", "--syscalls=close,uname")
    done = run(record([does, "shut", "4000"], *options))
    assert (done.returncode, done.stderr) == (0, "")
    made = recorded.rows("SELECT detail FROM samples WHERE event = 'syscalls:sys_enter_close'")
    assert len([row for row in made if (row["detail"] or "").endswith("fd=1000")]) == 1
    assert recorded.functions("syscalls:sys_enter_close")["work"] == 4000
    calls = recorded.rows("SELECT count(*) AS calls FROM calls WHERE op = 'close' AND fd >= 1000")
    assert calls == [{"calls": 4000}]
    assert recorded.meta()["options"]["events"] == ["syscalls:sys_enter_close", "syscalls:sys_enter_newuname"]


@root
def test_every_system_call_and_any_tracepoint(record: Command, run: Run, recorded: Any, does: str) -> None:
    options = ("--on-cpu", "no", "--syscalls", "--event", "sched:sched_process_exit")
    assert run(record([does, "shut", "100"], "--engine", "perf", *options)).returncode == 0
    found = recorded.rows("SELECT event, count(*) AS samples FROM samples GROUP BY event")
    counts = {row["event"]: row["samples"] for row in found}
    assert counts["raw_syscalls:sys_enter"] > 120
    assert counts["sched:sched_process_exit"] == 1


def test_figures_over_time(record: Command, run: Run, recorded: Any, does: str) -> None:
    counted = ("--stat", "task-clock,page-faults", "--interval", "50")
    done = run(record([does, "compute", "400", "touch", "2000"], "--engine", "perf", "--on-cpu", "no", *counted))
    assert (done.returncode, done.stderr) == (0, "")
    figures, told = recorded.rows("SELECT * FROM series ORDER BY ts_ns"), recorded.meta()
    assert all(told["started_ns"] < row["ts_ns"] < told["ended_ns"] + 60e6 for row in figures)
    busy = sum(row["value"] or 0 for row in figures if row["name"] == "task-clock")
    assert 400 < busy < 700  # ms
    assert {row["unit"] for row in figures if row["name"] == "task-clock"} == {"msec"}
    assert sum(row["value"] or 0 for row in figures if row["name"] == "page-faults") >= 2000
    command = told["options"]["tools"][0]["command"]
    assert {row["pid"] for row in figures} == {int(command[command.index("-p") + 1])}
    assert not recorded.rows("SELECT * FROM sample")


def test_samples_and_figures_at_once(record: Command, run: Run, recorded: Any, does: str) -> None:
    done = run(record([does, "compute", "300"], "--engine", "perf", "--stat", "task-clock", "--interval", "50"))
    assert (done.returncode, done.stderr) == (0, "")
    assert recorded.functions()["compute"] > 30
    assert recorded.rows("SELECT count(*) > 3 AS enough FROM series WHERE value > 0") == [{"enough": True}]


def test_the_file_is_not_shown_before_it_is_complete(
    record: Command, begin: Begin, recorded: Any, does: str, perf_of: PerfOf
) -> None:
    """A case can be looked at while it is recorded; perf's file has no end until then."""
    recorder = begin(record([does, "compute", "200", "shut", "5", "read", "0"], "--engine", "perf,preload"))
    assert recorder.stdout
    assert recorder.stdout.readline() == "ready\n"
    perf_of(recorder)
    assert recorded.rows("SELECT count(*) AS samples FROM sample") == [{"samples": 0}]
    with pytest.raises(ClewError, match="perf is still recording, and its samples are read when that ends"):
        questions.flame(clew.open(recorded.path), Lens())
    recorder.communicate("!", timeout=60)
    assert recorder.returncode == 0
    assert recorded.functions()["compute"] > 20


def test_names_outlive_the_program(
    record: Command, run: Run, recorded: Any, does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Symbols of the kernel and of every binary met are kept in the case."""
    program = tmp_path / "replaced"
    program.write_bytes(Path(does).read_bytes())
    program.chmod(0o755)
    assert run(record([program, "compute", "200"], "--engine", "perf")).returncode == 0
    program.unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing yet"))
    found = recorded.functions()
    assert min(found[name] for name in ("compute", "work", "main")) > 20
    kept = {path.name for path in recorded.path.glob("raw/*/symbols/*")}
    in_kernel = [row for row in recorded.rows("SELECT DISTINCT kind FROM frame") if row["kind"] == "kernel"]
    assert ("kallsyms" in kept) == bool(in_kernel)
