"""The descriptor table alone, under the sanitizers: threads and signal handlers that make, use and forget at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"


@pytest.mark.parametrize(
    ("flags", "runner"),
    [
        ("-O2", []),
        ("-O1 -fsanitize=address,undefined -fno-sanitize-recover=all", []),
        ("-O1 -fsanitize=thread", []),
        ("-O1", ["valgrind", "-q", "--fair-sched=yes", "--error-exitcode=9"]),
    ],
)
def test_descriptor_table(tmp_path: Path, flags: str, runner: list[str]) -> None:
    program = tmp_path / "connections_unit"
    sources = [NATIVE / "tests/connections_unit.c", *sorted(NATIVE.glob("preload/conn*.c"))]
    includes = [f"-I{NATIVE / 'include'}", f"-I{NATIVE / 'preload'}"]
    command = ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror", *flags.split()]
    command += ["-Wno-unused-result", *includes, *map(str, sources), "-o", str(program), "-lpthread"]
    subprocess.run(command, check=True)
    run = subprocess.run([*runner, str(program)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "good\n", "")
