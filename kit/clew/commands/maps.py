"""Show what bpftrace scripts kept in maps and histograms, or printed.

Without NAME: which maps there are. With it: its entries as printed last, the largest first, or its distribution.

examples:
  clew maps CASE
  clew maps CASE @calls --limit 10
  clew maps CASE @calls --each            every reading, as the script printed it in intervals
  clew maps CASE --printed
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew maps``."""
    _options.add_case(parser)
    name = parser.add_argument("name", nargs="?", metavar="NAME", help="of a map, as the script has it: @calls")
    _options.completed(name, "map")
    parser.add_argument("--limit", type=_options.positive, metavar="N", help="the N largest entries of each reading")
    parser.add_argument("--each", action="store_true", help="every reading, not only the last")
    parser.add_argument("--printed", action="store_true", help="what the scripts printed besides maps")
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print one of these."""
    import clew
    from clew import questions
    from clew.commands._output import show
    from clew.errors import ClewError

    if args.printed and (args.name or args.each or args.limit):
        raise ClewError("--printed goes with no map")
    case = clew.open(args.case)
    lens = _lens.lens_of(args, case)
    if args.printed:
        return show(questions.printed(case, lens), args, case)
    there = questions.maps(case, lens)
    if args.name is None:
        return show(there, args, case)
    kinds = {row["name"]: row["what"] for row in there.table.to_pylist()}
    if kinds.get(args.name) == "histogram":
        return show(questions.histogram(case, lens, args.name), args)
    return show(questions.map_values(case, lens, args.name, "each" if args.each else None, args.limit), args, case)
