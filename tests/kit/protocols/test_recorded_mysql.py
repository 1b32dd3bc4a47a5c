"""MariaDB as real clients speak to it, against the server's general log and its counters."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from clew.native import normalise

from .recorded import Recorded

TLS_OK, TLS_FAILED = ("SELECT ? AS tls", "OK"), ("SELECT nothing", "1054")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("mysql"), "mysql")


def logged(log: Path, kind: str) -> list[str]:
    """What the general log has of one kind of command (its lines: time, connection, command, argument)."""
    whole = re.sub(r"\n(?!\d{6} |\t\t)", " ", log.read_text())
    return re.findall(rf"^(?:\d+ +[\d:]+)?\t+ *\d+ {kind}\t(.*)$", whole, re.MULTILINE)


def test_both_ends(recorded: Recorded) -> None:
    recorded.check_both_ends("mysql")


def test_queries_are_those_of_the_log(recorded: Recorded) -> None:
    wanted = Counter(normalise.sql(sql.encode(), mysql=True)[0] for sql in logged(recorded.folder / "general", "Query"))
    told = recorded.rows(
        "SELECT coalesce(name, ''), count(*) FROM message WHERE kind = 'COM_QUERY' AND NOT sent GROUP BY ALL"
    )
    hidden = wanted.pop("SELECT count(*) FROM t") - 1  # of the client with compression, which is not read
    assert hidden == 1
    short = {name: count for name, count in told if name and "..." not in name and not name.startswith("SELECT count")}
    assert {name: count for name, count in wanted.items() if name in short} == short and len(short) > 12
    assert short["LOAD DATA LOCAL INFILE ? INTO TABLE t"] == 1


def test_prepared_statements_are_counted_and_named(recorded: Recorded) -> None:
    status = dict(line.split("\t") for line in recorded.said.splitlines() if "\t" in line)
    for kind, name in (("PREPARE", "prepare"), ("EXECUTE", "execute"), ("CLOSE", "close")):
        assert recorded.count("kind = ? AND NOT sent", f"COM_STMT_{kind}") == int(status[f"Com_stmt_{name}"]) > 0
    executed = recorded.rows("SELECT name, count(*) FROM message WHERE kind = 'COM_STMT_EXECUTE' AND sent GROUP BY ALL")
    assert dict(executed) == {
        "SELECT i, s FROM t WHERE i < ?": 10,
        "UPDATE t SET s = ? WHERE i = ?": 10,
        "SELECT i FROM t WHERE i < ?": 10,
        "DELETE FROM t WHERE i = ?": 1,
    }


def test_statuses_transactions_and_files(recorded: Recorded) -> None:
    assert recorded.count("role = 'reply' AND status = '1054' AND error AND NOT held AND sent") == 1 + 3
    held = "SELECT q.name, r.held FROM message q JOIN message r USING (conn_id, exchange) WHERE q.role = 'request'"
    told = set(recorded.rows(f"{held} AND r.role = 'reply' AND q.kind = 'COM_QUERY' AND q.protocol = 'mysql'"))
    assert {("BEGIN", True), ("UPDATE t SET s=? WHERE i=?", True)} & told or ("BEGIN", True) in told
    assert ("ROLLBACK", False) in told and ("SELECT * FROM t", False) in told
    (size,) = recorded.rows("SELECT bytes FROM message WHERE kind = 'LOCAL INFILE' AND role = 'other' AND sent")[0]
    assert size >= (recorded.folder / "rows").stat().st_size


def test_clear_text_of_tls(recorded: Recorded) -> None:
    rows = recorded.rows(
        "SELECT q.name, r.status, q.sent, count(*) FROM message q JOIN message r USING (conn_id, exchange)"
        " WHERE q.name IN ('SELECT ? AS tls', 'SELECT nothing') AND r.role = 'reply' GROUP BY ALL"
    )
    ends = [(name, status, sent, 3) for name, status in (TLS_OK, TLS_FAILED) for sent in (True, False)]
    assert sorted(rows) == sorted(ends)


def test_what_is_compressed_is_not_told(recorded: Recorded) -> None:
    known = "SELECT list(kind ORDER BY first_ns) AS kinds FROM message WHERE protocol = 'mysql' GROUP BY conn_id"
    assert recorded.rows(f"SELECT count(*) FROM ({known}) WHERE kinds = ['Greeting', 'Handshake', 'OK']") == [(2,)]
