"""The command line of the recorder, and a program that does what it is asked to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from clew import native
from clew.capture.meta import remove_arena
from clew.ops import OP_ID

WORKLOADS = Path(__file__).parents[2] / "workloads"
CLEW = [sys.executable, "-m", "clew"]


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program: lines of "COUNT [THREADS]" in, "done" out."""
    program = tmp_path_factory.mktemp("asked") / "asked"
    command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", WORKLOADS / "asked.c", "-o", program, "-pthread"]
    subprocess.run(command, check=True)
    return program


@pytest.fixture
def clew(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """clew("record", ..., stdin="") -> what it printed and its exit code; run in tmp_path."""

    def clew(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [*CLEW, *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=tmp_path, check=False)

    return clew


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """begin("record", ...) -> clew, running, with pipes; killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object, **how: object) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **how}
        started.append(subprocess.Popen([*CLEW, *map(str, arguments)], cwd=tmp_path, **pipes))  # type: ignore[call-overload]
        return started[-1]

    yield begin
    for each in started:
        each.kill()
        each.wait()
        for pipe in (each.stdin, each.stdout, each.stderr):
            if pipe:
                pipe.close()


@pytest.fixture
def null_writes() -> Callable[[Path], int]:
    """null_writes(case) -> recorded writes of one byte to descriptor 3, in all captures."""

    def count(case: Path) -> int:
        found = 0
        for path in sorted(case.glob("raw/*/seg-*.clew")):
            offset = -1
            while offset != (batch := native.decode(path, max(offset, 0))).next_offset:
                found += int(np.sum((batch.op == OP_ID["write"]) & (batch.fd == 3)))
                offset = batch.next_offset
        return found

    return count


@pytest.fixture(autouse=True)
def no_arena_left(tmp_path: Path) -> Iterator[None]:
    """What a killed recorder left in memory is removed after the test."""
    yield
    for path in tmp_path.glob("*/raw/*/meta.json"):
        arena = json.loads(path.read_text())["arena"]
        if arena:
            remove_arena(Path(arena))
