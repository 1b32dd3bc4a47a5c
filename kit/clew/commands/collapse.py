"""Fold the stacks of a profile into lines for FlameGraph: frames joined by ;, a blank, and how much.

FILE is text of `perf script` (also from standard input, also gzip), perf.data, or any other profile that clew imports.
Of text the output is that of FlameGraph's stackcollapse-perf.pl, options and order of lines included: samples of the
first event only, weighted by their periods. That script loses samples: the last one where no empty line follows; those
of threads whose names are empty or begin with # or a blank; those without stacks; all of a file with CR LF. They are
counted here, and it is said how many; with --flamegraph-compat they are lost here, too. With --srcline it takes
whatever line follows a frame for its source, even the empty one that ends a sample: so does --flamegraph-compat alone.

examples:
  perf script | clew collapse > out.folded
  clew collapse perf.data --tid --all > out.folded
  clew collapse out.perf --event-filter cpu-clock --flamegraph-compat
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew collapse``: those of stackcollapse-perf.pl."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="a profile; - (default): standard input")
    parser.add_argument("--pid", action="store_true", help="add the process to the name of the command")
    parser.add_argument("--tid", action="store_true", help="add the process and the thread to the name of the command")
    parser.add_argument("--kernel", action="store_true", help="mark functions of the kernel with _[k]")
    parser.add_argument("--jit", action="store_true", help="mark functions compiled at run time with _[j]")
    parser.add_argument("--all", action="store_true", help="both marks")
    parser.add_argument("--addrs", action="store_true", help="add the address where there is no symbol")
    parser.add_argument("--inline", action="store_true", help="text: ask addr2line for inlined functions")
    parser.add_argument("--context", action="store_true", help="with --inline: add file and line")
    parser.add_argument("--srcline", action="store_true", help="text: of perf script -F +srcline; add file and line")
    parser.add_argument(
        "--event-filter", default="", metavar="EVENT", help="samples of this event (default: the first)"
    )
    parser.add_argument(
        "--flamegraph-compat", action="store_true", help="do as stackcollapse-perf.pl does where it is wrong"
    )


def run(args: argparse.Namespace) -> int:
    """Print the folded stacks; what there is to say of them goes to standard error."""
    from clew.export._perf_names import Style
    from clew.export.collapse import collapse, collapse_stream
    from clew.export.collapse_perf import Options
    from clew.units import printable

    style = Style(args.kernel or args.all, args.jit or args.all, args.addrs, args.inline, args.context)
    options = Options(args.pid, args.tid, args.srcline, args.event_filter, style, args.flamegraph_compat)

    def say(text: str) -> None:
        print(printable(text), file=sys.stderr)

    lines = (
        collapse_stream(sys.stdin.buffer, options, say) if args.file == "-" else collapse(Path(args.file), options, say)
    )
    sys.stdout.buffer.writelines(line + b"\n" for line in lines)
    return 0
