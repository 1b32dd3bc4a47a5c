"""Where the nodes of a tree stand in a flame graph, beside a plain walk of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.native import tree


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int], list[float], list[int]]:
    """(parent, total, rank) of each node; many are equal, some trees are wide and some deep."""
    count = draw(st.integers(1, 80))
    near = draw(st.integers(1, 80))
    parent = [-1, *(draw(st.integers(max(0, node - near), node - 1)) for node in range(1, count))]
    if draw(st.booleans()):
        parent = [-1, *(min(above, 1) for above in parent[1:])]
    total = [float(draw(st.integers(0, 5))) for _ in parent]
    return parent, total, [draw(st.integers(-1, 3)) for _ in parent]


@settings(max_examples=200, deadline=None)
@given(trees())
def test_siblings_stand_from_the_largest_and_below_their_parent(made: tuple[list[int], list[float], list[int]]) -> None:
    parent, total, rank = made
    start, order = tree.layout(np.array(parent), np.array(total), np.array(rank))
    expected_order, expected_start, waiting = [], [0.0] * len(parent), [0]
    while waiting:
        node = waiting.pop()
        expected_order.append(node)
        children = [child for child, above in enumerate(parent) if above == node]
        children.sort(key=lambda child: (-total[child], rank[child], child))
        left = expected_start[node]
        for child in children:
            expected_start[child] = left
            left += total[child]
        waiting += reversed(children)
    assert order.tolist() == expected_order
    assert start.tolist() == expected_start


@pytest.mark.parametrize("above", [0, 1, 2, 2**31 - 1])
def test_a_parent_that_does_not_stand_before_its_child_is_a_mistake(above: int) -> None:
    with pytest.raises(ClewError, match="cannot merge stacks"):
        tree.merge_down(np.array([above, 0]), np.array([1, 2]))
    with pytest.raises(ClewError, match="cannot merge stacks"):
        tree.merge_up(np.array([above, 0]), np.array([1, 2]), np.array([1]))
