"""How full connections are, beside plain Python over the same spans; and the pool that is too small is named."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import clew
from clew import questions
from clew.case import Case
from clew.commands import main
from clew.lens import Lens
from clew.store import DATABASE

from ..spans import write_case


def by_hand(case: Case) -> dict[tuple[str, int, str], tuple[int, int, int, int, int]]:
    """(command, pid, peer) -> connections, calls, in use, of what time, full."""
    peers = {row["conn_id"]: row["peer"] for row in case.sql("SELECT conn_id, peer FROM connection").to_pylist()}
    held: dict[Any, dict[Any, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for s in case.sql("SELECT * FROM span WHERE kind = 'client' AND end_ns IS NOT NULL").to_pylist():
        key = s["command"], s["pid"], peers[s["conn_id"]] or "not known"
        held[key][s["conn_id"], s["request_id"]].append((s["start_ns"], s["end_ns"]))
    found = {}
    for key, uses in held.items():
        spans = [(min(low for low, _ in all_), max(high for _, high in all_)) for all_ in uses.values()]
        size = len({conn for conn, _ in uses})
        full, level, last = 0, 0, 0
        for at, more in sorted([(low, 1) for low, _ in spans] + [(high, -1) for _, high in spans]):
            full += at - last if level >= size else 0
            level, last = level + more, at
        in_use, of = sum(high - low for low, high in spans), max(h for _, h in spans) - min(low for low, _ in spans)
        found[key] = (size, sum(map(len, uses.values())), in_use, of, full)
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """The shop, but that all of ``app`` asks on one connection, and ``web`` on as many as it has requests at a time."""
    folder = tmp_path_factory.mktemp("small") / "case"
    write_case(folder, 300, database=True).close()
    with duckdb.connect(str(folder / DATABASE)) as connection:
        (one,) = connection.execute(
            "SELECT min(conn_id) FROM span WHERE command = 'app' AND kind = 'client'"
        ).fetchall()
        connection.execute("UPDATE span SET conn_id = ? WHERE command = 'app' AND kind = 'client'", list(one))
        connection.execute("UPDATE connection SET peer = 'postgres 10.0.0.2:5432' WHERE conn_id = ?", list(one))
    case = clew.open(folder)
    yield case
    case.close()


@pytest.mark.parametrize("name", ["shop", "small"])
def test_it_is_what_the_spans_say(request: pytest.FixtureRequest, name: str) -> None:
    case: Case = request.getfixturevalue(name)
    answer = questions.pools(case, Lens())
    told = {}
    for row in answer.table.to_pylist():
        full = round(row["full_share"] * row["of_ns"])
        told[row["command"], row["pid"], row["peer"]] = (
            *(row[column] for column in ("connections", "calls", "in_use_ns", "of_ns")),
            full,
        )
        assert row["in_use_share"] == pytest.approx(row["in_use_ns"] / row["of_ns"] / row["connections"])
    assert told == by_hand(case) and len(told) >= 2
    assert case.sql(answer.sql).equals(answer.table)


def test_the_pool_that_is_too_small_is_named(shop: Case, small: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert questions.pools(shop, Lens()).note is None
    note = questions.pools(small, Lens()).note
    assert note is not None and note.startswith("app (pid ")
    assert "has its only connection to postgres 10.0.0.2:5432 in use" in note and "what needs one waits" in note
    assert main(["requests", str(small.path), "--pools", "--command", "app", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["command"], first["connections"]) == ("app", 1) and first["asked_at_a_time"] > 1
    none = questions.pools(small, Lens(requests=("none",)))
    assert (none.table.num_rows, none.note) == (0, "nothing was asked on a connection under the lens")
