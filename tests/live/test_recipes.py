"""Every exercise of the lab as a recipe: its numbers agree with strace, or the preload events of the same run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import clew
from clew import questions, recipes
from clew.case import Case
from clew.lens import Lens
from clew.recipes import script

from .conftest import CLEW

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="bpftrace is for root")

BURSTS, PAUSE_MS, WRITES, CLOSES, POLLS = 4, 150, 100, 20, 5
KNOWN = [str(n) for n in (BURSTS, PAUSE_MS, WRITES, CLOSES, POLLS)]
THREADS = 3  # of which two work: 1 and 2 times as much
NAMES = ("wk,1", 'wk "2"\né,\\xff')
WORK = BURSTS * (1 + 2)

Run = Callable[..., Case]


@pytest.fixture
def known(build: Callable[..., Path]) -> str:
    return str(build("known_calls", "-fno-omit-frame-pointer"))


@pytest.fixture
def run(case_path: Path) -> Run:
    """run(recipe, command, *options, engine="bpftrace") -> the case; options are NAME=VALUE of the recipe."""

    def run(recipe: str, command: list[str], *values: str, engine: str = "bpftrace") -> Case:
        options = [part for value in values for part in ("--set", value)]
        line = [*CLEW, "record", "-q", "--engine", engine, "--recipe", recipe, *options, "-o", str(case_path)]
        done = subprocess.run([*line, "--", *command], capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return clew.open(case_path)

    return run


def rows(case: Case, name: str, at: int | str | None = None) -> list[dict[str, Any]]:
    return questions.map_values(case, Lens(), name, at).table.to_pylist()


def entries(case: Case, name: str) -> dict[tuple[str, ...], float]:
    """The last reading of a map by its keys."""
    table = case.sql(
        "SELECT keys, value FROM map_value WHERE name = $name AND "
        "reading = (SELECT max(reading) FROM map_value WHERE name = $name)",
        {"name": name},
    )
    found = {tuple(row["keys"]): row["value"] for row in table.to_pylist()}
    assert len(found) == table.num_rows
    return found


def preload_events(case: Case, op: str) -> dict[int, list[int]]:
    """Durations of the calls of ``op`` that the preload library recorded, by thread."""
    found = defaultdict(list)
    table = case.sql("SELECT tid, dur_ns FROM event JOIN op USING (op_id) WHERE op = $op", {"op": op})
    for row in table.to_pylist():
        found[row["tid"]].append(row["dur_ns"])
    return dict(found)


def strace_counts(path: Path) -> dict[str, int]:
    """Calls by name of ``strace -c``; calls that do not return are not in it."""
    lines = [line.split() for line in path.read_text().splitlines()[2:]]
    return {
        words[-1]: int(words[3]) for words in lines if len(words) > 4 and words[3].isdecimal() and words[-1] != "total"
    }


def test_every_recipe_is_a_script_that_bpftrace_compiles(tmp_path: Path) -> None:
    for name, recipe in recipes.library().items():
        values = {param.name: "4711" for param in recipe.params if param.default is None}
        values |= {param.name: 'we"ird\\,\n{}é' for param in recipe.params if param.type == "comm"}
        text = tmp_path / f"{name}.bt"
        text.write_text(recipe.bind(values).text)
        done = subprocess.run(["bpftrace", "-d", str(text)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (name, done.stderr)
        maps = script.maps_of(text.read_text())
        said = {word.rstrip(":") for fills in recipe.fills for word in fills.split() if word.startswith("@")}
        assert said <= set(maps), name


def test_calls_by_process_agree_with_strace(run: Run, known: str, tmp_path: Path) -> None:
    """Exercise: a count of the calls that each process makes."""
    counted = tmp_path / "strace"
    case = run("calls-by-process", ["strace", "-c", "-f", "-o", str(counted), known, *KNOWN], "pid=0")
    by_name = strace_counts(counted)
    found = entries(case, "@calls")
    program = next(pid for pid, comm in found if comm == Path(known).name[:15])
    total = sum(value for (pid, comm), value in found.items() if pid == program and comm != "strace")
    # execve is entered under strace's name; each thread's exit is entered, but does not return
    assert total == sum(by_name.values()) - by_name["execve"] + THREADS
    assert by_name["write"] == WORK * WRITES and by_name["poll"] == WORK * POLLS


def test_three_ways_of_counting_agree(run: Run, known: str) -> None:
    """count() and sum() do exactly; ++ may lose what two processors add at the same time."""
    case = run("calls-three-ways", [known, *KNOWN])
    count = entries(case, "@count")
    assert count == entries(case, "@sum") and count
    for key, value in entries(case, "@plus").items():
        assert 0.9 * count[key] <= value <= count[key]


def test_counts_every_interval_grow_to_the_total(run: Run, known: str) -> None:
    """Exercise: the counts printed every so often; not cleared, they only grow."""
    case = run("calls-every", [known, *KNOWN], "every=150ms", engine="preload,bpftrace")
    totals = Counter[int]()
    for row in rows(case, "@calls", "each"):
        totals[row["reading"]] += row["value"]
    grown = [totals[number] for number in sorted(totals)]
    assert len(grown) > 3 and grown == sorted(grown) and grown[0] < grown[-1]
    writes = sum(map(len, preload_events(case, "write").values()))
    assert writes == WORK * WRITES and grown[-1] >= writes + WORK * (CLOSES + POLLS)
    printed = questions.printed(case, Lens()).table.to_pylist()
    assert len([row for row in printed if row["kind"] == "time"]) in (len(grown), len(grown) - 1)
    times = case.sql("SELECT DISTINCT ts_ns FROM map_value ORDER BY ts_ns").column("ts_ns").to_pylist()
    assert all(100e6 < later - earlier < 1e9 for earlier, later in pairwise(times[:-1]))


def test_top_shows_the_largest(run: Run, known: str) -> None:
    """Exercise: only the top N; what is printed at the end has them all."""
    case = run("calls-top", ["strace", "-f", "-c", "-o", "/dev/null", known, *KNOWN], "every=150ms", "top=1", "pid=0")
    by_reading = defaultdict(list)
    for row in rows(case, "@calls", "each"):
        by_reading[row["reading"]].append(row["value"])
    *during, last = [by_reading[number] for number in sorted(by_reading)]
    assert len(during) >= 3 and all(len(values) == 1 for values in during)
    assert len(last) > 1 and max(last) >= during[-1][0]


def test_cleared_each_interval_adds_up(run: Run, known: str) -> None:
    """Exercise: counts of one interval. What is called between print and clear is in none: at most a burst."""
    case = run("calls-cleared", [known, *KNOWN], "every=100ms", engine="preload,bpftrace")
    each = [row["value"] for row in rows(case, "@calls", "each")]
    assert len({row["reading"] for row in rows(case, "@calls", "each")}) >= 3
    certain = WORK * (WRITES + CLOSES + POLLS)
    assert certain * (1 - 1 / BURSTS) <= sum(each) <= certain + 600  # the start of a program is some hundred calls
    assert max(each) < certain  # none holds everything


def test_ends_after_three_intervals(case_path: Path) -> None:
    """Exercise: exit after three iterations, by itself."""
    began = time.monotonic()
    said = recipes.run(case_path, "calls-three-times", seconds=120, every="200ms", top="3")
    assert not said and time.monotonic() - began < 100
    case = clew.open(case_path)
    times = case.sql("SELECT DISTINCT reading, ts_ns FROM map_value WHERE name = '@calls' ORDER BY reading").to_pylist()
    assert entries(case, "@intervals") == {(): 3.0}
    assert 3 <= len(times) <= 4  # what was called while it ended is printed once more
    assert questions.map_values(case, Lens(), "@calls", 2).table.num_rows <= 3
    assert case.sql("SELECT value FROM series WHERE name = '@intervals'").num_rows == 1


def test_calls_by_thread_have_its_name(run: Run, known: str) -> None:
    """Exercise: calls of each (pid, tid, comm); names with commas, quotes, newlines and bytes that are no UTF-8."""
    case = run("calls-by-thread", [known, *KNOWN], engine="preload,bpftrace")
    writes = preload_events(case, "write")
    found = {(int(tid), comm): value for (_, tid, comm), value in entries(case, "@calls").items()}
    for k, name in enumerate(NAMES, 1):
        tid = next(tid for tid, comm in found if comm == name)
        assert len(writes[tid]) == k * BURSTS * WRITES
        work = k * BURSTS * (WRITES + CLOSES + POLLS) + BURSTS
        assert work <= found[tid, name] <= work + 20


def test_calls_of_one_thread_by_name(run: Run, known: str, tmp_path: Path) -> None:
    """Exercise: which calls a thread makes. The main thread of a program is its process; strace -c says the same."""
    case = run("calls-of-thread", [known, *KNOWN])
    counted = tmp_path / "strace"
    subprocess.run(["strace", "-c", "-o", str(counted), known, *KNOWN], check=True)
    expected = strace_counts(counted)
    found = {
        key.removeprefix("tracepoint:syscalls:sys_enter_"): value for (key,), value in entries(case, "@calls").items()
    }
    names = ("execve", "clone3", "openat", "mmap", "mprotect", "newfstatat", "prlimit64", "rseq", "set_robust_list")
    # brk and munmap depend on the environment's size; futex on who is first
    assert {name: found[name] for name in names if name in expected} == {
        name: expected[name] for name in names if name in expected
    }
    assert found["exit_group"] == 1


@pytest.mark.parametrize("call", ["poll"])
def test_time_of_each_call_is_that_which_the_library_saw(run: Run, known: str, call: str) -> None:
    """Exercise: time the calls of a thread by printf. In the kernel a call takes less than around it."""
    case = run("call-times", [known, *KNOWN], f"call={call}", engine="preload,bpftrace")
    outside = preload_events(case, call)
    inside = defaultdict(list)
    for row in questions.printed(case, Lens()).table.to_pylist():
        tid, name, took, unit = row["text"].split()
        assert row["kind"] == "printf" and (name, unit) == (call, "ns")
        inside[int(tid)].append(int(took))
    assert {tid: len(each) for tid, each in inside.items()} == {tid: len(each) for tid, each in outside.items()}
    for tid, each in inside.items():  # in the order of calls: lines of two processors may change places
        assert all(kernel <= libc for kernel, libc in zip(sorted(each), sorted(outside[tid]), strict=True))
    assert min(map(min, inside.values())) >= 1_000_000  # poll(..., 1 ms)


def test_histogram_and_extremes_agree_with_the_events(run: Run, known: str) -> None:
    """Exercises: hist(), then max() and min(), against the durations of the same calls in the same run."""
    case = run("call-extremes", [known, *KNOWN], "call=poll", engine="preload,bpftrace")
    events = preload_events(case, "poll")
    assert set(map(len, events.values())) == {BURSTS * POLLS, 2 * BURSTS * POLLS}
    for tid, took in events.items():
        buckets = questions.histogram(case, Lens(), "@ns", [str(tid)]).table.to_pylist()
        assert sum(bucket["calls"] for bucket in buckets) == len(took)
        assert all(bucket["high"] == 2 * bucket["low"] - 1 for bucket in buckets)
        for bucket in buckets:  # each call is shorter in the kernel than around it
            inside = sum(other["calls"] for other in buckets if other["high"] <= bucket["high"])
            assert inside >= sum(ns <= bucket["high"] for ns in took)
        shortest, longest = entries(case, "@shortest")[str(tid),], entries(case, "@longest")[str(tid),]
        assert 1_000_000 <= shortest <= min(took) and 12_000_000 <= longest <= max(took)
        assert (
            buckets[0]["low"] <= shortest <= buckets[0]["high"] and buckets[-1]["low"] <= longest <= buckets[-1]["high"]
        )


def test_histogram_alone(run: Run, known: str) -> None:
    case = run("call-histogram", [known, *KNOWN], "call=write", engine="preload,bpftrace")
    events = preload_events(case, "write")
    table = questions.histogram(case, Lens()).table.to_pylist()
    for tid, took in events.items():
        assert sum(row["calls"] for row in table if row["key"] == str(tid)) == len(took)


def test_new_maximum_shows_where_it_was_called(run: Run, known: str) -> None:
    """Exercise: the stack when a call takes longer than all before it. They grow, and waits do."""
    case = run("call-new-maximum", [known, *KNOWN], "call=poll")
    said = [row["text"] for row in questions.printed(case, Lens()).table.to_pylist()]
    by_thread = defaultdict(list)
    for text in said:
        tid, call, took, _ = text.split(None, 3)
        assert call == "poll"
        by_thread[tid].append(int(took))
    assert len(by_thread) == 2 and any("waits_here" in text for text in said)
    for tid, maxima in by_thread.items():  # lines of two processors may change places, so not in their order
        assert len(maxima) > 1 and len(set(maxima)) == len(maxima)
        assert entries(case, "@longest")[tid,] == max(maxima) >= 12_000_000
    stacks = case.sql(
        "SELECT max(value) AS ns, list(DISTINCT f.function) AS functions "
        "FROM map_value m JOIN stack k USING (stack_id) "
        "JOIN stack a ON a.capture_id = k.capture_id AND a.depth <= k.depth JOIN frame f ON f.frame_id = a.frame_id "
        "WHERE m.name = '@stacks'"
    ).to_pylist()
    assert stacks[0]["ns"] == max(max(each) for each in by_thread.values())
    assert "waits_here" in stacks[0]["functions"]


def test_profile_counts_users_by_processor(case_path: Path) -> None:
    """Exercise: every 10 ms, the threads that are not root's: one that spins on the first processor."""
    spin = "import os, time\nos.sched_setaffinity(0, {0})\nos.setuid(65534)\nend = time.monotonic() + 2\n"
    spin += "while time.monotonic() < end: pass\nprint(sum(os.times()[:2]))"
    line = [*CLEW, "record", "-q", "--engine", "bpftrace", "--recipe", "profile-users", "-o", str(case_path)]
    done = subprocess.run([*line, "--", CLEW[0], "-c", spin], capture_output=True, text=True, check=True, timeout=120)
    ran = float(done.stdout)
    looks = {int(cpu): value for (cpu,), value in entries(clew.open(case_path), "@running").items()}
    assert 0.7 * ran / 0.01 - 5 <= looks[0] <= 1.2 * (2.0 + 1.5) / 0.01


