"""Names of threads and programs, whatever bytes they are made of; perf script cannot be trusted with these."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from clew.ingest.profiles import perf_data

Build = Callable[..., Path]
Record = Callable[..., Path]
WORKLOADS = Path(__file__).parents[3] / "workloads"
NAMES = [  # as tests/workloads/profiled.c has them; the kernel keeps 15 bytes
    *(b"two words", b"a;b;c", b"#hash", b"new\nline", b"  lead", b"trail  ", b"\xff\xfe\x80", b"x 12 34.5:", b"sp 7/8"),
    *(b"(p) [q]", b"tab\tin", b"\xc3\xa9t\xc3\xa9", b"[k]", b"%s%n", b"-1", b'"quoted\\'),
]


def test_every_name_is_kept_as_it_is(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "perf.data"
    record = ["perf", "record", "-q", "-F", "1999", "-e", "cpu-clock", "-g", "-o", str(path)]
    done = subprocess.run([*record, str(build("profiled")), "names"], check=True, capture_output=True, text=True)
    expected = {int(tid): NAMES[int(index)] for tid, index in (line.split() for line in done.stdout.splitlines())}
    assert len(expected) == len(NAMES)
    profile = perf_data.read(path)
    rows = profile.threads.to_pylist()
    names = {row["tid"]: row["name"] for row in rows if row["name"] != "profiled"}
    assert {tid: name for tid, name in names.items() if tid in expected} == {
        tid: name.decode("utf-8", "backslashreplace") for tid, name in expected.items()
    }
    sampled = Counter(rows[thread]["name"] for thread in profile.samples["thread"].to_pylist())
    assert all(sampled[name.decode("utf-8", "backslashreplace")] >= 3 for name in NAMES)
    assert {row["command"] for row in rows if row["tid"] in expected} == {"profiled"}


def test_counts_by_name_are_those_of_perf_report(build: Build, record: Record) -> None:
    path = record(build("profiled"), "family", options=("-F", "1999", "-e", "cpu-clock"))
    report = ["perf", "report", "-i", str(path), "-s", "comm,pid", "-n", "--stdio", "-t", "|", "-q"]
    lines = subprocess.run(report, check=True, capture_output=True, text=True).stdout.splitlines()
    expected = Counter[tuple[str, int]]()
    for line in filter(str.strip, lines):
        _, count, name, pid = line.split("|")
        expected[name.strip(), int(pid.split(":")[0])] += int(count)
    profile = perf_data.read(path)
    rows = profile.threads.to_pylist()
    assert Counter((rows[t]["name"], rows[t]["tid"]) for t in profile.samples["thread"].to_pylist()) == expected


def test_samples_lie_within_the_life_of_their_thread(build: Build, record: Record) -> None:
    path = record(build("profiled"), "many", "10", options=("-F", "1999", "-e", "cpu-clock", "-g"))
    profile = perf_data.read(path)
    rows = profile.threads.to_pylist()
    children = [row for row in rows if row["ppid"] is not None]
    assert len({row["pid"] for row in children if row["pid"] == row["tid"]}) >= 10
    assert len({row["tid"] for row in rows if row["pid"] != row["tid"]}) >= 10
    for thread, ts in zip(profile.samples["thread"].to_pylist(), profile.samples["ts_ns"].to_pylist(), strict=True):
        row = rows[thread]
        assert row["start_ns"] is None or row["start_ns"] <= ts
        assert row["end_ns"] is None or ts <= row["end_ns"] + 1_000_000  # a thread that ends may still be sampled
