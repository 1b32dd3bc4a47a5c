"""Code that node and Python make while they run: each has its own way of telling perf what lies where."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.ingest.keep import keep_binaries_met
from clew.ingest.profiles import perf_data

Record = Callable[..., Path]
Oracle = Any
FP = ("-F", "999", "-e", "cpu-clock", "-g", "-k", "CLOCK_MONOTONIC")
SCRIPT = """function hot(n) { let s = 0; for (let i = 0; i < n; i++) s += Math.sqrt(i) % 7; return s; }
function outer() { let t = 0; for (let i = 0; i < 60; i++) t += hot(1e6); return t; }
outer();
"""
WORK = """
def hot(n):
    return sum((i * i) % 7 for i in range(n))

def outer():
    for _ in range(30):
        hot(40_000)

outer()
"""
ABOUT = """
import json, os, sys, sysconfig
flags = " ".join(str(sysconfig.get_config_var(name)) for name in ("CFLAGS", "PY_CFLAGS", "CONFIG_ARGS"))
can = getattr(sys, "activate_stack_trampoline", None) and sysconfig.get_config_var("PY_HAVE_PERF_TRAMPOLINE")
program = os.path.realpath(sys.executable)
print(json.dumps([program, sys.version_info[:2], bool(can), "-fno-omit-frame-pointer" in flags]))
"""


def named(oracle: Oracle, path: Path) -> Counter[str]:
    """How many frames each function has."""
    return Counter(frame.function for sample in oracle.ours(path) for frame in sample.frames)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Path]:
    """A script of node; what node leaves behind in /tmp is removed."""
    before = set(Path("/tmp").glob("perf-*.map"))
    path = tmp_path / "work.js"
    path.write_text(SCRIPT)
    yield path
    forget(set(Path("/tmp").glob("perf-*.map")) - before, tmp_path)


def forget(made: set[Path], folder: Path) -> None:
    """Remove those of the files in /tmp that processes of recordings in ``folder`` wrote."""
    pids = {pid for data in folder.glob("*.data") for pid in perf_data.read(data).threads["pid"].to_pylist()}
    for path in made:
        if int(re.findall(r"[0-9]+", path.name)[0]) in pids and path.stat().st_uid == os.getuid():
            path.unlink()


def test_node_with_basic_prof(oracle: Oracle, record: Record, script: Path) -> None:
    path = record("node", "--perf-basic-prof", script, options=FP)
    oracle.assert_equal(path, 50)
    assert any(re.search(r"\bhot\b", name) for name in named(oracle, path))


def test_node_with_a_dump(oracle: Oracle, record: Record, script: Path, tmp_path: Path) -> None:
    """perf itself needs `perf inject` to know the names; with the dump alone there are as many frames of each."""
    path, injected = record("node", "--perf-prof", script, options=FP), tmp_path / "injected.data"
    subprocess.run(["perf", "inject", "--jit", "-i", path, "-o", injected], check=True, cwd=tmp_path)
    oracle.assert_equal(injected, 50)
    perf, own = named(oracle, injected), named(oracle, path)
    (hot,) = {name for name in perf if re.search(r"\*hot\b", name)}  # optimised: made once, and stays where it is
    assert perf[hot] > 20
    assert 0.9 < own[hot] / perf[hot] < 1.1
    (dump,) = tmp_path.glob("jit-*.dump")
    keep_binaries_met(path)
    dump.unlink()
    frames = perf_data.read(path).frames.to_pylist()
    assert hot in {frame["function"] for frame in frames if frame["kind"] == "jit"}, "it was kept with the recording"


def test_a_sample_is_of_the_function_that_lay_there_at_its_time(
    oracle: Oracle, record: Record, build: Callable[..., Path], tmp_path: Path
) -> None:
    path, injected = record(build("makes_code"), options=FP), tmp_path / "injected.data"
    subprocess.run(["perf", "inject", "--jit", "-i", path, "-o", injected], check=True, cwd=tmp_path)
    expected, found = (
        {one.ts_ns: [frame.function for frame in one.frames] for one in how(data) if one.frames}
        for how, data in ((oracle.script, injected), (oracle.ours, path))
    )
    assert {ts: found.get(ts) for ts in expected} == expected
    assert {f"function_{number}" for number in range(12)} <= {name for names in found.values() for name in names}
    keep_binaries_met(path)
    for dump in tmp_path.glob("jit-*.dump"):
        dump.unlink()
    profile = perf_data.read(path)
    kept = Counter(profile.frames["function"].take(profile.stacks["frame"]).take(profile.samples["stack"]).to_pylist())
    made = Counter(names[0] for names in found.values() if names[0].startswith("function_"))
    assert {name: kept[name] for name in made} == made, "it was kept with the recording"
    assert sum(made.values()) > 0.9 * len(found)


def pythons() -> dict[str, tuple[list[int], bool]]:
    """Every Python that can tell perf of its functions, 3.12 or later: its version, whether it has frame pointers."""
    names = ("python3", "python3.12", "python3.13", "python3.14")
    places = {Path(folder) / name for folder in os.get_exec_path() for name in names}
    if pyenv := shutil.which("pyenv"):
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
        places |= set(Path(root).glob("versions/3.*/bin/python3"))
    found = {}
    for place in sorted(place for place in places if place.is_file()):
        told = subprocess.run([place, "-c", ABOUT], capture_output=True, text=True, check=False)
        if told.returncode == 0:
            program, version, can, has_frame_pointers = json.loads(told.stdout)
            if can:
                found[program] = version, has_frame_pointers
    return found


def test_python_that_tells_perf(oracle: Oracle, record: Record, tmp_path: Path) -> None:
    """Over every such Python of this machine, of which there may be none."""
    before = {*Path("/tmp").glob("perf-*.map"), *Path("/tmp").glob("jit*")}
    work = tmp_path / "work.py"
    work.write_text(WORK)
    for python, (version, has_frame_pointers) in pythons().items():
        path = record(python, "-X", "perf", work, options=(*FP[:-2], "-F", "4999"))
        oracle.assert_equal(path, 50)
        if has_frame_pointers:
            assert any(name.startswith("py::hot:") for name in named(oracle, path))
        if version >= [3, 13]:
            whole = record(python, "-X", "perf_jit", work, options=(*FP, "--call-graph", "dwarf"))
            injected = whole.with_suffix(".injected.data")
            subprocess.run(["perf", "inject", "--jit", "-i", whole, "-o", injected], check=True, capture_output=True)
            oracle.assert_equal(injected, 50)
            assert any(name.startswith("py::hot:") for name in named(oracle, injected))
    forget({*Path("/tmp").glob("perf-*.map"), *Path("/tmp").glob("jit*")} - before, tmp_path)
