"""Every question beside plain Python over the same 20,000 random calls."""

from __future__ import annotations

import collections
import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest

import clew
from clew import ClewError, questions
from clew.lens import Lens

Rows = list[dict[str, Any]]
KEYS = {
    "command": ("command",), "host": ("host",), "process": ("command", "pid"), "thread": ("command", "pid", "tid"),
    "op": ("op",), "file": ("file",), "peer": ("peer",),
}  # fmt: skip
LENSES = [
    Lens(),
    Lens(commands=("web",)),
    Lens(pids=(200, 300)),
    Lens(tids=(101,), ops=("read", "poll")),
    Lens(start_ns=100_000_000, end_ns=400_000_000),
    Lens(errnos=(2, 11)),
    Lens(errnos=(0,), latency=(100, 5000)),
    Lens(latency=(None, 1)),
    Lens(files=("/etc/a", "/tmp/b c")),
    Lens(peers=("127.0.0.1:*",), hosts=("h",)),
    Lens(hosts=("other",)),
]


def seen(rows: Rows, lens: Lens) -> Rows:
    """What a Lens shows, said once more in Python."""
    names = {"host": lens.hosts, "command": lens.commands, "pid": lens.pids, "tid": lens.tids, "op": lens.ops}
    names |= {"file": lens.files, "peer": lens.peers, "errno": lens.errnos}
    low, high = lens.latency or (None, None)
    return [
        row
        for row in rows
        if all(not chosen or row[name] in chosen for name, chosen in names.items())
        and (lens.start_ns is None or row["ts_ns"] >= lens.start_ns)
        and (lens.end_ns is None or row["ts_ns"] < lens.end_ns)
        and (low is None or row["dur_ns"] >= low)
        and (high is None or row["dur_ns"] < high)
    ]


