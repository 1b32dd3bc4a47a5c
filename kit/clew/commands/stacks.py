"""Show where samples were taken: functions, or the tree of stacks.

Without more, functions by self weight: of the samples that were taken in them. Total counts what they called, too. With
--tree the calls from the outermost function down (or --direction up: from the innermost to its callers), leaving out
what is below --least percent; --root FUNCTION shows only what that function calls, or who calls it.

examples:
  clew stacks CASE
  clew stacks CASE --events                         what was sampled
  clew stacks CASE --event off-cpu --command nginx --tree
  clew stacks CASE --op close --tree                who makes those calls (clew record --stacks close)
  clew stacks CASE --root malloc --direction up --tree
  clew stacks CASE --hide '^std::' --from 2s --to 3s --csv
  clew stacks CASE --command nginx -o nginx.svg     also .folded, .speedscope.json, .pb.gz, .dot (the call graph)
  clew stacks CASE --against YESTERDAY              what grew and what shrank beside another case
  clew stacks CASE --from 9s --against '--to 9s'    beside another part of this one; also with --tree
  clew stacks CASE --count command                  samples by command, process, thread, cpu, module, ...
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from clew.commands import _lens, _options

if TYPE_CHECKING:
    import pyarrow as pa

    from clew.case import Case
    from clew.lens import Lens
    from clew.questions.answer import Answer

KEYS = ("host", "command", "process", "thread", "cpu", "event", "module", "function")
"""As in questions.samples, which takes too long to import."""
_ROWS = 40
_ENDINGS = {"ns": "_ns", "bytes": "_bytes"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew stacks``."""
    _options.add_case(parser)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--events", action="store_true", help="what the samples are of")
    shape.add_argument("--tree", action="store_true", help="the tree of stacks instead of functions")
    shape.add_argument(
        "--count",
        choices=_options.Offered(KEYS),
        metavar="KEY",
        help="samples by command, process, thread, cpu, module, ...",
    )
    shape.add_argument("--wakeups", action="store_true", help="who woke whom, and how long they had waited")
    parser.add_argument(
        "--direction", choices=("down", "up"), default="down", help="from the outermost function (default)"
    )
    root = parser.add_argument("--root", metavar="FUNCTION", help="with --tree: around this function only")
    _options.completed(root, "function")
    parser.add_argument(
        "--by", choices=("function", "module", "line"), default="function", help="what frames are merged by"
    )
    parser.add_argument("--least", type=float, default=0.5, metavar="PERCENT", help="of --tree (default: 0.5)")
    parser.add_argument(
        "--limit", type=_options.positive, metavar="N", help="rows (default: 40; all with --json and --csv)"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write FILE.svg, .folded, .speedscope.json, .pb.gz (pprof) or .dot"
    )
    parser.add_argument(
        "--against",
        metavar="WORDS",
        help="compare: another case, or options of what to look at in it, in quotes; both sides are scaled alike",
    )
    parser.add_argument("--as-counted", action="store_true", help="with --against: not scaled")
    for what, text in (
        ("hide", "leave these frames out; their weight is their caller's"),
        ("focus", "only stacks with such a frame"),
        ("drop", "only stacks without"),
        ("merge", "what these call counts as their own"),
    ):
        parser.add_argument(f"--{what}", action="append", default=[], metavar="REGEX", help=text)
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the stacks."""
    import clew
    from clew import questions
    from clew.commands._output import show

    case = clew.open(args.case)
    lens = _lens.lens_of(args, case)
    edits = [(what, pattern) for what in ("hide", "focus", "drop", "merge") for pattern in getattr(args, what)]
    limit = args.limit or (None if args.json or args.csv else _ROWS)
    if args.against:
        from clew.commands._against import compare

        return compare(args, case, lens, edits, limit)
    if args.events:
        return show(questions.sample_events(case, lens), args)
    if args.wakeups:
        return show(questions.wakeups(case, lens, args.limit or _ROWS), args)
    if args.count:
        answer = questions.samples_by(case, lens, args.count)
        return show(answer if args.json or args.csv else _counted(answer), args)
    if args.output:
        from clew.export.stack_files import write_stacks

        print(write_stacks(case, lens, args.output, edits=edits))
        return 0
    if args.tree:
        answer = questions.flame(case, lens, direction=args.direction, root=args.root, by=args.by, edits=edits)
        if args.json or args.csv:
            return show(answer, args)
        return _show_tree(answer, args.least / 100)
    answer = questions.functions(case, lens, by=args.by, edits=edits, limit=limit)
    return show(answer if args.json or args.csv else _for_people(answer, _beside(case, lens, answer)), args)


def _beside(case: Case, lens: Lens, answer: Answer) -> str:
    """What the samples of ``answer`` are of, and of what there are others."""
    from clew import questions
    from clew.units import number

    said = f"{answer.summary['event']}, {number(answer.summary['samples'])} samples"
    events = questions.sample_events(case, lens).table["event_name"].to_pylist()
    others = [event for event in events if event != answer.summary["event"]]
    return f"{said}; there are also {', '.join(others)}: --event" if others else said


def _counted(answer: Answer) -> Answer:
    """Its weight named by its unit; what each event weighs is in a unit of its own."""
    from dataclasses import replace

    ending = _ENDINGS.get(answer.summary.get("unit", ""), "")
    table: pa.Table = answer.table
    names = [f"weight{ending}" if name == "weight" else name for name in table.column_names]
    return replace(answer, table=table.rename_columns(names))


def _for_people(answer: Answer, said: str) -> Answer:
    """Weights named by their unit, and as shares of the whole; ``said`` before its note."""
    from dataclasses import replace

    import pyarrow.compute as pc

    whole = answer.summary["total"] or 1.0
    ending = _ENDINGS.get(answer.summary["unit"], "")
    table: pa.Table = answer.table
    for name in ("total", "self"):
        table = table.append_column(f"{name}_share", pc.divide(table[name], whole))
    order = ["self_share", "self", "total_share", "total", "samples", "function", "module"]
    titles = ["self_share", f"self{ending}", "total_share", f"total{ending}", "samples", "function", "module"]
    note = "; ".join(filter(None, (said, answer.note)))
    return replace(answer, table=table.select(order).rename_columns(titles), note=note)


def _show_tree(answer: Answer, least: float) -> int:
    """One line for each node of at least that share, children below and to the right of their callers."""
    from clew.commands._output import note_line
    from clew.units import duration, number, printable, size

    figures = answer.summary
    shown: Callable[[float], str] = {"ns": duration, "bytes": size}.get(figures["unit"], number)
    whole = figures["total"] or 1.0
    columns = (answer.table[name].to_pylist() for name in ("depth", "name", "total", "self"))
    left_out = 0
    for depth, name, total, own in zip(*columns, strict=True):
        if total < least * whole:
            left_out += 1
            continue
        mine = f", self {shown(own)}" if own else ""
        sys.stdout.write(f"{total / whole:7.1%}  {'  ' * depth}{printable(name)}  ({shown(total)}{mine})\n")
    print(f"({figures['event']}, {number(figures['samples'])} samples; {number(left_out)} smaller nodes are left out)")
    note_line(answer)
    return 0
