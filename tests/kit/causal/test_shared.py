"""A connection that all requests of a loop use at a time: several replies come in by one call."""

from __future__ import annotations

from tests.kit.causal.process import CAME, LOST, UNLIKELY, Process

SHARED, ROUNDS = 5, 40
OPEN = (UNLIKELY, LOST)


def two_requests(process: Process, at: int, end_of_first: int, end_of_second: int) -> None:
    """Two come in in one turn of the loop, 10 apart, and each asks for something at once; both replies come at 200."""
    process.waits(at - 1, at + 199, at + 399)
    process.server(at, at + end_of_first)
    process.client(at + 5, at + 200, conn=SHARED)
    process.server(at + 10, at + end_of_second)
    process.client(at + 15, at + 200, conn=SHARED)


def test_what_only_one_of_them_can_have_led_to() -> None:
    """The first request is answered after the batch, so the second one's is the call; that one's reply comes alone."""
    process = Process()
    for i in range(ROUNDS):
        at = 1000 * i + 1000
        two_requests(process, at, 230, 430)
        process.client(at + 220, at + 400, conn=SHARED)
    linked = process.linked()
    for at in range(1000, 1000 * ROUNDS, 1000):
        assert linked[f"c{at + 5}"][0] == f"s{at}"
        assert linked[f"c{at + 15}"][0] == f"s{at + 10}"
        assert linked[f"c{at + 220}"][0] == f"s{at + 10}"


def test_what_any_of_them_can_have_led_to_stays_open() -> None:
    """Both ask once more, in an order that nothing tells, and both replies come in by one call again."""
    process = Process()
    for i in range(ROUNDS):
        at = 1000 * i + 1000
        two_requests(process, at, 430, 440)
        process.client(at + 220, at + 400, conn=SHARED)
        process.client(at + 225, at + 400, conn=SHARED)
    linked = process.linked()
    for at in range(1000, 1000 * ROUNDS, 1000):
        assert linked[f"c{at + 5}"][0] == f"s{at}"
        assert linked[f"c{at + 15}"][0] == f"s{at + 10}"
        assert linked[f"c{at + 220}"][1] in OPEN
        assert linked[f"c{at + 225}"][1] in OPEN


def test_what_a_reply_to_an_unknown_call_can_have_led_to_stays_open() -> None:
    """Something came in after the second request: the third call need not be that one's."""
    process = Process()
    for i in range(ROUNDS):
        at = 1000 * i + 1000
        two_requests(process, at, 230, 240)
        process.waits(at + 20, kind=CAME)
        process.client(at + 25, at + 200, conn=SHARED)
    linked = process.linked()
    for at in range(1000, 1000 * ROUNDS, 1000):
        assert linked[f"c{at + 15}"][0] == f"s{at + 10}"
        assert linked[f"c{at + 25}"][1] in OPEN
