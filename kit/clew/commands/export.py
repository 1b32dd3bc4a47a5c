"""Write requests and what was done for them as files that other tools open.

otlp (.jsonl: OpenTelemetry, one TracesData a line), jaeger (.json, for its user interface), perfetto (.pftrace, for
ui.perfetto.dev), pcapng (Wireshark: TCP made up around the recorded bytes), graphml and dot (steps and the ways between
them), parquet (a row a span). Files are readable by you only. They hold names, with no literals in them; --unredacted
adds what was said in full, and pcapng, which is the recorded bytes themselves, needs --payload.

examples:
  clew export CASE -o requests.jsonl
  clew export CASE -o slow.pftrace --took 100ms..
  clew export CASE -o item.json --request 'GET /item/?'
  clew export CASE -o database.pcapng --payload --peer postgres
  clew export CASE -o steps.dot --unredacted    statements and paths as they were said
  clew export CASE -o spans --format parquet
  clew export CASE --post                       to a collector on this machine
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options

FORMATS = ("otlp", "jaeger", "perfetto", "graphml", "dot", "parquet", "pcapng")
"""As in export.formats, which takes too long to import."""
_COLLECTOR = "http://127.0.0.1:4318/v1/traces"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew export``."""
    _options.add_case(parser)
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("-o", "--output", metavar="FILE", help="where to write; its end may say the format")
    to.add_argument(
        "--post", metavar="URL", nargs="?", const=_COLLECTOR, help=f"send OTLP there (default: {_COLLECTOR})"
    )
    parser.add_argument(
        "--format",
        choices=_options.Offered(FORMATS),
        metavar="NAME",
        help="otlp, jaeger, perfetto, pcapng, graphml, dot or parquet",
    )
    parser.add_argument("--unredacted", action="store_true", help="with statements and paths as they were said")
    parser.add_argument("--payload", action="store_true", help="pcapng: yes, the recorded bytes themselves")
    _options.add_lens(parser)


def run(args: argparse.Namespace) -> int:
    """Write or send, and say where."""
    import clew
    from clew.errors import ClewError

    if args.post and args.format not in (None, "otlp"):
        raise ClewError("--post sends OTLP")
    case = clew.open(args.case)
    lens = _lens.lens_of(args, case)
    if args.post:
        from clew.export.otlp import send

        print(f"{args.post}: {send(case, lens, args.post, unredacted=args.unredacted)} parts sent")
        return 0
    from clew.export.formats import write_requests

    print(write_requests(case, lens, args.output, args.format, unredacted=args.unredacted, payload=args.payload))
    return 0
