"""How fast perf.data of 250,000 samples becomes symbolised tables, beside `perf script`, which only prints it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.collapse import cost
from benchmarks.run import CLEW, compile_c
from benchmarks.table import Table

SOURCE = Path(__file__).with_name("deep.c")
THREADS, SECONDS, RATE = "8", "9", "19999"
LEAST = 200_000  # samples: fewer, and something kept perf from sampling
TURNS = 5

TO_TABLES = """
import json, pathlib, resource, sys, time
from importlib import resources
import duckdb, symbolic
from clew.ingest.profile import insert_profile
from clew.ingest.profiles import perf_data
from clew.store import schema_text
path, case = map(pathlib.Path, sys.argv[1:])
connection = duckdb.connect(case)
connection.execute((resources.files("clew.ingest") / "landing.sql").read_text())
connection.execute(schema_text())
begin = time.process_time()
profile = perf_data.read(path)
read = time.process_time()
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
connection.execute("BEGIN")
insert_profile(connection, 1, "host", profile)
connection.execute("COMMIT")
json.dump([profile.samples.num_rows, profile.stacks.num_rows, profile.frames.num_rows, read - begin,
           time.process_time() - begin, memory], sys.stdout)
"""


def record(folder: Path) -> Path:
    """Threads deep in calls, by frame pointers."""
    program, path = compile_c(SOURCE, folder / "deep", "-g", "-fno-omit-frame-pointer"), folder / "perf.data"
    options = ["-F", RATE, "-e", "cpu-clock", "--call-graph", "fp", "-m", "4M", "-o", str(path)]
    subprocess.run(["perf", "record", "-q", *options, str(program), THREADS, SECONDS], check=True)
    return path


def to_tables(path: Path, folder: Path) -> tuple[list[int], list[float]]:
    """(samples, stacks, frames), (CPU s to read, CPU s to tables, bytes of memory while reading), the best of some."""
    best: list[float] = []
    for turn in range(TURNS):
        command = [sys.executable, "-c", TO_TABLES, str(path), str(folder / f"{turn}.duckdb")]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        counts, figures = json.loads(said)[:3], json.loads(said)[3:]
        best = min(best or figures, figures, key=lambda each: each[1])
    return counts, best


def measure() -> Table:
    """Samples for each second of CPU time; the programs' start is in all but the first two rows."""
    table = Table("perf.data, frame pointers", ("program", "CPU s", "samples a CPU s", "memory MB"))
    with TemporaryDirectory(prefix="clew-bench-") as name:
        folder = Path(name)
        path = record(folder)
        (samples, stacks, frames), (read, tables, memory) = to_tables(path, folder)
        if samples < LEAST:
            raise SystemExit(f"perf took {samples} samples, not {LEAST}")

        def row(program: str, seconds: float, used: float) -> None:
            table.rows.append((program, f"{seconds:.2f}", f"{samples / seconds:,.0f}", f"{used / 1e6:.0f}"))

        row(f"read: {samples:,} samples, {stacks:,} stacks, {frames:,} frames", read, memory)
        row("read, symbolised, in tables", tables, memory)
        imported = [
            "sh",
            "-c",
            f'rm -rf "{folder}/case" && exec "$@"',
            "sh",
            *CLEW,
            "import",
            f"{folder}/case",
            str(path),
        ]
        row("clew import, all of it", *cost(imported, TURNS))
        row("perf script", *cost(["perf", "script", "-i", str(path)], 3))
        if peer := shutil.which("stackcollapse-perf.pl"):
            row("perf script | stackcollapse-perf.pl", *cost(["sh", "-c", f"perf script -i {path} | {peer}"], 1))
    return table
