"""Engines on a program that does what it is asked to: what they recorded, read from the case and by perf itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import clew

CLEW = (sys.executable, "-m", "clew")


class Recorded:
    """The case of a test."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def meta(self, engine: str = "perf") -> dict[str, Any]:
        """The meta.json of the first capture by ``engine``."""
        found = [json.loads(path.read_text()) for path in sorted(self.path.glob("raw/*/meta.json"))]
        values: dict[str, Any] = next(each for each in found if each["engine"] == engine)
        return values

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query."""
        case = clew.open(self.path)
        found: list[dict[str, Any]] = case.sql(query).to_pylist()
        case.close()
        return found

    def functions(self, event: str | None = None) -> dict[str, int]:
        """How many samples (of ``event``) have each function anywhere in their stacks."""
        which = f"event = '{event}'" if event else "true"
        found = self.rows(
            f"""WITH RECURSIVE up AS (
                    SELECT row_number() OVER () AS nth, stack_id FROM samples WHERE {which}
                    UNION ALL SELECT nth, parent_id FROM up JOIN stack USING (stack_id) WHERE parent_id IS NOT NULL)
                SELECT function, count(DISTINCT nth) AS samples
                FROM up JOIN stack USING (stack_id) JOIN frame USING (frame_id) GROUP BY ALL"""
        )
        return {row["function"]: row["samples"] for row in found}

    def script(self, *options: str) -> str:
        """What perf itself prints of its file."""
        data = next(self.path.glob("raw/*/perf.data"))
        command = ["perf", "script", "-i", str(data), *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def printed(self, *options: str) -> Counter[str]:
        """In how many frames that perf prints each function is."""
        return Counter(re.findall(r"^\s+[0-9a-f]+ (\w+)\+0x", self.script(*options), re.MULTILINE))


@pytest.fixture
def recorded(case_path: Path) -> Recorded:
    """The case of this test, once there is one."""
    return Recorded(case_path)


@pytest.fixture
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """run(command) -> how it ended, with everything that was said."""

    def run(command: Sequence[object], **how: Any) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, **how)

    return run


@pytest.fixture
def attach(case_path: Path) -> Callable[..., list[str]]:
    """attach(*options) -> the command line that records what runs already into case_path."""
    return lambda *options: [*CLEW, "record", "-o", str(case_path), *map(str, options)]


@pytest.fixture
def does(build: Callable[..., Path]) -> str:
    """The program that does what it is asked to."""
    return str(build("does", "-fno-omit-frame-pointer"))


@pytest.fixture
def begin() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """begin(command) -> it, running, with pipes; killed at the end."""
    begun: list[subprocess.Popen[str]] = []

    def begin(command: Sequence[str], **how: Any) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **how}
        begun.append(subprocess.Popen(command, **pipes))
        return begun[-1]

    yield begin
    for each in begun:
        each.kill()
        each.wait()
        for pipe in (each.stdin, each.stdout, each.stderr):
            if pipe:
                pipe.close()


@pytest.fixture
def running(begin: Callable[..., subprocess.Popen[str]], does: str) -> Callable[..., subprocess.Popen[str]]:
    """running(what ...) -> that program; it says "ready" and waits for a byte where it is asked to read."""

    def running(*what: str) -> subprocess.Popen[str]:
        program = begin([does, *what])
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
        return program

    return running


@pytest.fixture
def go() -> Callable[[subprocess.Popen[str]], None]:
    """go(program): let it go on."""

    def go(program: subprocess.Popen[str]) -> None:
        assert program.stdin
        program.stdin.write("!")
        program.stdin.flush()

    return go


@pytest.fixture
def perf_of() -> Callable[[subprocess.Popen[str]], int]:
    """perf_of(recorder) -> pid of the perf that it has started, once that looks at something."""

    def perf_of(recorder: subprocess.Popen[str]) -> int:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for child in Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children").read_text().split():
                try:
                    said = Path(f"/proc/{child}/cmdline").read_bytes()
                except OSError:  # what only asked what perf can do has ended
                    continue
                if b"record\0-N" in said and any("perf_event" in target for target in _descriptors(child)):
                    return int(child)
            assert recorder.poll() is None, recorder.communicate()
            time.sleep(0.01)
        raise AssertionError("perf did not begin")

    return perf_of


def _descriptors(pid: str) -> list[str]:
    try:
        return [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115 -- not all are paths
    except OSError:
        return []
