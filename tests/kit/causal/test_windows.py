"""Which spans are looked at together: processes, and long ones from one idle moment to another."""

from __future__ import annotations

import random
from collections.abc import Iterator

import duckdb
import pytest
from tests.kit.causal import test_paths

from clew.causal import windows
from clew.causal.windows import Part, parts

CLIENT, SERVER = True, False
told = test_paths.told


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A table of spans as match.sql makes it, as far as it is asked here."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TEMP TABLE pair "
            "(msg_id UBIGINT, process_no INTEGER, client BOOLEAN, start_ns BIGINT, end_ns BIGINT)"
        )
        connection.execute("CREATE TEMP TABLE task_owner (msg_id UBIGINT, owner_msg_id UBIGINT)")
        yield connection


def add(connection: duckdb.DuckDBPyConnection, process: int, *spans: tuple[bool, int, int | None]) -> None:
    number = connection.execute("SELECT count(*) FROM pair").fetchall()[0][0]
    for place, (client, start, end) in enumerate(spans):
        connection.execute("INSERT INTO pair VALUES (?, ?, ?, ?, ?)", [number + place, process, client, start, end])


def busy(count: int, first: int = 0) -> list[tuple[bool, int, int | None]]:
    """A request every 100 ns, with a call in it, answered after 50."""
    return [
        span for at in range(first, first + 100 * count, 100) for span in ((SERVER, at, at + 50), (CLIENT, at, at + 9))
    ]


def test_processes_are_put_together(connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "PART", 10)
    assert list(parts(connection)) == []
    for process, count in enumerate((2, 3, 1, 5, 1)):
        add(connection, process, *busy(count))
    assert list(parts(connection)) == [Part(0, 1), Part(2, 2), Part(3, 3), Part(4, 4)]


def test_a_long_process_is_cut_where_it_does_nothing(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "PART", 10)
    add(connection, 0, *busy(1))
    add(connection, 1, *busy(20))
    add(connection, 2, *busy(1))
    found = list(parts(connection))
    assert [(part.low, part.high) for part in found] == [(0, 0), *[(1, 1)] * 4, (2, 2)]
    cuts = [part.begin for part in found[2:5]]
    assert [part.end for part in found[1:4]] == cuts == sorted(cuts)
    assert all(cut % 100 == 0 for cut in cuts)
    counted = (
        "SELECT count(*) FROM pair WHERE process_no BETWEEN $low AND $high AND start_ns >= $begin AND start_ns < $end"
    )
    sizes = [connection.execute(counted, vars(part)).fetchall()[0][0] for part in found]
    assert sum(sizes) == 44 and all(8 <= size <= 12 for size in sizes[1:-1])


@pytest.mark.parametrize(
    "more",
    [
        [(SERVER, 10, 2_000)],
        [(SERVER, 10, None)],
        [(CLIENT, 10, 2_000)],
        [(SERVER, at, at + 130) for at in range(0, 2_000, 100)],
    ],
    ids=["a long request", "one without a reply", "a long call", "requests that overlap"],
)
def test_nothing_that_goes_on_is_cut(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, more: list[tuple[bool, int, int | None]]
) -> None:
    monkeypatch.setattr(windows, "PART", 10)
    add(connection, 0, *busy(20), *more)
    assert list(parts(connection)) == [Part(0, 0)]


def test_a_call_without_a_reply_does_not_go_on(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "PART", 10)
    add(connection, 0, *busy(10), (CLIENT, 10, None))
    assert len(list(parts(connection))) > 1


def test_a_task_and_its_request_stay_together(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "PART", 20)
    add(connection, 0, *busy(20))
    assert [part.begin for part in parts(connection)][1:] == [1000]
    connection.execute("INSERT INTO task_owner VALUES (25, 16)")  # made at 1200 for the request of 800
    assert [part.begin for part in parts(connection)][1:] == [1300]


def test_parts_are_linked_the_same(told: test_paths.Told, monkeypatch: pytest.MonkeyPatch) -> None:
    test_paths.chain(told, 40)
    whole = told.linked()
    for most in (1, 7, 30):
        monkeypatch.setattr(windows, "PART", most)
        for table in ("span", "link", "request", "shape", "working"):
            told.run(f"DELETE FROM {table}")
        assert told.linked() == whole


def test_whatever_goes_on_at_one_time_is_in_one_part(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(3)
    starts = [chance.randrange(20_000) for _ in range(300)]
    add(connection, 0, *((chance.random() < 0.5, start, start + chance.randrange(1, 150)) for start in starts))
    monkeypatch.setattr(windows, "PART", 20)
    cuts = [part.begin for part in parts(connection)][1:]
    assert len(cuts) > 2
    for cut in cuts:
        assert connection.execute(
            "SELECT count(*) FROM pair WHERE start_ns < ? AND end_ns >= ?", [cut, cut]
        ).fetchall() == [(0,)]