def rank(values: list[int], share: float) -> int:
    """Percentile by nearest rank."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def grouped(rows: Rows, names: tuple[str, ...]) -> dict[tuple[Any, ...], Rows]:
    groups: dict[tuple[Any, ...], Rows] = collections.defaultdict(list)
    for row in rows:
        if row[names[0]] is not None:
            groups[tuple(row[name] for name in names)].append(row)
    return groups


def moved(rows: Rows) -> int | None:
    values = [row["bytes"] for row in rows if row["bytes"] is not None]
    return sum(values) if values else None


@pytest.mark.parametrize("by", KEYS)
@pytest.mark.parametrize("lens", LENSES, ids=Lens.to_json)
def test_counts(truth: Any, lens: Lens, by: str) -> None:
    answer = questions.counts(truth.case, lens, by)
    names = ("name", "pid", "tid")[: len(KEYS[by])]
    groups = grouped(seen(truth.rows, lens), KEYS[by])
    found = answer.table.to_pylist()
    assert {tuple(row[name] for name in names) for row in found} == set(groups)
    assert [row["calls"] for row in found] == sorted((len(group) for group in groups.values()), reverse=True)
    for row in found:
        group = groups[tuple(row[name] for name in names)]
        times = [each["dur_ns"] for each in group]
        assert row["calls"] == len(group)
        assert row["errors"] == sum(each["errno"] != 0 for each in group)
        assert row["bytes"] == moved(group)
        assert (row["total_ns"], row["min_ns"], row["max_ns"]) == (sum(times), min(times), max(times))
        assert row["mean_ns"] == pytest.approx(statistics.fmean(times))
        for share, name in ((0.5, "p50_ns"), (0.99, "p99_ns")):
            assert rank(times, share) <= row[name] <= rank(times, share) * 1.045
    assert truth.case.sql(answer.sql).equals(answer.table)


def test_counts_in_an_order_of_choice(truth: Any) -> None:
    for order in ("errors", "bytes", "total_ns", "mean_ns", "max_ns", "p99_ns"):
        column = questions.counts(truth.case, Lens(), by="op", order=order).table[order].to_pylist()
        known = [value for value in column if value is not None]
        assert known == sorted(known, reverse=True)
        assert column[: len(known)] == known  # unknown comes last
    names = questions.counts(truth.case, Lens(), by="op", order="name").table["name"].to_pylist()
    assert names == sorted(names)
    assert questions.counts(truth.case, Lens(), by="op", limit=2).table.num_rows == 2


@pytest.mark.parametrize("lens", LENSES[:-1], ids=Lens.to_json)
@pytest.mark.parametrize("by", [None, "command", "op"])
def test_activity(truth: Any, lens: Lens, by: str | None) -> None:
    answer = questions.activity(truth.case, lens, bins=13, by=by)
    rows, found = seen(truth.rows, lens), answer.table.to_pylist()
    first = min(row["ts_ns"] for row in truth.rows) if lens.start_ns is None else lens.start_ns
    last = max(row["ts_ns"] + row["dur_ns"] for row in truth.rows) + 1 if lens.end_ns is None else lens.end_ns
    width = math.ceil((last - first) / 13)
    cells: dict[tuple[int, Any], Rows] = collections.defaultdict(list)
    for row in rows:
        cells[(row["ts_ns"] - first) // width, row[by] if by else None].append(row)
    if by is None:
        assert len(found) == 13
    else:
        assert len(found) == len(cells)
    for row in found:
        group = cells[(row["start_ns"] - first) // width, row.get("group")]
        assert row["end_ns"] == min(row["start_ns"] + width, last)
        assert row["calls"] == len(group)
        assert row["errors"] == sum(each["errno"] != 0 for each in group)
        assert row["bytes"] == moved(group)
        assert row["busy_ns"] == sum(each["dur_ns"] for each in group)
        assert row["rate_per_s"] == pytest.approx(len(group) * 1e9 / width)
    assert sum(row["calls"] for row in found) == len(rows)


@pytest.mark.parametrize("lens", LENSES, ids=Lens.to_json)
def test_latency(truth: Any, lens: Lens) -> None:
    answer = questions.latency(truth.case, lens)
    times = [row["dur_ns"] for row in seen(truth.rows, lens)]
    expected = collections.Counter(value.bit_length() for value in times)
    assert {row["bucket"]: row["calls"] for row in answer.table.to_pylist()} == expected
    for row in answer.table.to_pylist():
        assert row["low_ns"] == (2 ** (row["bucket"] - 1) if row["bucket"] else 0)
        assert row["high_ns"] == 2 ** row["bucket"]
    figures = answer.summary
    assert figures["count"] == len(times)
    if times:
        assert (figures["sum_ns"], figures["min_ns"], figures["max_ns"]) == (sum(times), min(times), max(times))
        assert figures["mean_ns"] == pytest.approx(statistics.fmean(times))
        for share, name in ((0.5, "p50_ns"), (0.9, "p90_ns"), (0.99, "p99_ns"), (0.999, "p999_ns")):
            assert figures[name] == rank(times, share)
    else:
        assert figures["p50_ns"] is None
        assert answer.note is not None


@pytest.mark.parametrize("lens", LENSES, ids=Lens.to_json)
def test_errors(truth: Any, lens: Lens) -> None:
    rows = [row for row in seen(truth.rows, lens) if row["errno"]]
    expected = grouped(rows, ("op", "errno"))
    found = questions.errors(truth.case, lens).table.to_pylist()
    assert {(row["op"], row["errno"]): row["calls"] for row in found} == {
        key: len(rows) for key, rows in expected.items()
    }
    for row in found:
        times = [each["ts_ns"] for each in expected[row["op"], row["errno"]]]
        assert (row["first_ns"], row["last_ns"]) == (min(times), max(times))
        assert row["name"] == {2: "ENOENT", 9: "EBADF", 11: "EAGAIN"}[row["errno"]]


def test_top_of_each_interval(truth: Any) -> None:
    lens, width = Lens(start_ns=1_000_000), 250_000_000
    answer = questions.top(truth.case, lens, by="op", interval_ns=width, n=2)
    found = answer.table.to_pylist()
    for start in sorted({row["start_ns"] for row in found}):
        inside = [row for row in truth.rows if start <= row["ts_ns"] < start + width]
        best = collections.Counter(row["op"] for row in inside)
        order = sorted(best, key=lambda op: (-best[op], op))[:2]
        here = [row for row in found if row["start_ns"] == start]
        assert [(row["rank"], row["name"], row["calls"]) for row in here] == [
            (at + 1, op, best[op]) for at, op in enumerate(order)
        ]
    assert len(found) == 2 * math.ceil(10**9 / width)
    whole = questions.top(truth.case, lens, by="op", n=3).table
    assert whole.equals(questions.counts(truth.case, lens, by="op", limit=3).table)


def test_calls_view_has_every_event(truth: Any) -> None:
    rows = truth.case.sql(
        "SELECT command, pid, tid, op, errno, bytes, ts_ns, dur_ns, host, file, peer FROM calls"
    ).to_pylist()
    assert sorted(map(repr, rows)) == sorted(repr({name: row[name] for name in rows[0]}) for row in truth.rows)


def test_mistakes_are_one_line(truth: Any) -> None:
    case = truth.case
    for wrong in (
        lambda: questions.counts(case, Lens(), by="nothing"),
        lambda: questions.counts(case, Lens(), order="1; DROP TABLE event"),
        lambda: questions.top(case, Lens(), n=0),
        lambda: questions.top(case, Lens(), interval_ns=0),
        lambda: questions.activity(case, Lens(), bins=0),
        lambda: questions.activity(case, Lens(), interval_ns=0),
        lambda: questions.activity(case, Lens(), what="everything"),
        lambda: questions.activity(case, Lens(), by="pid"),
        lambda: questions.activity(case, Lens(start_ns=5, end_ns=5)),
        lambda: case.sql("SELECT nothing"),
    ):
        with pytest.raises(ClewError) as error:
            wrong()
        assert "\n" not in str(error.value)


# -- running totals --


@pytest.fixture
def totals(capture: Callable[..., Any]) -> Any:
    """Two threads whose totals were read three times; nothing was traced."""
    made = capture(trace=False)
    made.clock(0)
    for at, share in ((100, 1), (200, 2), (300, 4)):
        made.counters(
            1, 5, 5, at, read=(10 * share, share, 1000 * share, 50 * share), malloc=(8 * share, 0, 640 * share, 0)
        )
        made.counters(
            2, 5, 6, at, write=(share, 0, 7 * share, 3 * share), malloc=(4, 1, 64, 0), free=(3 * share, 0, 0, 0)
        )
        made.counters(2, 5, 6, at, realloc=(5, 0, 80, 0))
    made.clock(1000)
    made.write()
    return clew.open(made.folder.parents[1])


def test_counts_of_totals(totals: Any) -> None:
    answer = questions.counts(totals, Lens(), by="thread")
    assert [
        (row["tid"], row["calls"], row["errors"], row["bytes"], row["total_ns"]) for row in answer.table.to_pylist()
    ] == [
        (5, 40, 4, 4000, 200),
        (6, 4, 0, 28, 12),
    ]
    assert answer.table["p50_ns"].to_pylist() == [None, None]
    assert answer.note is not None
    ops = questions.counts(totals, Lens(), by="op").table.to_pylist()
    assert {row["name"]: (row["calls"], row["total_ns"]) for row in ops} == {
        "read": (40, 200), "malloc": (36, None), "free": (12, None), "realloc": (5, None), "write": (4, 12),
    }  # fmt: skip
    assert {row["name"]: row["bytes"] for row in ops} == {
        "read": 4000, "malloc": 2624, "free": None, "realloc": 80, "write": 28,
    }  # fmt: skip
    during = questions.counts(totals, Lens(start_ns=1_000_150, end_ns=1_000_250), by="op").table.to_pylist()
    assert {row["name"]: row["calls"] for row in during} == {"read": 10, "malloc": 8, "write": 1, "free": 3}


def test_activity_of_totals(totals: Any) -> None:
    found = questions.activity(totals, Lens(start_ns=1_000_000, end_ns=1_000_400), bins=4).table.to_pylist()
    assert [row["calls"] for row in found] == [0, 11, 11, 22]
    lens = Lens(start_ns=1_000_000, end_ns=1_000_400)
    made = questions.activity(totals, lens, interval_ns=150, what="allocations").table.to_pylist()
    assert [(row["calls"], row["errors"], row["bytes"]) for row in made] == [
        (8 + 4 + 5, 1, 640 + 64 + 80),
        (8, 0, 640),
        (16, 0, 1280),
    ]
    assert [row["end_ns"] - row["start_ns"] for row in made] == [150, 150, 100]
    by = questions.activity(totals, lens, by="op", what="allocations").table
    assert sum(by["calls"].to_pylist()) == 32 + 4 + 5 and set(by["group"].to_pylist()) == {"malloc", "realloc"}


def test_allocations(totals: Any) -> None:
    answer = questions.allocations(totals, Lens()).table.to_pylist()
    assert answer == [
        {
            "name": "pid 5",
            "pid": 5,
            "allocations": 41,
            "frees": 12,
            "bytes_asked": 640 * 4 + 64 + 80,
            "live": 32 + 4 - 1 - 12,
        }
    ]


def test_totals_say_what_they_cannot(totals: Any) -> None:
    for ask in (
        lambda: questions.latency(totals, Lens()),
        lambda: questions.errors(totals, Lens()),
        lambda: questions.counts(totals, Lens(), by="file"),
        lambda: questions.counts(totals, Lens(errnos=(2,))),
        lambda: questions.top(totals, Lens(), interval_ns=10),
    ):
        with pytest.raises(ClewError, match="--count-only"):
            ask()


def test_traced_calls_and_allocations_side_by_side(capture: Callable[..., Any]) -> None:
    made = capture()
    made.clock(0)
    made.records(1, 5, 5, made.record(1, "read", begin=10, ticks=5, result=3))
    made.counters(1, 5, 5, 50, read=(1, 0, 3, 5), malloc=(7, 0, 70, 0))
    made.clock(100)
    made.write()
    case = clew.open(made.folder.parents[1])
    found = {row["name"]: row["calls"] for row in questions.counts(case, Lens(), by="op").table.to_pylist()}
    assert found == {"malloc": 7, "read": 1}
    assert questions.counts(case, Lens()).table["calls"].to_pylist() == [1]
    assert questions.counts(case, Lens(latency=(0, 9)), by="op").table["name"].to_pylist() == ["read"]


def test_an_empty_case_says_so(capture: Callable[..., Any]) -> None:
    made = capture()
    made.clock(0)
    made.write()
    case = clew.open(made.folder.parents[1])
    assert questions.counts(case, Lens()).note == f"nothing was recorded in {case.path}"
    for ask in (questions.latency, questions.errors, questions.activity):
        with pytest.raises(ClewError, match="nothing was recorded"):
            ask(case, Lens())
