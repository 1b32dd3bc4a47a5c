"""What some requests do that others do not, beside plain Python over the same spans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clew import ClewError, questions
from clew.case import Case
from clew.lens import Lens
from clew.questions.shape_diff import levels, slow_and_usual

Rows = list[dict[str, Any]]
ITEM = Lens(requests=("GET /item/?",))


def mean_own(done: Rows, requests: set[int], command: str, kind: str, name: str) -> float:
    """Mean self time of a step with a name of its own, from the spans: what no child covers (here: one at a time)."""
    total = 0
    for span in done:
        if span["request_id"] in requests and (span["command"], span["kind"], span["name"]) == (command, kind, name):
            below = [one for one in done if one["parent_span_id"] == span["span_id"]]
            total += span["end_ns"] - span["start_ns"] - sum(one["end_ns"] - one["start_ns"] for one in below)
    return total / len(requests)


def test_two_shapes(shop: Case, asked: Rows) -> None:
    answer = questions.shape_diff(shop, Lens(shapes=(2,)), Lens(shapes=(1,)))
    rows = answer.table.to_pylist()
    number = {shape: sum(row["shape_id"] == shape and row["dur_ns"] is not None for row in asked) for shape in (1, 2)}
    assert (answer.summary["requests_a"], answer.summary["requests_b"]) == (number[2], number[1])
    assert len(rows) == 7 + 3, "no step is in both: the names differ from the root on"
    for row in rows:
        in_a = "item" in row["path"]
        assert (row["in_a"], row["in_b"]) == ((1, 0) if in_a else (0, 1))
        assert (row["requests_a"], row["requests_b"]) == ((number[2], 0) if in_a else (0, number[1]))
        assert row["delta_ns"] == pytest.approx(row["self_a_ns"] - row["self_b_ns"])
        assert row["path"].count("\n") == row["depth"]
    assert [abs(row["delta_ns"]) for row in rows] == sorted((abs(row["delta_ns"]) for row in rows), reverse=True)
    assert "1 requests of the first side have no end" in (answer.note or "")
    assert answer.summary["explained_ns"] == pytest.approx(answer.summary["delta_ns"]), "one step at a time"


def test_slow_beside_usual(shop: Case, asked: Rows, done: Rows) -> None:
    """The slow ones of GET /item/? are slow in the second query: that comes first, and explains the difference."""
    answer = questions.slow_vs_usual(shop, ITEM, 0.03)
    slow, usual = slow_and_usual(shop, ITEM, 0.03)
    assert slow.took is not None and usual.took is not None and slow.took[0] is not None
    times = sorted(row["dur_ns"] for row in asked if row["name"] == "GET /item/?" and row["dur_ns"] is not None)
    chosen = {
        row["request_id"] for row in asked if row["name"] == "GET /item/?" and (row["dur_ns"] or 0) >= slow.took[0]
    }
    assert len(chosen) == answer.summary["requests_a"] == sum(time >= slow.took[0] for time in times)
    first = answer.table.to_pylist()[0]
    assert (first["command"], first["kind"], first["name"]) == (
        "postgres",
        "server",
        "SELECT n FROM stock WHERE item = ?",
    )
    assert first["in_a"] == first["in_b"] == 1
    assert first["self_a_ns"] == pytest.approx(mean_own(done, chosen, "postgres", "server", first["name"]))
    assert answer.summary["explained_ns"] == pytest.approx(answer.summary["delta_ns"])
    assert first["delta_ns"] > 0.8 * answer.summary["delta_ns"]
    assert answer.note is None


def test_mixed_names_are_said(shop: Case) -> None:
    answer = questions.slow_vs_usual(shop, Lens())
    assert "requests of 5 names are mixed" in (answer.note or "")
    both = [row for row in answer.table.to_pylist() if row["name"] == "SELECT * FROM item WHERE id = ?"]
    assert all(row["in_a"] == 1 and 0 < row["in_b"] < 1 for row in both) and len(both) == 2


def test_of_very_many_some_are_chosen_by_chance(shop: Case) -> None:
    answer = questions.shape_diff(shop, ITEM, Lens(requests=("GET /",)), most=20)
    assert (answer.summary["requests_a"], answer.summary["requests_b"]) == (20, 20)
    assert "20 were chosen by chance" in (answer.note or "")
    again = questions.shape_diff(shop, ITEM, Lens(requests=("GET /",)), most=20)
    assert again.table.equals(answer.table)


def test_calls_that_repeat_are_one_step(shop: Case) -> None:
    """Equal siblings are one step with their number: here both sides are the same, so nothing differs."""
    answer = questions.shape_diff(shop, ITEM, ITEM)
    assert answer.table["delta_ns"].to_pylist() == [0] * 7
    assert answer.table["calls_a"].to_pylist() == [1] * 7


def test_nothing_to_compare_is_one_line(shop: Case) -> None:
    with pytest.raises(ClewError, match="no request with an end is on the second side"):
        questions.shape_diff(shop, ITEM, Lens(requests=("none",)))
    with pytest.raises(ClewError, match="fewer than two"):
        questions.slow_vs_usual(shop, Lens(requests=("none",)))
    with pytest.raises(ClewError, match="between 0 and 1"):
        questions.slow_vs_usual(shop, ITEM, 1.5)
    one_time = questions.requests(shop, ITEM, limit=2).table["request_id"].to_pylist()
    with pytest.raises(ClewError, match="did not take longer"):
        questions.slow_vs_usual(shop, Lens(request_ids=tuple(one_time)), 0.5, (0.0, 1.0))


def test_levels_of_a_broken_tree_end() -> None:
    found = levels(np.array([-1, 0, 1, 4, 3]))
    assert [level.tolist() for level in found] == [[0], [1], [2], [3, 4]]
