"""PostgreSQL as real clients speak it, against the server's own log of statements."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from clew.native import normalise

from .recorded import Recorded


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("postgres"), "postgres")


def logged(log: Path, how: str) -> Counter[str]:
    """Statements by name as the server logged them."""
    found = re.findall(rf"LOG:  {how}: (.*(?:\n\t.*)*)", log.read_text())
    return Counter(normalise.sql(one.replace("\n\t", "\n").encode(), room=200)[0] for one in found)


def test_both_ends(recorded: Recorded) -> None:
    recorded.check_both_ends("postgres")


def test_simple_queries_are_those_of_the_log(recorded: Recorded) -> None:
    wanted = logged(recorded.folder / "log", "statement")
    told = recorded.rows(
        "SELECT coalesce(name, ''), count(*) FROM message"
        " WHERE protocol = 'postgres' AND kind = 'Query' AND sent GROUP BY ALL"
    )
    # what was cut in the recording can only be compared as far as it was kept
    short = {name: count for name, count in told if "..." not in name}
    assert sum(count for _, count in told) == sum(wanted.values()) > 300
    assert {name: count for name, count in wanted.items() if name in short} == short


def test_executed_statements_are_those_of_the_log(recorded: Recorded) -> None:
    wanted = logged(recorded.folder / "log", "execute [^:]*")
    told = recorded.rows(
        "SELECT name, count(*) FROM message WHERE protocol = 'postgres' AND kind = 'Execute' AND sent GROUP BY ALL"
    )
    counts = Counter(dict(told))
    assert None not in counts, "every statement was prepared while it was recorded"
    for name in (
        "UPDATE pgbench_accounts SET abalance = abalance + ? WHERE aid = ?",
        "SELECT name FROM thing WHERE id = ?",
        "SELECT count(*) FROM thing WHERE id < ?",
    ):
        assert counts[name] == wanted[name] > 0
        assert recorded.count("role = 'request' AND sent AND kind <> 'Query' AND name = ?", name) == counts[name]
        assert recorded.count("role = 'request' AND sent AND name = ?", f"Parse {name}") > 0
    assert set(counts) <= set(wanted) | {name for name in counts if "; " in name}


def test_statuses_and_transactions(recorded: Recorded) -> None:
    select = "SELECT status, held, count(*) FROM message WHERE protocol = 'postgres' AND role = 'reply' AND sent"
    errors = recorded.rows(f"{select} AND error GROUP BY ALL")
    assert ("42703", True, 1) in errors and {code for code, _, _ in errors} <= {"42703", "3D000", "28000", "57P03"}
    held = dict(
        recorded.rows(
            "SELECT status, bool_and(held) FROM message"
            " WHERE role = 'reply' AND status IN ('BEGIN', 'COMMIT') GROUP BY 1"
        )
    )
    assert held == {"BEGIN": True, "COMMIT": False}


def test_copied_rows(recorded: Recorded) -> None:
    copies = recorded.rows("SELECT bytes FROM message WHERE kind = 'CopyData' AND sent ORDER BY 1")
    assert len(copies) >= 2 and all(size > 1000 for (size,) in copies)
    assert recorded.count("role = 'reply' AND status = 'COPY' AND NOT sent") >= 3
