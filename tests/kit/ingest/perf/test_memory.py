"""A recording need not fit into memory: what was read leaves it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

READ = """
import json, pathlib, resource, sys
from clew.ingest.profiles import perf_data
profile = perf_data.read(pathlib.Path(sys.argv[1]))
json.dump([profile.samples.num_rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024], sys.stdout)
"""
LONG = 250_000_000  # bytes


def _read(path: Path) -> tuple[int, int]:
    """(samples, bytes of memory at most) of a process that reads ``path``."""
    done = subprocess.run([sys.executable, "-c", READ, str(path)], check=True, capture_output=True, text=True)
    samples, memory = json.loads(done.stdout)
    return samples, memory


def test_a_long_recording_with_stacks_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    short, long = tmp_path / "short.data", tmp_path / "long.data"
    options = ["-e", "page-faults", "-c", "1", "--call-graph", "dwarf,32768"]
    subprocess.run(["perf", "record", "-q", "-o", short, *options, "ls", "/"], check=True, capture_output=True)
    whole = short.read_bytes()
    at, size = (int.from_bytes(whole[place : place + 8], "little") for place in (40, 48))  # struct perf_file_header
    again = LONG // size + 1
    with long.open("wb") as file:
        file.write(whole[:48] + (size * again).to_bytes(8, "little") + whole[56:72] + bytes(32) + whole[104:at])
        for _ in range(again):
            file.write(whole[at : at + size])
    few, little = _read(short)
    many, much = _read(long)
    assert many == few * again
    assert long.stat().st_size > LONG
    assert much - little < LONG // 2, "the file's pages stay in memory"
