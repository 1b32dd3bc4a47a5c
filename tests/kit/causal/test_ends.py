"""Both ends of connections to one unix socket: told by the order of calls, by times and by what was said."""

from __future__ import annotations

import random

import numpy as np
import pytest

from clew.native.causal import END, NEVER, pair_ends

End = tuple[int, int, int, int, int]  # as END has it


def told(clients: list[End], servers: list[End]) -> list[int]:
    """The client of each of ``servers``, by its place among ``clients``; -1: open."""
    asking, accepting = np.array(clients, END), np.array(servers, END)
    by_begun, by_done = np.argsort(asking["begun"], kind="stable"), np.argsort(accepting["done"], kind="stable")
    found = pair_ends(np.array([0, len(clients)]), np.array([0, len(servers)]), asking[by_begun], accepting[by_done])
    client_of = np.full(len(servers), -1)
    client_of[by_done] = np.where(found >= 0, by_begun[found], -1)
    return client_of.tolist()


def client(at: int, answered: int = int(NEVER), said: int = 1) -> End:
    """Connected from `at` to 2 later, spoke at once, and had its answer at `answered`."""
    return at, at + 2, at + 3, answered, said


def server(begun: int, done: int, answered: int, said: int = 1) -> End:
    """Accepted from `begun` to `done`, read at once, and began its answer at `answered`."""
    return begun, done, done + 1, answered, said


def test_one_that_accepts_takes_them_in_their_order() -> None:
    """All say the same and have their answers together: the queue alone tells."""
    clients = [client(10 * i, 2000) for i in range(20)]
    assert told(clients, [server(500 + 10 * i, 505 + 10 * i, 1500) for i in range(20)]) == list(range(20))


def test_two_that_return_in_the_other_order_are_told_by_what_was_said() -> None:
    """Both waited in accept long before."""
    clients = [client(100, 500, 7), client(110, 500, 8)]
    assert told(clients, [server(0, 150, 300, 8), server(1, 160, 301, 7)]) == [1, 0]


def test_two_that_said_the_same_are_told_by_their_answers() -> None:
    """The second client had its answer before the first to return from accept began its own."""
    clients = [client(100, 500), client(110, 300)]
    assert told(clients, [server(0, 150, 400), server(1, 160, 250)]) == [0, 1]


def test_who_was_accepted_before_another_connected_is_no_other() -> None:
    assert told([client(100, 500), client(200, 500)], [server(0, 150, 400), server(1, 250, 400)]) == [0, 1]


def test_what_nothing_tells_apart_stays_open() -> None:
    """What comes before and after is told all the same."""
    clients = [client(0, 90), client(100, 500), client(110, 500), client(600, 700)]
    servers = [server(-50, 10, 50), server(60, 150, 300), server(61, 160, 301), server(550, 610, 650)]
    assert told(clients, servers) == [0, -1, -1, 3]


def test_threads_that_connect_at_the_same_moment_have_no_order() -> None:
    clients = [(100, 110, 111, 500, 1), (105, 108, 111, 500, 1), (200, 202, 203, 500, 1)]
    servers = [server(210, 215, 300), server(220, 225, 300), server(230, 235, 300)]
    assert told(clients, servers) == [-1, -1, 2]


def test_a_client_that_was_not_recorded_is_nobody_else() -> None:
    """Its end stays open, and no other moves up in the queue."""
    clients = [client(10 * i, 1000 + i, said=i + 1) for i in range(10)]
    servers = [server(500 + 10 * i, 505 + 10 * i, 800, said=i + 1) for i in range(10)]
    assert told(clients[:4] + clients[5:], servers) == [0, 1, 2, 3, -1, 4, 5, 6, 7, 8]


def test_a_client_that_nobody_accepted_is_left_out() -> None:
    clients = [client(0, 900, 1), client(10, said=2), client(20, 900, 3)]
    assert told(clients, [server(500, 505, 800, 1), server(510, 515, 800, 3)]) == [0, 2]


def queue(seed: int, words: int) -> tuple[list[End], list[End]]:
    """1000 clients of four that accept, which return from accept late by chance; client i is that of server i."""
    chance = random.Random(seed)
    clients, servers = [], []
    free = [0] * 4
    at = 0
    for i in range(1000):
        at += chance.randrange(3, 60)
        accepting = free.index(min(free))
        entered = free[accepting]
        taken = max(entered, at) + 1
        done = taken + chance.randrange(1, 40)
        answer = done + 5 + chance.randrange(100)
        clients.append((at, at + 2, at + 2, answer + chance.randrange(1, 30), 1 + i % words))
        servers.append((entered, done, done + 1, answer, 1 + i % words))
        free[accepting] = answer + 5
        at = max(at, taken - 300)
    return clients, servers


@pytest.mark.parametrize("words", [1, 3, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_a_queue_that_many_accept_from(seed: int, words: int) -> None:
    """An end is right or open, and right where all said something else."""
    clients, servers = queue(seed, words)
    order = random.Random(seed).sample(range(1000), 1000)
    found = told(clients, [servers[i] for i in order])
    assert all(other in (-1, i) for i, other in zip(order, found, strict=True))
    assert found.count(-1) == 0 if words == 1000 else found.count(-1) < 300


@pytest.mark.parametrize("seed", range(4))
def test_a_queue_some_of_whose_clients_were_not_recorded(seed: int) -> None:
    """All say the same: nobody is taken for one of them."""
    clients, servers = queue(seed, 1)
    kept = [i for i in range(1000) if i not in (0, 7, 500, 501, 999)]
    found = told([clients[i] for i in kept], servers)
    assert all(other == -1 or kept[other] == i for i, other in enumerate(found))
    assert found.count(-1) < 400
