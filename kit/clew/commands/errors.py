"""Show which calls failed, by operation and errno, with when it first and last happened.

EAGAIN, EINPROGRESS and EINTR only say "not now": programs that do not block expect them.

examples:
  clew errors CASE
  clew errors CASE --command nginx
  clew errors CASE --errno ENOENT --from 2s --to 3s
  clew counts CASE --errno ENOENT --by file       what was not there
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew errors``."""
    _options.add_case(parser)
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the errors."""
    import clew
    from clew import questions
    from clew.commands._output import show

    case = clew.open(args.case)
    return show(questions.errors(case, _lens.lens_of(args, case)), args, case)
