"""`clew record --stacks`: every call is told from where it was made, whatever the program is made of."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import clew

GDB = """set pagination off
set breakpoint pending on
set backtrace limit 300
handle SIGUSR1 nostop noprint
break close
commands
silent
bt -frame-arguments none
echo --\\n
continue
end
run </dev/null
"""
FRAMES = 256  # CLEW_STACK_FRAMES
Record = Callable[..., list[str]]

CALLERS = {"first": 200, "second": 100, "varying": 100, "in_thread": 150, "in_child": 30, "in_handler": 20, "deep": 2}
STACKS = """
    WITH RECURSIVE path AS (
        SELECT stack_id, parent_id, function AS names FROM stack JOIN frame USING (frame_id)
        WHERE stack_id IN (SELECT stack_id FROM sample)
        UNION ALL
        SELECT p.stack_id, k.parent_id, function || ';' || names
        FROM path p JOIN stack k ON k.stack_id = p.parent_id JOIN frame USING (frame_id)),
    whole AS (SELECT stack_id, names FROM path WHERE parent_id IS NULL)
    SELECT e.name AS event, s.weight, coalesce(w.names, '') AS names, s.pid, s.tid, s.seq, s.thread_id, s.ts_ns
    FROM sample s JOIN sample_event e USING (event_id) LEFT JOIN whole w USING (stack_id)"""


def stacks(case: Path) -> list[dict[str, Any]]:
    """Every sample of a case with its stack, outermost function first."""
    rows: list[dict[str, Any]] = clew.open(case).sql(STACKS).to_pylist()
    return rows


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Sequence[str]], None]:
    """run(command) in a folder of its own: some workloads write files."""

    def run(command: Sequence[str]) -> None:
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    return run


@pytest.mark.parametrize(
    "flags",
    [("-O2", "-fomit-frame-pointer"), ("-O2", "-fno-omit-frame-pointer"), ("-O0", "-no-pie"), ("-O3", "-mavx2")],
    ids=" ".join,
)
def test_each_call_is_told_from_where_it_was_made(
    flags: tuple[str, ...],
    build: Callable[..., Path],
    record: Record,
    run: Callable[[Sequence[str]], None],
    case_path: Path,
) -> None:
    run(record([build("call_sites", *flags)], "--stacks", "close"))
    found = stacks(case_path)
    callers = Counter(row["names"].split(";")[-1] for row in found)
    assert {name: callers[name] for name in CALLERS} == CALLERS
    below = {name: [row["names"] for row in found if row["names"].endswith(f";{name}")] for name in CALLERS}
    assert all(";main;" in names for name in ("first", "second", "varying") for names in below[name])
    assert all(re.search(r"start_thread;thread;in_thread$", names) for names in below["in_thread"])
    assert all(re.search(r";main;interrupted;.*;on_signal;in_handler$", names) for names in below["in_handler"])
    sorted_by = [row["names"] for row in found if row["names"].endswith(";compare")]
    assert sorted_by and all(re.search(r";main;.*qsort.*;compare$", names) for names in sorted_by)
    assert sorted(names.count(";deep") for names in below["deep"]) == [11, FRAMES]
    assert max(below["deep"], key=len).startswith("[truncated];")
    case = clew.open(case_path)
    calls = case.sql(
        """SELECT count(*) AS calls, count(s.seq) AS with_stack, count(*) FILTER (e.ts_ns = s.ts_ns) AS same_time
           FROM event e JOIN op USING (op_id) LEFT JOIN sample s ON (s.thread_id, s.seq) = (e.thread_id, e.seq)
           WHERE op = 'close'"""
    ).to_pylist()
    (notes,) = case.sql("SELECT notes FROM capture").to_pylist()
    assert calls == [{"calls": len(found), "with_stack": len(found), "same_time": len(found)}]
    assert f"1 of {len(found)} stacks were cut" in notes["notes"]


def test_one_of_n(
    build: Callable[..., Path], record: Record, run: Callable[[Sequence[str]], None], case_path: Path
) -> None:
    run(record([build("call_sites", "-O2")], "--stacks", "close/10"))
    found = stacks(case_path)
    by_thread = Counter(row["thread_id"] for row in found)
    case = clew.open(case_path)
    calls = case.sql(
        "SELECT thread_id, count(*) AS calls FROM event JOIN op USING (op_id) WHERE op = 'close' GROUP BY ALL"
    ).to_pylist()
    assert all(by_thread[row["thread_id"]] in (row["calls"] // 10, row["calls"] // 10 + 1) for row in calls)
    assert {row["weight"] for row in found} == {10}
    # first, first, second, varying for ever: a fixed distance of 10 would see two of the four places alone
    assert {"first", "second", "varying"} <= {row["names"].split(";")[-1] for row in found}


def test_allocations_weigh_what_they_asked_for(
    build: Callable[..., Path], record: Record, run: Callable[[Sequence[str]], None], case_path: Path
) -> None:
    run(record([build("call_sites", "-O2")], "--count-only", "--stacks", "alloc,free"))
    found = stacks(case_path)
    weight: Counter[str] = Counter()
    for row in found:
        for name in set(row["names"].split(";")):
            weight[f"{row['event']} {name}"] += row["weight"]
    assert weight["malloc allocate"] == 100 * 1000
    assert weight["malloc duplicate"] == 100 * 11
    assert weight["free allocate"] == weight["free duplicate"] == 100
    assert all(row["names"].endswith("duplicate;strdup") or "duplicate;" in row["names"] for row in found
               if row["event"] == "malloc" and "duplicate" in row["names"])  # fmt: skip
    case = clew.open(case_path)
    kinds = case.sql("SELECT DISTINCT name, kind, unit FROM sample_event ORDER BY name").to_pylist()
    assert {"name": "malloc", "kind": "alloc", "unit": "bytes"} in kinds
    assert {"name": "free", "kind": "alloc", "unit": "calls"} in kinds


def test_gdb_says_the_same(
    build: Callable[..., Path], record: Record, run: Callable[[Sequence[str]], None], case_path: Path
) -> None:
    """The functions of each call's stack as gdb has them at a breakpoint in close, call by call."""
    program = build("call_sites", "-O2", "-fomit-frame-pointer")
    script = case_path.with_name("script.gdb")
    script.write_text(GDB)
    gdb = ["gdb", "-nx", "-batch", "-x", str(script), str(program)]
    out = subprocess.run(gdb, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False).stdout
    frame = re.compile(r"^#\d+ +(?:0x[0-9a-f]+ in )?(<signal handler called>|\S+) ?", re.MULTILINE)
    by_gdb = Counter(comparable(frame.findall(block)[:0:-1]) for block in out.split("--\n") if "#0 " in block)
    run(record([program], "--stacks", "close"))
    rows = [row["names"].split(";") for row in stacks(case_path)]
    ours = Counter(comparable(names) for names in rows if "in_child" not in names and "deep" not in names)
    wanted = Counter({names: count for names, count in by_gdb.items() if "deep" not in names})
    assert sum(ours.values()) > 500
    assert ours == wanted


