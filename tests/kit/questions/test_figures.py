"""Figures over time: intervals and whose they are, as perf stat wrote them; what a lens leaves out is said."""

from __future__ import annotations

from pathlib import Path

import pytest

import clew
from clew import questions
from clew.case import Case
from clew.commands import main
from clew.errors import ClewError
from clew.lens import Lens

SECOND = 10**9
HEAD = (
    "# clew: perf stat, fields separated by tabs\n# origin monotonic_ns=1000000000000\n# started on Sat Nov 21 2026\n\n"
)


def line(at_s: float, cpu: int, value: str, unit: str, name: str) -> str:
    fields = [f"     {at_s:.9f}", f"CPU{cpu}", value, unit, name, "1000", "100.00", "", ""]
    return "\t".join(fields) + "\n"


@pytest.fixture
def stat(tmp_path: Path) -> Case:
    """Two processors, three intervals of a second; faults of the second interval could not be counted on CPU 1."""
    text = HEAD
    for at in (1, 2, 3):
        for cpu in (0, 1):
            text += line(at, cpu, f"{10 * at + cpu}.5", "msec", "task-clock")
            text += line(at, cpu, "<not counted>" if (at, cpu) == (2, 1) else str(at), "", "page-faults")
    path = tmp_path / "stat.tsv"
    path.write_text(text)
    assert main(["import", str(tmp_path / "case"), str(path)]) == 0
    return clew.open(tmp_path / "case")


def test_which_there_are(stat: Case) -> None:
    rows = {row["name"]: row for row in questions.figures(stat, Lens()).table.to_pylist()}
    assert list(rows) == ["page-faults", "task-clock"]
    clock, faults = rows["task-clock"], rows["page-faults"]
    assert (clock["unit"], clock["of"], clock["readings"], clock["total"]) == ("msec", 2, 6, 3 + 2 * 60 + 3.0)
    assert (clock["min"], clock["max"]) == (10.5, 31.5)
    assert (faults["unit"], faults["readings"], faults["total"]) == (None, 5, 10)


def test_one_over_time(stat: Case) -> None:
    answer = questions.figure(stat, Lens(), "page-faults")
    rows = answer.table.to_pylist()
    assert [(row["of"], row["value"]) for row in rows] == [
        ("CPU 0", 1), ("CPU 1", 1), ("CPU 0", 2), ("CPU 1", None), ("CPU 0", 3), ("CPU 1", 3)
    ]  # fmt: skip
    assert [row["end_ns"] - row["start_ns"] for row in rows[2:]] == [SECOND] * 4
    assert answer.summary == {"name": "page-faults", "unit": None}
    assert stat.sql(answer.sql).to_pylist() == rows
    begin = rows[2]["start_ns"]
    within = questions.figure(stat, Lens(start_ns=begin, end_ns=begin + SECOND), "page-faults").table
    assert set(within["start_ns"].to_pylist()) == {begin}  # what only touches the time is not in it


def test_what_a_lens_does_not_narrow_is_said(stat: Case) -> None:
    answer = questions.figures(stat, Lens(commands=("nginx",)))
    assert answer.table.num_rows == 2 and "nginx is not looked at" in (answer.note or "")
    assert questions.figures(stat, Lens(hosts=("elsewhere",))).table.num_rows == 0
    with pytest.raises(ClewError, match="is it page-faults"):
        questions.figure(stat, Lens(), "pagefaults")


def test_the_command_prints_them(stat: Case, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(stat.path)
    assert main(["figures", path]) == 0
    assert [text.split()[1] for text in capsys.readouterr().out.splitlines()[1:]] == ["page-faults", "task-clock"]
    assert main(["figures", path, "task-clock", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7
    assert main(["counts", path]) == 0
    assert "clew figures" in capsys.readouterr().out
