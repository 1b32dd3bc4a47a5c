"""Show who did most: the first N, of the whole or of each interval of time.

examples:
  clew top CASE
  clew top CASE -n 5 --by process --sort total_ns
  clew top CASE --interval 1s -n 3
  clew top CASE --by file --sort bytes --op read --csv
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew top``."""
    _options.add_case(parser)
    _options.add_by(parser)
    parser.add_argument(
        "-n", type=_options.positive, default=10, metavar="N", help="rows (in each interval); default: 10"
    )
    parser.add_argument("--interval", metavar="TIME", help="length of an interval: 1s, 200ms")
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the top N."""
    import clew
    from clew import questions
    from clew.commands._output import show

    interval = _options.parse_time(args.interval)
    case = clew.open(args.case)
    return show(questions.top(case, _lens.lens_of(args, case), args.by, interval, args.n, args.sort), args, case)