def test_stacks_of_one_processes_close(run: Run, known: str) -> None:
    """The lab's first look: stacks that lead to close(), as samples; known calls under known functions."""
    case = run("stacks-of-call", [known, *KNOWN], engine="preload,bpftrace")
    calls = preload_events(case, "close")
    samples = case.sql(
        "SELECT event, kind, unit, thread, tid, sum(weight) AS calls FROM samples WHERE tid <> pid "
        "GROUP BY ALL ORDER BY calls"
    ).to_pylist()
    assert [(row["event"], row["kind"], row["unit"]) for row in samples] == [("close", "syscall", "calls")] * 2
    assert [(row["thread"], row["calls"]) for row in samples] == [
        (name, k * BURSTS * CLOSES) for k, name in enumerate(NAMES, 1)
    ]
    assert {row["tid"]: row["calls"] for row in samples}.items() <= {
        tid: len(each) for tid, each in calls.items()
    }.items()
    under = questions.functions(case, Lens(functions=("closes_here",))).table.to_pylist()
    assert next(row for row in under if row["function"] == "closes_here")["total"] == WORK * CLOSES


def test_calls_by_command_and_bytes(run: Run, known: str, case_path: Path) -> None:
    """The lab's first examples: close by name of program, and sum(args->count) by descriptor."""
    case = run("bytes-by-descriptor", [known, *KNOWN], engine="preload,bpftrace")
    asked = case.sql("SELECT sum(bytes)::DOUBLE AS bytes FROM event JOIN op USING (op_id) WHERE op = 'write'")
    assert sum(entries(case, "@bytes").values()) == asked.column(0)[0].as_py() == BURSTS * WRITES * (1 + 4)
    said = recipes.run(case_path, "calls-by-command", [known, *KNOWN], call="close")
    assert not said
    found = entries(clew.open(case_path), "@calls")
    assert [found[name,] for name in NAMES] == [BURSTS * CLOSES, 2 * BURSTS * CLOSES]


