"""Files told apart by content, brought into a case, and the case made again from its copies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew import ClewError, questions
from clew.case import Case
from clew.ingest.imports import import_files
from clew.ingest.run import rebuild
from clew.ingest.sniff import Format, sniff
from clew.lens import Lens


def answers(case: Case) -> list[list[dict[str, Any]]]:
    return [questions.counts(case, Lens(), by).table.to_pylist() for by in ("command", "thread", "op", "file", "peer")]


def test_told_apart_by_content(truth: Any, tmp_path: Path) -> None:
    raw = truth.case.path / "raw" / "001"
    renamed = tmp_path / "notes.txt"
    shutil.copy(raw / "seg-000001.clew", renamed)
    tables = truth.case.to_parquet(tmp_path / "tables")
    expected = {renamed: Format.SEGMENT, raw: Format.CAPTURE, truth.case.path: Format.CASE, tables: Format.TABLES}
    assert {path: sniff(path) for path in expected} == expected


@pytest.mark.parametrize("content", [b"", b"CLWSEG0", b"PAR1", b"\x7fELF", None])
def test_anything_else_is_one_line_and_changes_nothing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "seg-000001.clew"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClewError):
        import_files(tmp_path / "case", [path])
    assert not (tmp_path / "case").exists()


def test_a_case_comes_in_by_any_way(truth: Any, tmp_path: Path) -> None:
    raw = truth.case.path / "raw" / "001"
    tables = truth.case.to_parquet(tmp_path / "tables")
    expected = answers(truth.case)
    for number, sources in enumerate(([truth.case.path], [raw], [raw / "seg-000001.clew"], [tables])):
        target = tmp_path / str(number)
        assert import_files(target, sources) == len(truth.rows)
        assert answers(clew.open(target)) == expected
        assert rebuild(target) == (len(truth.rows), 0)
        assert answers(clew.open(target)) == expected


def test_captures_side_by_side(truth: Any, tmp_path: Path, capture: Callable[..., Any]) -> None:
    made = capture(host="other")
    made.clock(0)
    made.records(1, 100, 100, made.process(1, 100, "web"), made.record(1, "read", begin=5, conn_id=1))
    made.records(1, 100, 100, made.conn(1, 1, 1, "/other"))
    made.clock(100)
    made.write()
    case = made.folder.parents[1]
    clew.open(case)
    tables = truth.case.to_parquet(tmp_path / "tables")
    assert import_files(case, [tables, tables]) == 2 * len(truth.rows)
    opened = clew.open(case)
    assert opened.captures()["capture_id"].to_pylist() == [1, 2, 3]
    calls = questions.counts(opened, Lens(), "host").table.to_pylist()
    assert [(row["name"], row["calls"]) for row in calls] == [("h", 2 * len(truth.rows)), ("other", 1)]
    assert [row["calls"] for row in questions.counts(opened, Lens(files=("/other",))).table.to_pylist()] == [1]
    made.records(1, 100, 100, made.conn(1, 2, 1, "/more"), made.record(1, "close", begin=150, conn_id=2))
    made.clock(200)
    made.write()
    assert opened.refresh() == 1  # and what was imported is there once
    unique = "SELECT count(*) = count(DISTINCT conn_id) AS one, count(*) AS n FROM connection"
    assert opened.sql(unique).to_pylist() == [{"one": True, "n": 4 + 4 + 2}]
    again = clew.open(opened.to_parquet(tmp_path / "both"))
    assert answers(again) == answers(opened)
    assert import_files(tmp_path / "third", [tmp_path / "both"]) == 2 * len(truth.rows) + 2
    assert answers(clew.open(tmp_path / "third")) == answers(opened)
    assert import_files(tmp_path / "fourth", [tmp_path / "third"]) == 2 * len(truth.rows) + 2
    assert answers(clew.open(tmp_path / "fourth")) == answers(opened)


def test_an_empty_file_says_why(tmp_path: Path) -> None:
    path = tmp_path / "out.perf"
    path.touch()
    with pytest.raises(ClewError, match="is empty: `perf script` prints nothing"):
        sniff(path)
