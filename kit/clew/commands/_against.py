"""`clew stacks --against`: what the other side is, and the difference for people."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clew.commands import _lens, _options
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.case import Case
    from clew.lens import Lens
    from clew.questions.answer import Answer


def compare(
    args: argparse.Namespace, case: Case, lens: Lens, edits: Sequence[tuple[str, str]], limit: int | None
) -> int:
    """Print what differs between ``lens`` and what --against says: functions, or the tree of both."""
    from clew import questions
    from clew.commands._output import note_line, show

    for name in ("output", "events", "wakeups", "count", "root"):
        if getattr(args, name):
            raise ClewError(f"--against goes with functions or --tree, not with --{name}")
    side = _baseline(args.against, args, case)
    event = args.event[0] if args.event else None
    options = {"normalise": not args.as_counted, "by": args.by, "edits": edits}
    if not args.tree:
        answer = questions.functions_diff(case, lens, *side, event, limit=limit, **options)
        return show(answer if args.json or args.csv else _for_people(answer), args)
    answer = questions.flame_diff(case, lens, *side, event, direction=args.direction, **options)
    if args.json or args.csv:
        return show(answer, args)
    _print_tree(answer, args.least / 100)
    note_line(answer)
    return 0


def _baseline(text: str, args: argparse.Namespace, case: Case) -> tuple[Case, Lens]:
    """The case and the Lens that the words of --against ask for; ``case`` where they name none."""
    import clew

    parser = argparse.ArgumentParser(prog="--against", add_help=False, exit_on_error=False)
    parser.add_argument("case", nargs="?")
    _options.add_lens(parser)
    try:
        asked, unknown = parser.parse_known_args(shlex.split(text))
    except (argparse.ArgumentError, ValueError) as error:
        raise ClewError(f"--against {text!r:.60}: {error}") from None
    if unknown:
        raise ClewError(f"--against {text!r:.60}: {unknown[0]!r:.40} is no option of what to look at")
    asked.doubts = args.doubts
    other = case if asked.case is None else clew.open(asked.case)
    return other, _lens.lens_of(asked, other)


def _for_people(answer: Answer) -> Answer:
    """Weights named by their unit, the modules last."""
    ending = {"ns": "_ns", "bytes": "_bytes"}.get(answer.summary["unit"], "")
    names = [name for name in answer.table.column_names if name not in ("function", "module")]
    table = answer.table.select([*names, "function", "module"])
    return replace(answer, table=table.rename_columns([*(name + ending for name in names), "function", "module"]))


def _print_tree(answer: Answer, least: float) -> None:
    """One line for each node of at least that share on either side, with the change of its share of the whole."""
    from clew.units import duration, number, printable, size

    figures = answer.summary
    shown: Callable[[float], str] = {"ns": duration, "bytes": size}.get(figures["unit"], number)
    columns = [answer.table[name].to_pylist() for name in ("depth", "name", "before", "after", "delta")]
    whole = max((max(before, after) for before, after in zip(columns[2], columns[3], strict=True)), default=0) or 1.0
    left_out = 0
    for depth, name, before, after, delta in zip(*columns, strict=True):
        if max(before, after) < least * whole:
            left_out += 1
            continue
        text = f"{'  ' * depth}{printable(name)}  ({shown(before)} before, {shown(after)} after)"
        sys.stdout.write(f"{round(delta / whole, 4) + 0.0:+8.1%}  {text}\n")
    print(f"({figures['event']}; {number(left_out)} smaller nodes are left out)")
