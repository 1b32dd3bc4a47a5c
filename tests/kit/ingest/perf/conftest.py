"""Recordings by the real perf, what `perf script` says of them, and what clew reads."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from clew.ingest.profiles import perf_data
from clew.ingest.profiles._perf_header import open_perf
from clew.ingest.profiles._perf_places import resolve_places

WORKLOADS = Path(__file__).parents[3] / "workloads"
_SAMPLE = re.compile(r"^\s*(-?\d+)/(-?\d+)\s+(\d+)\.(\d{9}):\s+(\d+)\s+(\S.*?):\s*(\s[0-9a-f]+ .*\))?\s*$")
_FRAME = re.compile(r"^\s+([0-9a-f]+) (.*) \(((?:[^()]|\(deleted\))*)\)$")


@dataclass(frozen=True)
class Frame:
    """Address as perf script prints it (offset in the file; kernel, JIT, unknown: in memory), function, module."""

    address: int
    function: str
    module: str


@dataclass
class Sample:
    pid: int
    tid: int
    ts_ns: int
    event: str
    period: int
    frames: list[Frame] = field(default_factory=list)  # innermost first


def script(path: Path, *options: str) -> list[Sample]:
    """`perf script` without names of threads, which make its lines ambiguous."""
    fields = "pid,tid,time,event,period,ip,sym,dso"
    command = ["perf", "script", "-i", str(path), "--ns", "--no-inline", "-F", fields, *options]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Sample] = []
    for line in done.stdout.decode("utf-8", "backslashreplace").split("\n"):
        if head := _SAMPLE.match(line):
            pid, tid, seconds, rest, period, event, line = head.groups()
            found.append(Sample(int(pid), int(tid), int(seconds) * 10**9 + int(rest), event, int(period)))
        if line is None:
            continue
        if frame := _FRAME.match(line):
            found[-1].frames.append(Frame(int(frame[1], 16), frame[2], frame[3]))
        elif line.strip():
            raise AssertionError(f"perf script printed {line!r}")
    return found


def ours(path: Path) -> list[Sample]:
    """The same from the reader, before inlined functions are expanded."""
    file = open_perf(path)
    recording, made = perf_data.recorded(file, None)
    resolved = resolve_places(recording, file.build_ids, None, made=made)
    outer = resolved.frames.take(resolved.first)
    functions, modules = outer["function"].to_pylist(), outer["module"].to_pylist()
    places = [
        Frame(address, function, module or "[unknown]")
        for address, function, module in zip(recording.place["address"].tolist(), functions, modules, strict=True)
    ]
    stacks: list[list[Frame]] = []
    for row in recording.stack:
        stacks.append([places[row["place"]], *(stacks[row["parent"]] if row["parent"] >= 0 else [])])
    threads = [(int(row["pid"]), int(row["tid"])) for row in recording.thread]
    return [
        Sample(
            *(threads[row["thread"]] if row["thread"] >= 0 else (-1, -1)),
            int(row["ts_ns"]),
            file.events[row["event"]].name,
            int(row["weight"]),
            stacks[row["stack"]] if row["stack"] >= 0 else [],
        )
        for row in recording.sample
    ]


def differences(expected: list[Sample], found: list[Sample]) -> list[str]:
    """What is not equal, sample by sample, in order of time, which perf script keeps by and large.

    Two chains perf throws away: an empty one (the thread was ending), of which the address that was sampled is left,
    and one in which a wrong frame pointer has led to an address of all ones, of which the part before that is left.
    """
    expected = sorted(expected, key=lambda sample: sample.ts_ns)
    said = []
    thrown_away = sum(not one.frames for one in expected)
    if thrown_away > 0.05 * len(expected):
        said.append(f"perf has no stack for {thrown_away} of {len(expected)}")
    if len(expected) != len(found):
        said.append(f"{len(expected)} samples, {len(found)} were read")
    for one, two in zip(expected, found, strict=False):
        if one != (two if one.frames else replace(two, frames=[])):
            said.append(f"perf {one}\nclew {two}")
    return said


class Oracle:
    """perf's view of a file and ours."""

    script = staticmethod(script)
    ours = staticmethod(ours)
    differences = staticmethod(differences)

    @staticmethod
    def functions(path: Path) -> Counter[str]:
        """How often each function is the innermost one."""
        return Counter(sample.frames[0].function for sample in ours(path) if sample.frames)

    @staticmethod
    def assert_equal(path: Path, least: int, *, everybody: bool = False) -> None:
        """perf script and clew say the same of at least ``least`` samples, and the profile holds them all.

        ``everybody``: the recording is of all that ran; the names in other programs than ours, which may have any
        language, are for tests of symbols.
        """
        expected, found = script(path), ours(path)
        if everybody:
            for sample in (*expected, *found):
                sample.frames = [
                    frame if frame.module.startswith("[") or "profiled" in frame.module else replace(frame, function="")
                    for frame in sample.frames
                ]
        stacks = sum(bool(sample.frames) for sample in found)
        assert not (wrong := differences(expected, found)), f"{len(wrong)} differ: {wrong[0]}"
        assert len(found) >= least
        profile = perf_data.read(path)
        samples = profile.samples.slice(0, len(found))
        assert samples["ts_ns"].to_pylist() == [sample.ts_ns for sample in found]
        assert samples["weight"].to_pylist() == [sample.period for sample in found]
        assert sum(row is not None for row in samples["stack"].to_pylist()) == stacks


@pytest.fixture(scope="session")
def oracle() -> type[Oracle]:
    return Oracle


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A program of tests/workloads, made with frame pointers and debug information."""
    directory = tmp_path_factory.mktemp("programs")

    def build(name: str, *options: str, output: str = "") -> Path:
        program = directory / (output or name)
        if not program.exists():
            flags = ["-O1", "-g", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-pthread"]
            command = ["cc", *flags, str(WORKLOADS / f"{name}.c"), *options, "-o", str(program), "-ldl"]
            subprocess.run(command, check=True)
        return program

    return build


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """`perf record` of a command; the path of its file."""
    count = 0

    def record(*command: str | Path, options: tuple[str, ...] = ("-F", "1999", "-e", "cpu-clock", "-g")) -> Path:
        nonlocal count
        count += 1
        path = tmp_path / f"{count}.data"
        line = ["perf", "record", "-q", "-o", str(path), *options, "--", *map(str, command)]
        done = subprocess.run(line, capture_output=True, check=False, cwd=tmp_path)
        assert path.stat().st_size, done.stderr
        return path

    return record
