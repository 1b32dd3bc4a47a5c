"""What one call costs when it is counted or traced: malloc/free pairs, and reads and writes of one byte."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.run import compile_c, output
from benchmarks.table import Table

TURNS = 3  # each tracer gets its turn this many times, interleaved; the best counts
SOURCE = Path(__file__).with_name("calls.c")
WORK = {
    "malloc + free": (["malloc", "1", "40"], ["bare", "clew, counting", "clew, tracing"]),
    "malloc + free, 2 threads": (["malloc", "2", "40"], ["bare", "clew, counting", "clew, tracing"]),
    "read or write of 1 byte": (["io", "1", "30"], ["bare", "clew, counting", "clew, tracing"]),
    "the same under peers": (["io", "1", "2"], ["bare", "perf trace", "strace -f"]),
}


def measure() -> Table:
    """ns of CPU time a call, and what each tracer adds to it."""
    table = Table("Cost of a call", ("work", "tracer", "ns a call", "added ns", "ratio"))
    with TemporaryDirectory(prefix="clew-bench-") as folder:
        program = compile_c(SOURCE, Path(folder))
        for work, (arguments, tracers) in WORK.items():
            best = dict.fromkeys(tracers, float("inf"))
            for _ in range(TURNS):
                for tracer in tracers:
                    best[tracer] = min(best[tracer], float(output(tracer, [str(program), *arguments])))
            for tracer, figure in best.items():
                added = "" if tracer == "bare" else f"{figure - best['bare']:+.1f}"
                table.rows.append((work, tracer, f"{figure:.1f}", added, f"{figure / best['bare']:.2f}"))
    return table
