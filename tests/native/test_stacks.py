"""Stacks that a program takes of itself, where the tools that watch memory look on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew import native
from clew.native.stacks import ENDS, TICK
from clew.ops import OPS

ALL = {number: 1 for number, _, kind in OPS if kind != "note"}
GROUPS = ("files", "streams", "sockets", "waits", "stdio", "hidden")
RESTARTED = "Syscall param pselect6(sig) points to unaddressable byte(s)"
"""Said of valgrind's own memory: it puts its copy of the argument in place of the program's, and looks at that again
where a signal came just before the call, so that it had to begin anew. Without signals it is said of programs only."""


def complaints(directory: Path) -> list[str]:
    """The kinds of what valgrind said: it repeats some where a signal comes in between."""
    text = "".join(path.read_text() for path in sorted(directory.glob("valgrind.*")))
    return sorted(set(re.findall(r"^==\d+== ([A-Z].*)$", text, re.MULTILINE)))


@pytest.mark.parametrize("options", [{"stacks": ALL}, {"sample_ns": 4_000_000}], ids=["stacks", "sampler"])
def test_valgrind_says_nothing_that_it_does_not_say_of_the_bare_program(
    build: Callable[..., Path], record: Callable[..., Any], tmp_path: Path, options: dict[str, Any]
) -> None:
    program = build("calls", "calls*.c")
    said = []
    for with_clew in (False, True):
        directory = tmp_path / ("with" if with_clew else "bare")
        directory.mkdir()
        command = ["valgrind", "-q", "--fair-sched=yes", f"--log-file={directory}/valgrind.%p", program, directory]
        run = record([*command, *GROUPS], ring_size=1 << 22, **options) if with_clew else None
        if run is None:
            subprocess.run([*command, *GROUPS], capture_output=True, check=True)
        said.append([line for line in complaints(directory) if "sample_ns" not in options or line != RESTARTED])
    assert said[0] == said[1]


@pytest.mark.parametrize("mode", [native.Mode.COUNT, native.Mode.COUNT | native.Mode.TRACE])
def test_every_call_of_every_wrapper_has_its_stack(
    build: Callable[..., Path], record: Callable[..., Any], tmp_path: Path, mode: native.Mode
) -> None:
    """Each names its call; all lie in code that was told before; they reach the function that began the thread."""
    program = build("calls", "calls*.c")
    record([program, tmp_path, *GROUPS], stacks=ALL, mode=mode, ring_size=1 << 24)
    batches = [native.decode(path) for path in sorted(tmp_path.glob("capture*/*.clew"))]
    stacks = [row for batch in batches for row in native.stacks(batch).to_pylist()]
    maps = [row for batch in batches for row in native.maps(batch).to_pylist()]
    calls = {(int(batch.serial[i]), int(batch.seq[i])): int(batch.op[i]) for batch in batches
             for i in np.flatnonzero(np.isin(batch.op, list(ALL)))}  # fmt: skip
    assert len(stacks) > 300
    of_calls = {(row["serial"], row["call_seq"]): row["op"] for row in stacks if row["call_seq"]}
    if mode & native.Mode.TRACE:
        assert of_calls == calls
    else:
        assert not of_calls and not calls
    assert all(row["op"] != TICK and row["weight"] >= 0 for row in stacks)
    assert sum(row["stack_end"] != ENDS.index("whole") for row in stacks) == 0
    spans = {(row["pid"], row["start"], row["end"]) for row in maps}
    known = {pid: sorted((start, end) for each, start, end in spans if each == pid) for pid, _, _ in spans}
    for row in stacks:
        for address in row["addresses"]:
            assert any(start <= address < end for start, end in known[row["pid"]]), hex(address)
    assert all(row["build_id"] for row in maps if row["path"] == str(program))
    ours = str(native.library_path())
    assert ours not in {row["path"] for row in maps}
