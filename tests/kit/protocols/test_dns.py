"""DNS over UDP and TCP, from messages written by hand after RFC 1035."""

from __future__ import annotations

import random
import struct

import pytest

from .conversation import C, Pieces, S, exchanges, same_however_cut, tell


def message(number: int, name: bytes, kind: int = 1, *, reply: bool = False, code: int = 0, answers: int = 0) -> bytes:
    head = struct.pack(">HBBHHHH", number, 0x81 if reply else 1, code, 1, answers, 0, 0)
    labels = b"".join(bytes([len(label)]) + label for label in name.split(b".") if label) + b"\0"
    return head + labels + struct.pack(">HH", kind, 1) + b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" * answers


CONVERSATION = [
    (C, message(5, b"a.example")),
    (C, message(6, b"b.Example", 28)),
    (S, message(6, b"b.Example", 28, reply=True, code=3)),
    (S, message(5, b"a.example", reply=True, answers=2)),
    (C, message(5, b"", 2)),
    (S, message(5, b"", 2, reply=True, code=2)),
    (C, message(9, b"x.example", 4242)),
]


def framed(pieces: Pieces) -> Pieces:
    return [(side, struct.pack(">H", len(data)) + data) for side, data in pieces]


@pytest.mark.parametrize("datagram", [True, False], ids=["udp", "tcp"])
def test_questions_and_answers_by_id(datagram: bool) -> None:
    pieces = CONVERSATION if datagram else framed(CONVERSATION)
    told = tell(pieces, datagram=datagram)
    assert exchanges(told) == [
        ("A a.example", "NOERROR", None),
        ("AAAA b.Example", "NXDOMAIN", None),
        ("NS .", "SERVFAIL", None),
        ("TYPE4242 x.example", None, None),
    ]
    assert [(one.stream, one.exchange) for one in told] == [(5, 0), (6, 1), (6, 1), (5, 0), (5, 2), (5, 2), (9, 3)]
    assert [one.status for one in told if one.error] == ["SERVFAIL"], "no such name is an answer"
    assert told[3].summary == "2 answers" and all(one.protocol == "dns" and one.whole for one in told)


def test_tcp_however_cut() -> None:
    same_however_cut(framed(CONVERSATION))


def test_long_answers_with_holes() -> None:
    pieces = framed(
        [(C, message(1, b"a.example", 252)), (S, message(1, b"a.example", 252, reply=True, answers=900))] * 3
    )
    assert [one.where() for one in tell(pieces, keep=(100, 20))] == [one.where() for one in tell(pieces)]
    cut = tell([(side, data[2:]) for side, data in pieces[:2]], keep=(100, 20), datagram=True)
    assert [(one.role, one.size) for one in cut] == [
        ("request", len(pieces[0][1]) - 2),
        ("reply", len(pieces[1][1]) - 2),
    ]


def test_what_is_not_dns() -> None:
    for data in (b"hello world, this is text", bytes(40), message(1, b"a" * 63)[:-3] + b"\xff\xff\xff"):
        assert {one.protocol for one in tell([(C, data)], datagram=True)} == {"unknown"}


def test_hostile_bytes() -> None:
    chance = random.Random(9)
    for datagram in (True, False):
        for _ in range(300):
            pieces = []
            for side, data in chance.choices(CONVERSATION if datagram else framed(CONVERSATION), k=5):
                spoiled = bytearray(data)
                for _ in range(chance.randint(0, 4)):
                    spoiled[chance.randrange(len(spoiled))] = chance.choice(
                        (0, 63, 64, 192, 255, chance.randrange(256))
                    )
                pieces.append((side, bytes(spoiled[: chance.randint(1, len(spoiled))])))
            told = tell(pieces, hint="dns", datagram=datagram, keep=chance.choice(((1 << 20, 0), (12, 6))))
            total = {side: sum(len(data) for one, data in pieces if one == side) for side in (C, S)}
            assert all(one.at + one.size <= total[one.side] for one in told)
