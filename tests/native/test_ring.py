"""The ring alone, under the sanitizers and Valgrind: nothing torn, nothing lost that is not counted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"


@pytest.mark.parametrize(
    ("flags", "runner", "signals"),
    [
        ("-O2", [], 4000),
        ("-O0", [], 2000),
        ("-O1 -fsanitize=address,undefined -fno-sanitize-recover=all", [], 2000),
        ("-O1 -fsanitize=thread", [], 500),
        ("-O1", ["valgrind", "-q", "--fair-sched=yes", "--error-exitcode=9"], 50),
    ],
)
def test_ring_unit(tmp_path: Path, flags: str, runner: list[str], signals: int) -> None:
    program = tmp_path / "ring_unit"
    sources = [str(NATIVE / "tests/ring_unit.c"), str(NATIVE / "preload/ring.c")]
    includes = [f"-I{NATIVE / 'include'}", f"-I{NATIVE / 'preload'}"]
    command = ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror", *flags.split()]
    subprocess.run([*command, *includes, *sources, "-o", str(program), "-lpthread"], check=True)
    run = subprocess.run([*runner, str(program), str(signals)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("ok")
    assert not run.stderr
