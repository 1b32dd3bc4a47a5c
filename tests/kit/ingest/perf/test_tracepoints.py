"""Tracepoints: their fields, system calls by operation, time off the processor, and who woke whom."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from clew.ingest.profile import Profile
from clew.ingest.profiles import perf_data

Build = Callable[..., Path]
Record = Callable[..., Path]
SCHED = ("-e", "sched:sched_switch", "-e", "sched:sched_wakeup", "-e", "sched:sched_waking", "-g", "-m", "16M")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="tracepoints are for root")


def of_event(profile: Profile, name: str) -> list[dict[str, Any]]:
    number = [event.name for event in profile.events].index(name)
    rows: list[dict[str, Any]] = profile.samples.filter(pc.equal(profile.samples["event"], number)).to_pylist()
    return rows


def tid_of(profile: Profile, row: dict[str, Any]) -> int | None:
    """None: perf did not know it any more, as of a thread that has all but ended."""
    tid: int | None = profile.threads["tid"][row["thread"]].as_py()
    return tid


def printed(path: Path, event: str) -> list[tuple[int, int, str]]:
    """(ns, tid, fields) of each sample of ``event`` as perf script prints them."""
    command = ["perf", "script", "-i", str(path), "--ns", "-G", "-F", "tid,time,event,trace"]
    text = subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8", "backslashreplace")
    head = r"^\s*(-?\d+)\s+(\d+)\.(\d{9}):\s*"  # a name in the fields may hold a new line
    found = re.findall(rf"{head}{re.escape(event)}: (.*?)(?=\n\s*-?\d+\s+\d+\.\d{{9}}:|\s*\Z)", text, re.M | re.S)
    rows = [(int(seconds) * 10**9 + int(rest), int(tid), fields) for tid, seconds, rest, fields in found]
    return sorted(rows, key=lambda row: row[0])


def test_what_was_lost_is_counted_once(record: Record) -> None:
    """perf tells it twice: when it happened, and of each event at the end."""
    calls, options = 100_000, ("-e", "raw_syscalls:sys_enter", "-c", "1", "-g", "-m", "1")
    path = record("dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={calls}", options=options)
    dump = subprocess.run(["perf", "script", "-D", "-i", path], check=True, capture_output=True).stdout
    told = sum(int(count) for count in re.findall(rb"PERF_RECORD_LOST: .*lost:(\d+)", dump))
    counted = sum(int(count) for count in re.findall(rb"PERF_RECORD_LOST_SAMPLES: .*lost samples :(\d+)", dump))
    profile = perf_data.read(path)
    assert profile.lost == max(told, counted) > 0
    assert profile.lost + profile.samples.num_rows < 2 * calls + 2000


def test_fields_are_those_of_perf_script(build: Build, record: Record) -> None:
    path = record(build("profiled"), "pingpong", "30", options=(*SCHED, "-a"))
    profile = perf_data.read(path)
    expected = printed(path, "sched:sched_switch")
    rows = of_event(profile, "sched:sched_switch")
    assert len(expected) == len(rows) > 100
    for (ts, _, fields), row in zip(expected, rows, strict=True):
        said = re.sub(r" prev_state=\S+", "", fields.replace(" ==>", ""))
        assert (ts, said) == (row["ts_ns"], re.sub(r" prev_state=-?\d+", "", row["detail"]))
    for (ts, _, fields), row in zip(
        printed(path, "sched:sched_wakeup"), of_event(profile, "sched:sched_wakeup"), strict=True
    ):
        assert (ts, fields.replace("=00", "=")) == (row["ts_ns"], row["detail"].replace("=00", "="))


def test_fields_of_variable_length(record: Record) -> None:
    path = record("sh", "-c", "true; ls / > /dev/null", options=("-e", "sched:sched_process_exec"))
    rows = of_event(perf_data.read(path), "sched:sched_process_exec")
    names = [re.match(r"filename=(\S+) pid=\d+ old_pid=\d+$", row["detail"]) for row in rows]
    assert all(names)
    assert [fields.split()[0] for _, _, fields in printed(path, "sched:sched_process_exec")] == [
        name[0].split()[0] for name in names if name
    ]


def test_system_calls_are_operations(record: Record) -> None:
    events = [f"syscalls:sys_enter_{name}" for name in ("openat", "close", "pread64", "exit_group", "brk")]
    options = [part for event in events for part in ("-e", event)]
    path = record("ls", "/usr/lib", options=(*options, "-g"))
    profile = perf_data.read(path)
    assert {(event.name.removeprefix("syscalls:sys_enter_"), event.kind, event.op) for event in profile.events} == {
        *(("openat", "syscall", "openat"), ("close", "syscall", "close"), ("pread64", "syscall", "pread")),
        *(("exit_group", "syscall", "_exit"), ("brk", "syscall", None)),
    }
    for event in events:
        assert len(of_event(profile, event)) == len(printed(path, event)) > 0
    assert all(re.match(r"__syscall_nr=\d+ fd=\d+$", row["detail"]) for row in of_event(profile, events[1]))
    assert any("dfd=-100" in row["detail"] for row in of_event(profile, events[0]))


def off_by_hand(path: Path, tid: int) -> list[int]:
    """Times that ``tid`` was off, from the text of perf script alone."""
    left, times = None, []
    for ts, _, fields in printed(path, "sched:sched_switch"):
        if f" next_pid={tid} " in fields and left is not None:
            times.append(ts - left)
            left = None
        if f" prev_pid={tid} " in fields:
            left = ts
    return times


@pytest.mark.parametrize("watched", ["everybody", "program"])
def test_time_off_the_processor(build: Build, record: Record, watched: str) -> None:
    """Of all threads by sched_switch alone; of one program with the kernel's notes of its returns."""
    how = ("-a",) if watched == "everybody" else ("--switch-events",)
    for _ in range(3):  # on a busy machine perf leaves out some, also in its own output, and it may be all
        path = record(build("profiled"), "sleeps", "20", options=(*SCHED, *how))
        profile = perf_data.read(path)
        (pid,) = {row["pid"] for row in profile.threads.to_pylist() if row["name"] == "profiled"}
        rows = [row for row in of_event(profile, "off-cpu") if tid_of(profile, row) == pid]
        slept = [row for row in rows if row["detail"] == "prev_state=S" and row["weight"] >= 10e6]
        if slept:
            break
    assert ("off-cpu", "ns") in {(event.kind, event.unit) for event in profile.events}
    assert profile.lost == 0
    assert 1 <= len(slept) <= 20
    assert all(row["stack"] is not None for row in slept)
    if watched == "everybody":
        assert [int(row["weight"]) for row in rows] == off_by_hand(path, pid)
        assert {row["other_tid"] for row in slept} == {None}  # a timer wakes who sleeps, not the thread it interrupted


