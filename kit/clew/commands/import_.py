"""Bring recorded files into a case: segment files of clew, or the Parquet tables of another case.

What a file is, is told by its content. The files are copied into CASE/raw, so they may be deleted afterwards. CASE is
made if it does not exist.

examples:
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
    """Import and say how many events came in."""
    from clew.ingest.imports import import_files
    from clew.units import number

    print(f"{args.case}: {number(import_files(Path(args.case), args.files))} events")
    return 0
