"""One request as a tree: self time and waits, parallel children, what outlives its parent, and the critical path."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clew import ClewError, questions
from clew.case import Case
from clew.causal import span_times
from clew.lens import Lens
from clew.questions.request_tree import _critical

Rows = list[dict[str, Any]]


def spans_of(*rows: tuple[int | None, str, int, int | None]) -> span_times.Spans:
    """Spans from (parent's number, kind, start, end); they are numbered from 1."""
    return span_times.arrays(
        pa.table(
            {
                "span_id": pa.array(range(1, len(rows) + 1), pa.uint64()),
                "parent_span_id": pa.array([row[0] for row in rows], pa.uint64()),
                "kind": [row[1] for row in rows],
                "start_ns": pa.array([row[2] for row in rows], pa.int64()),
                "end_ns": pa.array([row[3] for row in rows], pa.int64()),
            }
        )
    )


def own(spans: span_times.Spans) -> list[int | None]:
    times = span_times.times(spans)
    return [int(ns) if known else None for ns, known in zip(times.own, times.known, strict=True)]


@pytest.mark.parametrize("spread", [3, 1 << 40])
def test_spans_are_found_by_their_numbers(spread: int) -> None:
    chance = np.random.default_rng(spread)
    ids = (chance.permutation(300) * spread + (1 << 52)).astype(np.uint64)
    wanted = np.r_[ids[::7], ids[:5] + np.uint64(1), np.uint64(0), ids.max() + np.uint64(9)].astype(np.uint64)
    expected = [ids.tolist().index(number) if number in ids else -1 for number in wanted.tolist()]
    assert span_times.places(ids, wanted).tolist() == expected
    assert span_times.places(ids[:0], wanted[:2]).tolist() == [-1, -1]


def test_children_one_after_the_other() -> None:
    spans = spans_of((None, "server", 0, 100), (1, "client", 10, 30), (2, "server", 12, 28), (1, "client", 40, 90))
    assert own(spans) == [100 - 20 - 50, 4, 16, 50]
    assert _critical(spans, span_times.times(spans)).tolist() == [30, 4, 16, 50]


def test_children_at_the_same_time_count_once() -> None:
    spans = spans_of((None, "server", 0, 100), (1, "client", 10, 60), (1, "client", 20, 50), (1, "client", 40, 90))
    times = span_times.times(spans)
    assert own(spans)[0] == 100 - 80
    assert times.covers.tolist() == [0, 50, 0, 30]
    # The last to end is on the critical path; then what ended before it began: nothing but the parent itself.
    assert _critical(spans, times).tolist() == [10 + 40, 0, 0, 50]


def test_what_outlives_its_parent_was_not_waited_for() -> None:
    spans = spans_of((None, "server", 0, 100), (1, "client", 10, 40), (1, "client", 50, 150))
    times = span_times.times(spans)
    assert own(spans) == [70, 30, 100]
    assert times.outlives.tolist() == [False, False, True]
    assert _critical(spans, times).tolist() == [70, 30, 0]


def test_a_server_may_return_after_its_client_has_the_bytes() -> None:
    spans = spans_of((None, "client", 0, 100), (1, "server", 10, 103))
    times = span_times.times(spans)
    assert own(spans) == [10, 93]
    assert times.outlives.tolist() == [False, False]
    assert _critical(spans, times).tolist() == [10, 90]


def test_what_has_no_end_is_not_known() -> None:
    spans = spans_of((None, "server", 0, 100), (1, "client", 10, None), (2, "server", 15, 30), (1, "client", 40, 60))
    assert own(spans) == [None, None, 15, 20]
    assert _critical(spans, span_times.times(spans)).tolist() == [80, 0, 0, 20]
    open_root = spans_of((None, "server", 0, None), (1, "client", 10, 20))
    assert own(open_root) == [None, 10]
    assert _critical(open_root, span_times.times(open_root)) is None


def test_a_child_before_its_parent_is_cut() -> None:
    """Clocks of two hosts: nothing becomes negative."""
    spans = spans_of((None, "client", 100, 200), (1, "server", 90, 180))
    assert own(spans) == [20, 90]
    assert _critical(spans, span_times.times(spans)).tolist() == [20, 80]


def test_broken_trees_end() -> None:
    spans = spans_of((2, "server", 0, 10), (1, "client", 1, 9), (99, "client", 2, 5), (4, "server", 3, 4))
    assert own(spans)[2:] == [3, 1]
    assert sum(_critical(spans, span_times.times(spans))) <= 10


def test_self_time_beside_counting_every_ns() -> None:
    """Random trees of short spans: each ns of a span is its own unless a child that it waited for covers it."""
    chance = random.Random(3)
    for _ in range(60):
        rows: list[tuple[int | None, str, int, int | None]] = [(None, "server", 0, 300)]
        for number in range(chance.randrange(1, 30)):
            above = chance.randrange(number + 1)
            begin = chance.randrange(0, 300)
            kind = chance.choice(["server", "client"])
            rows.append((above + 1, kind, begin, begin + chance.randrange(0, 150)))
        spans = spans_of(*rows)
        expected = []
        for number, (_, kind, start, end) in enumerate(rows, 1):
            assert end is not None
            mine = set(range(start, end))
            for above, _, low, high in rows:
                assert high is not None
                if above == number and (kind == "client" or high <= end):
                    mine -= set(range(low, high))
            expected.append(len(mine))
        assert own(spans) == expected
        critical = _critical(spans, span_times.times(spans))
        assert critical is not None and int(critical.sum()) == 300 and int(critical.min()) >= 0


def test_requests_of_the_shop(shop: Case, asked: Rows, done: Rows) -> None:
    some = [*asked[::12], *(row for row in asked if row["dur_ns"] is None)]
    assert {row["shape_id"] for row in some} == {1, 2, 3, 4, 5}
    for request in some:
        answer = questions.request_tree(shop, request["request_id"])
        rows = answer.table.to_pylist()
        mine = [span for span in done if span["request_id"] == request["request_id"]]
        assert sorted(row["span_id"] for row in rows) == [span["span_id"] for span in mine]
        assert [row["depth"] for row in rows] == [{s["span_id"]: s["depth"] for s in mine}[r["span_id"]] for r in rows]
        if request["dur_ns"] is None:
            assert all(row["critical_ns"] is None for row in rows)
            assert rows[0]["self_ns"] is None and rows[0]["reason"] == "its end was not seen"
            assert "no critical path" in (answer.note or "")
            continue
        assert sum(row["critical_ns"] for row in rows) == request["dur_ns"] == answer.summary["dur_ns"]
        for row in rows:
            assert row["self_ns"] + row["wait_ns"] == row["dur_ns"]
            assert row["worked_ns"] == (None if row["kind"] == "client" else row["self_ns"])
            assert (row["delay_ns"] is not None) == (row["kind"] == "server" and row["depth"] > 0)
        if request["name"] == "GET /item/?":
            # Nothing at the same time: every piece is on the path, and self times add up to the whole.
            assert all(row["on_critical_path"] for row in rows)
            assert sum(row["self_ns"] for row in rows) == request["dur_ns"]
        if request["name"] == "POST /order":
            assert [row["outlives"] for row in rows] == [False] * 5 + [True, False]
            assert rows[5]["waited_ns"] == 0
        if request["name"] == "GET /search":
            assert "1 of 7 links are only likely" in (answer.note or "")
            assert rows[2]["self_ns"] == rows[2]["dur_ns"] - (
                max(rows[3]["end_ns"], rows[5]["end_ns"]) - rows[3]["start_ns"]
            )


def test_bytes_are_those_of_the_messages(shop: Case) -> None:
    rows = questions.request_tree(shop, questions.requests(shop, Lens(), limit=1).table["request_id"][0].as_py())
    for row in rows.table.to_pylist():
        assert (row["bytes_out"], row["bytes_in"]) == ((120, 1500) if row["kind"] == "client" else (1500, 120))
        assert row["summary"].startswith(row["name"].split("?")[0])


def test_calls_of_a_request(shop: Case, done: Rows) -> None:
    chosen = questions.requests(shop, Lens(requests=("GET /item/?",)), limit=1).table["request_id"][0].as_py()
    rows = questions.request_events(shop, chosen).table.to_pylist()
    moved = [ns for span in done if span["request_id"] == chosen for ns in (span["start_ns"], span["end_ns"])]
    assert len(rows) == len(moved) == 14
    assert [row["ts_ns"] + row["dur_ns"] for row in rows] == sorted(moved)
    way = "web web app app postgres postgres app app postgres postgres app app web web"
    assert [row["command"] for row in rows] == way.split()
    assert all(row["message"] and row["span_id"] for row in rows)
    assert questions.request_events(shop, chosen, 3).table.num_rows == 3


@pytest.mark.parametrize("number", [999_999_999, 0, -1, 1 << 70])
def test_no_such_request_is_one_line(shop: Case, number: int) -> None:
    with pytest.raises(ClewError, match="there is no request"):
        questions.request_tree(shop, number)
    with pytest.raises(ClewError, match="there is no request"):
        questions.request_events(shop, number)