def test_who_wakes_whom(build: Build, record: Record) -> None:
    path = record(build("profiled"), "pingpong", "40", options=(*SCHED, "-a"))
    profile = perf_data.read(path)
    (ping,) = {row["pid"] for row in profile.threads.to_pylist() if row["name"] == "ping"}
    pong = {row["tid"] for row in profile.threads.to_pylist() if row["pid"] == ping} - {ping, None}
    assert len(pong) == 1
    woken = [row["other_tid"] for row in of_event(profile, "sched:sched_waking") if tid_of(profile, row) == ping]
    assert sum(tid in pong for tid in woken) >= 20
    waits = [row for row in of_event(profile, "off-cpu") if tid_of(profile, row) in pong]
    assert sum(row["other_tid"] == ping for row in waits) >= 20
    assert {event.kind for event in profile.events if "wak" in event.name} == {"wakeup"}


def test_tracepoints_of_a_stream_and_compressed(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "stream.data"
    command = f"perf record -q -e sched:sched_process_exec -e syscalls:sys_enter_close -g -o - ls / | cat > {path}"
    subprocess.run(command, shell=True, check=True, capture_output=True)
    packed = record("ls", "/", options=("-z", "-e", "sched:sched_process_exec", "-e", "syscalls:sys_enter_close"))
    for each in (path, packed):
        profile = perf_data.read(each)
        assert all("filename=" in row["detail"] for row in of_event(profile, "sched:sched_process_exec"))
        assert len(of_event(profile, "syscalls:sys_enter_close")) == len(printed(each, "syscalls:sys_enter_close")) > 2
