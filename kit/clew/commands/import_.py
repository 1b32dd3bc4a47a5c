"""Bring recorded files into a case: segment files and cases of clew, and profiles of other tools.

Profiles: perf.data, `perf script` text, folded stacks, text and JSON of bpftrace, gdb's backtraces, pprof, speedscope,
Chrome's and Firefox's, py-spy, austin. Spans: OTLP (.jsonl) and Jaeger's JSON; their requests are looked at as recorded
ones are, and tied to recorded calls by the ids in headers, by address and time. What a file is, is told by its content.
The files are copied into CASE/raw, so they may be deleted afterwards. CASE is made if it does not exist.

examples:
  clew import CASE perf.data
  clew import CASE other-case/raw/001
  clew import CASE seg-000001.clew seg-000002.clew
  clew import CASE datasets/three-tier
  clew import CASE spans.jsonl
  clew import CASE --infer-parents traces.json  from times alone, and how right that is
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clew.capture.meta import RAW
from clew.commands import _options

if TYPE_CHECKING:
    from clew.case import Case

_HELD = {
    "events": "event",
    "samples": "sample",
    "stacks": "(SELECT DISTINCT stack_id FROM sample WHERE stack_id IS NOT NULL)",
    "figures over time": "series",
    "entries of maps": "map_value",
    "cells of histograms": "histogram",
    "lines printed": "printed",
    "spans": "imported_span",
}
"""What is counted, and in which table."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew import``."""
    _options.add_case(parser)
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="file or folder to import")
    parser.add_argument(
        "--infer-parents",
        action="store_true",
        help="spans: find out who caused what from their times, ignoring what is told",
    )


def run(args: argparse.Namespace) -> int:
    """Import and say what is in the case then."""
    import clew
    from clew.ingest.imports import import_files
    from clew.units import number

    known = (Path(args.case) / RAW).is_dir()
    before = _held(clew.open(args.case)) if known else {}
    import_files(Path(args.case), args.files, infer_parents=args.infer_parents)
    case = clew.open(args.case)
    held = _held(case)
    grown = {name: count - before.get(name, 0) for name, count in held.items()}
    added = ", ".join(f"{name}: {number(count)}" for name, count in grown.items() if count) or "nothing"
    print(f"{args.case}: added {added}; `clew info {args.case}` says more")
    if args.infer_parents:
        print(_said(case))
    return 0


def _held(case: Case) -> dict[str, int]:
    """How much there is in a case of what can be imported, as people call it."""
    parts = [f'(SELECT count(*) FROM {table}) AS "{name}"' for name, table in _HELD.items()]
    row: dict[str, int] = case.sql(f"SELECT {', '.join(parts)}").to_pylist()[0]
    return row


def _said(case: Case) -> str:
    """How right the parents are that were inferred."""
    from clew.causal.imported import LEAST, accuracy

    case.trace()
    right = accuracy(case)
    if right is None:
        return "no parents were told: nothing to compare with"
    shares = f"{right.right:.2%} right, {right.none:.2%} left out (less than {LEAST:.0%} sure), {right.wrong:.2%} wrong"
    return f"parents of {right.calls:,} calls, against those told: {shares}; {right.traces:.1%} of traces wholly right"
