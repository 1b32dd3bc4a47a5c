"""Cases whose samples have no stack (tracepoints recorded without -g): every view is empty, and no file is written."""

from __future__ import annotations

from pathlib import Path

import pytest

import clew
from clew import questions
from clew.case import Case
from clew.commands import main
from clew.errors import ClewError
from clew.export.stack_files import WRITERS, write_stacks
from clew.ingest.imports import import_files
from clew.lens import Lens

TEXT = "".join(f"              ab     7 1.00000{n}: sched:sched_switch: prev_comm=x\n" for n in range(3))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    source = tmp_path / "out.perf"
    source.write_text(TEXT)
    import_files(tmp_path / "case", [source])
    return clew.open(tmp_path / "case")


@pytest.mark.parametrize("direction", ["down", "up"])
def test_the_flame_graph_is_empty_and_says_what_is_left_out(case: Case, direction: str) -> None:
    answer = questions.flame(case, Lens(), direction=direction)
    assert answer.table["name"].to_pylist() == ["all"]
    assert answer.summary["total"] == 0
    assert answer.summary["without_stack"] == 3


def test_the_tree_is_empty(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stacks", str(case.path), "--tree"]) == 0
    assert "100.0% of the events is of samples without a stack" in "".join(capsys.readouterr())


@pytest.mark.parametrize("ending", WRITERS)
def test_no_file_is_written(case: Case, ending: str, tmp_path: Path) -> None:
    out = tmp_path / f"out{ending}"
    with pytest.raises(ClewError, match="no sample of sched:sched_switch has a stack"):
        write_stacks(case, Lens(), out)
    assert not out.exists()


def test_frames_that_are_hidden_do_not_change_where_others_are(tmp_path: Path) -> None:
    source = tmp_path / "out.perf"
    source.write_text("ab 7 1.000001: cycles: \n\t7f01 a (/lib/a.so)\n\t7f02 m (/lib/m.so)\n\t7f03 z (/lib/z.so)\n\n")
    import_files(tmp_path / "case", [source])
    answer = questions.flame(clew.open(tmp_path / "case"), Lens(), direction="up", edits=[("hide", "^m$")])
    rows = [(row["name"], row["module"]) for row in answer.table.to_pylist()]
    assert rows == [("all", None), ("a", "/lib/a.so"), ("z", "/lib/z.so")]
