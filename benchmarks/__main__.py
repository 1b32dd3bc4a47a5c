"""`python -m benchmarks [SECTION ...]`: run the sections named, or all, and print one table each."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import (
    calls,
    causal,
    collapse,
    dwarf,
    hotel_media,
    ingest,
    perf_data,
    protocols,
    repaint,
    servers,
    stacks,
)
from benchmarks.table import show

SECTIONS = {
    "calls": calls.measure,
    "servers": servers.measure,
    "ingest": ingest.measure,
    "collapse": collapse.measure,
    "perf_data": perf_data.measure,
    "dwarf": dwarf.measure,
    "stacks": stacks.measure,
    "repaint": repaint.measure,
    "protocols": protocols.measure,
    "causal": causal.measure,
    "hotel_media": hotel_media.measure,
}


def main(names: list[str]) -> int:
    """Run the sections called `names` (all if empty); 2 for a name that is none.

    Several run in a program each: what a program starts is charged with the memory that it had itself.
    """
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        print(f"no such section: {unknown[0]} (there are {', '.join(SECTIONS)})", file=sys.stderr)
        return 2
    if len(names) == 1:
        show(SECTIONS[names[0]]())
        return 0
    ended = [subprocess.run([sys.executable, "-m", "benchmarks", name], check=False) for name in names or SECTIONS]
    return max(done.returncode for done in ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
