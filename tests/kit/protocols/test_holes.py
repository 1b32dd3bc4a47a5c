"""Random conversations of which only head and tail of each call were kept: what is linked is linked rightly."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from . import test_mysql, test_postgres, test_redis
from .conversation import C, Pieces, S, Told, tell

Exchange = tuple[bytes, bytes]
SIZES = (1, 5, 30, 100, 300, 1000, 3000)


def postgres(chance: random.Random) -> Exchange:
    p, size = test_postgres, chance.choice(SIZES)
    rows = p.m("T", bytes(20)) + p.m("D", bytes(chance.choice((10, 60, 500)))) * chance.choice((0, 1, 5, 50))
    return chance.choice(
        [
            (p.query("SELECT '" + "x" * size + "'"), rows + p.done("SELECT 1") + p.ready(b"T")),
            (p.query("x"), p.failed("42000", "m" * size) + p.ready()),
            (p.bind("", "s", b"y" * size) + p.execute() + p.SYNC, p.m("2") + p.done("INSERT 0 1") + p.ready()),
            (p.parse("s", "SELECT " + "y" * size) + p.SYNC, p.m("1") + p.ready()),
        ]
    )


def mysql(chance: random.Random) -> Exchange:
    p, size = test_mysql, chance.choice(SIZES)
    rows = p.rows(chance.choice((0, 1, 10, 60)), old=chance.random() < 0.5, size=chance.choice((10, 100, 500)))
    return chance.choice(
        [
            (p.com(p.QUERY, b"SELECT '" + b"x" * size + b"'"), rows),
            (p.com(p.PING), p.packet(1, p.ok(chance.choice((2, 3))))),
            (p.com(p.QUERY, b"x"), p.packet(1, p.err(1000) + b"e" * size)),
        ]
    )


def redis(chance: random.Random) -> Exchange:
    p, size = test_redis, chance.choice(SIZES)
    count = chance.choice((0, 1, 10, 200))
    return chance.choice(
        [
            (p.cmd("SET", "k" * chance.choice((1, 20)), "v" * size), p.OK),
            (p.cmd("GET", "k"), b"$%d\r\n%s\r\n" % (size, b"v" * size)),
            (p.cmd("LRANGE", "l", "0", "-1"), b"*%d\r\n" % count + b"$3\r\nabc\r\n" * count),
            (p.cmd("MSET", *(f"w{n}" for n in range(chance.choice((2, 20, 200))))), p.OK),
        ]
    )


def memcached(chance: random.Random) -> Exchange:
    size = chance.choice(SIZES)
    found = b"".join(b"VALUE key%d 0 10\r\n0123456789\r\n" % n for n in range(chance.choice((0, 3, 20))))
    return chance.choice(
        [
            (b"set k 0 0 %d\r\n%s\r\n" % (size, b"v" * size), b"STORED\r\n"),
            (b"get k\r\n", b"VALUE k 0 %d\r\n%s\r\nEND\r\n" % (size, b"v" * size)),
            (b"get " + b" ".join(b"key%d" % n for n in range(chance.choice((1, 10)))) + b"\r\n", found + b"END\r\n"),
            (b"incr a 1\r\n", b"%d\r\n" % chance.randrange(1000)),
        ]
    )


def conversation(chance: random.Random, make: Callable[[random.Random], Exchange], most: int) -> Pieces:
    """Batches of up to ``most`` requests, each sent in one call, the replies in calls of several sizes."""
    pieces: Pieces = []
    for _ in range(chance.randint(3, 12)):
        exchanges = [make(chance) for _ in range(chance.randint(1, most))]
        replies = b"".join(reply for _, reply in exchanges)
        size = chance.choice((len(replies), 8192, 700))
        parts = [(S, replies[at : at + size]) for at in range(0, len(replies), size)]
        pieces = [*pieces, (C, b"".join(request for request, _ in exchanges)), *parts]
    return pieces


def links(told: list[Told]) -> set[tuple[int, int | None]]:
    """(where each reply ends, where its request begins)."""
    requests = {one.exchange: one.at for one in told if one.role == "request"}
    replies = [one for one in told if one.role == "reply" and one.exchange is not None]
    return {(one.at + one.size, requests.get(one.exchange)) for one in replies}


@pytest.mark.parametrize("make", [postgres, mysql, redis, memcached])
def test_one_at_a_time_loses_nothing(make: Callable[[random.Random], Exchange]) -> None:
    chance = random.Random(11)
    for _ in range(150):
        pieces = [*conversation(chance, make, 1), *conversation(chance, make, 1)[:1]]
        truth = tell(pieces, hint=make.__name__)
        told = tell(pieces, hint=make.__name__, keep=(256, 64))
        assert links(told) == links(truth) and len(links(told)) > 2


@pytest.mark.parametrize("make", [mysql, redis, memcached])
def test_pipelines_are_never_linked_wrongly(make: Callable[[random.Random], Exchange]) -> None:
    chance = random.Random(12)
    linked = 0
    for _ in range(200):
        pieces = conversation(chance, make, chance.choice((2, 12)))
        truth = links(tell(pieces, hint=make.__name__))
        told = links(tell(pieces, hint=make.__name__, keep=chance.choice(((256, 64), (100, 20), (40, 40)))))
        assert told <= truth
        linked += len(told)
    assert linked > 200
