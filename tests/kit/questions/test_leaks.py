"""What was opened and never closed, beside what the kernel says is open; and memory that is not given back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import clew
from clew import questions
from clew.case import Case
from clew.commands import main
from clew.errors import ClewError
from clew.lens import Lens

LEAKY = Path(__file__).parents[2] / "workloads" / "leaky.c"
STACKS = "open,socket,accept,dup,pipe"


Run = tuple[Case, dict[int, str]]


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """leaky(*more) -> the case of a run, and what the program found open at its end, {fd: target}."""
    folder = tmp_path_factory.mktemp("leaky")
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", LEAKY, "-o", folder / "leaky"], check=True)

    @cache
    def leaky(*more: str) -> Run:
        case = folder / f"case{len(more)}"
        record = [sys.executable, "-m", "clew", "record", "-q", "-o", str(case), "--stacks", STACKS, "--"]
        done = subprocess.run(
            [*record, str(folder / "leaky"), "/etc/hosts", *more], capture_output=True, text=True, check=True
        )
        lines = (line.split(" ", 1) for line in done.stdout.splitlines())
        return clew.open(case), {int(fd): target for fd, target in lines}

    return leaky


def test_what_is_left_is_what_the_kernel_has(leaky: Any) -> None:
    case, truth = leaky()
    rows = questions.leaks(case, Lens(), by="descriptor").table.to_pylist()
    assert {row["fd"] for row in rows} == set(truth) and len(rows) == len(truth) == 17
    assert {row["left"] for row in rows} == {"process ended"} and {row["name"] for row in rows} == {"leaky"}
    told = {row["fd"]: row for row in rows}
    assert {fd for fd, row in told.items() if row["what"] == "/etc/hosts"} == {
        fd for fd, target in truth.items() if target == "/etc/hosts"
    }
    accepted = [row for row in rows if row["op"] == "accept"]
    assert [row["what"] for row in accepted] == ["leaky 127.0.0.1:*"] * 2
    assert all(row["stack"].startswith("main < ") for row in rows if row["op"] in ("open", "socket", "accept", "pipe"))
    assert [row["opened_ns"] for row in rows] == sorted(row["opened_ns"] for row in rows)


def test_counted_by_what_one_asks(leaky: Any) -> None:
    case, truth = leaky()
    (one,) = questions.leaks(case, Lens()).table.to_pylist()
    assert (one["name"], one["open"], one["not_known"], one["at_end"]) == ("leaky", len(truth), 0, 0)
    assert one["opened"] > one["most"] > len(truth)
    ops = {
        row["name"]: (row["opened"], row["open"]) for row in questions.leaks(case, Lens(), by="op").table.to_pylist()
    }
    assert ops["open"] == (11, 5) and ops["socket"] == (4, 3) and ops["accept"] == (3, 2)
    assert ops["pipe"] == (2, 1) and ops["fopen"] == (2, 1)
    files = {row["name"]: row["open"] for row in questions.leaks(case, Lens(), by="file").table.to_pylist()}
    assert files["/etc/hosts"] == 6
    sockets = questions.leaks(case, Lens(ops=("socket", "accept")), by="stack").table.to_pylist()
    assert [(row["opened"], row["open"]) for row in sockets] == [(7, 5)] and sockets[0]["name"].startswith("main < ")
    copies = questions.leaks(case, Lens(ops=("dup",)))
    assert copies.table.num_rows == 0 and copies.note == "every descriptor that was opened under the lens was closed"
    with pytest.raises(ClewError, match="choose one of"):
        questions.leaks(case, Lens(), by="colour")


def test_what_an_exec_may_have_closed_is_not_known(leaky: Any) -> None:
    case, truth = leaky("again")
    answer = questions.leaks(case, Lens())
    again, before = sorted(answer.table.to_pylist(), key=lambda row: row["not_known"])
    assert (again["not_known"], before["open"]) == (0, 0) and 0 < again["open"] < len(truth)
    assert again["open"] + before["not_known"] == len(truth)
    assert answer.note == f"{before['not_known']} were open when an exec may have closed them"


def growing_case(capture: Any) -> Path:
    """Of three programs one opens a file each ms, one forty at once, one closes its forty as it ends."""
    recorded = capture()
    recorded.clock(0)
    for serial, name in enumerate(("grows", "pool", "tidy"), 1):
        recorded.records(
            serial, 10 * serial, 10 * serial, recorded.process(serial, 10 * serial, name, exe=f"/bin/{name}")
        )
        for i in range(40):
            at = 1_000_000 * (1 if name == "pool" else i + 1)
            made = recorded.record(serial, "open", begin=at, ticks=10, result=3 + i, fd=3 + i, conn_id=100 * serial + i)
            recorded.records(serial, 10 * serial, 10 * serial, made)
        for i in range(40 if name == "tidy" else 1):
            shut = recorded.record(serial, "close", begin=99_999_000 + i, ticks=10, result=0, fd=3 + i)
            recorded.records(serial, 10 * serial, 10 * serial, shut)
        recorded.counters(serial, 10 * serial, 10 * serial, 0, malloc=(10, 0, 100, 0), free=(5, 0, 0, 0))
        recorded.counters(serial, 10 * serial, 10 * serial, 50_000_000, malloc=(20, 0, 200, 0), free=(15, 0, 0, 0))
        frees = 25 if name == "pool" else 16
        recorded.counters(serial, 10 * serial, 10 * serial, 100_000_000, malloc=(30, 0, 300, 0), free=(frees, 0, 0, 0))
    recorded.clock(100_000_000)
    recorded.end()
    recorded.write()
    return Path(recorded.folder).parents[1]


def test_a_leak_goes_on_and_a_pool_is_filled_once(capture: Any, capsys: pytest.CaptureFixture[str]) -> None:
    case = clew.open(growing_case(capture))
    rows = {row["name"]: row for row in questions.leaks(case, Lens()).table.to_pylist()}
    assert [(rows[name]["open"], rows[name]["at_end"]) for name in ("grows", "pool", "tidy")] == [
        (39, 1),
        (39, 1),
        (0, 40),
    ]
    assert [row["most"] for row in rows.values()] == [40] * 3
    first = clew.open(case.path).bounds()[0]
    until = Lens(start_ns=first + 10_500_000, end_ns=first + 20_500_000)
    at_20_ms = {row["name"]: (row["opened"], row["open"]) for row in questions.leaks(case, until).table.to_pylist()}
    assert at_20_ms == {"grows": (10, 10), "tidy": (10, 10)}
    half = Lens(commands=("grows",), end_ns=first + 45_500_000)
    answer = questions.leaks(case, half)
    assert answer.table["late"].to_pylist() == [18] and answer.note is not None
    assert answer.note.startswith("grows (pid 10) leaves more and more open: 40 of the 40 descriptors that it opened")
    assert questions.leaks(case, Lens(commands=("pool",))).note is None
    assert main(["leaks", str(case.path), "--by", "descriptor", "-n", "2", "--command", "tidy", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(row["fd"], row["left"]) for row in told] == [(fd, "closed as it ended") for fd in (3, 4)]
    case.close()


def test_memory_that_grows_is_told_by_quarters(capture: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = growing_case(capture)
    assert main(["leaks", str(path), "--memory", "--json"]) == 0
    told = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    names = ("allocations", "live_25", "live_50", "live_75", "live", "grown")
    assert [told["grows"][name] for name in names] == [30, 5, 5, 5, 14, 9]
    assert [told["pool"][name] for name in names] == [30, 5, 5, 5, 5, 0]


def test_without_single_calls_it_is_said(capture: Any) -> None:
    recorded = capture(trace=False)
    recorded.clock(0)
    recorded.counters(1, 5, 5, 10, open=(3, 0, 0, 10))
    recorded.end()
    recorded.write()
    case = clew.open(Path(recorded.folder).parents[1])
    with pytest.raises(ClewError, match="only running totals"):
        questions.leaks(case, Lens())
    case.close()


def test_a_program_without_calls_was_not_recorded_with_count_only(capture: Any) -> None:
    recorded = capture()
    recorded.clock(0)
    recorded.counters(1, 5, 5, 10, malloc=(3, 0, 0, 10))
    recorded.end()
    recorded.write()
    case = clew.open(Path(recorded.folder).parents[1])
    with pytest.raises(ClewError, match="no single call was made while recording"):
        questions.leaks(case, Lens())
    case.close()
