"""Apache and CGI programs: what they were asked for, what they answered, at both ends of the pipe."""

from __future__ import annotations

import pytest

from .recorded import Recorded


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("cgi"), "cgi")


def test_programs_are_told_at_both_ends(recorded: Recorded) -> None:
    assert "you said hello" in recorded.said and "it is 20" in recorded.said
    recorded.check_both_ends("cgi")
    rows = recorded.rows(
        "SELECT q.name, q.correlation, r.status, r.bytes FROM message q JOIN message r USING (conn_id, exchange)"
        " WHERE q.protocol = 'cgi' AND q.role = 'request' AND r.role = 'reply' AND q.sent ORDER BY q.first_ns"
    )
    assert rows == [
        ("POST /cgi/echo/order/?", "x-request-id=r1", "200", len("Content-Type: text/plain\r\n\r\nyou said hello")),
        ("GET /cgi/missing", None, "404", len("Status: 404 Not here\r\nContent-Type: text/plain\r\n\r\n")),
        ("GET /cgi/shell", None, "200", len("Content-Type: text/plain\n\nit is 2000")),
    ]


def test_who_asked_and_who_answered(recorded: Recorded) -> None:
    rows = recorded.rows(
        "SELECT p.command, m.role, m.sent, m.bytes = 0 FROM message m JOIN thread USING (thread_id)"
        " JOIN process p USING (process_id) WHERE m.protocol = 'cgi'"
        " AND m.conn_id IN (SELECT unnest([conn_id, peer_conn_id]) FROM connection JOIN message USING (conn_id)"
        "                   WHERE name = 'GET /cgi/missing') ORDER BY m.sent, m.role"
    )
    assert rows == [
        ("apache2", "reply", False, False),
        ("missing", "request", False, True),
        ("missing", "reply", True, False),
        ("apache2", "request", True, True),
    ]


def test_a_request_is_sent_before_it_is_received(recorded: Recorded) -> None:
    late = recorded.rows(
        "SELECT a.name FROM message a JOIN connection c USING (conn_id) JOIN message b ON b.conn_id = c.peer_conn_id"
        " WHERE a.protocol = 'cgi' AND b.role = a.role AND a.sent AND NOT b.sent AND a.first_ns > b.last_ns"
    )
    assert not late and recorded.count("protocol = 'cgi'") == 12
