"""Show how many calls were made when, how many failed, what they moved, how much time was spent in them.

Allocations (malloc and its family) are counted, not recorded one by one: they are known to about a second.

examples:
  clew activity CASE
  clew activity CASE --interval 1s --command nginx
  clew activity CASE --by op --from 2s --to 3s --csv
  clew activity CASE --allocations --by command
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options

_BINS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew activity``."""
    _options.add_case(parser)
    keys = ("command", "op", "host")
    parser.add_argument("--by", choices=_options.Offered(keys), metavar="KEY", help=f"{', '.join(keys[:-1])} or host")
    parser.add_argument("--interval", metavar="TIME", help=f"1s, 200ms (default: {_BINS} equal ones)")
    parser.add_argument("--allocations", action="store_true", help="of memory, not calls; bytes are those asked for")
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print what happened in each interval."""
    import clew
    from clew import questions
    from clew.commands._output import show

    interval_ns = _options.parse_time(args.interval)
    case = clew.open(args.case)
    what = "allocations" if args.allocations else "calls"
    lens = _lens.lens_of(args, case)
    return show(questions.activity(case, lens, _BINS, args.by, interval_ns=interval_ns, what=what), args, case)
