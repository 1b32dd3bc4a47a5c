"""A path that was asked for in vain is told: which one, how often, by whom, without a descriptor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import clew
from clew import questions
from clew.lens import Lens


def test_missing_files_are_counted_by_path(tmp_path: Path) -> None:
    missing, there = tmp_path / "missing", tmp_path / "there"
    there.write_text("x")
    script = f"cat {missing} {there}; cat {missing}; {sys.executable} -c 'open(\"{missing}.py\")'"
    command = [sys.executable, "-m", "clew", "record", "-q", "-o", str(tmp_path / "case"), "--", "sh", "-c", script]
    subprocess.run(command, capture_output=True)
    case = clew.open(tmp_path / "case")
    failed = questions.counts(
        case, Lens(errnos=(2,), files=(str(missing), f"{missing}.py")), by="file"
    ).table.to_pylist()
    assert [(row["name"], row["calls"]) for row in failed] == [(str(missing), 2), (f"{missing}.py", 1)]
    who = questions.counts(case, Lens(files=(str(missing),)), by="process").table.to_pylist()
    assert [(row["name"], row["calls"], row["errors"]) for row in who] == [("cat", 1, 1), ("cat", 1, 1)]
    rows = case.sql("SELECT kind, fd, opened_ns FROM connection WHERE path = $path", {"path": str(missing)}).to_pylist()
    assert rows == [{"kind": "unknown", "fd": None, "opened_ns": None}]
