"""Bring recorded files into a case: segment files and cases of clew, and profiles of other tools.

Profiles: perf.data, `perf script` text, folded stacks, text and JSON of bpftrace, gdb's backtraces, pprof, speedscope,
Chrome's and Firefox's, py-spy, austin. What a file is, is told by its content. The files are copied into CASE/raw, so
they may be deleted afterwards. CASE is made if it does not exist.

examples:
  clew import CASE perf.data
  clew import CASE other-case/raw/001
  clew import CASE seg-000001.clew seg-000002.clew
  clew import CASE datasets/three-tier
"""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.commands import _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew import``."""
    _options.add_case(parser)
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="file or folder to import")


def run(args: argparse.Namespace) -> int:
    """Import and say what is in the case then."""
    import clew
    from clew.ingest.imports import import_files
    from clew.units import number

    events = import_files(Path(args.case), args.files)
    samples = clew.open(args.case).sql("SELECT count(*) AS n FROM sample")["n"][0].as_py()
    print(f"{args.case}: {number(events)} events added" + (f", {number(samples)} samples in all" if samples else ""))
    return 0
