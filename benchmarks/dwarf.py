"""How fast stacks that perf copied into samples are walked and named, beside `perf script` on the same recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.collapse import cost
from benchmarks.run import CLEW, compile_c
from benchmarks.table import Table

SOURCE = Path(__file__).with_name("deep.c")
SECONDS, RATE, COPIED = "30", "1999", "8192"
PYTHON = """
import json, re, time
until = time.process_time() + 30
while time.process_time() < until:
    text = json.dumps({str(k): [k] * 9 for k in range(2000)})
    sorted(re.findall(r"[0-9]+", text), key=lambda number: int(number) % 97)
    json.loads(text)
"""
WALK = """
import json, pathlib, sys, time
from clew.ingest.profiles import perf_data
from clew.ingest.profiles._perf_header import open_perf
file = open_perf(pathlib.Path(sys.argv[1]))
begin = time.process_time()
found = perf_data.records(file)
json.dump([len(found.sample), int(found.unwound), time.process_time() - begin], sys.stdout)
"""
READ = "import sys, pathlib; from clew.ingest.profiles import perf_data; perf_data.read(pathlib.Path(sys.argv[1]))"


def record(path: Path, command: list[str]) -> None:
    """A recording with copies of the stack in each sample."""
    options = ["-F", RATE, "-e", "cpu-clock", "--call-graph", f"dwarf,{COPIED}", "-m", "2M"]
    subprocess.run(["perf", "record", "-q", "-N", "-o", str(path), *options, "--", *command], check=True)


def rows(name: str, path: Path, folder: Path) -> list[tuple[str, ...]]:
    """Each program on one recording; ``folder`` for what they write."""
    walked = subprocess.run([sys.executable, "-c", WALK, str(path)], check=True, capture_output=True, text=True)
    samples, unwound, seconds = json.loads(walked.stdout)
    if not unwound:
        raise SystemExit(f"{path} holds no copied stack")
    cold, warm = (["env", f"XDG_CACHE_HOME={folder / kind}"] for kind in ("cold", "warm"))
    forget = ["sh", "-c", f'rm -rf "{folder}/cold" "{folder}/case" && exec "$@"', "sh"]
    programs = {
        "clew's reader, inlines, names from its cache": ([*warm, sys.executable, "-c", READ, str(path)], 3),
        "clew's reader, inlines, nothing cached": ([*forget, *cold, sys.executable, "-c", READ, str(path)], 3),
        "clew import, to tables": ([*forget, *warm, *CLEW, "import", str(folder / "case"), str(path)], 3),
        "perf script --no-inline": (["perf", "script", "--no-inline", "-i", str(path)], 3),
        "perf script": (["perf", "script", "-i", str(path)], 1),
    }
    cost(programs["clew's reader, inlines, names from its cache"][0], 1)
    table: list[tuple[str, ...]] = [(f"{name}: walk alone, in clew", f"{seconds:.2f}", f"{samples / seconds:,.0f}", "")]
    for program, (command, turns) in programs.items():
        spent, memory = cost(command, turns)
        table.append((f"{name}: {program}", f"{spent:.2f}", f"{samples / spent:,.0f}", f"{memory / 1e6:.0f}"))
    return table


def measure() -> Table:
    """Samples for each second of CPU time, start of the program included."""
    table = Table("Stacks by DWARF (8 KiB copied)", ("program", "CPU s", "samples a CPU s", "memory MB"))
    with TemporaryDirectory(prefix="clew-bench-") as name:
        folder = Path(name)
        deep = compile_c(SOURCE, folder / "deep", "-g", "-fomit-frame-pointer")
        workloads = {"C": [str(deep), "2", SECONDS], "Python": [os.path.realpath(sys.executable), "-c", PYTHON]}
        for kind, command in workloads.items():
            path = folder / f"{kind}.data"
            record(path, command)
            table.rows += rows(kind, path, folder)
            path.unlink()
    return table
