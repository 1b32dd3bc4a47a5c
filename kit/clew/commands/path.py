"""Show one request: every program that worked for it, where its time went, and what its end had to wait for.

Each line is a piece of work: a bar for when it was (█ on the critical path, ▒ off it), how long it took, its own part
(at work, or in a queue: for a turn of the loop, a worker, a connection), the part in which it waited for the lines
below it, who did it and what was asked. On the critical path is what the end had to wait for. Numbers of requests are
those of `clew requests CASE --slowest 10`; without one the slowest is shown. Where a thread mostly worked for others
meanwhile (a loop that computes), the last line says for what.

examples:
  clew path CASE 4711
  clew path CASE
  clew path CASE 4711 --events      every call that was made for it
  clew path CASE 4711 --json
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys

from clew.commands import _options
from clew.errors import ClewError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew path``."""
    _options.add_case(parser)
    parser.add_argument("id", nargs="?", metavar="ID", help="number of the request (default: the slowest)")
    parser.add_argument("--events", action="store_true", help="every call that was made for it, in order of time")
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the request."""
    import clew
    from clew import questions
    from clew.commands import _tree
    from clew.commands._output import note_line, show
    from clew.lens import Lens
    from clew.units import duration, number, printable

    case = clew.open(args.case)
    chosen = None if args.id is None else _number(args.id, args.case)
    if chosen is None:
        slowest = questions.requests(case, Lens(), "dur_ns", 1).table
        if not slowest.num_rows:
            raise ClewError(f"no requests were found; `clew trace {args.case}` says what was")
        chosen = slowest["request_id"][0].as_py()
    if args.events:
        return show(questions.request_events(case, chosen), args, case)
    answer = questions.request_tree(case, chosen)
    if args.json or args.csv:
        return show(answer, args)
    figures = answer.summary
    took = "no end seen" if figures["dur_ns"] is None else duration(figures["dur_ns"])
    which = "" if args.id is not None else ", the slowest"
    spans, processes = (f"{number(figures[of])} {of if figures[of] > 1 else one}" for of, one in _ONE.items())
    print(f"{printable(answer.title)} ({took}, {spans} in {processes}{which})")
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((140, 24)).columns
    print("\n".join(_tree.lines(answer.table.to_pylist(), width, color)))
    note_line(answer)
    note_line(questions.in_the_way(case, chosen))
    return 0


_ONE = {"spans": "span", "processes": "process"}


def _number(text: str, case: str) -> int:
    """The number of a request; what looks like one of something else is said."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"#?[0-9a-fA-F]{1,6}", text):
        raise ClewError(
            f"path: {text} names a shape, not a request; "
            f"`clew requests {case} --shape {text.removeprefix('#')} --slowest 10` shows the numbers of its requests"
        )
    raise ClewError(f"path: {text!r:.60} is no number of a request; `clew requests {case} --slowest 10` shows them")
