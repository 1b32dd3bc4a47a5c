"""From messages to requests, spans, shapes and working intervals: conversations written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from clew.causal import attribute, match, paths
from clew.causal.rules import RULES
from clew.store import schema_text

PROGRAMS = {1: "web", 2: "app", 3: "database"}
TID = {1: 11, 2: 22, 3: 33}


class Told:
    """A case in memory that messages are told to."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.messages = self.events = 0
        for pid, command in PROGRAMS.items():
            self.program(pid, command)

    def program(self, pid: int, command: str, host: str = "here", ppid: int | None = None, start: int = 0) -> None:
        self.run(
            "INSERT INTO process (process_id, capture_id, host, pid, command, ppid, start_ns, end_ns, how) "
            "VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)",
            *(pid, host, pid, command, ppid, start, start + 900 if ppid else None, "fork" if ppid else None),
        )
        tid = TID.get(pid, pid)
        self.run("INSERT INTO thread VALUES (?, ?, 1, ?, ?, ?, NULL, NULL, 0, NULL, 0)", tid, pid, host, pid, tid)

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, values).fetchall()

    def connect(self, client: int, server: int, number: int, kind: str = "tcp", **more: str | None) -> None:
        """A connection between two programs: its ends are 10 * number and 10 * number + 1."""
        near, far = more.get("near", f"127.0.0.1:{5000 + number}"), more.get("far", f"127.0.0.1:{80 + server}")
        mapped = more.get("mapped", far), more.get("mapped_far", near)
        for conn, pid, local, remote, role in (
            (10 * number, client, near, far, "connected"),
            (10 * number + 1, server, *mapped, "accepted"),
        ):
            self.run(
                'INSERT INTO connection (conn_id, capture_id, host, pid, fd, kind, "local", remote, role, opened_ns, '
                "peer_pid) "
                "VALUES (?, 1, 'here', ?, ?, ?, ?, ?, ?, ?, ?)",
                *(conn, pid, conn, kind, local, remote, role, number, client if role == "accepted" else None),
            )

    def says(
        self, conn: int, pid: int, at: int, *, sent: bool, reply: bool, exchange: int, name: str | None, **more: Any
    ) -> None:
        self.messages += 1
        role = "reply" if reply else "request"
        status = more.get("status", "200") if reply else None
        self.run(
            "INSERT INTO message VALUES (?, 1, ?, ?, 'here', ?, ?, 0, ?, ?, ?, NULL, ?, ?, ?, 10, 'http1', ?, ?, NULL, "
            "?, ?, NULL, NULL, TRUE)",
            *(self.messages, conn, TID.get(pid, pid), pid, TID.get(pid, pid), sent, role, exchange, at, at + 1),
            *(100 * exchange, None if reply else "GET", name, status, more.get("error", False)),
        )

    def asks(
        self, client: int, server: int, number: int, start: int, end: int, name: str, exchange: int = 0, **more: Any
    ) -> None:
        """A request on connection `number`, on its way for 5 ns, and its reply."""
        here, there = 10 * number, 10 * number + 1
        common = {"exchange": exchange} | more
        self.says(here, client, start, sent=True, reply=False, name=name, **common)
        self.says(there, server, start + 5, sent=False, reply=False, name=name, **common)
        self.says(there, server, end - 5, sent=True, reply=True, name=None, **common)
        self.says(here, client, end, sent=False, reply=True, name=None, **common)

    def forks(self, pid: int, child: int, at: int) -> None:
        self.events += 1
        self.run(
            "INSERT INTO event SELECT 1, ?, 'here', ?, ?, ?, ?, 5, op_id, NULL, ?, 0, NULL, NULL, NULL "
            "FROM op WHERE op = 'fork'",
            *(TID.get(pid, pid), pid, TID.get(pid, pid), self.events, at, child),
        )

    def linked(self) -> list[dict[str, Any]]:
        """The spans, once everything was told."""
        match.match(self.connection)
        paths.make(self.connection, attribute.link(self.connection))
        return self.connection.sql("SELECT * FROM span ORDER BY start_ns, depth").to_arrow_table().to_pylist()


@pytest.fixture
def told() -> Iterator[Told]:
    with duckdb.connect() as connection:
        connection.execute(schema_text())
        connection.execute("INSERT INTO op VALUES (70, 'fork', 'process'), (54, 'accept', 'net')")
        yield Told(connection)


def chain(told: Told, requests: int = 1) -> None:
    """web asks app, app asks the database twice."""
    told.connect(1, 2, 1)
    told.connect(2, 3, 2)
    for i in range(requests):
        at = 1000 * i
        told.asks(1, 2, 1, at + 100, at + 500, "GET /page/?", i)
        told.asks(2, 3, 2, at + 150, at + 250, "SELECT a", 2 * i)
        told.asks(2, 3, 2, at + 300, at + 400, "SELECT b", 2 * i + 1)


