"""How fast text of perf script is folded and read: 250,000 samples of 15 frames, beside the Perl script.

That is FlameGraph's stackcollapse-perf.pl, in $FLAMEGRAPH_DIR or on PATH; without it there is no such row.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.run import CLEW
from benchmarks.table import Table

SAMPLES, FRAMES, BEST_OF = 250_000, 15, 3
READ = "import sys, pathlib; from clew.ingest.profiles import perf_script; perf_script.read(pathlib.Path(sys.argv[1]))"
PEER = "stackcollapse-perf.pl"


def write(path: Path) -> None:
    """Text as perf 6 prints it of a random walk through 3,000 functions: as varied as a real recording is at its worst.

    Some 60,000 distinct lines of frames of 70 bytes; two stacks of five are the only ones of their kind.
    """
    chance = random.Random(3)  # noqa: S311 -- the same text each time

    def line(function: int) -> str:
        place = 0x401000 + 4096 * function + chance.randrange(4096)
        return f"\t{place:16x} Part{function % 89}::step_{function}+0x{place % 4096:x} (/usr/bin/program)\n"

    calls = [[(chance.randrange(3000), line(number)) for _ in range(12)] for number in range(3000)]
    places = [[line(number) for _ in range(8)] for number in range(3000)]
    with path.open("w") as file:
        for number in range(SAMPLES):
            function, stack = number % 8, list[str]()
            for _ in range(min(FRAMES + 25, 5 + int(chance.expovariate(1 / (FRAMES - 5))))):
                function, frame = calls[function][min(11, int(chance.expovariate(1.8)))]
                stack.append(frame)
            stack.append(chance.choice(places[function]))
            thread = 4000 + number % 8
            file.write(f"worker-{thread} {thread:5d} {1000 + number / 20_000:.6f}:      50000 cpu-clock:ppp: \n")
            file.write("".join(reversed(stack)) + "\n")


def cost(command: list[str], turns: int = BEST_OF) -> tuple[float, int]:
    """CPU seconds of ``command`` and of what it starts, the least of some runs, and its largest memory in bytes."""
    best, memory = float("inf"), 0
    for _ in range(turns):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command[0]} failed")
        best, memory = min(best, used.ru_utime + used.ru_stime), max(memory, used.ru_maxrss * 1024)
    return best, memory


def measure() -> Table:
    """Samples for each second of CPU time."""
    table = Table("Text of perf script", ("program", "CPU s", "samples a CPU s", "MB a CPU s", "memory MB"))
    folder = os.environ.get("FLAMEGRAPH_DIR")
    peer = shutil.which(PEER, path=folder) if folder else shutil.which(PEER)
    with TemporaryDirectory(prefix="clew-bench-") as place:
        text = Path(place) / "out.perf"
        write(text)
        programs = {
            "clew collapse": [*CLEW, "collapse", str(text)],
            "clew's reader, to tables": [sys.executable, "-c", READ, str(text)],
        }
        if peer:
            programs[PEER] = ["perl", peer, str(text)]
        for name, command in programs.items():
            seconds, memory = cost(command)
            size = text.stat().st_size / 1e6
            table.rows.append(
                (name, f"{seconds:.2f}", f"{SAMPLES / seconds:,.0f}", f"{size / seconds:.0f}", f"{memory / 1e6:.0f}")
            )
    return table
