"""Loops that go on at once, with pools smaller than the load: a call is given to who waits, or to nobody."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from tests.kit.causal.immediate import Batch, Loop, Page

QUICK, SLOW, OTHER = 10, 11, 12  # names of calls; odd ones take ten times as long
FOUR = {"database": (4, False)}


def page(*batches: Sequence[str | tuple[str, int]]) -> Page:
    """One that always asks for the same."""
    return lambda _: batches


def call(name: int, pool: str = "database") -> tuple[str, int]:
    return pool, name


def some(generator: random.Random) -> Sequence[Batch]:
    """Two calls or three."""
    return [[call(SLOW)], [call(QUICK)], *([[call(QUICK)]] if generator.random() < 0.5 else [])]


SHOP = {
    1: page([call(QUICK)]),
    2: page([call(SLOW)], [call(QUICK)]),
    3: some,
    4: page([call(SLOW), call(QUICK), call(QUICK)], [call(QUICK)]),
}
ALIKE = {  # nothing but the order tells whose a call is
    1: page([call(QUICK)]),
    2: page([call(QUICK)], [call(QUICK)]),
    3: page([call(QUICK), call(QUICK), call(QUICK)], [call(QUICK)]),
    4: lambda _: [],
}
KEEPING = {
    1: page([("keep", "database", (QUICK, OTHER))]),
    2: page([call(SLOW)], [call(QUICK)]),
    3: page([("keep", "database", (QUICK, QUICK, OTHER))], [call(QUICK)]),
}
BOTH = {
    1: page([call(OTHER, "cache"), call(QUICK)]),
    2: page([call(SLOW), call(OTHER, "cache")], [call(QUICK)]),
    3: page([call(QUICK), call(QUICK)], [call(OTHER, "cache")]),
}


def followed(
    pages: dict[int, Page], pools: dict[str, tuple[int, bool]], clients: int, seed: int
) -> tuple[float, float]:
    loop = Loop(pages, pools, seed)
    loop.run(clients, 500)
    return loop.linked()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("clients", [8, 64])
@pytest.mark.parametrize("pages", [SHOP, ALIKE], ids=["names", "order"])
def test_who_waits_longest_gets_the_connection(pages: dict[int, Page], clients: int, seed: int) -> None:
    right, wrong = followed(pages, FOUR, clients, seed)
    assert wrong == 0
    assert right >= 99


def test_requests_may_keep_their_connection() -> None:
    right, wrong = followed(KEEPING, FOUR, 8, 1)
    assert wrong == 0
    assert right >= 99


def test_a_single_connection_is_handed_round() -> None:
    right, wrong = followed(ALIKE, {"database": (1, False)}, 8, 1)
    assert wrong == 0
    assert right >= 99


@pytest.mark.parametrize("clients", [8, 64])
def test_who_came_last_may_be_served_first(clients: int) -> None:
    right, wrong = followed({name: SHOP[name] for name in (1, 2)}, {"database": (4, True)}, clients, 1)
    assert wrong == 0
    assert right >= 99


def test_who_waits_for_one_pool_does_not_hold_up_the_other() -> None:
    right, wrong = followed(BOTH, FOUR | {"cache": (2, False)}, 8, 1)
    assert wrong == 0
    assert right >= 99


@pytest.mark.parametrize("clients", [8, 64])
def test_what_never_is_the_same_twice_stays_open(clients: int) -> None:
    pages: dict[int, Page] = {
        1: lambda generator: [[call(QUICK)] * generator.randint(1, 4), [call(OTHER)] * generator.randint(1, 3)],
        2: page([call(QUICK)], [call(OTHER)]),
    }
    _, wrong = followed(pages, FOUR, clients, 1)
    assert wrong <= 0.1


def test_what_a_clock_set_going_is_not_put_below_what_came_in_just_before() -> None:
    pages = {1: page([call(QUICK)], [300_000], [call(OTHER)]), 2: page([call(SLOW)], [call(QUICK)])}
    right, wrong = followed(pages, {"database": (100, False)}, 8, 1)
    assert wrong == 0
    assert right >= 95


@pytest.mark.parametrize("clients", [8, 64])
def test_what_a_clock_set_going_may_be_what_others_ask_for_at_once(clients: int) -> None:
    """With many clients the loop is never idle: no turn in which nothing came in tells of clocks."""
    pages = {
        1: page([call(QUICK)], [2_000_000], [call(QUICK)], [call(QUICK)]),
        2: page([call(QUICK)], [call(QUICK)]),
        3: page([100_000], [call(QUICK)]),
    }
    right, wrong = followed(pages, {"database": (100, False)}, clients, 1)
    assert wrong == 0
    assert right >= 40