def test_one_request_through_three_programs(told: Told) -> None:
    chain(told)
    spans = told.linked()
    by_id = {span["span_id"]: span for span in spans}

    def above(span: dict[str, Any]) -> str:
        parent = by_id.get(span["parent_span_id"])
        return f"{parent['command']} {parent['kind']} {parent['name']}" if parent else "none"

    assert [(span["command"], span["kind"], span["name"], span["link_rule"], above(span)) for span in spans] == [
        ("web", "client", "GET /page/?", "root", "none"),
        ("app", "server", "GET /page/?", "match", "web client GET /page/?"),
        ("app", "client", "SELECT a", "thread", "app server GET /page/?"),
        ("database", "server", "SELECT a", "match", "app client SELECT a"),
        ("app", "client", "SELECT b", "thread", "app server GET /page/?"),
        ("database", "server", "SELECT b", "match", "app client SELECT b"),
    ]
    assert {span["link_rule"] for span in spans} <= set(RULES)
    assert [span["depth"] for span in spans] == [0, 1, 2, 3, 2, 3]
    assert spans[0]["end_ns"] - spans[0]["start_ns"] == 401
    assert told.run("SELECT name, spans, processes, resolved, confidence, dur_ns FROM request") == [
        ("GET /page/?", 6, 3, True, 1.0, 401)
    ]
    assert told.run("SELECT path FROM shape") == [
        (
            "web → GET /page/?\n  app GET /page/?\n    app → SELECT a\n      database SELECT a\n"
            "    app → SELECT b\n      database SELECT b",
        )
    ]


def test_shapes_have_the_same_number_everywhere(told: Told) -> None:
    chain(told, 5)
    told.linked()
    assert told.run("SELECT count(*), count(DISTINCT shape_id) FROM request") == [(5, 1)]
    shape = told.run("SELECT shape_id FROM shape")
    with duckdb.connect() as connection:
        connection.execute(schema_text())
        again = Told(connection)
        chain(again, 2)
        again.linked()
        assert again.run("SELECT shape_id FROM shape") == shape


