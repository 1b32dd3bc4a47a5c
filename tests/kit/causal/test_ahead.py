"""Parts that are looked at in a thread of their own come back in order, read and taken by whoever asked."""

from __future__ import annotations

import threading

import pytest

from clew.causal.ahead import one_ahead


def test_results_come_in_order_of_the_parts() -> None:
    readers, finders = set(), set()

    def read(part: int) -> list[int]:
        readers.add(threading.get_ident())
        return [part]

    def find(given: list[int]) -> int:
        finders.add(threading.get_ident())
        return given[0] ** 2

    assert list(one_ahead(range(5), read, find)) == [0, 1, 4, 9, 16]
    assert readers == {threading.get_ident()}
    assert len(finders) == 1
    assert not finders & readers


@pytest.mark.parametrize("parts", [[], [7]])
def test_few_parts(parts: list[int]) -> None:
    assert list(one_ahead(parts, str, str.encode)) == [str(part).encode() for part in parts]


def test_one_part_is_read_ahead_and_no_more() -> None:
    read: list[int] = []

    def reading(part: int) -> int:
        read.append(part)
        return part

    results = one_ahead(range(9), reading, lambda part: part)
    for part in range(4):
        assert next(results) == part
        assert read == list(range(part + 2))


@pytest.mark.parametrize("where", ["read", "find"])
def test_what_goes_wrong_is_raised_in_its_turn(where: str) -> None:
    def fails(part: int) -> int:
        if part == 2:
            raise ValueError(part)
        return part

    results = one_ahead(range(4), *((fails, int) if where == "read" else (int, fails)))
    assert next(results) == 0
    with pytest.raises(ValueError, match="2"):
        list(results)
