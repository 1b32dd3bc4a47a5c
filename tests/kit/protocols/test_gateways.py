"""FastCGI, SCGI, uwsgi and lines: by hand from their specifications, cut anywhere, with holes."""

from __future__ import annotations

import struct

from .conversation import C, S, exchanges, same_however_cut, tell

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)
PAGE = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such page"


def record(kind: int, number: int, content: bytes = b"", padding: int = 0) -> bytes:
    return struct.pack(">BBHHBB", 1, kind, number, len(content), padding, 0) + content + bytes(padding)


def pairs(**names: str) -> bytes:
    made = b""
    for name, value in names.items():
        for word in (name, value):
            made += struct.pack(">I", 1 << 31 | len(word)) if len(word) > 127 else bytes([len(word)])
        made += name.encode() + value.encode()
    return made


def request(number: int, body: bytes = b"", **names: str) -> bytes:
    begin = record(BEGIN, number, struct.pack(">HB5x", 1, 1))
    content = record(PARAMS, number, pairs(**names), 5) + record(PARAMS, number)
    return begin + content + (record(STDIN, number, body, 3) if body else b"") + record(STDIN, number)


def response(number: int, page: bytes = PAGE) -> bytes:
    return record(STDOUT, number, page, 2) + record(STDOUT, number) + record(END, number, bytes(8))


def test_fastcgi() -> None:
    one = request(1, REQUEST_METHOD="GET", REQUEST_URI="/item/4711?x=1", HTTP_X_REQUEST_ID="r1", LONG="x" * 300)
    two = request(1, b"a=b", REQUEST_METHOD="POST", SCRIPT_NAME="/order.php", PATH_INFO="/9", CONTENT_LENGTH="3")
    pieces = [(C, one), (S, response(1)), (C, two), (S, response(1, b"Content-Type: text/plain\r\n\r\nok"))]
    told = tell(pieces)
    assert exchanges(told) == [("GET /item/?", "404", None), ("POST /order.php/?", "200", None)]
    sizes = [len(one) - 8, len(response(1)), len(two) - 8 - 3, len(pieces[3][1])]  # less the empty record and padding
    assert [(one.size, one.stream, one.whole) for one in told] == [(size, 1, True) for size in sizes]
    assert told[0].correlation == "x-request-id=r1" and told[0].kind == "BEGIN_REQUEST"
    assert {one.protocol for one in told} == {"fastcgi"}
    same_however_cut(pieces)


def test_fastcgi_requests_share_a_connection() -> None:
    one, two = (request(number, REQUEST_METHOD="GET", REQUEST_URI=f"/{'ab'[number - 1]}") for number in (1, 2))
    early = record(STDERR, 2, b"PHP Warning") + record(STDOUT, 2, PAGE)
    pieces = [
        (C, one[:40]),
        (C, one[40:] + two),
        (S, early),
        (S, response(1)),
        (S, record(END, 2, b"\0" * 4 + b"\2" + b"\0" * 3)),
    ]
    told = tell(pieces)
    assert exchanges(told) == [("GET /a", "404", None), ("GET /b", "OVERLOADED", None)]
    assert [(one.stream, one.error) for one in told if one.side == S] == [(2, True), (1, False)]
    same_however_cut(pieces)


def test_fastcgi_with_holes() -> None:
    many = {f"V{number}": "v" * 60 for number in range(12)}
    one = request(1, b"b" * 3000, REQUEST_METHOD="POST", REQUEST_URI="/a", **many)
    big = b"Content-Type: x\r\n\r\n" + b"y" * 8000
    answered = record(STDOUT, 1, big) + record(STDOUT, 1, b"z" * 8000) + record(END, 1, bytes(5) + b"ere")
    again = request(1, REQUEST_METHOD="GET", REQUEST_URI="/b")
    pieces = [(C, one), (S, answered), (C, again), (S, response(1))]
    told = tell(pieces, keep=(256, 64))
    assert exchanges(told) == [("POST /a", "200", None), ("GET /b", "404", None)]
    assert [one.size for one in told] == [len(one), len(answered), len(again) - 8, len(response(1))]
    assert all(one.whole for one in told)


