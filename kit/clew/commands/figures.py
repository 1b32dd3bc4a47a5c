"""Show figures over time: what perf stat counted in each interval, maps of bpftrace that are one number.

Without NAME: which there are. With it: each reading, with when its interval ended.

examples:
  clew record --engine perf --stat task-clock,page-faults --interval 100 -o CASE -- make
  clew figures CASE
  clew figures CASE page-faults --from 2s --to 3s
  clew figures CASE task-clock --csv
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew figures``."""
    _options.add_case(parser)
    parser.add_argument("name", nargs="?", metavar="NAME", help="of a figure, as shown without it")
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print figures."""
    import clew
    from clew import questions
    from clew.commands._output import show

    case = clew.open(args.case)
    lens = _lens.lens_of(args, case)
    if args.name is None:
        return show(questions.figures(case, lens), args, case)
    return show(questions.figure(case, lens, args.name), args, case)
