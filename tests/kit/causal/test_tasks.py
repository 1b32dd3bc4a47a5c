"""Whose work a call is by what an interpreter tells of its tasks: told by hand, one loop on one thread."""

from __future__ import annotations

import duckdb
import pytest

from clew.causal import tasks
from clew.store import schema_text

READS, SERVES, OTHER, CHILD, POOL = 0x10, 0x20, 0x30, 0x40, 0x50
"""Addresses of contexts."""
LONG = 20_000


class Loop:
    """Spans and contexts of one thread; every step is a ns later."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(schema_text())
        self.connection.execute(
            "CREATE SCHEMA landing;"
            "CREATE TABLE landing.task (capture_id UINTEGER, thread_id UBIGINT, seq UINTEGER, ts_ns BIGINT,"
            " made BOOLEAN, address UBIGINT);"
            "CREATE TEMP TABLE who AS SELECT 1::UBIGINT AS thread_id, 0 AS process_no, 0 AS thread_no;"
            "CREATE TEMP TABLE pair (msg_id UBIGINT, conn_id UBIGINT, process_no INTEGER, thread_no INTEGER,"
            " client BOOLEAN, start_ns BIGINT, end_ns BIGINT, end_thread INTEGER);"
            "CREATE TEMP TABLE task_owner (msg_id UBIGINT, owner_msg_id UBIGINT);"
            "CREATE TEMP TABLE queued (thread_id UBIGINT, seq UINTEGER, queued_ns BIGINT)"
        )
        self.now = self.messages = 0

    def told(self, made: bool, address: int) -> None:
        self.now += 1
        self.connection.execute("INSERT INTO landing.task VALUES (1, 1, $1, $1, $2, $3)", [self.now, made, address])

    def runs(self, address: int) -> None:
        """The thread goes on in this context."""
        self.told(False, address)

    def makes(self, address: int) -> None:
        """Where it is now, a copy is made."""
        self.told(True, address)

    def begins(self, conn: int, client: bool) -> int:
        self.now += 1
        self.messages += 1
        self.connection.execute(
            "INSERT INTO pair VALUES (?, ?, 0, 0, ?, ?, NULL, -1)", [self.messages, conn, client, self.now]
        )
        return self.messages

    def receives(self, conn: int = 1) -> int:
        """A request; gives its number."""
        return self.begins(conn, False)

    def calls(self, conn: int = 100) -> int:
        """A call; gives its number."""
        return self.begins(conn, True)

    def ends(self, number: int) -> None:
        """The request is answered, or the reply to the call is read."""
        self.now += 1
        self.connection.execute("UPDATE pair SET end_ns = ?, end_thread = 0 WHERE msg_id = ?", [self.now, number])

    def owners(self) -> dict[int, int]:
        """Call: request."""
        tasks.own(self.connection)
        return dict(self.connection.execute("SELECT * FROM task_owner").fetchall())


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_nothing_told_nothing_known(loop: Loop) -> None:
    loop.receives()
    loop.calls()
    assert loop.owners() == {}


def test_a_task_works_for_the_request_that_it_answers_next(loop: Loop) -> None:
    """Two connections, a task for each, that were made before anything was told."""
    loop.runs(READS)
    one, two = loop.receives(1), loop.receives(2)
    loop.runs(SERVES)
    first = loop.calls()
    loop.runs(OTHER)
    second = loop.calls()
    loop.ends(two)
    loop.runs(SERVES)
    third = loop.calls()
    loop.ends(one)
    late = loop.calls()
    assert loop.owners() == {first: one, second: two, third: one}
    assert late not in loop.owners(), "it answers nothing any more"


def test_a_call_before_the_request_came_is_not_for_it(loop: Loop) -> None:
    loop.runs(SERVES)
    loop.calls()
    loop.runs(READS)
    request = loop.receives()
    loop.runs(SERVES)
    loop.ends(request)
    assert loop.owners() == {}


def test_what_a_task_starts_is_for_the_same_request_until_that_is_answered(loop: Loop) -> None:
    loop.runs(READS)
    request = loop.receives()
    loop.runs(SERVES)
    loop.makes(CHILD)
    loop.runs(CHILD)
    call = loop.calls()
    loop.makes(POOL)
    loop.runs(POOL)
    deeper = loop.calls()
    loop.runs(SERVES)
    loop.ends(request)
    loop.runs(READS)
    loop.receives()
    loop.runs(CHILD)
    loop.calls()
    assert loop.owners() == {call: request, deeper: request}


def test_an_address_that_is_used_again_is_another_task(loop: Loop) -> None:
    loop.runs(READS)
    one = loop.receives(1)
    loop.runs(SERVES)
    loop.makes(CHILD)
    loop.runs(READS)
    two = loop.receives(2)
    loop.runs(OTHER)
    loop.makes(CHILD)
    loop.runs(CHILD)
    call = loop.calls()
    loop.runs(OTHER)
    loop.ends(two)
    loop.runs(SERVES)
    loop.ends(one)
    assert loop.owners() == {call: two}


def test_a_task_for_each_request_is_started_by_whoever_read_it(loop: Loop) -> None:
    loop.runs(READS)
    request = loop.receives()
    loop.makes(CHILD)
    loop.runs(CHILD)
    call = loop.calls()
    loop.ends(request)
    assert loop.owners() == {call: request}


def test_of_two_requests_read_before_either_was_answered_none_is_taken(loop: Loop) -> None:
    loop.runs(READS)
    requests = [loop.receives(), loop.receives()]
    loop.makes(CHILD)
    loop.runs(CHILD)
    loop.calls()
    loop.runs(OTHER)
    for request in requests:
        loop.ends(request)
    assert loop.owners() == {}


def test_whoever_answers_several_connections_tells_nothing(loop: Loop) -> None:
    loop.runs(READS)
    requests = [loop.receives(1), loop.receives(2)]
    loop.runs(SERVES)
    loop.calls()
    for request in requests:
        loop.ends(request)
    assert loop.owners() == {}


def test_who_reads_the_replies_of_others_passes_connections_on(loop: Loop) -> None:
    """The connection was opened for the first request; what its reader sends may be for anybody who waits for it."""
    loop.runs(READS)
    request = loop.receives()
    loop.runs(SERVES)
    loop.makes(POOL)
    call = loop.calls()
    loop.runs(POOL)
    loop.ends(call)
    loop.calls()
    loop.makes(CHILD)
    loop.runs(CHILD)
    loop.calls()
    loop.runs(SERVES)
    loop.ends(request)
    assert loop.owners() == {call: request}


def test_a_timer_that_makes_the_next_one_costs_little(loop: Loop) -> None:
    """Thousands of contexts, each made in the one before: looked through in a few steps, and still for the request."""
    loop.runs(READS)
    request = loop.receives()
    loop.runs(SERVES)
    loop.makes(0x1000)
    loop.connection.execute(
        "INSERT INTO landing.task SELECT 1, 1, $1 + i, $1 + i, i % 2 = 0, 4096 + i // 2 * 16 FROM range(1, $2) r(i)",
        [loop.now, LONG],
    )
    loop.now += LONG
    call = loop.calls()
    loop.runs(SERVES)
    loop.ends(request)
    assert loop.owners() == {call: request}
