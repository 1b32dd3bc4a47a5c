"""Redis, from RESP2, RESP3 and lines written by hand after the protocol's specification."""

from __future__ import annotations

import random

import pytest

from .conversation import C, S, exchanges, same_however_cut, tell


def cmd(*words: str | bytes) -> bytes:
    said = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(said) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in said)


def confirm(kind: str, channel: str, mark: bytes = b">") -> bytes:
    return mark + b"3\r\n" + cmd(kind, channel).split(b"\r\n", 1)[1] + b":1\r\n"


OK = b"+OK\r\n"


def test_commands_of_both_forms() -> None:
    pieces = [
        (C, cmd("SET", "user:17", "x" * 50) + cmd("get", "user:17")),
        (S, OK + b"$5\r\nhel\r\n\r\n"),
        (C, b"PING\r\n"),
        (S, b"+PONG\r\n"),
        (C, cmd("GET", "nothing")),
        (S, b"$-1\r\n"),
        (C, cmd("LPUSH", "user:17", "x")),
        (S, b"-WRONGTYPE not a list\r\n"),
        (C, cmd("GET", "elsewhere")),
        (S, b"-MOVED 7 127.0.0.1:7000\r\n"),
        (C, cmd("LRANGE", "l", "0", "-1")),
        (S, b"*3\r\n$1\r\na\r\n$0\r\n\r\n*2\r\n:1\r\n*0\r\n"),
        (C, cmd("KEYS", "*")),
        (S, b"*-1\r\n"),
    ]
    told = tell(pieces)
    assert exchanges(told) == [
        ("SET user:?", "OK", False),
        ("GET user:?", "OK", False),
        ("PING", "OK", False),
        ("GET nothing", "NIL", False),
        ("LPUSH user:?", "WRONGTYPE", False),
        ("GET elsewhere", "MOVED", False),
        ("LRANGE l", "OK", False),
        ("KEYS", "NIL", False),
    ]
    assert [one.status for one in told if one.error] == ["WRONGTYPE"], "another server's key is no failure"
    assert told[1].summary == "get user:17" and told[1].kind == "GET"
    same_however_cut(pieces)


def test_transactions_hold_the_connection() -> None:
    pieces = [
        *((C, cmd("WATCH", "k")), (S, OK), (C, cmd("GET", "k")), (S, b"$1\r\n1\r\n"), (C, cmd("MULTI")), (S, OK)),
        *((C, cmd("INCR", "k")), (S, b"+QUEUED\r\n"), (C, cmd("EXEC")), (S, b"*1\r\n:2\r\n")),
        *((C, cmd("MULTI")), (S, OK), (C, cmd("BAD")), (S, b"-ERR unknown\r\n"), (C, cmd("DISCARD")), (S, OK)),
        *((C, cmd("EXEC")), (S, b"-ERR EXEC without MULTI\r\n"), (C, cmd("WATCH", "k")), (S, OK)),
        *((C, cmd("UNWATCH")), (S, OK)),
    ]
    told = [(name, held) for name, _, held in exchanges(tell(pieces))]
    assert told == [
        *(("WATCH k", True), ("GET k", True), ("MULTI", True), ("INCR k", True), ("EXEC", False), ("MULTI", True)),
        *(("BAD", True), ("DISCARD", False), ("EXEC", False), ("WATCH k", True), ("UNWATCH", False)),
    ]
    same_however_cut(pieces)


def test_pipelines() -> None:
    commands = [cmd("SET", f"k{n}", "v" * n) for n in range(100)] + [cmd("GET", f"k{n}") for n in range(100)]
    replies = [OK] * 100 + [b"$%d\r\n%s\r\n" % (n, b"v" * n) for n in range(100)]
    pieces = [(C, b"".join(commands)), (S, b"".join(replies))]
    told = tell(pieces)
    assert exchanges(told) == [("SET k?", "OK", False)] * 100 + [("GET k?", "OK", False)] * 100
    assert [one.size for one in sorted(told, key=lambda one: one.at) if one.role == "reply"] == [*map(len, replies)]
    same_however_cut(pieces, times=5)


@pytest.mark.parametrize("mark", [b">", b"*"], ids=["RESP3", "RESP2"])
def test_what_is_published_is_pushed(mark: bytes) -> None:
    said = mark + cmd("message", "a", "hello")[1:]
    pieces = [
        (C, cmd("SUBSCRIBE", "a", "b")),
        (S, confirm("subscribe", "a", mark) + confirm("subscribe", "b", mark) + said),
        (S, said),
        (C, cmd("PSUBSCRIBE", "c*")),
        (S, said + confirm("psubscribe", "c*", mark)),
        (C, cmd("UNSUBSCRIBE", "a")),
        (S, confirm("unsubscribe", "a", mark)),
    ]
    told = tell(pieces)
    assert [(name, status) for name, status, _ in exchanges(told)] == [
        *(("SUBSCRIBE a", "OK"), ("PSUBSCRIBE c*", "OK"), ("UNSUBSCRIBE a", "OK")),
    ]
    assert [(one.kind, one.size) for one in told if one.role == "other"] == [("message", len(said))] * 3
    assert next(one.size for one in told if one.role == "reply") == 2 * len(confirm("subscribe", "a", mark))
    same_however_cut(pieces)


