"""X11 in both byte orders, from requests and replies written by hand after the protocol's text."""

from __future__ import annotations

import random
import struct

import pytest

from .conversation import C, Pieces, S, exchanges, same_however_cut, tell


class X:
    """What both sides say in one byte order."""

    def __init__(self, order: str) -> None:
        self.order = "<" if order == "l" else ">"
        self.setup = order.encode() + b"\0" + self.pack("HHHHH", 11, 0, 4, 3, 0) + b"COOKdat\0"
        self.accepted = b"\1\0" + self.pack("HHH", 11, 0, 10) + bytes(40)

    def pack(self, form: str, *values: int) -> bytes:
        return struct.pack(self.order + form, *values)

    def request(self, opcode: int, minor: int = 0, body: bytes = b"") -> bytes:
        body += bytes(-len(body) % 4)
        return bytes([opcode, minor]) + self.pack("H", 1 + len(body) // 4) + body

    def query_extension(self, name: bytes) -> bytes:
        return self.request(98, 0, self.pack("HH", len(name), 0) + name)

    def reply(self, number: int, data: int = 0, extra: int = 0, body: bytes = b"") -> bytes:
        return bytes([1, data]) + self.pack("HI", number & 65535, extra) + body.ljust(24, b"\0") + bytes(4 * extra)

    def event(self, code: int, number: int) -> bytes:
        return bytes([code, 0]) + self.pack("H", number & 65535) + bytes(28)

    def error(self, code: int, number: int, opcode: int) -> bytes:
        return bytes([0, code]) + self.pack("HIHB", number & 65535, 0, 0, opcode) + bytes(21)


def conversation(x: X) -> Pieces:
    large = bytes([72, 2]) + x.pack("HI", 0, 2 + 100) + bytes(400)  # PutImage with a length of 32 bits
    return [
        (C, x.setup),
        (S, x.accepted),
        (C, x.query_extension(b"RENDER") + x.query_extension(b"Unheard-Of")),
        (S, x.reply(1, 0, 0, bytes([1, 139, 0, 0])) + x.reply(2, 0, 0, bytes([1, 140, 0, 0]))),
        (C, x.request(139, 0, bytes(8)) + x.request(139, 4, bytes(8)) + x.request(140, 7) + x.request(43)),
        (S, x.reply(3) + x.reply(6)),
        (C, x.request(8, 0, bytes(4)) + large + x.request(14, 0, bytes(4))),
        (S, x.event(19, 7) + x.event(12, 8) + x.error(9, 9, 14)),
        (C, x.request(8, 0, bytes(4)) + x.request(20, 0, bytes(20))),
        (S, x.error(3, 10, 8) + x.event(0x80 | 33, 11) + x.reply(11, 8, 50) + x.event(35, 11)),
        (C, x.request(50, 0, bytes(4))),
        (S, x.reply(12, 5, 7) + x.reply(12, 6, 7) + x.reply(12, 0, 7)),
    ]


@pytest.mark.parametrize("order", ["l", "B"])
def test_replies_by_number(order: str) -> None:
    x = X(order)
    pieces = conversation(x)
    told = tell(pieces)
    assert exchanges(told) == [
        ("connect", "Success", None),
        ("QueryExtension", "OK", None),
        ("QueryExtension", "OK", None),
        ("RENDER 0", "OK", None),
        ("GetInputFocus", "OK", None),
        ("GetGeometry", "BadDrawable", None),
        ("GetProperty", "OK", None),
        ("ListFontsWithInfo", "OK", None),
    ]
    others = [(one.kind, one.status) for one in told if one.role == "other"]
    assert others == [
        *(("RENDER 4", None), ("opcode 140 7", None), ("MapWindow", None), ("PutImage", None)),
        *(("MapNotify", None), ("Expose", None), ("MapWindow", None), (None, "BadWindow")),
        *(("ClientMessage", None), ("GenericEvent", None)),
    ]
    assert [one.stream for one in told if one.role == "reply"] == [0, 1, 2, 3, 6, 9, 11, 12]
    assert [one.size for one in told if one.role == "reply"][-2:] == [32 + 200, 3 * (32 + 28)]
    assert not any("COOK" in str(one.where()) for one in told)
    same_however_cut(pieces)


def test_numbers_of_16_bits_go_round() -> None:
    x = X("l")
    pieces = [(C, x.setup), (S, x.accepted)]
    for turn in range(1, 71):
        pieces += [(C, x.request(127) * 999 + x.request(43)), (S, x.reply(1000 * turn))]
    told = [one for one in tell(pieces) if one.role == "reply"][1:]
    assert [one.stream for one in told] == [1000 * turn for turn in range(1, 71)]
    assert [one.exchange for one in told] == list(range(1, 71))


def test_refused() -> None:
    x = X("B")
    refusal = b"\0\5" + x.pack("HHH", 11, 0, 2) + b"No way\0\0"
    assert exchanges(tell([(C, x.setup), (S, refusal)])) == [("connect", "Failed", None)]


def test_events_lost_in_a_hole_do_not_matter() -> None:
    x = X("l")
    pieces = [
        (C, x.setup),
        (S, x.accepted),
        (C, x.request(43)),
        (S, x.event(6, 1) * 40 + x.reply(1)),
        (C, x.request(20, 0, bytes(20))),
        (S, x.reply(2, 8, 500)),
        (C, x.request(43)),
        (S, x.reply(3)),
    ]
    told = tell(pieces, keep=(100, 50))
    assert exchanges(told) == [
        *(("connect", "Success", None), ("GetInputFocus", "OK", None)),
        *(("GetProperty", "OK", None), ("GetInputFocus", "OK", None)),
    ]


def test_requests_lost_in_a_hole_end_the_matching() -> None:
    x = X("l")
    pieces = [(C, x.setup), (S, x.accepted), (C, x.request(43) + x.request(127) * 90), (S, x.reply(1))]
    pieces += [(C, x.request(43)), (S, x.reply(92))]
    replies = [one for one in tell(pieces, keep=(40, 8)) if one.role == "reply"]
    assert [one.exchange for one in replies] in ([0, None, None], [0, 1, None])


def test_hostile_bytes() -> None:
    chance = random.Random(10)
    for _ in range(300):
        pieces = []
        for side, data in conversation(X(chance.choice("lB"))):
            spoiled = bytearray(data)
            for _ in range(chance.randint(0, 2)):
                spoiled[chance.randrange(len(spoiled))] = chance.choice((0, 1, 35, 98, 255, chance.randrange(256)))
            pieces.append((side, bytes(spoiled)))
        told = tell(pieces, hint="x11", keep=chance.choice(((1 << 20, 0), (40, 40))))
        total = {side: sum(len(data) for one, data in pieces if one == side) for side in (C, S)}
        assert all(one.at + one.size <= total[one.side] for one in told)
