"""Run one command bare or under a tracer, as the sections compare them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

CLEW = [sys.executable, "-m", "clew"]

TRACERS: dict[str, list[str]] = {
    "bare": [],
    "clew, counting": [*CLEW, "record", "-q", "--count-only", "-o", "{out}/case", "--"],
    "clew, tracing": [*CLEW, "record", "-q", "-o", "{out}/case", "--"],
    "perf trace": ["perf", "trace", "-o", "{out}/perf.txt", "--"],
    "strace -f": ["strace", "-f", "-o", "{out}/strace.txt", "--"],
}


@contextmanager
def traced(tracer: str, command: list[str]) -> Iterator[list[str]]:
    """`command` under the tracer of that name, with a folder for its output that lasts as long as the block."""
    with TemporaryDirectory(prefix="clew-bench-") as out:
        yield [part.replace("{out}", out) for part in TRACERS[tracer]] + command


def output(tracer: str, command: list[str]) -> str:
    """What `command` printed under `tracer`; CalledProcessError if it failed."""
    with traced(tracer, command) as line:
        return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout


def compile_c(source: Path, program: Path, *options: str) -> Path:
    """`program`, made of one C file."""
    subprocess.run(["cc", "-O2", "-pthread", *options, str(source), "-o", str(program)], check=True)
    return program
