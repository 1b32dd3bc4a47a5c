"""Show how long calls took: a histogram in powers of two, and the exact figures of all of them.

examples:
  clew latency CASE
  clew latency CASE --op fsync --command postgres
  clew latency CASE --op read --peer postgres --from 2s --to 3s --json
"""

from __future__ import annotations

import argparse

from clew.commands import _lens, _options

_BAR = 40  # letters of the longest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew latency``."""
    _options.add_case(parser)
    _options.add_lens(parser)
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the histogram; for people with a bar for each class, and what all calls have in common."""
    import clew
    from clew import questions
    from clew.commands._output import note_line, show
    from clew.units import duration, number

    case = clew.open(args.case)
    answer = questions.latency(case, _lens.lens_of(args, case))
    if args.json or args.csv or not answer.table.num_rows:
        return show(answer, args)
    rows = answer.table.to_pylist()
    most = max(row["calls"] for row in rows)
    for row in rows:
        bar = "█" * max(1, round(_BAR * row["calls"] / most))
        print(f"{duration(row['low_ns']):>9} to {duration(row['high_ns']):>9} {number(row['calls']):>12}  {bar}")
    figures = answer.summary
    named = ("min", "mean", "p50", "p90", "p99", "p999", "max")
    said = ", ".join(name.replace("p999", "p99.9") + " " + duration(figures[name + "_ns"]) for name in named)
    print(f"({number(figures['count'])} calls, {duration(figures['sum_ns'])} in all: {said})")
    note_line(answer)
    return 0
