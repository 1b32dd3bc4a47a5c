"""The tree of callers that is made only where it can be seen, beside the whole one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.native import tree

Path = tuple[int, ...]


def ways(parent: list[int], key: list[int], leaf: int) -> Path:
    """Keys from a row outwards, without those that are left out."""
    found = []
    while leaf >= 0:
        if key[leaf] >= 0:
            found.append(key[leaf])
        leaf = parent[leaf]
    return tuple(found)


def paths(made: Any) -> list[Path]:
    """The way from the root to each node."""
    found: list[Path] = [()]
    for parent, key in zip(made.parent[1:].tolist(), made.key[1:].tolist(), strict=True):
        found.append((*found[parent], key))
    return found


@st.composite
def forests(draw: st.DrawFn) -> tuple[list[int], list[int], list[int], list[float]]:
    count = draw(st.integers(1, 40))
    parent = [draw(st.integers(-1, row - 1)) for row in range(count)]
    key = [draw(st.integers(-1, 3)) for _ in range(count)]
    leaves = draw(st.lists(st.integers(0, count - 1), unique=True, max_size=count))
    return parent, key, leaves, [float(draw(st.integers(1, 9))) for _ in leaves]


def make(forest: Any, path: Path = (), least: float = 0.0) -> Any:
    parent, key, leaves, value = (np.array(column) for column in forest)
    return tree.callers(parent, key, leaves, value, np.array(path, np.int32), least)


@settings(max_examples=150, deadline=None)
@given(forests(), st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.0]), st.integers(0, 2), st.data())
def test_it_is_the_whole_tree_without_what_is_narrow(forest: Any, least: float, deep: int, data: st.DataObject) -> None:
    parent, key, leaves, value = forest
    all_ways = [ways(parent, key, leaf) for leaf in leaves]
    total: dict[Path, float] = {(): 0.0}
    for way, weight in zip(all_ways, value, strict=True):
        for end in range(len(way) + 1):
            total[way[:end]] = total.get(way[:end], 0) + weight
    path = data.draw(st.sampled_from(sorted(way for way in total if len(way) <= deep)))
    made = make(forest, path, least)
    found = dict(zip(paths(made), zip(made.total, made.own, made.narrow, strict=True), strict=True))
    assert len(found) == len(made.key), "no way twice"

    def is_made(way: Path) -> bool:
        if len(way) <= len(path) + 1:
            return way[: len(path)] == path[: len(way)]
        return way[: len(path)] == path and total[way] >= least * total[path] and is_made(way[:-1])

    assert set(found) == {way for way in total if is_made(way)}
    for way, (weight, own, narrow) in found.items():
        assert weight == total[way]
        assert own == sum(one for each, one in zip(all_ways, value, strict=True) if each == way)
        beyond = [each for each in all_ways if each[: len(way)] == way and len(each) > len(way)]
        assert narrow == sum(each[: len(way) + 1] not in found for each in beyond)


@settings(max_examples=60, deadline=None)
@given(forests(), st.sampled_from([0.0, 0.3]), st.data())
def test_two_sides_are_two_trees_in_one(forest: Any, least: float, data: st.DataObject) -> None:
    parent, key, leaves, value = (np.array(column) for column in forest)
    other = np.array([float(data.draw(st.integers(0, 9))) for _ in leaves])
    path = np.array([], np.int32)
    both = tree.callers(parent, key, leaves, value, path, least, other)
    assert both.other is not None and both.other_own is not None
    wide = dict(zip(paths(both), zip(both.total, both.own, both.other, both.other_own, strict=True), strict=True))
    sides = [tree.callers(parent, key, leaves, each, path, 0.0) for each in (value, other)]
    one, two = (dict(zip(paths(side), zip(side.total, side.own, strict=True), strict=True)) for side in sides)
    assert wide == {way: (*one[way], *two[way]) for way in wide}
    edge = least * max(one[()][0], two[()][0])
    made = {way for way in one if all(max(one[way[:n]][0], two[way[:n]][0]) >= edge for n in range(2, len(way) + 1))}
    assert set(wide) == made


def test_more_nodes_than_there_was_room_for() -> None:
    count = 200_000
    parent = np.arange(-1, count - 1)
    made = tree.callers(
        parent, np.arange(count) % 7, np.array([count - 1]), np.array([2.0]), np.array([], np.int32), 0.0
    )
    assert len(made.key) == count + 1
    assert made.total.tolist() == [2.0] * (count + 1)


@pytest.mark.parametrize(("parent", "leaf"), [([0], 0), ([-1, 5], 1), ([-1], 1), ([-1], -1)])
def test_what_is_no_tree_is_refused(parent: list[int], leaf: int) -> None:
    with pytest.raises(ClewError):
        make((parent, [0] * len(parent), [leaf], [1.0]))