def test_calls_by_name_agree_with_the_events(run: Run, known: str) -> None:
    case = run("calls-by-name", [known, *KNOWN], "calls=*ol*", engine="preload,bpftrace")
    found = {key.rpartition("sys_enter_")[2]: value for (key,), value in entries(case, "@calls").items()}
    assert found["poll"] == sum(map(len, preload_events(case, "poll").values())) == WORK * POLLS


def test_classics(case_path: Path) -> None:
    """Programs started, files not found, connections opened, waiting: each with something that is known to happen."""
    code = (
        "import os, socket, subprocess, time\n"
        "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname())\n"
        "[os.path.exists('x') or [os.close(os.open('/etc/hostname', 0))] for _ in range(3)]\n"
        "for _ in range(7):\n"
        "    try: os.open('/no such, file', 0)\n"
        "    except OSError: pass\n"
        "print(s.getsockname()[1], flush=True)\n"
        "time.sleep(0.4); subprocess.run(['/bin/echo', 'a b', 'c'], stdout=subprocess.DEVNULL)"
    )
    program = [CLEW[0], "-c", code]
    line = [*CLEW, "record", "-q", "--engine", "bpftrace", "-o", str(case_path), "--recipe"]
    ports = []
    for name in ("execs", "failed-opens", "tcp-connects", "off-cpu", "on-cpu", "run-queue-latency"):
        done = subprocess.run([*line, name, "--", *program], capture_output=True, text=True, check=True, timeout=120)
        ports.append(done.stdout.strip())
    case = clew.open(case_path)
    printed = [row["text"] for row in questions.printed(case, Lens()).table.to_pylist() if row["kind"] == "join"]
    assert "/bin/echo a b c" in [text.strip() for text in printed]
    failed = {key: value for key, value in entries(case, "@failed").items() if key[-1] == "/no such, file"}
    assert list(failed.values()) == [7.0] and next(iter(failed))[0] == "2"
    connects = entries(case, "@connects")
    assert [
        value for (_, port, address, _), value in connects.items() if (port, address) == (ports[2], "127.0.0.1")
    ] == [1.0]
    by_kind = {
        row["kind"]: row["weight"]
        for row in case.sql("SELECT kind, sum(weight) AS weight FROM samples GROUP BY kind").to_pylist()
    }
    assert by_kind["off-cpu"] >= 0.4e9 and by_kind["on-cpu"] >= 1
    kernel = case.sql("SELECT count(*) AS n FROM frame WHERE kind = 'kernel' AND module = '[kernel.kallsyms]'")
    assert kernel.column(0)[0].as_py() > 5
    assert sum(row["calls"] for row in questions.histogram(case, Lens(), "@ns").table.to_pylist()) > 10