def test_working_covers_what_a_thread_did_for_a_request(told: Told) -> None:
    chain(told, 3)
    told.linked()
    rows = told.run("SELECT start_ns, end_ns, request_id FROM working WHERE tid = 22 ORDER BY start_ns")
    roots = [row[0] for row in told.run("SELECT request_id FROM request ORDER BY start_ns")]
    assert [(start // 1000, request) for start, _, request in rows] == [(i, roots[i]) for i in range(3)]
    assert all(end - start > 350 for start, end, _ in rows)


@pytest.mark.parametrize("same_path", [True, False])
def test_unix_sockets_are_told_apart_by_path_and_process(told: Told, same_path: bool) -> None:
    for number in (1, 2):
        path = "/run/x.sock" if same_path else f"/run/{number}.sock"
        told.connect(number, 3, number, "unix", near="", far=path, mapped=path, mapped_far="")
        told.asks(number, 3, number, 100 * number, 100 * number + 50, "GET /")
    spans = told.linked()
    assert {span["link_rule"] for span in spans if span["kind"] == "server"} == {"match"}
    parents = {span["span_id"]: span["command"] for span in spans}
    servers = [span for span in spans if span["kind"] == "server"]
    assert [parents[span["parent_span_id"]] for span in servers] == ["web", "app"]


def test_processes_that_accept_at_the_same_moment_are_told_apart(told: Told) -> None:
    """Their connections are told in the other order: what was asked says which is which."""
    for number, name in ((1, "GET /a"), (2, "GET /b")):
        told.connect(1, 3, number, "unix", near="", far="/run/x.sock", mapped="/run/x.sock", mapped_far="")
        told.asks(1, 3, number, 100 + number, 150 + number, name)
    told.run("UPDATE connection SET opened_ns = CASE conn_id WHEN 11 THEN 2 ELSE 1 END WHERE role = 'accepted'")
    spans = told.linked()
    by_id = {span["span_id"]: span for span in spans}
    servers = [span for span in spans if span["kind"] == "server"]
    assert [by_id[span["parent_span_id"]]["name"] for span in servers] == ["GET /a", "GET /b"]
    assert [span["name"] for span in servers] == ["GET /a", "GET /b"]


def test_ends_that_nothing_tells_apart_are_unresolved(told: Told) -> None:
    """Two processes accept and answer at the same moment, and were asked the same: no link rather than a guess."""
    for number in (1, 2):
        told.connect(1, 3, number, "unix", near="", far="/run/x.sock", mapped="/run/x.sock", mapped_far="")
        told.asks(1, 3, number, 100 + number, 150 + number, "GET /")
    told.run("UPDATE connection SET opened_ns = 0 WHERE role = 'accepted'")
    servers = [span for span in told.linked() if span["kind"] == "server"]
    assert [(span["link_rule"], span["parent_span_id"]) for span in servers] == [("unresolved", None)] * 2


def test_mapped_addresses_are_the_same(told: Told) -> None:
    told.connect(1, 2, 1, mapped="[::ffff:127.0.0.1]:82", mapped_far="[::ffff:127.0.0.1]:5001")
    told.asks(1, 2, 1, 100, 200, "GET /")
    assert [span["link_rule"] for span in told.linked()] == ["root", "match"]


def test_a_datagram_that_only_one_sent_is_likely_its_own(told: Told) -> None:
    told.connect(1, 2, 1, kind="udp", far="127.0.0.1:53", mapped="0.0.0.0:53", mapped_far=None)
    told.asks(1, 2, 1, 100, 200, "A name.", 1)
    told.run("UPDATE message SET stream = 4711")
    spans = told.linked()
    assert [(span["kind"], span["link_rule"]) for span in spans] == [("client", "root"), ("server", "datagram")]
    assert spans[1]["confidence"] == pytest.approx(0.95)


def test_a_program_started_for_a_request_is_part_of_it(told: Told) -> None:
    """The classic: the server forks, the program that it starts asks the database, and its child does, too."""
    told.connect(1, 2, 1)
    told.asks(1, 2, 1, 100, 900, "GET /cgi-bin/page")
    told.forks(2, 7, 150)
    told.program(7, "page.cgi", ppid=2, start=152)
    told.program(8, "helper", ppid=7, start=300)
    told.connect(7, 3, 2)
    told.connect(8, 3, 3)
    told.asks(7, 3, 2, 200, 250, "SELECT a")
    told.asks(8, 3, 3, 320, 340, "SELECT b")
    spans = told.linked()
    by_id = {span["span_id"]: span for span in spans}
    program = next(span for span in spans if span["kind"] == "process")
    assert (program["command"], program["pid"], program["link_rule"]) == ("page.cgi", 7, "thread")
    assert (program["start_ns"], program["end_ns"], program["request_msg_id"]) == (150, 1052, None)
    assert by_id[program["parent_span_id"]]["command"] == "app"
    asked = [span for span in spans if span["kind"] == "client" and span["pid"] in (7, 8)]
    assert [(span["parent_span_id"], span["link_rule"]) for span in asked] == [(program["span_id"], "process")] * 2
    assert told.run("SELECT spans, processes FROM request") == [(7, 5)]


def test_servers_that_only_start_workers_start_no_programs(told: Told) -> None:
    told.forks(1, 2, 10)
    told.run("UPDATE process SET ppid = 1, how = 'fork', start_ns = 11 WHERE pid = 2")
    told.connect(2, 3, 2)
    told.asks(2, 3, 2, 200, 250, "SELECT a")
    assert {span["kind"] for span in told.linked()} == {"client", "server"}


@pytest.mark.parametrize("at", [10, 950])
def test_a_program_that_a_server_starts_for_nobody_is_no_request(told: Told, at: int) -> None:
    """Before it has a request, or after its answer: what was started is a server of its own."""
    told.connect(1, 2, 1)
    told.asks(1, 2, 1, 100, 900, "GET /a")
    told.forks(2, 7, at)
    told.program(7, "worker", ppid=2, start=at + 1)
    told.connect(7, 3, 2)
    told.asks(7, 3, 2, 1200, 1250, "SELECT a")
    spans = told.linked()
    assert {span["kind"] for span in spans} == {"client", "server"}
    assert told.run("SELECT name, spans FROM request ORDER BY name") == [("GET /a", 2), ("SELECT a", 2)]


def test_a_message_whose_other_end_was_not_understood_is_unresolved(told: Told) -> None:
    told.connect(1, 2, 1)
    told.asks(1, 2, 1, 100, 200, "GET /a")
    told.says(11, 2, 300, sent=False, reply=False, exchange=5, name="GET /b")
    spans = told.linked()
    assert [(span["name"], span["link_rule"], span["confidence"]) for span in spans if not span["parent_span_id"]] == [
        ("GET /a", "root", 1.0),
        ("GET /b", "unresolved", 0.0),
    ]
    assert told.run("SELECT resolved, end_ns, dur_ns FROM request WHERE name = 'GET /b'") == [(False, None, None)]


def test_errors_and_status(told: Told) -> None:
    told.connect(1, 2, 1)
    told.asks(1, 2, 1, 100, 200, "GET /", status="503", error=True)
    assert [(span["status"], span["error"]) for span in told.linked()] == [("503", True)] * 2
    assert told.run("SELECT status, error FROM request") == [("503", True)]


def test_nothing_was_said(told: Told) -> None:
    assert told.linked() == []
    assert told.run("SELECT count(*) FROM request") == [(0,)]


def test_in_slices_as_in_one(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    chain(told, 4)
    told.linked()
    tables = {name: told.run(f"SELECT * FROM {name} ORDER BY ALL") for name in ("span", "request", "shape", "working")}
    assert len(tables["span"]) == 24 and len(tables["working"]) > 4
    for name in tables:
        told.run(f"DELETE FROM {name}")
    monkeypatch.setattr(paths, "SLICE", 5)
    told.linked()
    for name, rows in tables.items():
        assert told.run(f"SELECT * FROM {name} ORDER BY ALL") == rows
