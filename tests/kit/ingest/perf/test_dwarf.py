"""Stacks that perf copied into samples are walked as `perf script` walks them, address by address."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.ingest.profiles import perf_data

Record = Callable[..., Path]
Oracle = Any
WORKLOADS = Path(__file__).parents[3] / "workloads"


def dwarf(size: int = 8192, rate: int = 1999) -> tuple[str, ...]:
    return ("-N", "-F", str(rate), "-e", "cpu-clock", "--call-graph", f"dwarf,{size}")


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """tests/workloads/unwound.cc, made with the options given."""
    folder = tmp_path_factory.mktemp("unwound")

    def build(options: str) -> Path:
        program = folder / f"unwound{abs(hash(options))}"
        if not program.exists():
            always = ["g++", "-O2", "-g", "-fno-builtin", "-Wl,-z,lazy", *options.split()]
            source = WORKLOADS / "unwound.cc"
            subprocess.run([*always, str(source), "-o", str(program), "-lpthread"], check=True)
        return program

    return build


@pytest.mark.parametrize(
    ("options", "size"),
    [("-fomit-frame-pointer", 8192), ("-fomit-frame-pointer", 40960), ("-fno-omit-frame-pointer -no-pie", 4096)],
)
def test_calls_that_are_hard_to_walk(
    oracle: Oracle, hard: Callable[[str], Path], record: Record, options: str, size: int
) -> None:
    path = record(hard(options), "80", options=dwarf(size))
    oracle.assert_equal(path, 200)
    inside = {frame.function for sample in oracle.ours(path) for frame in sample.frames}
    wanted = ["throws", "handler", "with_alloca", "deep", "jumps", "realigned", "by_value", "functions"]
    assert [name for name in wanted if not any(name in function for function in inside)] == []


def test_chains_are_as_long_as_perf_makes_them(oracle: Oracle, hard: Callable[[str], Path], record: Record) -> None:
    path = record(hard("-fomit-frame-pointer"), "80", options=dwarf(65528))
    found = oracle.ours(path)
    assert max(len(sample.frames) for sample in found) >= 127
    assert oracle.differences(oracle.script(path), found) == []
    outermost = {sample.frames[-1].function for sample in found}
    assert {"_start", "clone3"} <= outermost


def test_interpreters_and_shared_libraries(oracle: Oracle, record: Record, tmp_path: Path) -> None:
    code = "import json, re, hashlib\nfor i in range(8): json.loads(json.dumps({str(k): [k] * 9 for k in range(9000)}))"
    path = record(os.path.realpath(sys.executable), "-c", code, options=dwarf())
    oracle.assert_equal(path, 50)
    script = tmp_path / "work.js"
    script.write_text(
        "const f = n => n < 2 ? n : f(n - 1) + f(n - 2); f(30); for (let i = 0; i < 5; i++)"
        " JSON.parse(JSON.stringify(Array.from({length: 50000}, (_, k) => ({k, s: '' + k}))));"
    )
    node = shutil.which("node")
    assert node
    path = record(os.path.realpath(node), script, options=dwarf(rate=499))
    assert oracle.differences(oracle.script(path), oracle.ours(path)) == []


def test_inlined_functions_are_frames_of_their_own(hard: Callable[[str], Path], record: Record) -> None:
    profile = perf_data.read(record(hard("-fomit-frame-pointer"), "20", options=dwarf()))
    kinds = set(profile.frames["kind"].to_pylist())
    assert {"user", "inlined"} <= kinds


def test_a_program_that_was_replaced_is_not_walked_by_another_ones_tables(
    hard: Callable[[str], Path], record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    shutil.copy(hard("-fomit-frame-pointer"), program)
    path = record(program, "10", options=dwarf())
    monkeypatch.setenv("HOME", str(tmp_path))  # nor by a copy that perf made
    before = perf_data.read(path)
    program.unlink()
    shutil.copy(hard("-fno-omit-frame-pointer -no-pie"), program)
    after = perf_data.read(path)
    assert after.samples.num_rows == before.samples.num_rows
    modules = set(after.frames["module"].to_pylist())
    assert str(program) in modules
    assert _longest(after) < _longest(before)


def _longest(profile: Any) -> int:
    """Frames of the longest stack whose innermost frame is in the program itself."""
    depth: list[int] = []
    for parent in profile.stacks["parent"].to_pylist():
        depth.append(1 if parent is None else depth[parent] + 1)
    return max(depth)