def test_case_can_be_looked_at_while_it_is_recorded(case_path: Path) -> None:
    line = [*CLEW, "record", "-q", "--engine", "bpftrace", "-o", str(case_path), "-a", "-e"]
    recorder = subprocess.Popen([*line, 'interval:ms:100 { @n++; print(@n); printf("tick %d\\n", @n); }'])
    try:
        seen: list[float] = []
        until = time.monotonic() + 60
        while len(set(seen)) < 3 and time.monotonic() < until:
            time.sleep(0.2)
            if (case_path / "raw").is_dir() and list(case_path.glob("raw/*/meta.json")):
                table = clew.open(case_path).sql("SELECT max(value) AS n FROM map_value")
                seen += [n for n in table.column(0).to_pylist() if n is not None]
        assert len(set(seen)) >= 3 and seen == sorted(seen) and recorder.poll() is None
        recorder.send_signal(signal.SIGINT)
        assert recorder.wait(60) == 0
    finally:
        recorder.kill()
        recorder.wait()
    case = clew.open(case_path)
    ticks = [row["text"] for row in questions.printed(case, Lens()).table.to_pylist()]
    assert ticks == [f"tick {n}\n" for n in range(1, len(ticks) + 1)] and len(ticks) >= max(seen)
    assert case.captures().to_pylist()[0]["complete"]
    capture = case.captures().to_pylist()[0]
    printed = case.sql("SELECT min(ts_ns) AS a, max(ts_ns) AS b FROM printed").to_pylist()[0]
    assert capture["started_ns"] <= printed["a"] <= printed["b"] <= capture["ended_ns"] + 10e9


