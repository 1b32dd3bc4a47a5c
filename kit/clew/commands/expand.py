"""Print the raw records of a segment, one line each, in the order of the file.

A segment is one of CASE/raw/NNN/seg-*.clew. Times are seconds of CLOCK_MONOTONIC. Control characters are printed as
\\xNN. With --json each line is one object; bytes of payloads are characters U+0000 to U+00FF (Latin-1).

examples:
  clew expand case/raw/001/seg-000001.clew
  clew expand case/raw/001/seg-000001.clew --op connect --op accept
  clew expand case/raw/001/seg-000001.clew --json --payload --limit 100
"""

from __future__ import annotations

import argparse
import sys

from clew.commands import _options
from clew.errors import ClewError, one_of
from clew.ops import OP_ID


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew expand``."""
    parser.add_argument("segment", metavar="SEGMENT", help="a seg-*.clew file")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument(
        "--op",
        action="append",
        default=[],
        choices=_options.Offered(OP_ID),
        metavar="NAME",
        help="only this operation: read, openat, ...",
    )
    parser.add_argument("--limit", type=_options.positive, metavar="N", help="stop after N records")
    parser.add_argument("--payload", action="store_true", help="print what calls moved, as far as it was kept")


def run(args: argparse.Namespace) -> int:
    """Print the records; say on stderr what could not be read."""
    from pathlib import Path

    import numpy as np

    from clew import native
    from clew.ingest.clock import Clock, readings

    for name in args.op:
        if name not in OP_ID:
            raise ClewError(f"--op {name!r:.40}: there is no such operation; {one_of(name, sorted(OP_ID))}")
    wanted = np.array([OP_ID[name] for name in args.op], np.uint16)
    segment = Path(args.segment)
    batch = native.decode(segment, limit=1)
    clock = Clock(readings(segment, 0)[0], batch.ticks_per_s)
    offset, left, skipped = 0, args.limit, 0
    while left is None or left > 0:
        batch = native.decode(segment, offset, limit=200_000)
        index = np.flatnonzero(np.isin(batch.op, wanted)) if args.op else np.arange(len(batch))
        index = index[:left]
        begin, length = clock.to_ns(batch.begin, batch.ticks)
        sys.stdout.buffer.write(native.expand(batch, index, begin, length, json=args.json, payload=args.payload))
        left = None if left is None else left - len(index)
        skipped += batch.skipped_bytes
        if batch.next_offset == offset:
            skipped += batch.pending_bytes
            break
        offset = batch.next_offset
    sys.stdout.buffer.flush()
    if skipped:
        print(f"clew: {skipped} bytes are damaged or not a whole block, and were skipped", file=sys.stderr)
    return 0
