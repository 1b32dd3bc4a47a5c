"""Count calls by command, process, thread, operation, file or peer.

Each row says how many calls were made, how many failed, what they moved and how long they took. Percentiles are at
most 4.5 % above the exact value.

examples:
  clew counts CASE
  clew counts CASE --by op --command nginx
  clew counts CASE --by file --sort bytes --limit 20
  clew counts CASE --op read --slower 1ms            calls that took long; --faster: those that did not
  clew counts CASE --errno EAGAIN --pid 4711          of one process; also --tid, --host
  clew counts CASE --request 'GET /' --took 100ms..   made for slow requests of that name
  clew counts CASE --by peer --from 2s --to 3.5s --json
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew counts``."""
    _options.add_case(parser)
    _options.add_by(parser)
    parser.add_argument("--limit", type=_options.positive, metavar="N", help="show the first N rows")
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the counts."""
    import clew
    from clew import questions
    from clew.commands._output import show

    case = clew.open(args.case)
    return show(questions.counts(case, _lens.lens_of(args, case), args.by, args.limit, args.sort), args)
