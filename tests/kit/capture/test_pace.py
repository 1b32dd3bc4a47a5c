"""The recorder's pace: seldom while rings stay empty, often and first while they fill."""

from __future__ import annotations

import os

import pytest

from clew.capture.pace import LONGEST_S, SHORTEST_S, Pace


def test_waits_longest_where_nothing_happens_and_shortest_where_rings_fill() -> None:
    pace = Pace()
    assert pace.delay(0) == LONGEST_S
    assert SHORTEST_S <= pace.delay(400) < LONGEST_S


def test_comes_first_only_while_rings_are_over_half_full(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "setpriority", lambda _which, _who, value: asked.append(value))
    before = os.getpriority(os.PRIO_PROCESS, 0)
    pace = Pace()
    pace.delay(400)
    assert asked == []
    pace.delay(600)
    pace.delay(600)
    assert asked == [-20]
    for _ in range(1500):
        pace.delay(10)
    assert asked == [-20, before]


def test_without_the_right_to_come_first_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    assert Pace().delay(900) >= SHORTEST_S
