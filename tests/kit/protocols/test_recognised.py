"""Each protocol is known by its first bytes, however few, and never taken for another."""

from __future__ import annotations

import pytest

from . import test_dns, test_http1, test_memcached, test_mysql, test_postgres, test_redis, test_x11
from .conversation import C, Pieces, S, tell

X = test_x11.X("B")
CONVERSATIONS: dict[str, list[Pieces]] = {
    "http1": [[(C, test_http1.GET), (S, test_http1.OK)], [(C, test_http1.POST), (S, test_http1.CHUNKED)]],
    "postgres": [
        [(C, test_postgres.untyped(80877103)), (S, b"N"), (C, test_postgres.START), (S, test_postgres.AUTHENTICATED)],
        [(C, test_postgres.START), (S, test_postgres.AUTHENTICATED)],
        [(C, test_postgres.query("BEGIN")), (S, test_postgres.done("BEGIN") + test_postgres.ready())],
        [(C, test_postgres.bind("", "s", b"1") + test_postgres.execute() + test_postgres.SYNC)],
    ],
    "mysql": [
        [*test_mysql.login(), (C, test_mysql.SELECT), (S, test_mysql.rows(2))],
        [(C, test_mysql.handshake(number=2)), (S, test_mysql.packet(3, test_mysql.ok()))],
        [(C, test_mysql.SELECT), (S, test_mysql.rows(2))],
        [(C, test_mysql.com(test_mysql.PING)), (S, test_mysql.packet(1, test_mysql.ok()))],
    ],
    "redis": [
        [(C, test_redis.cmd("GET", "a")), (S, b"$1\r\nb\r\n")],
        [(C, b"PING\r\n"), (S, b"+PONG\r\n")],
        [(C, b"get a\r\n"), (S, b"$-1\r\n")],
        [(C, b"INCR a\r\n"), (S, b":5\r\n")],
    ],
    "memcached": [
        [(C, b"get a\r\n"), (S, b"END\r\n")],
        [(C, b"set a 0 0 1\r\nx\r\n"), (S, b"STORED\r\n")],
        [(C, b"mg a v\r\n"), (S, b"EN\r\n")],
        [(C, b"incr a 1\r\n"), (S, b"5\r\n")],
        [(C, test_memcached.binary(0x80, 0, b"a")), (S, test_memcached.binary(0x81, 0))],
    ],
    "dns": [test_dns.framed(test_dns.CONVERSATION)],
    "x11": [[(C, X.setup), (S, X.accepted)], [(C, test_x11.X("l").setup), (S, test_x11.X("l").accepted)]],
}
CASES = [(name, number) for name, many in CONVERSATIONS.items() for number in range(len(many))]


@pytest.mark.parametrize(("name", "number"), CASES)
def test_known_at_both_ends_and_without_roles(name: str, number: int) -> None:
    pieces = CONVERSATIONS[name][number]
    for client_end in (True, False):
        told = [tell(pieces, client_end=client_end, sure=sure) for sure in (True, False)]
        assert {one.protocol for one in told[0]} == {name}
        assert told[0] == told[1], "which end is which is told by the bytes, too"


@pytest.mark.parametrize(("name", "number"), CASES)
def test_never_taken_for_another(name: str, number: int) -> None:
    """With any part of the first pieces, kept or sent."""
    pieces = CONVERSATIONS[name][number]
    for many in range(1, len(pieces) + 1):
        for size in range(1, 60):
            for client_end in (True, False):
                told = tell(pieces[:many], keep=(size, 0), client_end=client_end)
                assert {one.protocol for one in told} <= {name, "unknown"}, (many, size)