def comparable(names: Sequence[str]) -> str:
    """The program's own functions: of libc's, gdb knows some by names that only debug information has."""
    own = ("main", "thread", "on_signal", "interrupted", "compare", "first", "second", "varying", "in_thread")
    return ";".join(name for name in names if name in (*own, "in_handler", "in_child", "deep"))


def test_exceptions_unwind_through_calls_with_stacks(
    build: Callable[..., Path], record: Record, run: Callable[[Sequence[str]], None], case_path: Path
) -> None:
    run(record([build("exceptions", compiler="g++")], "--stacks", "alloc,free,write,close"))
    found = stacks(case_path)
    assert len(found) > 100
    whole = [row for row in found if not row["names"].startswith("[truncated]")]
    assert len(whole) == len(found)
    assert all(re.match(r"_start|_dl_start_user|clone", row["names"]) for row in whole)


def test_python(record: Record, run: Callable[[Sequence[str]], None], case_path: Path) -> None:
    code = "import os\ndef f():\n  for _ in range(300): os.close(os.dup(0))\nf()"
    run(record(["/usr/bin/python3", "-c", code], "--stacks", "close"))
    found = [row for row in stacks(case_path) if not row["names"].startswith("[truncated]")]
    assert len(found) >= 300
    assert all(row["names"].startswith("_start;") and "Py_BytesMain" in row["names"] for row in found)


