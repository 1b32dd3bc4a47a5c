"""Show which processes allocate memory: how often, how much they asked for, and what they have not given back.

Allocations are counted by the preload library, always, with --count-only, too. Who makes them: clew record --stacks
alloc/1000, then clew stacks CASE --event malloc.

examples:
  clew allocations CASE
  clew allocations CASE --command nginx --from 10s
  clew activity CASE --allocations                 the same over time
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew allocations``."""
    _options.add_case(parser)
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print allocations by process."""
    import clew
    from clew import questions
    from clew.commands._output import show

    case = clew.open(args.case)
    return show(questions.allocations(case, _lens.lens_of(args, case)), args)
