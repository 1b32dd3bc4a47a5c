"""Requests beside plain Python over the same rows: counted, listed, timed, narrowed, and their paths."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import clew
from clew import ClewError, questions
from clew.case import Case
from clew.lens import Lens

from ..spans import write_case

Rows = list[dict[str, Any]]
LENSES = [
    Lens(),
    Lens(requests=("GET /item/?", "GET /")),
    Lens(shapes=(3, 4)),
    Lens(took=(500_000, None)),
    Lens(took=(None, 400_000), commands=("app",)),
    Lens(commands=("postgres",)),
    Lens(hosts=("b",), requests=("POST /order",)),
    Lens(tids=(12,)),
    Lens(pids=(20,)),
    Lens(start_ns=1_020_000_000, end_ns=1_050_000_000),
    Lens(request_ids=(1, 9, 17)),
]


def seen(asked: Rows, done: Rows, lens: Lens) -> Rows:
    """What a Lens shows of the requests, said once more in Python."""
    low, high = lens.took or (None, None)

    def has(field: str, chosen: tuple[Any, ...], request: int) -> bool:
        return not chosen or any(span["request_id"] == request and span[field] in chosen for span in done)

    return [
        row
        for row in asked
        if (not lens.requests or row["name"] in lens.requests)
        and (not lens.shapes or row["shape_id"] in lens.shapes)
        and (not lens.request_ids or row["request_id"] in lens.request_ids)
        and (low is None or (row["dur_ns"] is not None and row["dur_ns"] >= low))
        and (high is None or (row["dur_ns"] is not None and row["dur_ns"] < high))
        and (lens.start_ns is None or row["start_ns"] >= lens.start_ns)
        and (lens.end_ns is None or row["start_ns"] < lens.end_ns)
        and has("command", lens.commands, row["request_id"])
        and has("host", lens.hosts, row["request_id"])
        and has("tid", lens.tids, row["request_id"])
        and has("pid", lens.pids, row["request_id"])
    ]


def rank(values: list[int], share: float) -> int:
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


@pytest.mark.parametrize("lens", LENSES, ids=Lens.to_json)
@pytest.mark.parametrize("by", ["name", "status", "command", "host", "shape"])
def test_counted_by(shop: Case, asked: Rows, done: Rows, lens: Lens, by: str) -> None:
    answer = questions.requests_by(shop, lens, by)
    groups: dict[Any, Rows] = {}
    for row in seen(asked, done, lens):
        groups.setdefault(row["shape_id" if by == "shape" else by], []).append(row)
    found = {row["shape_id" if by == "shape" else "name"]: row for row in answer.table.to_pylist()}
    assert set(found) == set(groups)
    assert len(groups) > 0
    for key, group in groups.items():
        times = [row["dur_ns"] for row in group if row["dur_ns"] is not None]
        row = found[key]
        assert (row["count"], row["errors"]) == (len(group), sum(one["error"] for one in group))
        assert row["unresolved"] == sum(not one["resolved"] for one in group)
        assert row["unfinished"] == len(group) - len(times)
        if not times:
            assert row["p50_ns"] is None and row["total_ns"] is None and row["max_ns"] is None
            continue
        assert (row["total_ns"], row["min_ns"], row["max_ns"]) == (sum(times), min(times), max(times))
        assert row["mean_ns"] == pytest.approx(sum(times) / len(times))
        assert [row[f"p{p}_ns"] for p in (50, 90, 99)] == [rank(times, p / 100) for p in (50, 90, 99)]
    assert shop.sql(answer.sql).equals(answer.table)


def test_what_is_said_beside_them(shop: Case, asked: Rows) -> None:
    strays = sum(not row["resolved"] for row in asked)
    assert strays
    note = questions.requests_by(shop, Lens()).note or ""
    assert f"{strays} of 400 are unresolved" in note and "1 have no end" in note
    assert questions.requests_by(shop, Lens(requests=("GET /",))).note is None
    assert questions.requests_by(shop, Lens(requests=("none",))).note == "no request matches the lens"
    assert questions.requests_by(shop, Lens(requests=("none",))).table.num_rows == 0


@pytest.mark.parametrize("lens", LENSES, ids=Lens.to_json)
def test_single_ones(shop: Case, asked: Rows, done: Rows, lens: Lens) -> None:
    chosen = seen(asked, done, lens)
    found = questions.requests(shop, lens, "dur_ns", 7).table.to_pylist()
    times = sorted((row["dur_ns"] for row in chosen if row["dur_ns"] is not None), reverse=True)
    assert [row["dur_ns"] for row in found][: len(times)] == times[:7]
    first = questions.requests(shop, lens, "start_ns", None).table.to_pylist()
    assert [row["request_id"] for row in first] == [
        row["request_id"] for row in sorted(chosen, key=lambda row: (row["start_ns"], row["request_id"]))
    ]


def test_what_has_no_end_comes_last(shop: Case) -> None:
    found = questions.requests(shop, Lens(), "dur_ns", None).table.to_pylist()
    assert found[-1]["dur_ns"] is None and found[-2]["dur_ns"] is not None
    assert found[-1]["status"] is None


@pytest.mark.parametrize("lens", LENSES, ids=Lens.to_json)
def test_latency(shop: Case, asked: Rows, done: Rows, lens: Lens) -> None:
    answer = questions.request_latency(shop, lens)
    chosen = seen(asked, done, lens)
    times = [row["dur_ns"] for row in chosen if row["dur_ns"] is not None]
    for row in answer.table.to_pylist():
        assert row["requests"] == sum(row["low_ns"] <= time < row["high_ns"] for time in times)
    assert sum(answer.table["requests"].to_pylist()) == len(times) == answer.summary["count"]
    assert answer.summary["unfinished"] == len(chosen) - len(times)
    assert answer.summary["p999_ns"] == rank(times, 0.999)


def test_latency_of_nothing(shop: Case) -> None:
    answer = questions.request_latency(shop, Lens(requests=("none",)))
    assert answer.table.num_rows == 0
    assert answer.summary["count"] == 0 and answer.summary["p50_ns"] is None


@pytest.mark.parametrize("lens", LENSES, ids=Lens.to_json)
def test_shapes(shop: Case, asked: Rows, done: Rows, lens: Lens) -> None:
    answer = questions.shapes(shop, lens)
    chosen = seen(asked, done, lens)
    assert answer.summary == {"shapes": len({row["shape_id"] for row in chosen}), "requests": len(chosen)}
    for row in answer.table.to_pylist():
        mine = [one for one in chosen if one["shape_id"] == row["shape_id"]]
        assert row["requests"] == len(mine)
        assert row["p99_ns"] == rank([one["dur_ns"] for one in mine if one["dur_ns"] is not None], 0.99)
        assert row["path"].count("\n") + 1 == row["spans"] == mine[0]["spans"]
    left = questions.shapes(shop, Lens(), 2)
    assert left.table.num_rows == 2 and left.note == "3 rarer paths are left out"


def test_names_from_outside_are_bound(shop: Case) -> None:
    evil = "x') OR 1=1; DROP TABLE request; --"
    for question in (questions.requests_by, questions.requests, questions.request_latency, questions.shapes):
        assert question(shop, Lens(requests=(evil,))).table.num_rows == 0
    answer = questions.requests_by(shop, Lens(requests=(evil,)))
    assert shop.sql(answer.sql).num_rows == 0
    assert shop.sql("SELECT count(*) AS n FROM request")["n"][0].as_py() == 400


def test_wrong_choices_are_one_line(shop: Case) -> None:
    for ask in (
        lambda: questions.requests_by(shop, Lens(), "moon"),
        lambda: questions.requests_by(shop, Lens(), order="moon"),
        lambda: questions.requests(shop, Lens(), "moon"),
    ):
        with pytest.raises(ClewError, match="choose one of"):
            ask()


def test_a_case_without_requests_says_why(tmp_path: Path, truth: Any) -> None:
    plain = clew.open(truth.case.to_parquet(tmp_path / "plain"))
    with pytest.raises(ClewError, match="no payload was recorded"):
        questions.requests_by(plain, Lens())
    empty = write_case(tmp_path / "empty", 8, calls=False)
    assert questions.requests_by(empty, Lens()).table.num_rows > 0


def test_samples_and_calls_of_requests(shop: Case) -> None:
    """From requests to stacks and calls: those made while a thread worked for them, joined by host, thread and time."""
    slow = Lens(took=(3_000_000, None))
    faults = questions.functions(shop, slow, "page-faults").table.to_pylist()
    assert [(row["function"], row["samples"]) for row in faults if row["self"]] == [
        ("scan", 5 * questions.requests(shop, slow).table.num_rows)
    ]
    with pytest.raises(ClewError, match="no sample matches"):
        questions.flame(shop, Lens(requests=("GET /",), took=(3_000_000, None)), "page-faults")
    search = Lens(requests=("GET /search",))
    of_all = {row["name"]: row["calls"] for row in questions.counts(shop, search).table.to_pylist()}
    number = questions.requests(shop, search, limit=None).table.num_rows
    # A call belongs to the request its thread worked for when it was entered: of app's six, the first read was before.
    assert of_all["app"] == 5 * number
    by_stack = questions.requests(shop, Lens(events=("page-faults",)), limit=None).table.to_pylist()
    slow_ones = questions.requests(shop, slow).table["request_id"].to_pylist()
    assert {row["request_id"] for row in by_stack if row["dur_ns"] is not None} == set(slow_ones)
    assert len(by_stack) == len(slow_ones) + 1  # and the one that was still waiting at the end


def test_calls_of_requests_are_those_made_while_a_thread_worked_for_them(shop: Case) -> None:
    """Also where some intervals are much longer than the others."""
    lens = Lens(took=(400_000, None))
    predicate, params = lens.compile()
    found = shop.sql(f"SELECT thread_id, seq FROM event WHERE {predicate} ORDER BY ALL", params)
    chosen = "SELECT * FROM working WHERE request_id IN (SELECT request_id FROM request WHERE dur_ns >= 400000)"
    expected = shop.sql(
        f"""SELECT DISTINCT e.thread_id, e.seq FROM event e JOIN ({chosen}) w
            ON w.host = e.host AND w.tid = e.tid AND e.ts_ns >= w.start_ns AND e.ts_ns < w.end_ns ORDER BY ALL"""
    )
    assert found.equals(expected) and found.num_rows > 100
    lengths = shop.sql(f"SELECT median(end_ns - start_ns) AS usual, max(end_ns - start_ns) AS longest FROM ({chosen})")
    assert lengths["longest"][0].as_py() > 16 * lengths["usual"][0].as_py()


def test_requests_of_calls_are_those_a_thread_worked_for_while_it_made_them(shop: Case) -> None:
    """Of many calls, of a single one, and of none."""
    few = shop.sql("SELECT quantile_disc(dur_ns, 0.99) AS few FROM event")["few"][0].as_py()
    for lens, term in (
        (Lens(ops=("write",)), "op_id = (SELECT op_id FROM op WHERE op = 'write')"),
        (Lens(latency=(few, None)), f"dur_ns >= {few}"),
        (Lens(latency=(10**12, None)), "dur_ns >= 1e12"),
    ):
        predicate, params = lens.compile("request")
        found = shop.sql(f"SELECT request_id FROM request WHERE {predicate} ORDER BY ALL", params)
        expected = shop.sql(
            f"""SELECT DISTINCT w.request_id FROM (SELECT * FROM event WHERE {term}) e JOIN working w
                ON w.host = e.host AND w.tid = e.tid AND e.ts_ns >= w.start_ns AND e.ts_ns < w.end_ns ORDER BY ALL"""
        )
        assert found.equals(expected), lens
        assert found.num_rows > 0 or lens.latency == (10**12, None)
        by_name = questions.requests_by(shop, lens, limit=1)
        listed, timed = questions.requests(shop, lens, limit=1), questions.request_latency(shop, lens)
        assert len({by_name.note, listed.note, timed.note}) == 1
        assert all(shop.sql(answer.sql).equals(answer.table) for answer in (by_name, listed, timed))
        assert timed.summary["count"] + timed.summary["unfinished"] == found.num_rows
