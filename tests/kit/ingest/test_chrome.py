"""Traces and profiles of Chrome and V8, written by hand in the documented forms, whole and not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles import Reader, chrome

ReadAs = Callable[[Reader, bytes | str], Profile]
Sums = Callable[[Profile], dict[tuple[str, int | None, int | None, str], float]]


def event(phase: str, ts: float, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"ph": phase, "ts": ts, "pid": 1, "tid": 2} | ({} if name is None else {"name": name}) | more


def slices(found: dict[tuple[str, int | None, int | None, str], float]) -> dict[str, float]:
    """By names alone, in microseconds."""
    assert {key[:3] for key in found} == {("slices", 1, 2)}
    return {key[3]: weight / 1000 for key, weight in found.items()}


PAIR = [event("B", 0, "a"), event("E", 10, "a")]
SLICES = {
    "a slice that takes no time is over": (
        [event("B", 0, "a"), event("X", 3, "none", dur=0), event("B", 5, "b"), event("E", 5, "b"), event("E", 10, "a")],
        {"a": 10},
        [],
    ),
    "an end is that of its name": (
        [event("B", 0, "a"), event("B", 1, "b"), event("E", 10, "a"), event("E", 11, "b")],
        {"a": 1, "a;b": 9, "b": 1},
        [],
    ),
    "an end without a name is the innermost's": (
        [event("B", 0, "a"), event("B", 1, "b"), event("E", 4), event("E", 11)],
        {"a": 8, "a;b": 3},
        [],
    ),
    "no end": (
        [event("B", 0, "a"), event("B", 5, "b"), event("E", 9, "b")],
        {"a": 5, "a;b": 4},
        ["1 slices never end: they are counted up to the last event"],
    ),
    "no begin": ([*PAIR, event("E", 12, "b")], {"a": 10}, ["1 ends of slices have no begin and were left out"]),
    "complete ones around others": (
        [event("X", 0, "outer", dur=10), event("B", 2, "b"), event("X", 3, "x", dur=1), event("E", 6, "b")],
        {"outer": 6, "outer;b": 3, "outer;b;x": 1},
        [],
    ),
}


@pytest.mark.parametrize("name", SLICES)
def test_slices(name: str, read_as: ReadAs, sums: Sums) -> None:
    events, expected, notes = SLICES[name]
    found = read_as(chrome, json.dumps(events))
    assert slices(sums(found)) == expected
    assert list(found.notes) == notes


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"displayTimeUnit": "ms", "traceEvents": [', "]}")])
def test_a_trace_may_end_anywhere(begin: str, end: str, read_as: ReadAs, sums: Sums) -> None:
    whole = begin + ",\n".join(map(json.dumps, PAIR))
    for ending in (end, "", ",", "\n,\n"):
        found = read_as(chrome, whole + ending)
        assert slices(sums(found)) == {"a": 10}
        assert not found.notes
    found = read_as(chrome, whole + ', {"ph": "B", "args": {"x": {}}, "ts')
    assert slices(sums(found)) == {"a": 10}
    assert found.notes == ["34 characters at the trace's end are no whole event and were left out"]


def test_samples_of_a_trace(read_as: ReadAs, sums: Sums) -> None:
    sample = {"name": "", "pid": 1, "tid": "2", "ts": "100"}
    document = {
        "traceEvents": [event("M", 0, "thread_name", args={"name": "js"}), event("M", 0, "thread_name")],
        "samples": [sample | {"sf": 2, "weight": "3"}, sample | {"sf": 1}],
        "stackFrames": {"1": {"name": "root"}, "2": {"name": "f", "parent": 1, "category": "JavaScript"}},
    }
    found = read_as(chrome, json.dumps(document))
    assert sums(found) == {("samples", 1, 2, "root;f"): 3, ("samples", 1, 2, "root"): 1}
    assert found.samples["ts_ns"].to_pylist() == [100_000, 100_000]


def call(name: str) -> dict[str, Any]:
    return {"functionName": name, "scriptId": "0", "url": "", "lineNumber": 0, "columnNumber": 0}


NODES = [
    {"id": 1, "callFrame": call("(root)"), "children": [2, 3]},
    {"id": 2, "callFrame": call("a")},
    {"id": 3, "callFrame": call("(idle)")},
]


def test_samples_out_of_order_take_no_time_twice(read_as: ReadAs, sums: Sums) -> None:
    profile = {"nodes": NODES, "startTime": 0, "endTime": 100, "samples": [2, 3, 2, 2], "timeDeltas": [10, 20, -5, 30]}
    found = read_as(chrome, json.dumps(profile))
    assert sums(found) == {("cpuprofile", None, None, "a"): 65_000}
    assert found.samples["ts_ns"].to_pylist() == [10_000, 25_000, 55_000]


def test_pieces_of_a_profile_without_data(read_as: ReadAs, sums: Sums) -> None:
    def chunk(**data: Any) -> dict[str, Any]:
        return event("P", 5, "ProfileChunk", id="0x1", args={"data": data} if data else {})

    nodes = [{"id": 1, "callFrame": call("(root)")}, {"id": 2, "parent": 1, "callFrame": call("f")}]
    events = [
        event("P", 1, "Profile", id="0x1", args={"data": {"startTime": 100}}),
        chunk(cpuProfile={"nodes": nodes, "samples": [2, 2]}, timeDeltas=[10, 20]),
        chunk(),
        chunk(cpuProfile={"samples": [2]}, timeDeltas=[5], endTime=140),
    ]
    assert sums(read_as(chrome, json.dumps(events))) == {("cpuprofile", 1, 2, "f"): 30_000}


def test_a_profile_as_the_protocol_hands_it_over(read_as: ReadAs, sums: Sums) -> None:
    node = {"id": 1, "callFrame": {"functionName": "f", "url": "a.js", "lineNumber": 0}}
    profile = {"nodes": [node], "startTime": 0, "endTime": 9, "samples": [1, 1], "timeDeltas": [2, 3]}
    for document in (profile, {"profile": profile}):
        assert sums(read_as(chrome, json.dumps(document))) == {("cpuprofile", None, None, "f"): 7_000}


def test_a_heap_profile(read_as: ReadAs, sums: Sums) -> None:
    inner = {"callFrame": call("g"), "selfSize": 24, "id": 3, "children": []}
    outer = {"callFrame": call("f"), "selfSize": 1000, "id": 2, "children": [inner]}
    head = {"callFrame": call("(root)"), "selfSize": 0, "id": 1, "children": [outer]}
    found = read_as(chrome, json.dumps({"head": head, "samples": []}))
    assert sums(found) == {("heap", None, None, "f"): 1000, ("heap", None, None, "f;g"): 24}


def test_slices_without_end_that_lie_too_deep_are_one_line(read_as: ReadAs) -> None:
    with pytest.raises(ClewError, match=r"damaged: .* within each other"):
        read_as(chrome, json.dumps([event("B", ts, "a") for ts in range(3000)]))


@pytest.mark.parametrize("lasts", ["NaN", "1e999"])
def test_a_time_that_is_no_number_is_one_line(lasts: str, read_as: ReadAs) -> None:
    profile = json.dumps({"nodes": NODES, "samples": [2, 2], "timeDeltas": [10, 7777]}).replace("7777", lasts)
    with pytest.raises(ClewError, match="damaged: ValueError a sample of weight"):
        read_as(chrome, profile)


def test_half_of_a_character_is_shown(read_as: ReadAs, sums: Sums) -> None:
    events = json.dumps([event("X", 0, "f7777", dur=2)]).replace("7777", "\\ud800")
    assert slices(sums(read_as(chrome, events))) == {"f\\ud800": 2}


def test_threads_of_numbers_that_the_kernel_has_not_stay_apart(read_as: ReadAs) -> None:
    tids = (140081311058816, 140203601431424)
    found = read_as(chrome, json.dumps([event("X", 0, "f", dur=2) | {"tid": tid} for tid in tids]))
    assert found.threads["tid"].to_pylist() == [None, None]
    assert found.threads["name"].to_pylist() == [f"thread {tid}" for tid in tids]
