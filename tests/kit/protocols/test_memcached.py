"""memcached, from commands of the text, meta and binary protocols written by hand after its documentation."""

from __future__ import annotations

import random
import struct

from .conversation import C, S, exchanges, same_however_cut, tell


def binary(
    magic: int, opcode: int, key: bytes = b"", value: bytes = b"", extras: bytes = b"", status: int = 0
) -> bytes:
    size = len(extras) + len(key) + len(value)
    return struct.pack(">BBHBBHIIQ", magic, opcode, len(key), len(extras), 0, status, size, 7, 0) + extras + key + value


def test_text() -> None:
    pieces = [
        (C, b"get user:17 b\r\nset k 0 0 5\r\nget x\r\nset k 0 0 1 noreply\r\nx\r\nincr n 1\r\n"),
        (S, b"VALUE user:17 0 5\r\nEND\r\n\r\nEND\r\nSTORED\r\n5\r\n"),
        (C, b"get no\r\n"),
        (S, b"END\r\n"),
        (C, b"stats\r\n"),
        (S, b"STAT pid 1\r\nSTAT time 2\r\nEND\r\n"),
        (C, b"gats 10 k:1 k:2\r\n"),
        (S, b"VALUE k:1 0 1 77\r\nx\r\nEND\r\n"),
        (C, b"nonsense\r\n"),
        (S, b"ERROR\r\n"),
        (C, b"incr text 1\r\n"),
        (S, b"CLIENT_ERROR cannot increment\r\n"),
        (C, b"delete k\r\ntouch k 5\r\nversion\r\nflush_all noreply\r\nquit\r\n"),
        (S, b"DELETED\r\nNOT_FOUND\r\nVERSION 1.6\r\n"),
    ]
    told = tell(pieces)
    assert exchanges(told) == [
        ("get user:?", "VALUE", False),
        ("set k", "STORED", False),
        ("incr n", "OK", False),
        ("get no", "END", False),
        ("stats", "STAT", False),
        ("gats k:?", "VALUE", False),
        ("nonsense", "ERROR", False),
        ("incr text", "CLIENT_ERROR", False),
        ("delete k", "DELETED", False),
        ("touch k", "NOT_FOUND", False),
        ("version", "VERSION", False),
    ]
    assert [one.kind for one in told if one.role == "other"] == ["set", "flush_all", "quit"]
    assert [one.status for one in told if one.error] == ["ERROR", "CLIENT_ERROR"]
    same_however_cut(pieces)


def test_meta() -> None:
    pieces = [
        (C, b"mg a:1 v\r\n"),
        (S, b"VA 5 t0\r\nEN\r\nx\r\n"),
        (C, b"ms a:1 2 T0\r\nab\r\n"),
        (S, b"HD\r\n"),
        (C, b"mg a v q\r\nmg b v q\r\nmd c q\r\nmn\r\n"),
        (S, b"VA 2\r\nab\r\nMN\r\n"),
        (C, b"mg gone v\r\n"),
        (S, b"EN\r\n"),
    ]
    told = tell(pieces)
    assert exchanges(told) == [
        *(("mg a:?", "VA", False), ("ms a:?", "HD", False), ("mn", "MN", False), ("mg gone", "EN", False)),
    ]
    assert [(one.side, one.kind) for one in told if one.role == "other"] == [(C, "mg"), (C, "mg"), (C, "md"), (S, None)]
    same_however_cut(pieces)


def test_binary() -> None:
    pieces = [
        (C, binary(0x80, 0x20)),
        (S, binary(0x81, 0x20, b"", b"PLAIN")),
        (C, binary(0x80, 0x21, b"PLAIN", b"\0me\0secret")),
        (S, binary(0x81, 0x21)),
        (C, binary(0x80, 0, b"user:17")),
        (S, binary(0x81, 0, b"", b"abc", bytes(4))),
        (C, binary(0x80, 9, b"a") + binary(0x80, 9, b"b") + binary(0x80, 10)),
        (S, binary(0x81, 9, b"", b"x", bytes(4)) + binary(0x81, 10)),
        (C, binary(0x80, 0x10)),
        (S, binary(0x81, 0x10, b"pid", b"1") + binary(0x81, 0x10, b"time", b"2") + binary(0x81, 0x10)),
        (C, binary(0x80, 1, b"k", b"v" * 9000, bytes(8))),
        (S, binary(0x81, 1, status=3)),
        (C, binary(0x80, 0, b"no")),
        (S, binary(0x81, 0, b"", b"Not found", status=1)),
    ]
    told = tell(pieces)
    assert exchanges(told) == [
        ("SASL list", "OK", False),
        ("SASL auth", "OK", False),
        ("Get user:?", "OK", False),
        ("Noop", "OK", False),
        ("Stat", "OK", False),
        ("Set k", "TOO_LARGE", False),
        ("Get no", "NOT_FOUND", False),
    ]
    assert [(one.side, one.kind) for one in told if one.role == "other"] == [(C, "GetQ"), (C, "GetQ"), (S, "GetQ")]
    assert [one.status for one in told if one.error] == ["TOO_LARGE"]
    assert not any("secret" in str(one.where()) for one in told)
    same_however_cut(pieces)
    assert exchanges(tell(pieces, keep=(64, 16))) == exchanges(told)


def test_holes() -> None:
    pieces = [
        (C, b"set k 0 0 5000\r\n" + b"v" * 5000 + b"\r\nget k\r\n"),
        (S, b"STORED\r\nVALUE k 0 5000\r\n" + b"v" * 5000 + b"\r\nEND\r\n"),
        (C, b"stats\r\n"),
        (S, b"STAT some_name 12345\r\n" * 80 + b"END\r\n"),
        (C, b"get a\r\n"),
        (S, b"END\r\n"),
    ]
    told = tell(pieces, keep=(128, 64))
    assert exchanges(told) == exchanges(tell(pieces))
    assert [(one.at, one.size, one.exchange) for one in told] == [
        (one.at, one.size, one.exchange) for one in tell(pieces)
    ]


def test_a_recording_that_begins_in_the_middle() -> None:
    pieces = [(C, b"get a\r\n"), (S, b"VALUE a 0 1\r\nx\r\nEND\r\n")]
    assert exchanges(tell(pieces, start=(10, 20))) == [("get a", "VALUE", False)]
    late = [(S, b"x\r\nEND\r\n"), *pieces]
    assert exchanges(tell(late, start=(10, 20), hint="memcached")) == [("get a", "VALUE", False)]


def test_hostile_bytes() -> None:
    chance = random.Random(8)
    said = [
        b"get a\r\n",
        b"set k 0 0 4294967299\r\n",
        b"set k 0 0 3\r\nabc\r\n",
        b"VALUE a 0 99999999999\r\n",
        b"END\r\n",
    ]
    said += [binary(0x80, 0, b"k"), binary(0x81, 0x10, b"k"), b"mg a q\r\n", b"mn\r\n", b"MN\r\n", b"STORED\r\n"]
    for _ in range(500):
        pieces = []
        for _ in range(chance.randint(1, 15)):
            data = bytearray(chance.choice(said))
            for _ in range(chance.randint(0, 2)):
                data[chance.randrange(len(data))] = chance.choice((0, 10, 13, 128, 129, chance.randrange(256)))
            pieces.append((chance.randint(0, 1), bytes(data)))
        told = tell(pieces, hint="memcached", keep=chance.choice(((1 << 20, 0), (12, 6))))
        total = {side: sum(len(data) for one, data in pieces if one == side) for side in (C, S)}
        assert all(one.at + one.size <= total[one.side] for one in told)
