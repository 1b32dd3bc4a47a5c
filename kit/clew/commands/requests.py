"""Show what was asked for: requests by name, single ones, where their time went, who called whom.

A request is what a recorded program was asked by one that was not recorded, with all that was done for it by any
recorded program. They are found when first asked for; `clew trace CASE` does it beforehand and says what it found.
Percentiles are exact. `clew path CASE ID` shows one request, `clew paths CASE` which ways they took.

examples:
  clew requests CASE
  clew requests CASE --by status                also command, host, shape
  clew requests CASE --by shape --sort count --limit 5
  clew requests CASE --first 10 --from 2s       single ones in the order in which they began
  clew requests CASE --slowest 10 --request 'GET /item/?'
  clew requests CASE --took 100ms.. --latency   how long they took, as a histogram
  clew requests CASE --time                     running, waiting for whom, page faults, unaccounted
  clew requests CASE --services                 who called whom, how often, how long it took
  clew requests CASE --pools                    connections to others: how many, and how full
  clew requests CASE --given-up                 calls whose asker closed the connection before an answer came
  clew requests CASE --locks                    which waited inside a program, and what was done that let them go on
  clew requests CASE --unresolved               what is not linked, or only likely
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options

KEYS = ("name", "status", "command", "host", "shape")
MEASURES = ("count", "errors", "unresolved", "total_ns", "mean_ns", "min_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns")
"""As in questions.requests, which takes too long to import."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew requests``."""
    _options.add_case(parser)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--by",
        default="name",
        choices=_options.Offered(KEYS),
        metavar="KEY",
        help="name (default), status, command (of the root), host or shape",
    )
    shown.add_argument("--slowest", type=_options.positive, metavar="N", help="the N requests that took longest")
    shown.add_argument("--first", type=_options.positive, metavar="N", help="the N requests that began first")
    shown.add_argument("--latency", action="store_true", help="how long they took")
    shown.add_argument("--time", action="store_true", help="where their time went, by program")
    shown.add_argument("--services", action="store_true", help="who called whom")
    shown.add_argument("--pools", action="store_true", help="how full the connections are on which others are asked")
    shown.add_argument("--given-up", action="store_true", help="calls that were not waited for to the end")
    shown.add_argument("--locks", action="store_true", help="which waited for locks, and what let them go on")
    shown.add_argument("--unresolved", action="store_true", help="what is not linked, or not for sure")
    parser.add_argument(
        "--sort",
        default="total_ns",
        choices=_options.Offered(("name", *MEASURES)),
        metavar="COLUMN",
        help="of --by: column (default: total_ns)",
    )
    parser.add_argument("--limit", type=_options.positive, metavar="N", help="of --by: show the first N rows")
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the requests."""
    import clew
    from clew import questions
    from clew.commands._output import show

    case = clew.open(args.case)
    lens = _lens.lens_of(args, case)
    if args.slowest:
        return show(questions.requests(case, lens, "dur_ns", args.slowest), args, case)
    if args.first:
        return show(questions.requests(case, lens, "start_ns", args.first), args, case)
    if args.latency:
        return show(questions.request_latency(case, lens), args)
    if args.time:
        return show(questions.attribution(case, lens), args)
    if args.services:
        return show(questions.services(case, lens), args)
    if args.pools:
        return show(questions.pools(case, lens), args)
    if args.given_up:
        return show(questions.given_up(case, lens), args, case)
    if args.locks:
        return show(questions.lock_waits(case, lens), args)
    if args.unresolved:
        return show(questions.unresolved(case, lens), args)
    return show(questions.requests_by(case, lens, args.by, args.sort, args.limit), args)