def test_node(record: Record, run: Callable[[Sequence[str]], None], case_path: Path) -> None:
    code = (
        "const fs = require('fs'); function f() { for (let i = 0; i < 300; i++) fs.closeSync(fs.openSync('/', 0)) } f()"
    )
    run(record(["node", "-e", code], "--stacks", "open,malloc/100,close"))
    found = stacks(case_path)
    broken = [row for row in found if row["names"].startswith("[truncated]")]
    assert len(found) > 300
    assert len(broken) <= len(found) // 100
    deep = [row["names"] for row in found if "node::Start" in row["names"] and row["event"] == "close"]
    assert len(deep) >= 300 or sum("node::Start" in row["names"] for row in found) > 100


def test_javascript_has_names(record: Record, run: Callable[[Sequence[str]], None], case_path: Path) -> None:
    code = "const fs = require('fs'); function opens() { return fs.openSync('/', 0) } "
    code += "function closes() { for (let i = 0; i < 300; i++) fs.closeSync(opens()) } closes()"
    options = ["--perf-basic-prof", "--interpreted-frames-native-stack"]
    run(record(["node", *options, "-e", code], "--stacks", "open"))
    found = [row for row in stacks(case_path) if re.search("node::fs", row["names"])]
    inside = [row for row in found if re.search(r"\bcloses\b.*\bopens\b.*openSync.*node::fs::Open", row["names"])]
    assert len(inside) >= 290


def test_a_case_that_is_looked_at_while_it_grows(record: Record, case_path: Path) -> None:
    calls = "for _ in range(500): os.close(os.dup(0))"
    loop = f"import os, sys\nfor line in sys.stdin:\n  {calls}\n  print('done', flush=True)"
    command = record([sys.executable, "-c", loop], "--stacks", "close/5")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin and program.stdout
        counts = []
        for _ in range(4):
            program.stdin.write("go\n")
            program.stdin.flush()
            assert program.stdout.readline() == "done\n"
            until = time.monotonic() + 30
            while not counts or len(found := stacks(case_path)) < counts[-1] + 50:
                assert time.monotonic() < until
                counts = counts or [0]
            counts.append(len(found))
        program.stdin.close()
    total = len(stacks(case_path))
    assert counts == sorted(counts) and total >= counts[-1]
    case = clew.open(case_path)
    (calls,) = case.sql("SELECT count(*) AS n FROM event JOIN op USING (op_id) WHERE op = 'close'").to_pylist()
    (pairs,) = case.sql("SELECT count(DISTINCT (thread_id, seq)) AS n FROM sample").to_pylist()
    (left,) = case.sql("SELECT count(*) AS n FROM landing.call_stack").to_pylist()
    assert pairs["n"] == total and left["n"] == 0
    assert abs(total - calls["n"] / 5) <= 2
    before = Counter(row["names"] for row in stacks(case_path))
    subprocess.run([sys.executable, "-m", "clew", "rebuild", str(case_path)], check=True, capture_output=True)
    assert Counter(row["names"] for row in stacks(case_path)) == before


def test_expand_prints_stacks_and_maps(
    build: Callable[..., Path], record: Record, run: Callable[[Sequence[str]], None], case_path: Path
) -> None:
    program = build("call_sites", "-O2")
    run(record([program], "--stacks", "close"))
    (segment,) = (case_path / "raw" / "001").glob("seg-*.clew")
    shown = subprocess.run(
        [sys.executable, "-m", "clew", "expand", str(segment), "--op", "stack", "--op", "map"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert len(re.findall(r" stack .* close #\d+ weight=1 0x[0-9a-f]+ ", shown)) > 500
    build_id = re.search(r"Build ID: (\w+)", subprocess.run(
        ["readelf", "-n", str(program)], capture_output=True, text=True, check=True).stdout)  # fmt: skip
    assert build_id
    assert re.search(
        rf" map .* 0x[0-9a-f]+-0x[0-9a-f]+ at 0x1000 {re.escape(str(program))} build-id={build_id[1]}", shown
    )


@pytest.mark.parametrize("wrong", ["clos", "close/0", "close/x", "/5", "", "stack", "map"])
def test_a_wrong_list_is_one_line(wrong: str, record: Record, case_path: Path) -> None:
    done = subprocess.run(record(["true"], "--stacks", wrong), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--stacks" in done.stderr
    assert not case_path.exists()
