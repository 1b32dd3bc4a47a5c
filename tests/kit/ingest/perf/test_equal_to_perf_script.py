"""Every sample of real recordings is what `perf script` says: thread, time, event, period, symbols, modules."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.ingest.profiles import perf_data

Build = Callable[..., Path]
Record = Callable[..., Path]
Oracle = Any
FP = ("-F", "1999", "-e", "cpu-clock", "--call-graph", "fp")


@pytest.mark.parametrize(
    ("mode", "inside"), [("names", "spin_inner"), ("family", "spin_inner"), ("many 8", "spin_inner")]
)
def test_threads_and_processes(oracle: Oracle, build: Build, record: Record, mode: str, inside: str) -> None:
    path = record(build("profiled"), *mode.split(), options=FP)
    oracle.assert_equal(path, 100)
    assert oracle.functions(path)[inside] > 50


def test_exec_starts_a_new_program(build: Build, record: Record) -> None:
    program = build("profiled")
    path = record(program, "family", options=FP)
    profile = perf_data.read(path)
    rows = profile.threads.to_pylist()
    leaves = {row["pid"] for row in rows if row["command"] == "leaf" or row["name"] == "leaf"}
    children = {row["pid"] for row in rows if row["ppid"] and row["command"] == "profiled" and row["pid"] == row["tid"]}
    assert len(children) >= 4
    execs = [row for row in rows if row["pid"] == row["tid"] and row["exe"] == str(program)]
    assert len(execs) >= 5
    twice = Counter(row["pid"] for row in rows if row["pid"] == row["tid"])
    assert sum(number == 2 for number in twice.values()) >= 2, "two children ran a program of their own"
    assert not leaves  # exec names a thread after the file, whatever its first argument says
    assert all(row["end_ns"] > row["start_ns"] for row in rows if row["start_ns"] and row["end_ns"])


def test_a_library_that_is_opened_while_it_runs(oracle: Oracle, build: Build, record: Record) -> None:
    plugin = build("profiled_plugin", "-shared", "-fPIC", output="plugin.so")
    path = record(build("profiled"), "plugin", plugin, options=FP)
    oracle.assert_equal(path, 20)
    inside = [sample.frames for sample in oracle.ours(path) if sample.frames[0].function == "plugin_inner"]
    assert len(inside) > 10
    assert all(frames[0].module == str(plugin) for frames in inside)


def test_a_program_that_was_removed(oracle: Oracle, build: Build, record: Record, tmp_path: Path) -> None:
    program = tmp_path / "removed"
    shutil.copy(build("profiled"), program)
    path = record(program, "gone", options=FP)
    assert not program.exists()
    oracle.assert_equal(path, 30)
    assert Counter(s.frames[0].module for s in oracle.ours(path)).most_common(1)[0][0] == str(program)
    assert any("gone" in note for note in perf_data.read(path).said())


def test_a_program_that_was_removed_before_perf_came(oracle: Oracle, build: Build, tmp_path: Path) -> None:
    program, stop, path = tmp_path / "removed", tmp_path / "stop", tmp_path / "attached.data"
    shutil.copy(build("profiled"), program)
    with subprocess.Popen([program, "wait", stop]) as running:
        try:
            while program.exists():
                pass
            attach = ["perf", "record", "-q", *FP, "-p", str(running.pid), "-o", str(path), "sleep", "0.3"]
            subprocess.run(attach, check=True, capture_output=True)
            oracle.assert_equal(path, 100)
            profile = perf_data.read(path)
        finally:
            stop.touch()
    assert profile.threads["pid"].unique().to_pylist() == [running.pid]
    modules = Counter(s.frames[0].module for s in oracle.ours(path))
    assert f"{program} (deleted)" in modules


def test_code_made_while_it_runs(oracle: Oracle, build: Build, record: Record) -> None:
    path = record(build("profiled"), "jit", options=FP)
    oracle.assert_equal(path, 50)
    profile = perf_data.read(path)
    assert oracle.functions(path)["made;by a (compiler)"] > 50
    made = [frame for frame in profile.frames.to_pylist() if frame["function"] == "made;by a (compiler)"]
    assert {frame["kind"] for frame in made} == {"jit"}
    pid = profile.threads["pid"][0].as_py()
    assert {frame["module"] for frame in made} == {f"/tmp/perf-{pid}.map"}


def test_code_made_in_shared_memory_has_its_name_which_perf_does_not_find(
    oracle: Oracle, build: Build, record: Record
) -> None:
    path = record(build("profiled"), "jit", "shared", options=FP)
    assert len(oracle.script(path)) == len(oracle.ours(path))
    assert oracle.functions(path)["made;by a (compiler)"] > 50


def test_frames_that_lead_into_data_are_no_code_that_was_made(oracle: Oracle, build: Build, record: Record) -> None:
    path = record(build("profiled"), "astray", options=(*FP, "-d"))
    oracle.assert_equal(path, 20)
    profile = perf_data.read(path)
    kinds = {frame["module"]: frame["kind"] for frame in profile.frames.to_pylist()}
    assert {kinds["[stack]"], kinds["//anon"]} == {"unknown"}
    assert not profile.missing.makers


def test_code_of_which_nothing_is_known_is_told(build: Build, record: Record) -> None:
    path = record(build("profiled"), "jit", options=FP)
    pid = perf_data.read(path).threads["pid"][0].as_py()
    Path(f"/tmp/perf-{pid}.map").unlink()
    said = "1 process ran code that it made itself and left no perf-PID.map or jit-PID.dump"
    assert any(note.startswith(said) for note in perf_data.read(path).said())


@pytest.mark.parametrize(
    "options",
    [
        ("-e", "cpu-clock/freq=999/,task-clock/freq=1500/,page-faults", "-g"),
        ("-e", "page-faults", "-c", "1", "-d", "-g"),
        ("-e", "cpu-clock:u", "-c", "300000", "-g", "--user-callchains"),
        ("-e", "cpu-clock:k,page-faults", "-F", "4000", "-g", "-k", "CLOCK_MONOTONIC"),
        ("-e", "cpu-clock", "-F", "1999", "-g", "-a", "--sample-cpu", "--buildid-all", "--switch-events"),
        ("-e", "cpu-clock,task-clock", "-g", "--phys-data", "--weight", "--data", "--buildid-mmap"),
        ("-e", "{cpu-clock,page-faults}", "-g", "--namespaces", "--all-cgroups"),
        ("-e", "{cpu-clock,page-faults,context-switches}:S", "-g", "-F", "999"),
        ("-e", "{cpu-clock,page-faults}:S,task-clock", "-g", "-a", "-F", "999"),
        ("-e", "task-clock:S", "-g", "-F", "999", "--no-inherit"),
    ],
)
def test_events_and_options(oracle: Oracle, build: Build, record: Record, options: tuple[str, ...]) -> None:
    path = record(build("profiled"), "family", options=options)
    oracle.assert_equal(path, 10, everybody="-a" in options)


def test_counters_read_along_are_those_of_each_process(build: Build, record: Record) -> None:
    """perf 6.1 takes the counters of all processes that inherit an event for one, and prints weights near 2^64."""
    profile = perf_data.read(record(build("profiled"), "family", options=("-e", "task-clock:S", "-g", "-F", "999")))
    weights = profile.samples["weight"].to_pylist()
    assert len(profile.threads["pid"].unique()) > 4
    assert len(weights) > 50
    assert all(0 < weight < 10**9 for weight in weights)


def test_without_stacks_the_address_sampled_is_the_stack(oracle: Oracle, build: Build, record: Record) -> None:
    path = record(build("profiled"), "family", options=("-e", "cpu-clock", "-F", "1999"))
    expected, found = oracle.script(path), oracle.ours(path)
    assert len(expected) == len(found) > 100
    for one, two in zip(expected, found, strict=True):
        (perf,), (own,) = one.frames, two.frames  # perf prints addresses in memory here
        assert (one.tid, one.ts_ns, perf.function, perf.module) == (two.tid, two.ts_ns, own.function, own.module)


def test_a_stream(oracle: Oracle, build: Build, tmp_path: Path) -> None:
    """What perf writes into a pipe has no sections: attributes, names and formats stand among the records."""
    path = tmp_path / "stream.data"
    command = f"perf record -q -e cpu-clock/freq=1999/ -e page-faults -g -o - {build('profiled')} family | cat > {path}"
    subprocess.run(command, shell=True, check=True, capture_output=True)
    oracle.assert_equal(path, 100)
    assert {event.name for event in perf_data.read(path).events} == {"cpu-clock/freq=1999/", "page-faults"}


@pytest.mark.parametrize("level", ["1", "19"])
def test_compressed(oracle: Oracle, build: Build, record: Record, level: str) -> None:
    path = record(build("profiled"), "many", "6", options=(*FP, f"--compression-level={level}"))
    oracle.assert_equal(path, 100)


def test_compressed_stream(oracle: Oracle, build: Build, tmp_path: Path) -> None:
    path = tmp_path / "stream.data"
    command = f"perf record -q -z -F 1999 -e cpu-clock -g -o - {build('profiled')} family | cat > {path}"
    subprocess.run(command, shell=True, check=True, capture_output=True)
    oracle.assert_equal(path, 100)


def test_records_out_of_order(oracle: Oracle, build: Build, record: Record) -> None:
    """Many small buffers of two processors: the file holds later records before earlier ones."""
    path = record(build("profiled"), "names", options=("-F", "4999", "-e", "cpu-clock", "-g", "-m", "4", "-a"))
    raw = subprocess.run(["perf", "script", "-i", str(path), "-D"], capture_output=True, check=True).stdout.decode(
        "utf-8", "replace"
    )
    places = [int(found, 16) for found in re.findall(r"(0x[0-9a-f]+) \[0x[0-9a-f]+\]: PERF_RECORD_SAMPLE", raw)]
    assert places != sorted(places)
    oracle.assert_equal(path, 300, everybody=True)