def test_scgi() -> None:
    names = (
        b"CONTENT_LENGTH\x0027\0SCGI\x001\0REQUEST_METHOD\0POST\0REQUEST_URI\0/deepthought/42\0HTTP_TRACEPARENT\0id\0"
    )
    ask = b"%d:%s," % (len(names), names) + b"What is the answer to life?"
    pieces = [(C, ask), (S, b"Status: 500 Oops\r\n\r\n"), (S, b"42")]
    told = tell(pieces, client_end=False, closed=True)
    assert exchanges(told) == [("POST /deepthought/?", "500", None)]
    assert [(one.size, one.whole, one.error) for one in told] == [(len(ask), True, False), (22, True, True)]
    assert told[0].correlation == "traceparent=id" and told[0].protocol == "scgi"
    same_however_cut(pieces)


def test_uwsgi() -> None:
    names = [(b"REQUEST_METHOD", b"GET"), (b"REQUEST_URI", b"/user/9f8e7d6c5b4a?x"), (b"CONTENT_LENGTH", b"")]
    body = b"".join(struct.pack("<H", len(word)) + word for pair in names for word in pair)
    ask = struct.pack("<BHB", 0, len(body), 0) + body
    pieces = [(C, ask), (S, b"HTTP/1.1 201 Created\r\n\r\nok")]
    told = tell(pieces, client_end=False, closed=True)
    assert exchanges(told) == [("GET /user/?", "201", None)]
    assert [(one.size, one.whole, one.protocol) for one in told] == [(len(ask), True, "uwsgi"), (26, True, "uwsgi")]
    same_however_cut(pieces)


def test_gateways_with_holes() -> None:
    names = b"CONTENT_LENGTH\x000\0REQUEST_METHOD\0GET\0REQUEST_URI\0/a\0COOKIE\0" + b"c" * 500 + b"\0"
    ask = b"%d:%s," % (len(names), names)
    told = tell([(C, ask), (S, b"Status: 200 OK\r\n" + b"X: " + b"x" * 900 + b"\r\n\r\n")], keep=(256, 64))
    assert exchanges(told) == [("GET /a", "200", None)] and told[0].size == len(ask) and told[0].whole


def test_lines() -> None:
    pieces = [(S, b"ready\r\n"), (C, b"get user:17 now\nput"), (C, b" x\n"), (S, b"it is\nwell\n"), (C, b"quit")]
    told = tell(pieces, hint="line")
    assert exchanges(told) == [("get", None, None), ("put", None, None), ("quit", None, None)]
    assert [(one.role, one.exchange, one.summary) for one in told if one.side == S] == [
        ("other", None, "ready"),
        ("reply", 0, "it is"),
        ("reply", 1, "well"),
    ]
    assert not told[-1].whole
    same_however_cut(pieces, hint="line")
    long = [(C, b"a" * 50_000 + b"\nb\n")]
    assert [one.size for one in tell(long, hint="line")] == [50_001, 2]
    same_however_cut(long, hint="line", times=2)


def test_change_of_direction() -> None:
    pieces = [(C, b"abc"), (C, b"d"), (S, b"12"), (S, b"3"), (C, b"e"), (S, b"4"), (C, b"f")]
    told = tell(pieces, keep=(1, 0))
    assert [(one.side, one.role, one.exchange, one.size, one.whole) for one in told] == [
        *((C, "request", 0, 4, True), (S, "reply", 0, 3, True), (C, "request", 1, 1, True)),
        *((S, "reply", 1, 1, True), (C, "request", 2, 1, False)),
    ]
    assert (told[0].first_ns, told[0].last_ns) == (0, 110) and told[0].name is None
    greeted = tell([(S, b"hello"), (C, b"a"), (S, b"b")])
    assert [(one.role, one.exchange) for one in greeted] == [("other", None), ("request", 0), ("reply", 0)]
    (alone,) = tell([(C, b"a"), (C, b"b")], closed=True)
    assert (alone.role, alone.size, alone.whole) == ("other", 2, True)
