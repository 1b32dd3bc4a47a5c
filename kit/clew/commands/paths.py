"""Show which ways requests took: shapes, what tells two apart, what the slow ones do that the usual ones do not.

A shape is the tree of programs and what each was asked, repeats in a row counted once. With --diff or --slow-vs-fast
each step is compared: which share of the requests has it, and its mean own time per request (0 where it is missing).

--html DIR writes pages that need nothing else: a list of requests, a page for each shape and for each of the slowest
requests with every call that was made for it, where the process changes in bold. What may be private is left out or
masked (see `clew report --help`), literals of statements and paths included, unless --unredacted.

examples:
  clew paths CASE
  clew paths CASE --request 'GET /item/?' --limit 3
  clew paths CASE --diff 1f3a9c 77c0de                names of shapes as shown (with #: '#1f3a9c')
  clew paths CASE --slow-vs-fast --request 'GET /'    slowest 1 % beside the middle half
  clew paths CASE --slow-vs-fast --slowest 5          slowest 5 %
  clew paths CASE --shape 1f3a9c --json
  clew paths CASE --html pages --limit 50             with --unredacted: what was said, in full
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clew.commands import _lens, _options
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.case import Case
    from clew.lens import Lens
    from clew.questions.answer import Answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew paths``."""
    _options.add_case(parser)
    shown = parser.add_mutually_exclusive_group()
    diff = shown.add_argument("--diff", nargs=2, metavar=("A", "B"), help="what shape A does that B does not")
    _options.completed(diff, "shape")
    shown.add_argument("--slow-vs-fast", action="store_true", help="what the slowest do that the middle half does not")
    shown.add_argument("--html", type=Path, metavar="DIR", help="write pages into this new or empty folder")
    parser.add_argument("--slowest", type=float, default=1.0, metavar="PERCENT", help="of --slow-vs-fast (default: 1)")
    parser.add_argument("--limit", type=_options.positive, default=10, metavar="N", help="shapes, steps or pages")
    parser.add_argument("--unredacted", action="store_true", help="with --html: keep what may be private")
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the paths, or write them as pages."""
    from dataclasses import replace

    import clew
    from clew import questions
    from clew.commands._output import show
    from clew.questions.ask import need_requests
    from clew.questions.names import shape_called

    case = clew.open(args.case)
    lens = _lens.lens_of(args, case)
    if args.html:
        return _write_pages(case, lens, args)
    if args.diff:
        need_requests(case, "paths")
        a, b = (replace(lens, shapes=(shape_called(case, name),)) for name in args.diff)
        return _show_steps(questions.shape_diff(case, a, b), args)
    if args.slow_vs_fast:
        return _show_steps(questions.slow_vs_usual(case, lens, args.slowest / 100), args)
    answer = questions.shapes(case, lens, args.limit)
    return show(answer, args) if args.json or args.csv else _show_shapes(answer)


def _show_shapes(answer: Answer) -> int:
    """A paragraph for each shape: figures, then the steps."""
    from clew.commands._output import note_line
    from clew.units import duration, printable, shape_name

    whole = answer.summary["requests"]
    for row in answer.table.to_pylist():
        times = "no end seen"
        if row["p50_ns"] is not None:
            times = f"p50 {duration(row['p50_ns'])}, p99 {duration(row['p99_ns'])}"
        failed = f", {row['errors']:,} errors" if row["errors"] else ""
        share = f"{row['requests'] / whole:.1%}"
        print(f"shape {shape_name(row['shape_id'])}: {row['requests']:,} requests ({share}), {times}{failed}")
        print("\n".join("  " + printable(line) for line in row["path"].split("\n")) + "\n")
    note_line(answer)
    return 0


def _show_steps(answer: Answer, args: argparse.Namespace) -> int:
    """The steps that differ most, and the difference that they explain."""
    from dataclasses import replace

    import pyarrow as pa

    from clew.commands._output import show
    from clew.units import duration

    if args.json or args.csv:
        return show(answer, args)
    figures = answer.summary
    print(answer.title)
    print(
        f"mean {duration(figures['mean_a_ns'])} beside {duration(figures['mean_b_ns'])}:"
        f" {duration(figures['delta_ns'])} apart; own times of all steps are {duration(figures['explained_ns'])} apart"
    )
    names = {"in_a": "in_a_share", "in_b": "in_b_share"}
    table = answer.table.slice(0, args.limit)
    calls = zip(table["name"].to_pylist(), table["kind"].to_pylist(), strict=True)
    shown = pa.array([("→ " if kind == "client" else "") + name for name, kind in calls], pa.string())
    table = table.set_column(0, "name", shown).drop(["kind", "path", "calls_a", "calls_b"])
    table = table.rename_columns([names.get(name, name) for name in table.column_names])
    left = answer.table.num_rows - table.num_rows
    more = f"{left:,} steps that differ less are left out (--limit)" if left else None
    return show(replace(answer, table=table, note="; ".join(filter(None, (answer.note, more))) or None), args)


def _write_pages(case: Case, lens: Lens, args: argparse.Namespace) -> int:
    from clew.export.request_pages import write_pages

    def as_recorded(text: str) -> str:
        return text

    mask = as_recorded
    if not args.unredacted:
        try:
            from clew_widgets.redact import Redactor
        except ImportError as error:
            raise ClewError(
                f"paths --html: what masks private text is not installed ({error.name}): pip install clew, "
                "or --unredacted"
            ) from None
        mask = Redactor().text
    count = write_pages(case, lens, args.html, mask, limit=args.limit, literals=args.unredacted)
    print(f"{args.html / 'index.html'}: {count:,} pages")
    return 0
