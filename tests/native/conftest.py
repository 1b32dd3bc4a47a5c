"""Programs of native/tests, built once, and what their recording holds."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clew import native
from clew.ops import OPS

SOURCES = Path(__file__).parents[2] / "native" / "tests"
NAMES = {number: name for number, name, _ in OPS}
NO_OFFSET = 2**64 - 1


@dataclass(frozen=True)
class Record:
    """One record, as a program of the tests would tell it."""

    pid: int
    tid: int
    op: str
    fd: int
    result: int
    error: int
    flags: int
    conn_id: int
    offset: int | None
    head: bytes
    tail: bytes


@dataclass(frozen=True)
class Recording:
    """A program's output and records; ``conns``: the last description of each connection."""

    exit_code: int
    stdout: str
    stderr: str
    records: list[Record]
    conns: dict[int, dict[str, Any]]
    lost: int

    def of(self, *ops: str, pid: int | None = None) -> list[Record]:
        return [r for r in self.records if r.op in ops and pid in (None, r.pid)]


def _records(batch: native.Batch) -> list[Record]:
    found = []
    for i in range(len(batch)):
        at, head, tail = int(batch.data_at[i]), int(batch.head[i]), int(batch.tail[i])
        offset = int(batch.offset[i])
        found.append(
            Record(
                **{name: int(getattr(batch, name)[i]) for name in ("pid", "tid", "fd", "result", "error", "flags")},
                op=NAMES[int(batch.op[i])],
                conn_id=int(batch.conn_id[i]),
                offset=None if offset == NO_OFFSET else offset,
                head=batch.data[at : at + head].tobytes(),
                tail=batch.data[at + head : at + head + tail].tobytes(),
            )
        )
    return found


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compile sources of native/tests to one program; what a compiler rightly doubts in them is the point of them."""
    directory = tmp_path_factory.mktemp("programs")

    def build(name: str, *patterns: str) -> Path:
        program = directory / name
        if not program.exists():
            sources = [str(path) for pattern in patterns or (f"{name}.c",) for path in sorted(SOURCES.glob(pattern))]
            flags = (
                "-D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -Wno-nonnull -Wno-stringop-overread -Wno-stringop-overflow"
            )
            command = ["cc", *flags.split(), "-Wno-unused-result", *sources, "-o", str(program), "-lpthread"]
            subprocess.run(command, check=True)
        return program

    return build


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Recording]:
    """Run a command under the library to its end and decode what it left."""
    count = 0

    def record(command: Sequence[str | Path], *, prefix: Sequence[str] = (), **options: Any) -> Recording:
        nonlocal count
        count += 1
        directory = tmp_path / f"capture{count}"
        directory.mkdir(mode=0o700)
        arena = native.Arena.create(directory / "arena", **options)
        preload = {"LD_PRELOAD": str(native.library_path()), "CLEW_ARENA": str(directory / "arena")}
        with native.Drain(arena, directory) as drain:
            if prefix:  # env there, so that the tool itself is not recorded
                settings = [f"{name}={value}" for name, value in preload.items()]
                command, preload = [*prefix, "env", *settings, *command], {}
            run = subprocess.Popen(
                command,
                env=os.environ | preload,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
            )
            while True:
                try:
                    out, err = run.communicate(timeout=0.01)
                    break
                except subprocess.TimeoutExpired:
                    drain.drain()
            until = time.monotonic() + 30
            while drain.settle().live_processes and time.monotonic() < until:
                time.sleep(0.01)  # a daemon that it left behind
        stats = drain.stats
        batches = [native.decode(path) for path in sorted(directory.glob("*.clew"))]
        assert all(batch.skipped_bytes == 0 for batch in batches)
        conns: dict[int, dict[str, Any]] = {}
        for row in (row for batch in batches for row in native.conns(batch).to_pylist()):
            told = conns.setdefault(row["conn_id"], row)
            if row["kind"] != "unknown":  # else a connect's target, or the path that an open tells before the rest
                conns[row["conn_id"]] = row | {"path": row["path"] or told["path"]}
        return Recording(
            exit_code=run.returncode,
            stdout=out.decode(errors="replace"),
            stderr=err.decode(errors="replace"),
            records=[r for batch in batches for r in _records(batch)],
            conns=conns,
            lost=stats.lost + stats.lost_no_slot,
        )

    return record
