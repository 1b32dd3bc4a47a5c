"""The recorder's pace: seldom while rings stay empty, often and first while they fill."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"


@pytest.mark.parametrize("priority", ["allow", "refuse"])
def test_pace_unit(tmp_path: Path, priority: str) -> None:
    program = tmp_path / "pace_unit"
    sources = [str(NATIVE / "tests/pace_unit.c"), str(NATIVE / "reader/pace.c")]
    command = ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined"]
    subprocess.run([*command, f"-I{NATIVE / 'reader'}", *sources, "-o", str(program)], check=True)
    run = subprocess.run([program, priority], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr, run.returncode) == ("ok\n", "", 0)
