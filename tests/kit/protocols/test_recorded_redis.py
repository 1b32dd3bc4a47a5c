"""Redis as real clients speak to it, against the server's own counts of commands."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from .recorded import Recorded

IN_SCRIPTS = {"get": 2}  # calls that the server counts, made by the two scripts


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("redis"), "redis", "--payload", "2000")


def test_both_ends(recorded: Recorded) -> None:
    recorded.check_both_ends("redis")


def test_commands_are_those_the_server_counted(recorded: Recorded) -> None:
    said = Counter(json.loads(recorded.said))
    rows = recorded.rows(
        "SELECT lower(CASE WHEN kind IN ('CLIENT', 'CONFIG', 'COMMAND') THEN replace(name, ' ', '|') ELSE kind END),"
        " count(*) FROM message WHERE protocol = 'redis' AND role = 'request' AND NOT sent GROUP BY ALL"
    )
    told = Counter(dict(rows))
    told.subtract({"info": 1})  # what asked for the counts
    told.update(IN_SCRIPTS)
    refused = {name for name in told if name.startswith("client|") and name not in said}  # newer than the server
    assert {name: count for name, count in told.items() if count and name not in refused} == said


def test_names_statuses_and_transactions(recorded: Recorded) -> None:
    pairs = (
        "SELECT q.name, r.status, r.error, r.held, count(*) FROM message q JOIN message r USING (conn_id, exchange)"
        " WHERE q.role = 'request' AND r.role = 'reply' AND q.protocol = 'redis' AND q.sent GROUP BY ALL"
    )
    told = {row[:4]: row[4] for row in recorded.rows(pairs)}
    assert told["SET user:?", "OK", False, False] == 40
    assert told["GET nobody", "NIL", False, False] == 2
    assert told["LPUSH user:?", "WRONGTYPE", True, False] == 2
    assert told["DISCARD", "ERR", True, False] == 1
    assert told["WATCH user:?", "OK", False, True] == told["EXPIRE user:?", "QUEUED", False, True] == 2
    assert told["EXEC", "OK", False, False] == 3
    assert told["SUBSCRIBE news", "OK", False, True] == 2


def test_what_is_published_is_nobodys_reply(recorded: Recorded) -> None:
    assert recorded.count("kind = 'message' AND role = 'other' AND protocol = 'redis' AND NOT sent") == 10


def test_pipelines_with_holes_link_nothing_wrongly(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As recorded by default, 16 commands in a call are not kept whole; the reply to PING is never one to GET."""
    default = Recorded(tmp_path_factory.mktemp("holes"), "redis")
    links = default.rows(
        "SELECT DISTINCT q.kind, r.summary FROM message q JOIN message r USING (conn_id, exchange)"
        " WHERE q.role = 'request' AND r.role = 'reply' AND q.protocol = 'redis'"
    )
    assert {kind for kind, summary in links if summary == "+PONG"} <= {"PING"}
    assert default.count("protocol = 'redis' AND role = 'request' AND kind = 'RPUSH' AND whole") == 4
    assert default.count("protocol = 'redis' AND role = 'reply' AND whole AND exchange IS NOT NULL AND sent") > 2000
