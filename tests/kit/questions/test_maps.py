"""Questions about what bpftrace scripts kept and printed, by hand-written output of two runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import clew
from clew import questions
from clew.case import Case
from clew.commands import main
from clew.errors import ClewError
from clew.ingest.imports import import_files
from clew.lens import Lens

FIRST = (
    '{"type": "map", "data": {"@calls": {"a": 3, "b": 7, "c": 1}}}',
    '{"type": "printf", "data": "one\\n"}',
    '{"type": "map", "data": {"@calls": {"a": 30, "b": 8}}}',
    '{"type": "hist", "data": {"@ns": {"a": [{"min": 1, "max": 1, "count": 2}, {"min": 2, "max": 3, "count": 5}]}}}',
    '{"type": "hist", "data": {"@ns": {"b,c": [{"max": -1, "count": 9}]}}}',
)
SECOND = ('{"type": "map", "data": {"@calls": {"a": 100}}}', '{"type": "map", "data": {"@once": 1}}')


@pytest.fixture
def case(tmp_path: Path) -> Case:
    for name, lines in (("first", FIRST), ("second", SECOND)):
        (tmp_path / name).write_text("\n\n".join(lines) + "\n")
    import_files(tmp_path / "case", [tmp_path / "first", tmp_path / "second"])
    return clew.open(tmp_path / "case")


def values(answer: questions.Answer) -> list[tuple[int, int, str, float]]:
    return [(r["capture_id"], r["reading"], r["key"], r["value"]) for r in answer.table.to_pylist()]


def test_which_maps_there_are(case: Case) -> None:
    rows = questions.maps(case, Lens()).table.to_pylist()
    assert [(r["capture_id"], r["name"], r["what"], r["readings"], r["entries"]) for r in rows] == [
        (1, "@calls", "value", 2, 3),
        (1, "@ns", "histogram", 2, 2),
        (2, "@calls", "value", 1, 1),
        (2, "@once", "value", 1, 1),
    ]
    assert questions.maps(case, Lens(), capture_id=2).table.num_rows == 2
    assert questions.maps(case, Lens(start_ns=5)).note is not None  # none has a time


def test_entries_of_the_last_of_each_and_of_one_reading(case: Case) -> None:
    assert values(questions.map_values(case, Lens(), "@calls")) == [(1, 2, "a", 30), (1, 2, "b", 8), (2, 1, "a", 100)]
    assert values(questions.map_values(case, Lens(), "@calls", 1, capture_id=1, limit=2)) == [
        (1, 1, "b", 7),
        (1, 1, "a", 3),
    ]
    assert [row[2] for row in values(questions.map_values(case, Lens(), "@calls", "each", 1))] == ["b", "a", "a"]
    answer = questions.map_values(case, Lens(pids=(7,)), "@calls", limit=1)
    assert case.sql(answer.sql).equals(answer.table) and answer.note == "maps are shown whole: pid 7 is not looked at"


def test_distributions_and_printed_text(case: Case) -> None:
    rows = questions.histogram(case, Lens()).table.to_pylist()
    assert [(r["key"], r["low"], r["high"], r["calls"]) for r in rows] == [("b, c", None, -1, 9)]
    assert questions.histogram(case, Lens(), "@ns", ["b", "c"]).table.num_rows == 1
    assert questions.histogram(case, Lens(), "@ns", ["b"]).table.num_rows == 0
    assert questions.printed(case, Lens()).table["text"].to_pylist() == ["one\n"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (lambda case: questions.map_values(case, Lens()), "more than one map; choose one of @calls, @once"),
        (lambda case: questions.map_values(case, Lens(), "@none"), "no map '@none'; is it @once\\? choose one of"),
        (lambda case: questions.map_values(case, Lens(), "@calls", "last"), "a reading is a number"),
        (lambda case: questions.histogram(case, Lens(), "@calls"), "no histogram '@calls'; choose one of @ns"),
    ],
)
def test_what_is_not_there(case: Case, asked: object, says: str) -> None:
    with pytest.raises(ClewError, match=says):
        asked(case)  # type: ignore[operator]


def test_on_the_command_line(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maps", str(case.path), "@calls", "--csv", "--limit", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["1,2,,a,,value,30.0,", "2,1,,a,,value,100.0,"]
    assert main(["maps", str(case.path), "@ns"]) == 0
    assert "b, c" in capsys.readouterr().out
    assert main(["maps", str(case.path), "--printed", "--json"]) == 0
    assert '"text": "one\\n"' in capsys.readouterr().out
    assert main(["maps", str(case.path)]) == 0
    assert "@once" in capsys.readouterr().out
    assert main(["maps", str(case.path), "@calls", "--printed"]) == 2


def test_recipes_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--csv"]) == 0
    assert "call-histogram," in capsys.readouterr().out
    assert main(["recipes", "show", "call-histogram", "--set", "call=close", "--set", "pid=17"]) == 0
    shown = capsys.readouterr().out
    assert "tracepoint:syscalls:sys_enter_close" in shown and "pid == 17" in shown and "{{" not in shown
    assert main(["recipes", "show", "off-cpu"]) == 0
    assert "{{pid}}" in capsys.readouterr().out
    for wrong in (["show"], ["show", "none"], ["list", "off-cpu"], ["show", "off-cpu", "--set", "pid"]):
        assert main(["recipes", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
