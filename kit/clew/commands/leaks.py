"""Show what was opened and never closed: by process, file, peer, operation, stack, or one by one.

"open" was never closed; "at_end" was closed only as the process ended; "late" is how many of these were opened in
the later half of its time: a leak goes on, a pool is filled once. Who left them open: clew record --stacks
open,socket,accept,dup,pipe, then --by stack. With --memory: allocations that were not given back, over time.

examples:
  clew leaks CASE
  clew leaks CASE --by what --command python3      which files and sockets
  clew leaks CASE --by descriptor -n 20            each of them, with when it was opened
  clew leaks CASE --by stack --op socket           who left them open
  clew leaks CASE --from 10s --to 60s              opened from then on, and not closed until then
  clew leaks CASE --memory
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options

KEYS = (*_options.KEYS, "what", "stack", "descriptor")
"""As in questions.leaks, which takes too long to import."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew leaks``."""
    _options.add_case(parser)
    by = f"{', '.join(KEYS[:-1])} or {KEYS[-1]}".replace("process", "process (default)")
    parser.add_argument("--by", default="process", choices=_options.Offered(KEYS), metavar="KEY", help=by)
    parser.add_argument("-n", type=_options.positive, metavar="N", help="show the first N rows")
    parser.add_argument("--memory", action="store_true", help="allocations that were not given back, by process")
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print what was left open, or not given back."""
    import clew
    from clew import questions
    from clew.commands._output import show

    case = clew.open(args.case)
    lens = _lens.lens_of(args, case)
    return show(
        questions.live(case, lens, args.n) if args.memory else questions.leaks(case, lens, args.by, args.n), args, case
    )
