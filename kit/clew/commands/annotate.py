"""Show one function line by line and instruction by instruction, with what its samples weigh there.

Self is of samples that were taken there, total also of what was called from there. Lines need debug information (-g)
and the source files as they were when the program was made; instructions need the program as it was recorded.

examples:
  clew annotate CASE crc32
  clew annotate CASE 'std::vector<int>::push_back' --module /usr/bin/server
  clew annotate CASE parse --command nginx --event cpu-clock --from 2s --to 3s
  clew annotate CASE read_all --of-module /usr/lib/libfoo.so --all      also instructions without samples
  clew annotate CASE main --json
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from clew.commands import _lens, _options

if TYPE_CHECKING:
    from clew.questions.answer import Answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew annotate``."""
    _options.add_case(parser)
    _options.completed(parser.add_argument("of", metavar="FUNCTION", help="as `clew stacks` names it"), "function")
    module = parser.add_argument(
        "--of-module", metavar="PATH", help="the module that holds it, where several have such a function"
    )
    _options.completed(module, "module")
    parser.add_argument("--all", action="store_true", help="also instructions without samples")
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the function."""
    import clew
    from clew import questions
    from clew.commands._output import show
    from clew.questions.names import missing

    case = clew.open(args.case)
    lens = _lens.lens_of(args, case)
    args.doubts += filter(None, [missing(case, "function", args.of)])
    answer = questions.annotate(case, lens, args.of, args.of_module)
    return show(answer, args) if args.json or args.csv else _show(answer, args.all)


def _show(answer: Answer, everything: bool) -> int:
    """Source lines, then instructions; shares are of all samples under the lens."""
    from clew.commands._output import note_line
    from clew.units import number, printable

    whole = answer.summary["total"] or 1.0
    print(printable(answer.title))
    print("   self   total")
    file, left_out = None, 0
    for row in answer.table.to_pylist():
        weighs = row["self"] or row["total"]
        if row["address"] is None:
            if row["file"] != file:
                file = row["file"]
                print(f"{'':17}{printable(file)}")
            where = f"{row['line']:>6}"
        elif not weighs and not everything:
            left_out += 1
            continue
        else:
            where = f"{row['address']:>12x}"
        shares = f"{row['self'] / whole:7.1%} {row['total'] / whole:7.1%}" if weighs else " " * 15
        sys.stdout.write(f"{shares}  {where}  {printable((row['text'] or '').expandtabs(4))}".rstrip() + "\n")
    print(
        f"({answer.summary['event']}, {number(answer.summary['samples'])} samples"
        + (f"; {number(left_out)} instructions without samples are left out: --all)" if left_out else ")")
    )
    note_line(answer)
    return 0
