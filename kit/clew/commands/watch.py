"""Record all the time, and keep only what surrounds a trigger.

perf samples the whole machine (or --pid) into files of a few seconds, of which the oldest are removed: a fixed amount
of disk. When a trigger fires, the last seconds and the next ones become a capture of CASE; all else is forgotten.
Triggers are looked at every second; --when may be given more than once: any of them fires.

  shell COMMAND                its exit code is 0
  cpu PID > 80                 percent of one processor
  file PATH FIELD > 100        the last value in Zeek's logs, prof.log (Memory.total), JSON lines, /proc/...
  url URL METRIC > 100         a Prometheus page
  case PATH p99 > 10ms         of a case that is being recorded; also p50, p90, max, errors (%), calls (a second)
  rate file ... > 5            "rate" before it: its change per second

examples:
  clew watch -o incident --when 'cpu 4711 > 90' --before 30 --after 10
  clew watch -o drops --when 'file /zeek/logs/current/stats.log pkts_dropped > 0' --keep-if 'frame ~ "Reassembler"'
  clew watch -o slow --when 'case live p99 > 20ms' --also 'tcpdump -i lo -w {folder}/x.pcap -C 10 -W 4'
  clew watch -o x --when 'shell test -e /tmp/now' --for 3600
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from clew.commands import _options
from clew.errors import ClewError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew watch``."""
    parser.add_argument("-o", "--output", metavar="CASE", required=True, help="folder of the case")
    parser.add_argument("--when", action="append", default=[], metavar="TRIGGER", help="see above; may be repeated")
    parser.add_argument("--before", default="30", metavar="TIME", help="kept from before the trigger (default: 30 s)")
    parser.add_argument("--after", default="10", metavar="TIME", help="and from after it (default: 10 s)")
    parser.add_argument(
        "--keep-if", metavar="CONDITION", help='look into the profile: frame ~ "REGEX" [> 5%%], module ~ ...'
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="COMMAND",
        help="runs all the time; what it writes to {folder} is kept or dropped with the profile",
    )
    parser.add_argument(
        "--count", type=_options.positive, default=10, metavar="N", help="end after N captures (default: 10)"
    )
    parser.add_argument("--for", dest="seconds", metavar="TIME", help="end after this time, or on Ctrl-C")
    parser.add_argument("--rate", "-F", type=_options.positive, default=199, metavar="HZ", help="default: 199")
    parser.add_argument("--call-graph", choices=("fp", "dwarf", "none"), default="fp", help="default: fp")
    parser.add_argument(
        "--pid", "-p", action="append", type=_options.positive, default=[], metavar="PID", help="only it"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but what went wrong")


def run(args: argparse.Namespace) -> int:
    """Watch; 0 if something was kept, else 1."""
    from clew.capture.engines import Target
    from clew.capture.engines._perf_events import Wanted
    from clew.units import printable
    from clew.watch.triggers import parse
    from clew.watch.watch import Plan, Watch

    if not args.when:
        raise ClewError("what is to be watched for? --when 'cpu PID > 80' (`clew watch --help` lists the triggers)")
    before, after = (_options.parse_time(text) or 0 for text in (args.before, args.after))
    seconds = _options.parse_time(args.seconds)
    plan = Plan(
        [parse(text) for text in args.when],
        before / 1e9,
        after / 1e9,
        args.keep_if,
        args.also,
        args.count,
        Wanted(rate=args.rate, call_graph=args.call_graph),
        Target(pids=tuple(args.pid)) if args.pid else Target(system=True),
    )
    until = time.monotonic() + seconds / 1e9 if seconds is not None else None
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))

    def tell(text: str) -> None:
        if not args.quiet:
            print(f"clew: {printable(text)}", file=sys.stderr, flush=True)

    watch = Watch(plan, Path(args.output), tell)
    tell(f"watching for {' or '.join(args.when)}; Ctrl-C ends it")
    watch.run(lambda: bool(stopped) or (until is not None and time.monotonic() > until))
    for text in watch.never_had():
        print(f"clew: {printable(text)}: there never was a figure to compare, so it could not fire", file=sys.stderr)
    if not watch.kept:
        print(f"clew: nothing was kept{f', {watch.dropped} dropped' if watch.dropped else ''}", file=sys.stderr)
    return 0 if watch.kept else 1
