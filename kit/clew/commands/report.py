"""Write a case as one HTML file that needs no network: to read, sort, hover and zoom, and to hand on.

Payloads never enter it. Values that look like secrets, user names in paths and public addresses are masked, unless
--no-redact is given.

examples:
  clew report CASE -o out.html
  clew report CASE -o nginx.html --command nginx --from 2s --to 10s
  clew report CASE -o slow.html --took 100ms..     of slow requests
  clew report CASE -o mine.html --no-redact        with user names, addresses and what looks like a secret
"""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.commands import _lens, _options
from clew.errors import ClewError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew report``."""
    _options.add_case(parser)
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the HTML file to write")
    parser.add_argument("--no-redact", action="store_true", help="keep what may be private")
    _options.add_lens(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report."""
    import clew

    try:
        from clew_widgets.answers import bounds
        from clew_widgets.report import write_report
    except ImportError as error:
        raise ClewError(f"report: the widgets are not installed ({error.name}): pip install clew") from None
    if not args.output.parent.is_dir():
        raise ClewError(f"report: there is no folder {args.output.parent}")
    case = clew.open(args.case)
    bounds(case)  # an empty case is an error, not an empty report
    write_report(case, args.output, _lens.lens_of(args, case), redact=not args.no_redact)
    print(args.output)
    return 0