def test_a_signal_that_bpftrace_misses_is_sent_again(case_path: Path) -> None:
    """A script that always has something to print seldom waits for events, and forgets a SIGINT outside of that."""
    busy = 'tracepoint:syscalls:sys_enter_write /comm == "dd"/ { printf("%d\\n", pid); @n = count(); }'
    writer = subprocess.Popen(["dd", "if=/dev/zero", "of=/dev/null", "bs=1"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(3):
            recipes.run(case_path, busy, seconds=0.2)
    finally:
        writer.kill()
        writer.wait()
    case = clew.open(case_path)
    assert case.sql("SELECT count(DISTINCT capture_id) AS n FROM map_value WHERE value > 50").column(0)[0].as_py() == 3
    lost = case.captures()["lost_events"].to_pylist()
    assert sum(lost) > 0  # more than bpftrace's buffer takes, and counted


def test_whoever_does_not_wait_for_the_maps_is_told_that_they_are_lost(case_path: Path) -> None:
    line = [*CLEW, "record", "--engine", "bpftrace", "-o", str(case_path), "-a", "-e"]
    script = 'interval:ms:50 { printf("tick\\n"); @n = count(); }'
    recorder = subprocess.Popen([*line, script], stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while not any("tick" in path.read_text() for path in case_path.glob("raw/001/bpftrace.ndjson")):
            assert time.monotonic() < until and recorder.poll() is None
            time.sleep(0.05)
        (child,) = map(int, Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children").read_text().split())
        assert clew.open(case_path).captures()["complete"].to_pylist() == [False]
        assert "bpftrace is still at work" in (questions.maps(clew.open(case_path), Lens()).note or "")
        os.kill(child, signal.SIGSTOP)  # it does not get to print them
        recorder.send_signal(signal.SIGINT)
        assert recorder.stderr and "looking up names" in recorder.stderr.readline()
        recorder.send_signal(signal.SIGTERM)
        said = recorder.communicate(timeout=60)[1]
    finally:
        recorder.kill()
        recorder.wait()
    assert "was killed: what it had not printed is lost" in said
    assert "was killed: what it had not printed is lost" in (questions.maps(clew.open(case_path), Lens()).note or "")
    assert "was killed" in clew.open(case_path).captures()["notes"][0].as_py()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-e", "BEGIN { nonsense(); }"], r"line 1, column 9: Unknown function: nonsense"),
        (["-e", "BEGIN {\n @x = }"], r"line 2, column \d+: syntax error"),
        (["-e", "tracepoint:syscalls:sys_enter_none { @ = count(); }"], r"tracepoint not found"),
        (["--recipe", "none"], r"no recipe 'none'"),
        (["--recipe", "calls-top", "--set", "top=0"], r"top takes a whole number from 1 on, not '0'"),
        (["--recipe", "calls-top", "--set", "pid=1 || 1"], r"pid takes"),
        (["--recipe", "calls-top", "--set", "x=1"], r"no parameter 'x'"),
        (["--recipe", "calls-by-thread"], r"--set pid=VALUE"),
        (["--set", "top=3"], r"--recipe NAME"),
        (["--script", "/none"], r"cannot read /none"),
    ],
)
def test_what_is_wrong_is_one_line(case_path: Path, options: list[str], says: str) -> None:
    line = [*CLEW, "record", "--engine", "bpftrace", *options, "-o", str(case_path), "-a"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (1, 2) and re.search(says, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1 and not case_path.exists()


def test_whoever_may_not_is_told_so() -> None:
    code = (
        "import os\nfrom clew import recipes\nfrom clew.capture.engines import Target, _bpftrace_run, bpftrace\n"
        "engine = bpftrace.BpftraceEngine(recipes.get('execs'))\nengine.check(Target(system=True))\n"
        "os.seteuid(65534)\nengine.check(Target(system=True))"
    )
    done = subprocess.run([CLEW[0], "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("clew.errors.ClewError: bpftrace is for root: run as root")
