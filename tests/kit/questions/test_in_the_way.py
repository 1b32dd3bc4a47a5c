"""What a thread did for others while it had a request, beside plain Python over the same rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import clew
from clew import questions
from clew.case import Case
from clew.commands import main
from clew.questions.in_the_way import SHARE
from clew.store import DATABASE

from ..spans import write_case


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """The shop, but that all of ``app`` is done by one thread."""
    folder = tmp_path_factory.mktemp("loop") / "case"
    write_case(folder, 200, calls=False, database=True).close()
    with duckdb.connect(str(folder / DATABASE)) as connection:
        connection.execute("UPDATE working SET tid = 7 WHERE tid IN (SELECT tid FROM span WHERE command = 'app')")
        connection.execute("UPDATE span SET tid = 7 WHERE command = 'app'")
    case = clew.open(folder)
    yield case
    case.close()


@pytest.fixture(scope="module")
def requests(loop: Case) -> list[int]:
    found: list[int] = loop.sql("SELECT request_id FROM request ORDER BY request_id")["request_id"].to_pylist()
    return found


def by_hand(
    case: Case, done: list[dict[str, Any]], request_id: int
) -> dict[tuple[int, str], tuple[int, int, int, int]]:
    """(tid, name) -> requests, time, longest stretch, of what time."""
    names = {row["request_id"]: row["name"] for row in case.sql("SELECT request_id, name FROM request").to_pylist()}
    had: dict[tuple[str, int], list[int]] = {}
    for span in done:
        if span["request_id"] == request_id and span["tid"] is not None and span["end_ns"] is not None:
            low, high = had.get((span["host"], span["tid"]), (span["start_ns"], span["end_ns"]))
            had[span["host"], span["tid"]] = [min(low, span["start_ns"]), max(high, span["end_ns"])]
    found: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    for row in case.sql("SELECT * FROM working").to_pylist():
        low, high = had.get((row["host"], row["tid"]), (0, 0))
        shared = min(high, row["end_ns"]) - max(low, row["start_ns"])
        if row["request_id"] != request_id and row["start_ns"] < high and row["end_ns"] > low:
            found[row["tid"], names[row["request_id"]]].append((row["request_id"], shared))
    of = {tid: high - low for (_, tid), (low, high) in had.items()}
    return {
        (tid, name): (len({one for one, _ in rows}), sum(ns for _, ns in rows), max(ns for _, ns in rows), of[tid])
        for (tid, name), rows in found.items()
    }


def test_it_is_what_the_working_intervals_say(loop: Case, requests: list[int]) -> None:
    said = set()
    done = loop.sql("SELECT * FROM span").to_pylist()
    for request in requests[::10]:
        answer = questions.in_the_way(loop, request)
        rows = answer.table.to_pylist()
        told = {
            (row["tid"], row["name"]): (row["requests"], row["time_ns"], row["max_ns"], row["of_ns"]) for row in rows
        }
        assert told == by_hand(loop, done, request)
        spent = sum(row["time_ns"] for row in rows if row["tid"] == rows[0]["tid"]) if rows else 0
        assert (answer.note is not None) == bool(rows and spent >= SHARE * rows[0]["of_ns"])
        said.add(answer.note is not None)
        assert loop.sql(answer.sql).equals(answer.table)
    assert said == {True}


def test_a_thread_that_has_one_request_at_a_time_is_in_nobodys_way(shop: Case, asked: list[dict[str, Any]]) -> None:
    for request in asked[::50]:
        answer = questions.in_the_way(shop, request["request_id"])
        assert (answer.table.num_rows, answer.note) == (0, None)


def test_the_path_of_a_request_says_it(loop: Case, requests: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    notes = {number: questions.in_the_way(loop, number).note for number in requests[::10]}
    number = next(number for number, note in notes.items() if note)
    assert main(["path", str(loop.path), str(number)]) == 0
    assert capsys.readouterr().out.endswith(f"({notes[number]})\n")
