"""HTTP/1.x: framing, pairing and names, however the bytes were cut, with holes, late starts and what is no HTTP."""

from __future__ import annotations

import pytest

from .conversation import FULL, C, S, exchanges, same_however_cut, tell

GET = b"GET /item/17?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n"
)
POST = b"POST /order HTTP/1.1\r\ncontent-length:  11 \r\nExpect: 100-continue\r\n\r\n"


def test_keep_alive() -> None:
    pieces = [
        (C, GET),
        (S, OK),
        (C, GET),
        (S, CHUNKED),
        (C, GET),
        (S, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    ]
    told = tell(pieces)
    assert exchanges(told) == [("GET /item/?", "200", None), ("GET /item/?", "200", None), ("GET /item/?", "404", None)]
    assert [(one.side, one.at, one.size) for one in told] == [
        *((C, 0, len(GET)), (S, 0, len(OK))),
        *((C, len(GET), len(GET)), (S, len(OK), len(CHUNKED))),
        *((C, 2 * len(GET), len(GET)), (S, len(OK) + len(CHUNKED), len(pieces[5][1]))),
    ]
    assert all(one.whole and not one.error and one.protocol == "http1" for one in told)
    assert told[0].summary == "GET /item/17?q=1 HTTP/1.1" and told[1].summary == "HTTP/1.1 200 OK"
    assert told[0].first_ns == 0 and told[0].last_ns == 10 and told[1].first_ns == 100
    same_however_cut(pieces)


def test_pipelined_requests_are_answered_in_order() -> None:
    head = b"HEAD /b HTTP/1.1\r\n\r\n"
    length_only = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    pieces = [(C, GET + head + POST + b"hello world" + GET), (S, OK + length_only + OK), (S, b"HTTP/1.1 304 x\r\n\r\n")]
    told = tell(pieces)
    names = ["GET /item/?", "HEAD /b", "POST /order", "GET /item/?"]
    assert exchanges(told) == list(zip(names, ["200", "200", "200", "304"], [None] * 4, strict=True))
    assert [one.size for one in told if one.side == S] == [len(OK), len(length_only), len(OK), 18]
    same_however_cut(pieces)


def test_interim_responses_belong_to_the_final_one() -> None:
    pieces = [
        (C, POST),
        (S, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (C, b"hello world"),
        (S, b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"),
        (S, OK),
    ]
    told = tell(pieces)
    assert exchanges(told) == [("POST /order", "200", None)]
    assert [one.size for one in told] == [len(POST) + 11, 25 + 31 + len(OK)] and all(one.whole for one in told)
    same_however_cut(pieces)


@pytest.mark.parametrize("closed", [True, False])
def test_response_that_ends_with_the_connection(closed: bool) -> None:
    pieces = [(C, b"GET / HTTP/1.0\n\n"), (S, b"HTTP/1.0 500 no\n\n"), (S, b"long body")]
    # `closed` closes this end: at the server's the response's stream has ended.
    request, response = tell(pieces, client_end=False, closed=closed)
    assert (request.whole, response.whole, response.error) == (True, closed, True)
    assert response.size == 26 and response.status == "500"


def test_what_follows_an_upgrade_is_passed_over() -> None:
    ask = b"GET /chat HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    agreed = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    frames = b"\x81\x05hello" * 100
    pieces = [(C, ask), (S, agreed), (S, frames), (C, b"GET / HTTP/1.1\r\n\r\n"), (S, frames)]
    assert [(one.role, one.size) for one in tell(pieces)] == [("request", len(ask)), ("reply", len(agreed))]
    same_however_cut(pieces)
    tunnel = [
        (C, b"CONNECT db:5432 HTTP/1.1\r\nHost: db\r\n\r\n"),
        (S, b"HTTP/1.1 200 OK\r\n\r\n"),
        (C, frames),
        (S, frames),
    ]
    assert [one.status for one in tell(tunnel)] == [None, "200"]
    refused = [(C, b"CONNECT db:5432 HTTP/1.1\r\nHost: db\r\n\r\n"), (S, OK.replace(b"200", b"403")), (C, GET), (S, OK)]
    assert [one.status for one in tell(refused)] == [None, "403", None, "200"]


def test_ids_and_absolute_targets() -> None:
    head = (
        b"GET http://shop.example:80/cart/8d3b7c8f-0f06-4a5e-9bd5-1f4f3c8f2a11/items HTTP/1.1\r\n"
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
        b"X-Request-ID:\t7f \r\nX-B3-TraceId: 80f198ee56343ba8\r\nAccept: */*\r\n\r\n"
    )
    (told,) = tell([(C, head)])
    assert told.name == "GET /cart/?/items"
    assert told.correlation == (
        "traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 x-request-id=7f "
        "x-b3-traceid=80f198ee56343ba8"
    )
    same_however_cut([(C, head)])


def test_bodies_are_passed_over_through_holes() -> None:
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    pieces = [(C, GET), (S, big + b"x" * 30_000), (S, b"x" * 70_000), (C, GET), (S, OK)]
    told = tell(pieces, keep=(256, 64))
    assert [one.where() for one in told] == [one.where() for one in tell(pieces)]
    assert [one.size for one in told if one.side == S] == [len(big) + 100_000, len(OK)]


@pytest.mark.parametrize("body", [b"", b"x" * 5000])
def test_heads_that_were_not_kept_whole_end_where_the_other_side_speaks(body: bytes) -> None:
    cookie = b"Cookie: " + b"c" * 600 + b"\r\n"
    long = b"POST /a HTTP/1.1\r\n" + cookie + b"Content-Length: %d\r\n\r\n" % len(body) + body
    reply = b"HTTP/1.1 503 no\r\n" + cookie + b"Content-Length: %d\r\n\r\n" % len(body) + body
    pieces = [(C, long), (S, reply), (C, GET), (S, OK), (C, long), (S, reply)]
    told = tell(pieces, keep=(256, 64))
    assert exchanges(told) == [("POST /a", "503", None), ("GET /item/?", "200", None), ("POST /a", "503", None)]
    assert [one.size for one in told] == [len(data) for _, data in pieces]
    assert [one.whole for one in told] == [True] * 5 + [False]  # the last reply's end was not seen


def test_holes_in_pipelined_conversations_make_no_wrong_pairs() -> None:
    cookie = b"Cookie: " + b"c" * 600 + b"\r\n\r\n"
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: 1\r\n\r\n"
    hidden = b"HTTP/1.1 200 OK\r\n" + cookie
    pieces = [(C, GET * 3), (S, hidden + reply), (S, reply), (C, GET), (S, reply)]
    told = tell(pieces, keep=(256, 64))
    assert [one.exchange for one in told if one.side == S][1:] == [None] * (len([o for o in told if o.side == S]) - 1)


def test_recording_that_began_late() -> None:
    pieces = [(S, b"dy of something\r\nthat went before"), (C, GET), (S, OK), (C, GET), (S, OK)]
    told = tell(pieces, hint="http1", start=(500, 700))
    assert exchanges(told) == [("GET /item/?", "200", None)] * 2
    assert told[0].at == 500 and [one.at for one in told if one.side == S] == [733, 733 + len(OK)]
    late_reply = tell([(S, OK), (C, GET), (S, OK)])
    assert [(one.role, one.exchange) for one in late_reply] == [("reply", None), ("request", 0), ("reply", 0)]


def test_what_is_not_http() -> None:
    for first in (
        b"GETTING STARTED\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"get key\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET x\r\n",
    ):
        assert {one.protocol for one in tell([(C, first), (S, b"what?\r\n")])} != {"http1"}, first


def test_garbage_after_http_is_no_message() -> None:
    pieces = [(C, GET), (S, OK), (C, bytes(range(256)) * 4), (S, OK), (C, b"\r\n" + GET), (S, OK)]
    told = tell(pieces)
    assert [one.size for one in told if one.side == C] == [len(GET)] * 2
    same_however_cut(pieces)
    endless = [(C, b"GET /" + b"a" * 100_000), (S, OK)]
    assert [one.role for one in tell(endless, hint="http1")] == ["request", "reply"]
    assert sum(one.size for one in tell(endless, keep=(FULL, 0))) <= 100_005 + len(OK)


def test_either_end_is_found_without_roles() -> None:
    pieces = [(C, GET), (S, OK)]
    for client_end in (True, False):
        told = tell(pieces, client_end=client_end, sure=False)
        assert [(one.side, one.role) for one in told] == [(C, "request"), (S, "reply")]
