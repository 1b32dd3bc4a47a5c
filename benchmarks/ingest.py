"""How fast a recorded segment becomes tables, and how fast the tables answer: 10 million records."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.run import CLEW, compile_c
from benchmarks.table import Table

RECORDS = 10_000_000
SOURCE = Path(__file__).with_name("calls.c")
BEST_OF = 3


def timed(action: Callable[[], object]) -> tuple[float, object]:
    """Wall seconds of the best of three runs, and what the last gave."""
    best, result = float("inf"), None
    for _ in range(BEST_OF):
        start = time.perf_counter()
        result = action()
        best = min(best, time.perf_counter() - start)
    return best, result


def measure() -> Table:
    """Records a second from segment to tables, in a process of its own so that its memory is seen; then questions."""
    table = Table("10 million records", ("step", "figure"))
    with TemporaryDirectory(prefix="clew-bench-") as folder:
        program, case = compile_c(SOURCE, Path(folder) / "calls"), Path(folder) / "case"
        record = [*CLEW, "record", "-q", "--payload", "none", "--on-full", "wait", "-o", str(case), "--"]
        subprocess.run([*record, str(program), "io", "2", "500"], check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.ingest", str(case)], check=True, stdout=subprocess.PIPE, text=True
        )
        table.rows += [tuple(line.split("\t")) for line in done.stdout.splitlines()]
    return table


def report(path: Path) -> None:
    """Print the figures of the case at `path`, a line each: name, tab, figure."""
    import clew
    from clew import questions
    from clew.lens import Lens

    start, cpu = time.perf_counter(), time.process_time()
    case = clew.open(path)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    events = case.sql("SELECT count(*) AS n FROM event")["n"][0].as_py()
    if events < RECORDS:
        raise SystemExit(f"recorded {events} events, not {RECORDS}")
    print(f"segment to tables\t{events / wall / 1e6:.2f} M records/s ({wall:.1f} s wall, {cpu:.1f} s CPU)")
    asked = {
        **{
            f"counts by {by}": lambda by=by: questions.counts(case, Lens(), by=by)
            for by in ("command", "thread", "op", "file")
        },
        "activity": lambda: questions.activity(case, Lens()),
        "latency histogram and percentiles": lambda: questions.latency(case, Lens()),
        "errors": lambda: questions.errors(case, Lens()),
        "top per second": lambda: questions.top(case, Lens(), interval_ns=1_000_000_000),
    }
    for name, ask in asked.items():
        seconds, _ = timed(ask)
        print(f"{name}\t{seconds * 1e3:.0f} ms")
    print(f"peak memory\t{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    report(Path(sys.argv[1]))