def test_resp3() -> None:
    pieces = [
        (C, cmd("HELLO", "3", "AUTH", "me", "secret")),
        (S, b"%2\r\n+server\r\n$5\r\nredis\r\n+modules\r\n*1\r\n_\r\n"),
        (C, cmd("CLIENT", "TRACKING", "ON") + cmd("SMEMBERS", "s")),
        (S, OK + b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n~2\r\n:1\r\n,1.5\r\n"),
        (C, cmd("GET", "a") + cmd("GET", "b") + cmd("GET", "c") + cmd("GET", "d")),
        (S, b"|1\r\n+ttl\r\n:3600\r\n#t\r\n(123456789012345678901\r\n!8\r\nERR x\r\ny\r\n=7\r\ntxt:abc\r\n"),
    ]
    told = tell(pieces)
    assert [status for _, status, _ in exchanges(told)] == ["OK", "OK", "OK", "OK", "OK", "ERR", "OK"]
    assert [one.kind for one in told if one.role == "other"] == ["invalidate"]
    assert not any("secret" in str(one.where()) for one in told)
    same_however_cut(pieces)


def test_commands_without_replies() -> None:
    pieces = [
        (C, cmd("CLIENT", "REPLY", "SKIP") + cmd("SET", "a", "1") + cmd("GET", "a")),
        (S, b"$1\r\n1\r\n"),
        (C, cmd("CLIENT", "REPLY", "OFF") + cmd("SET", "a", "2") + cmd("CLIENT", "REPLY", "ON") + cmd("PING")),
        (S, OK + b"+PONG\r\n"),
    ]
    told = tell(pieces)
    assert exchanges(told) == [("GET a", "OK", False), ("CLIENT REPLY", "OK", False), ("PING", "OK", False)]
    assert [one.name for one in told if one.role == "other"] == ["CLIENT REPLY", "SET a", "CLIENT REPLY", "SET a"]
    same_however_cut(pieces)


def test_replication_is_not_followed() -> None:
    pieces = [
        (C, cmd("PSYNC", "?", "-1")),
        (S, b"+FULLRESYNC abc 0\r\n"),
        (S, b"$5\r\nREDIS" + cmd("SET", "a", "b")),
        (C, cmd("REPLCONF", "ACK", "1")),
    ]
    assert exchanges(tell(pieces)) == [("PSYNC", "OK", False)] and len(tell(pieces)) == 2
    same_however_cut(pieces)


def test_long_values_and_lists_with_holes() -> None:
    pieces = [
        (C, cmd("SET", "k", "v" * 5000) + cmd("GET", "k")),
        (S, OK + b"$5000\r\n" + b"v" * 5000 + b"\r\n"),
        (C, cmd("LRANGE", "l", "0", "-1")),
        (S, b"*1000\r\n" + b"$8\r\n12345678\r\n" * 1000),
        (C, cmd("RPUSH", "l", *map(str, range(1000)))),
        (S, b":2000\r\n"),
        (C, cmd("PING")),
        (S, b"+PONG\r\n"),
    ]
    told = tell(pieces, keep=(256, 64))
    assert exchanges(told) == exchanges(tell(pieces)) and len(exchanges(told)) == 5
    assert all(one.whole for one in told)
    assert [(one.at, one.size) for one in told] == [(one.at, one.size) for one in tell(pieces)]


def test_a_hole_in_a_pipeline_links_nothing_wrongly() -> None:
    one, size = cmd("GET", "key:000001"), 40
    pieces = []
    for _ in range(5):
        pieces += [(C, one * size), (S, b"".join(b"$%d\r\n%s\r\n" % (n, b"v" * n) for n in range(size)))]
    truth = {(told.at, told.exchange) for told in tell(pieces) if told.role == "reply"}
    for keep in ((256, 64), (30, 10), (100, 0), (10, 500)):
        told = tell(pieces, keep=keep)
        assert {(one.at, one.exchange) for one in told if one.role == "reply" and one.exchange is not None} <= truth


def test_a_recording_that_begins_in_the_middle() -> None:
    pieces = [(S, b"$2\r\nhi\r\n"), (C, cmd("GET", "a")), (S, b"$-1\r\n")]
    told = tell(pieces, start=(50, 60))
    assert exchanges(told) == [("GET a", "NIL", False)] and (told[0].role, told[0].exchange) == ("reply", None)


def test_hostile_bytes() -> None:
    chance = random.Random(7)
    said = [
        cmd("GET", "a"),
        cmd("SUBSCRIBE", "a"),
        OK,
        b"*2\r\n:1\r\n$1\r\na\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        b"$99999999\r\n",
    ]
    said += [b"*9999999999999\r\n", b">2\r\n+a\r\n", b"*1\r\n" * 40, cmd("MULTI"), confirm("subscribe", "a"), b"|1\r\n"]
    for _ in range(500):
        pieces = []
        for _ in range(chance.randint(1, 15)):
            data = bytearray(chance.choice(said))
            for _ in range(chance.randint(0, 2)):
                data[chance.randrange(len(data))] = chance.choice((0, 10, 13, 36, 42, chance.randrange(256)))
            pieces.append((chance.randint(0, 1), bytes(data)))
        told = tell(pieces, hint="redis", keep=chance.choice(((1 << 20, 0), (12, 6))))
        total = {side: sum(len(data) for one, data in pieces if one == side) for side in (C, S)}
        assert all(one.at + one.size <= total[one.side] for one in told)
