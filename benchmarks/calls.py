"""What one call costs when it is counted or traced: malloc/free pairs, and reads and writes of one byte."""

from __future__ import annotations

import random
import statistics
import subprocess
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.run import TRACERS, compile_c, traced
from benchmarks.table import Table

PASS_ON, STAMP = "a library that passes on", "the same, clock read twice"
PEERS = ("perf trace", "strace -f")
TURNS = 300
PEER_TURNS = 10  # they write a line a call
SOURCE = Path(__file__).with_name("calls.c")
NULL = Path(__file__).with_name("null.c")
CLEW = ("clew, counting", "clew, tracing")
WORK = {
    "malloc + free": (["malloc", "1"], ["bare", PASS_ON, *CLEW]),
    "malloc + free, 2 threads": (["malloc", "2"], ["bare", PASS_ON, *CLEW]),
    "read or write of 1 byte": (["io", "1"], ["bare", PASS_ON, STAMP, *CLEW, *PEERS]),
}


def take_turns(lines: dict[str, tuple[str, list[str]]]) -> dict[str, list[float]]:
    """ns a call of each turn, for {name: (tracer, command line)}; all run at once, one of them at a time works."""
    found: dict[str, list[float]] = {name: [] for name in lines}
    order = random.Random(0)  # noqa: S311 -- an order of turns, no secret
    with ExitStack() as stack:
        programs = {
            name: stack.enter_context(
                subprocess.Popen(
                    stack.enter_context(traced(tracer, line)),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    bufsize=1,
                )
            )
            for name, (tracer, line) in lines.items()
        }
        for turn in range(TURNS):
            for name in order.sample(list(programs), len(programs)):
                program = programs[name]
                if name in PEERS and turn >= PEER_TURNS:
                    continue
                assert program.stdin is not None
                assert program.stdout is not None
                program.stdin.write("\n")
                found[name].append(float(program.stdout.readline()))
        for program in programs.values():
            program.communicate()
    return found


def measure() -> Table:
    """ns of CPU time a call, and what each tracer adds to it and to two clock reads: medians of the turns."""
    table = Table("Cost of a call", ("work", "tracer", "ns a call", "added ns", "ratio", "over two clock reads"))
    with TemporaryDirectory(prefix="clew-bench-") as folder:
        program = compile_c(SOURCE, Path(folder) / "calls")
        floors = {
            PASS_ON: ["env", f"LD_PRELOAD={compile_c(NULL, Path(folder) / 'pass.so', '-shared', '-fPIC')}"],
            STAMP: ["env", f"LD_PRELOAD={compile_c(NULL, Path(folder) / 'stamp.so', '-shared', '-fPIC', '-DSTAMP')}"],
        }
        for work, (arguments, tracers) in WORK.items():
            lines = {
                name: (name if name in TRACERS else "bare", [*floors.get(name, []), str(program), *arguments])
                for name in tracers
            }
            found = take_turns(lines)

            def over(floor: str, name: str, found: dict[str, list[float]] = found) -> float:
                return statistics.median(a - b for a, b in zip(found[name], found[floor], strict=False))

            for name, figures in found.items():
                middle = statistics.median(figures)
                table.rows.append(
                    (
                        work,
                        name,
                        f"{middle:.1f}",
                        "" if name == "bare" else f"{over('bare', name):+.1f}",
                        f"{statistics.median(a / b for a, b in zip(figures, found['bare'], strict=False)):.2f}",
                        f"{over(STAMP, name):+.1f}" if STAMP in found and name in CLEW else "",
                    )
                )
    return table
