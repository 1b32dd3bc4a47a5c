"""What one call costs when it is counted or traced: malloc/free pairs, and reads and writes of one byte."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.run import TRACERS, compile_c, output
from benchmarks.table import Table

PASS_ON, STAMP = "a library that passes on", "the same, clock read twice"
TURNS = 3  # each tracer gets its turn this many times, interleaved; the best counts
SOURCE = Path(__file__).with_name("calls.c")
NULL = Path(__file__).with_name("null.c")
WORK = {
    "malloc + free": (["malloc", "1", "40"], ["bare", PASS_ON, "clew, counting", "clew, tracing"]),
    "malloc + free, 2 threads": (["malloc", "2", "40"], ["bare", PASS_ON, "clew, counting", "clew, tracing"]),
    "read or write of 1 byte": (["io", "1", "30"], ["bare", PASS_ON, STAMP, "clew, counting", "clew, tracing"]),
    "the same under peers": (["io", "1", "2"], ["bare", "perf trace", "strace -f"]),
}


def measure() -> Table:
    """ns of CPU time a call, and what each tracer adds to it."""
    table = Table("Cost of a call", ("work", "tracer", "ns a call", "added ns", "ratio"))
    with TemporaryDirectory(prefix="clew-bench-") as folder:
        program = compile_c(SOURCE, Path(folder) / "calls")
        floors = {
            PASS_ON: ["env", f"LD_PRELOAD={compile_c(NULL, Path(folder) / 'pass.so', '-shared', '-fPIC')}"],
            STAMP: ["env", f"LD_PRELOAD={compile_c(NULL, Path(folder) / 'stamp.so', '-shared', '-fPIC', '-DSTAMP')}"],
        }
        for work, (arguments, tracers) in WORK.items():
            best = dict.fromkeys(tracers, float("inf"))
            for _ in range(TURNS):
                for tracer in tracers:
                    line = [*floors.get(tracer, []), str(program), *arguments]
                    best[tracer] = min(best[tracer], float(output(tracer if tracer in TRACERS else "bare", line)))
            for tracer, figure in best.items():
                added = "" if tracer == "bare" else f"{figure - best['bare']:+.1f}"
                table.rows.append((work, tracer, f"{figure:.1f}", added, f"{figure / best['bare']:.2f}"))
    return table
