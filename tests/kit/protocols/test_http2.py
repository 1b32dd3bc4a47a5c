"""HTTP/2 and gRPC: streams side by side, cut anywhere, header tables that are not known, hostile bytes."""

from __future__ import annotations

import struct
from itertools import cycle
from typing import Any

from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.protocols.base import processor_of
from clew.protocols.http2 import PREFACE, Http2

from .conversation import C, Pieces, S, Told, exchanges, same_however_cut, tell

HTTP2 = {"processors": [processor_of(Http2)]}
DATA, HEADERS, RST, SETTINGS, CONTINUATION = 0, 1, 3, 4, 9


def frame(kind: int, stream: int, content: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content


def headers(encoder: Encoder, stream: int, fields: dict[str, str], *, end: bool = True) -> bytes:
    return frame(HEADERS, stream, encoder.encode(list(fields.items())), 4 | end)


def get(path: str, method: str = "GET", **more: str) -> dict[str, str]:
    return {":method": method, ":path": path, ":scheme": "http", **{k.replace("_", "-"): v for k, v in more.items()}}


START: list[tuple[int, bytes]] = [
    (C, PREFACE + frame(SETTINGS, 0, bytes(6))),
    (S, frame(SETTINGS, 0) + frame(SETTINGS, 0, flags=1)),
    (C, frame(SETTINGS, 0, flags=1)),
]


def told_in(pieces: Pieces, **options: Any) -> list[Told]:
    return tell(pieces, **HTTP2, **options)


def conversation() -> list[tuple[int, bytes]]:
    client, server = Encoder(), Encoder()
    ids = {"x_request_id": "r7", "user_agent": "test/1"}
    post = headers(client, 3, get("/order", "POST", content_length="6"), end=False)
    return [
        *START,
        (C, headers(client, 1, get("/item/4711?x=1", **ids)) + post),
        (C, frame(DATA, 3, b"abc") + frame(DATA, 3, b"def", 1)),
        (S, headers(server, 3, {":status": "100"}, end=False) + headers(server, 3, {":status": "503"}, end=False)),
        (S, headers(server, 1, {":status": "200", "server": "x"}, end=False) + frame(DATA, 1, b"y" * 5000)),
        (S, frame(DATA, 3, b"no", 1) + frame(DATA, 1, b"z" * 3, 9)),
        (C, headers(client, 5, get("/item/4712", **ids)) + frame(RST, 5, struct.pack(">I", 8))),
        (C, headers(client, 7, get("/item/4713", **ids))),
        (S, frame(RST, 7, struct.pack(">I", 7))),
    ]


def test_streams() -> None:
    told = told_in(conversation())
    assert exchanges(told) == [
        *(("GET /item/?", "200", None), ("POST /order", "503", None)),
        *(("GET /item/?", None, None), ("GET /item/?", "REFUSED_STREAM", None)),
    ]
    assert [(one.role, one.stream, one.error, one.whole) for one in told] == [
        *(
            ("request", 1, False, True),
            ("request", 3, False, True),
            ("reply", 3, True, True),
            ("reply", 1, False, True),
        ),
        *(("request", 5, False, True), ("request", 7, False, True), ("reply", 7, True, True)),
    ]
    assert told[0].correlation == "x-request-id=r7" and {one.protocol for one in told} == {"http2"}
    same_however_cut(conversation(), **HTTP2)


def test_grpc() -> None:
    client, server = Encoder(), Encoder()
    call = get("/shop.Cart/Add", "POST", content_type="application/grpc", te="trailers", traceparent="00-a-b-01")
    head = {":status": "200", "content-type": "application/grpc"}
    pieces = [
        *START,
        (C, headers(client, 1, call, end=False) + frame(DATA, 1, bytes(5), 1)),
        (S, headers(server, 1, head, end=False) + frame(DATA, 1, bytes(5))),
        (S, headers(server, 1, {"grpc-status": "0"})),
        (C, headers(client, 3, call, end=False) + frame(DATA, 3, bytes(5), 1)),
        (S, headers(server, 3, {**head, "grpc-status": "13", "grpc-message": "broken"})),
    ]
    told = told_in(pieces)
    assert exchanges(told) == [("POST /shop.Cart/Add", "0", None), ("POST /shop.Cart/Add", "13", None)]
    assert [one.error for one in told] == [False, False, False, True]
    assert told[0].kind == "gRPC" and told[0].correlation == "traceparent=00-a-b-01"
    same_however_cut(pieces, **HTTP2)


def test_header_blocks_go_on_in_continuations() -> None:
    block = Encoder().encode(list(get("/a/1", cookie="c" * 300).items()))
    pieces = [
        *START,
        (C, frame(HEADERS, 1, b"\5" + bytes(5) + block[:20] + bytes(5), 1 | 8 | 32)),
        (C, frame(CONTINUATION, 1, block[20:30]) + frame(CONTINUATION, 1, block[30:], 4)),
    ]
    (told,) = told_in(pieces)
    assert (told.name, told.whole) == ("GET /a/?", True)
    same_however_cut(pieces, **HTTP2)


def test_a_late_start_knows_less_and_nothing_wrong() -> None:
    client, server = Encoder(), Encoder()
    for number in range(3):  # before the recording: these fill the tables
        headers(client, 1, get(f"/old/{number}", authorization=f"secret-{number}"))
        headers(server, 1, {":status": "200", "etag": f"{number}"})
    known = headers(client, 7, {**get("/old/2"), "x-request-id": "new"})
    pieces = [
        (C, known + frame(8, 0, struct.pack(">I", 100))),
        (S, headers(server, 7, {":status": "404", "etag": "2"}) + frame(8, 0, struct.pack(">I", 100))),
        (C, headers(client, 9, get("/fresh", x_request_id="new"))),
        (S, headers(server, 9, {":status": "200", "etag": "3"})),
    ]
    told = told_in(pieces, start=(1000, 2000))
    assert [(one.name, one.summary, one.correlation) for one in told if one.role == "request"] == [
        (None, None, "x-request-id=new"),  # :path is in a part of the table that is not known
        ("GET /fresh", "GET /fresh", "x-request-id=new"),
    ]
    assert [one.exchange for one in told] == [0, 0, 1, 1]
    assert [one.status for one in told if one.role == "reply"] == ["404", "200"]


def test_holes() -> None:
    client, server = Encoder(), Encoder()
    long = headers(client, 1, get("/a", cookie="c" * 2000))
    pieces = [
        *START,
        (C, long),
        (S, headers(server, 1, {":status": "200"}, end=False) + frame(DATA, 1, b"x" * 9000, 1)),
        (C, headers(client, 3, get("/a", cookie="c" * 2000))),  # all of it refers to the table, which is not known now
        (S, headers(server, 3, {":status": "204"})),
        (C, headers(client, 5, get("/b")) + frame(8, 0, struct.pack(">I", 100))),
        (S, headers(server, 5, {":status": "200"})),
    ]
    told = told_in(pieces, keep=(256, 64))
    assert exchanges(told) == [("GET /a", "200", None), ("GET", "204", None), ("GET /b", "200", None)]
    assert [one.size for one in told if one.stream == 1] == [len(long), len(pieces[4][1])] and all(
        o.whole for o in told
    )


def test_frames_are_found_again_behind_a_hole() -> None:
    client, server = Encoder(), Encoder()
    pieces = [
        *START,
        (C, headers(client, 1, get("/a"))),
        (
            S,
            headers(server, 1, {":status": "200"}, end=False) + frame(DATA, 1, b"x" * 900) + frame(DATA, 1, b"x" * 900),
        ),
        (S, frame(DATA, 1, b"y" * 50, 1)),
        (C, headers(client, 3, get("/b"))),
        (S, headers(server, 3, {":status": "200"})),
    ]
    told = told_in(pieces, keep=(256, 64))
    assert [(one.role, one.stream, one.status, one.whole) for one in told] == [
        *(("request", 1, None, True), ("reply", 1, "200", True)),
        *(("request", 3, None, True), ("reply", 3, "200", True)),
    ]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([C, S]), st.binary(min_size=1, max_size=60)), max_size=20),
    st.integers(0, 12),
    st.booleans(),
)
def test_hostile_bytes(garbage: list[tuple[int, bytes]], place: int, sure: bool) -> None:
    good = conversation()
    pieces = [*good[:place], *garbage, *good[place:]]
    told = told_in(pieces, hint="http2", sure=sure, keep=(40, 8))
    for one in told:
        assert one.at + one.size <= sum(len(data) for side, data in pieces if side == one.side)
        assert one.name is None or one.name.split()[0].isascii()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=30))
def test_however_it_is_cut(sizes: list[int]) -> None:
    pieces, size = [], cycle(sizes)
    for side, data in conversation():
        rest = data
        while rest:
            most = next(size)
            pieces.append((side, rest[:most]))
            rest = rest[most:]
    assert {one.where() for one in told_in(pieces)} == {one.where() for one in told_in(conversation())}
