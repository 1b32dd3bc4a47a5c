"""Offset and drift from times of messages between clocks that are made, so that the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.causal.clock_line import Bounds, Line, lines
from clew.ingest.clocks import move
from clew.ingest.pipeline import resource
from clew.store import schema_text

Array = Any
Own = Callable[[Array], Array]
BOOT = 3 * 10**15  # ns that the other clock is ahead
SECOND = 10**9


def messages(own: Own, count: int, seconds: float, delays: tuple[float, float] = (50e3, 50e3), seed: int = 1) -> Bounds:
    """What ``count`` messages tell of a clock that shows ``own(t)`` at t; least delay of each direction in ns."""
    random = np.random.default_rng(seed)
    t = np.sort(random.integers(0, int(seconds * SECOND), count))
    upper = random.random(count) < 0.5
    delay = (np.where(upper, *delays) + random.exponential(60e3, count)).astype(np.int64)
    other = np.where(upper, own(t), own(t + delay))
    first = np.where(upper, t + delay, t)
    order = np.argsort(other, kind="stable")
    return Bounds(other[order], (first - other)[order], upper[order])


def errors(found: list[Line], own: Own, t: Array) -> tuple[Array, Array]:
    """(how wrong the lines are at times ``t``, how wrong they say they may be), ns."""
    other = own(t)
    which = np.clip(np.searchsorted([line.from_ns for line in found], other, "right") - 1, 0, None)
    moved = np.array([found[i].at(int(each)) for i, each in zip(which, other, strict=True)])
    return np.abs(moved - (t - other)), np.array([found[i].residual_ns for i in which])


def steady(drift: float) -> Own:
    return lambda t: (t + BOOT + drift * t).astype(np.int64)


@pytest.mark.parametrize("drift", [0.0, 30e-6, -400e-6])
@pytest.mark.parametrize("count", [20, 2_000, 200_000])
def test_offset_and_drift(drift: float, count: int) -> None:
    bounds = messages(steady(drift), count, 60)
    found = lines(bounds)
    assert len(found) == 1
    inside = np.linspace(0.05, 0.95, 200) * 60 * SECOND
    wrong, residual = errors(found, steady(drift), inside.astype(np.int64))
    assert (wrong <= residual).all()
    if count >= 2_000:
        assert found[0].residual_ns < 100e3  # half a round trip is 50 µs and more
        assert abs(found[0].drift + drift / (1 + drift)) < 5e-6
    if count >= 200_000:
        assert wrong.max() < 3e3


def test_delays_that_differ_stay_within_the_residual() -> None:
    """Nothing tells 2 ms one way and 0.1 ms the other from a clock that is 1 ms off: the residual says so."""
    found = lines(messages(steady(0), 10_000, 20, (2e6, 1e5)))
    wrong, residual = errors(found, steady(0), np.arange(1, 20) * SECOND)
    assert (wrong <= residual).all()
    assert 0.9e6 < found[0].residual_ns < 1.2e6


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("forward", lambda t: BOOT + t + np.where(t > 40 * SECOND, 5_000_000, 0)),
        ("hours", lambda t: BOOT + t + np.where(t > 40 * SECOND, 7200 * SECOND, 0)),
        ("twice", lambda t: BOOT + t + np.where(t > 30 * SECOND, SECOND, 0) + np.where(t > 60 * SECOND, SECOND, 0)),
        ("stretched", lambda t: BOOT + t + 3 * np.clip(t - 40 * SECOND, 0, SECOND)),
    ],
)
def test_a_clock_that_jumps(name: str, own: Own) -> None:
    found = lines(messages(own, 100_000, 100))
    kept = [line for line in found if line.messages]
    assert len(kept) == (3 if name == "twice" else 2)
    assert all(abs(line.drift) < 1e-6 for line in kept)
    t = np.linspace(SECOND, 99 * SECOND, 5000).astype(np.int64)
    wrong, residual = errors(found, own, t)
    assert (wrong <= residual).all()
    assert np.median(wrong) < 3e3


def test_a_clock_that_changes_its_pace() -> None:
    def own(t: Array) -> Array:
        return (BOOT + t + 2e5 * np.sin(t / 1e10)).astype(np.int64)

    found = lines(messages(own, 100_000, 100))
    wrong, residual = errors(found, own, np.linspace(SECOND, 99 * SECOND, 5000).astype(np.int64))
    assert (wrong <= residual).all()


def test_one_direction_tells_nothing() -> None:
    both = messages(steady(0), 1000, 10)
    for side in (True, False):
        chosen = both.upper == side
        assert lines(Bounds(both.t[chosen], both.d[chosen], both.upper[chosen])) == []
    empty = np.empty(0, np.int64)
    assert lines(Bounds(empty, empty, empty.astype(bool))) == []


times = st.integers(-(2**60), 2**60)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(times, times, st.booleans()), max_size=40))
def test_times_that_are_no_clocks(rows: list[tuple[int, int, bool]]) -> None:
    """Whatever a hostile capture says: an answer, and lines in order."""
    rows.sort()
    t, d = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    found = lines(Bounds(t, d, np.array([row[2] for row in rows], bool)))
    begins = [line.from_ns for line in found]
    assert begins == sorted(begins)
    assert all(np.isfinite(line.residual_ns) for line in found)


def events(shifts: list[Line], rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(ts_ns, dur_ns) of events at ``rows`` of capture 2 when they were moved, and capture 1 left where it is."""
    with duckdb.connect() as connection:
        connection.execute(schema_text())
        connection.execute(resource("landing.sql"))
        for capture in (1, 2):
            connection.executemany(
                "INSERT INTO event VALUES (?, 1, 'h', 1, 1, 1, ?, ?, 1, 3, 0, 0, NULL, NULL, NULL)",
                [[capture, ts, dur] for ts, dur in rows],
            )
        connection.execute("INSERT INTO landing.cgi (capture_id, ts_ns) VALUES (2, 1000)")
        move(connection, [2], shifts)
        query = "SELECT ts_ns, dur_ns FROM event WHERE capture_id = ? ORDER BY rowid"
        assert connection.execute(query, [1]).fetchall() == rows
        assert connection.execute("SELECT capture_id FROM landing.moved").fetchall() == [(2,)]
        assert connection.execute("SELECT ts_ns FROM landing.cgi").fetchall() == [(1000 + shifts[0].at(1000),)]
        return connection.execute(query, [2]).fetchall()


def test_times_are_moved() -> None:
    assert events([Line(0, -500, 0.0, 1.0, 9)], [(1000, 10), (2000, 0)]) == [(500, 10), (1500, 0)]
    slower = Line(10_000, 7, 1e-3, 1.0, 9)
    assert events([slower], [(1_010_000, 1_000_000)]) == [(1_010_000 + 7 + 1000, 1_001_000)]


def test_order_is_kept_over_a_jump() -> None:
    """Two lines that overlap: a time after the jump is never before one that came first."""
    rows = [(at, 5) for at in range(0, 2000, 100)]
    found = events([Line(0, 0, 0.0, 1.0, 9), Line(1000, -300, 0.0, 1.0, 9)], rows)
    begins = [ts for ts, _ in found]
    assert begins == sorted(begins)
    assert begins[9] == 900
    assert begins[-1] == 1600
    assert all(dur >= 0 for _, dur in found)


def test_times_from_end_to_end_are_moved_without_failing() -> None:
    ends = [(-(2**63) + 1, 0), (2**62, 2**61)]
    found = events([Line(5, 2**60, 1e-4, 1.0, 9), Line(2**60, -(2**60), -1e-4, 1.0, 9)], ends)
    assert len(found) == 2
