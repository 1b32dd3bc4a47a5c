"""The sampler in the preload library: where CPU time goes, without any privilege, and what it cannot see is said."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew import questions

Record = Callable[..., list[str]]
SHARES = """
    WITH RECURSIVE path AS (
        SELECT stack_id, parent_id, [function] AS names FROM stack JOIN frame USING (frame_id)
        WHERE stack_id IN (SELECT stack_id FROM sample)
        UNION ALL
        SELECT p.stack_id, k.parent_id, list_prepend(f.function, p.names)
        FROM path p JOIN stack k ON k.stack_id = p.parent_id JOIN frame f ON f.frame_id = k.frame_id),
    whole AS (SELECT stack_id, names FROM path WHERE parent_id IS NULL)
    SELECT count(*) AS samples, sum(weight) / 1e9 AS seconds, count(DISTINCT thread_id) AS threads,
           count(DISTINCT s.pid) AS pids,
           coalesce(sum(weight) FILTER (list_contains(names, 'heavy')) / 1e9, 0) AS heavy,
           coalesce(sum(weight) FILTER (list_contains(names, 'light')) / 1e9, 0) AS light,
           coalesce(sum(weight) FILTER (s.stack_id IS NULL) / 1e9, 0) AS nothing
    FROM sample s JOIN sample_event e USING (event_id) LEFT JOIN whole w USING (stack_id)
    WHERE e.name = 'cpu-time' AND e.kind = 'on-cpu' AND e.unit = 'ns'"""


def burn(record: Record, program: Path, *arguments: str) -> tuple[float, dict[str, Any]]:
    """CPU seconds that the program counted of itself, and what the sampler has of it."""
    command = record([program, *arguments], "--engine", "sampler", "--hz", "250")
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (case,) = [Path(part) for part, before in zip(command[1:], command, strict=False) if before == "-o"]
    (row,) = clew.open(case).sql(SHARES).to_pylist()
    return float(out), row


def near(found: float, wanted: float, samples: int) -> bool:
    """Within five standard deviations of a share that so many samples were drawn of, and a hundredth."""
    return bool(abs(found - wanted) <= 5 * (wanted * (1 - wanted) / samples) ** 0.5 + 0.01)


@pytest.mark.parametrize(("how", "threads", "pids"), [("alone", 1, 1), ("threads", 3, 1), ("fork", 1, 1)])
def test_shares_and_totals(how: str, threads: int, pids: int, build: Callable[..., Path], record: Record) -> None:
    spent, found = burn(record, build("burns"), how, "400")
    assert found["samples"] > 50
    assert near(found["heavy"] / (found["heavy"] + found["light"]), 0.75, found["samples"])
    assert abs(found["seconds"] - spent) <= 0.05 * spent + 0.03 * threads
    assert found["heavy"] + found["light"] >= 0.95 * found["seconds"]
    assert found["threads"] >= threads
    assert found["pids"] >= pids


def test_what_it_says_at_the_end_is_of_samples(build: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "case"
    command = [
        sys.executable,
        "-m",
        "clew",
        "record",
        "--engine",
        "sampler",
        "-o",
        path,
        "--",
        build("burns"),
        "alone",
        "100",
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert re.fullmatch(r"clew: [0-9,]+ records of samples and processes, .*\n", said)
    case = clew.open(path)
    assert case.sql("SELECT count(*) AS n FROM process").to_pylist()[0]["n"] > 0
    assert questions.coverage(case).table.num_rows == 0, "nobody counted its calls"
    case.close()


def test_perf_says_the_same(build: Callable[..., Path], record: Record, tmp_path: Path) -> None:
    program = build("burns")
    how = ("alone", "600")
    _, found = burn(record, program, *how)
    subprocess.run(
        [*"perf record -q -B -N -e cpu-clock -F 499 --call-graph dwarf,2048 -o perf.data".split(), program, *how],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    listed = subprocess.run(
        ["perf", "report", "-i", "perf.data", "--stdio", "--children", "-g", "none", "-F", "overhead_children,sym"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    share = {name: float(line.split("%")[0]) for line in listed.splitlines() for name in ("heavy", "light")
             if line.rstrip().endswith(f"] {name}")}  # fmt: skip
    by_perf = share["heavy"] / (share["heavy"] + share["light"])
    ours = found["heavy"] / (found["heavy"] + found["light"])
    assert near(ours, by_perf, found["samples"])


def test_time_with_the_signal_blocked_has_no_stack(build: Callable[..., Path], record: Record, case_path: Path) -> None:
    spent, found = burn(record, build("burns"), "blocked", "400")
    assert abs(found["seconds"] - spent) <= 0.1 * spent + 0.1
    assert found["nothing"] >= 0.9 * found["seconds"]
    (capture,) = clew.open(case_path).sql("SELECT engine, notes FROM capture").to_pylist()
    assert capture["engine"] == "sampler"
    assert "SIGPROF" in capture["notes"]


def test_a_program_that_takes_the_signal_says_so(build: Callable[..., Path], record: Record, case_path: Path) -> None:
    subprocess.run(record([build("takes_sigprof")], "--engine", "sampler"), check=True, capture_output=True)
    case = clew.open(case_path)
    assert case.sql("SELECT unseen FROM process").to_pylist() == [{"unseen": "sampler"}]
    (early,) = case.sql("SELECT count(*) AS n FROM sample").to_pylist()
    assert early["n"] > 0  # until then
    assert "SIGPROF" in case.sql("SELECT notes FROM capture").to_pylist()[0]["notes"]


def test_with_the_calls_it_stays_the_preload_engines(
    build: Callable[..., Path], record: Record, case_path: Path
) -> None:
    command = record([build("burns"), "fork", "100"], "--engine", "sampler,preload", "--stacks", "fork")
    subprocess.run(command, check=True, capture_output=True)
    case = clew.open(case_path)
    assert case.sql("SELECT engine FROM capture").to_pylist() == [{"engine": "preload"}]
    rows = case.sql("SELECT e.name, count(*) AS n FROM sample JOIN sample_event e USING (event_id) GROUP BY ALL")
    found = {row["name"]: row["n"] for row in rows.to_pylist()}
    assert found["fork"] == 1 and found["cpu-time"] > 10


@pytest.mark.parametrize(("hz", "word"), [("0", "--hz"), ("1e9", "--hz"), ("nan", "--hz"), ("x", "--hz")])
def test_wrong_options(hz: str, word: str, record: Record, case_path: Path) -> None:
    done = subprocess.run(record(["true"], "--engine", "sampler", "--hz", hz), capture_output=True, text=True)
    assert done.returncode == 2
    assert word in done.stderr
    assert not case_path.exists()


def test_it_needs_a_command(record: Record) -> None:
    command = [*record([], "--engine", "sampler", "--pid", "1")][:-1]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
