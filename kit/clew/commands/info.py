"""Say what a case holds: captures, hosts and their clocks, programs, losses, how much of the programs' I/O was seen.

examples:
  clew info CASE
  clew info CASE --json
"""

from __future__ import annotations

import argparse
import json

from clew.commands import _options

_CLOCKS = """
SELECT capture_id, host, offset_ns, drift_ppb, residual_ns AS error_at_most_ns, messages, from_ns AS since_ns
FROM host_clock ORDER BY capture_id, from_ns
"""
_SHOWN = 20  # programs and threads, the worst first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew info``."""
    _options.add_case(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object of these tables")


def run(args: argparse.Namespace) -> int:
    """Print captures, losses and coverage."""
    import clew
    from clew import questions
    from clew.commands._output import note_line, rows_of, write_table
    from clew.questions.answer import Answer
    from clew.units import printable

    case = clew.open(args.case)
    columns = "capture_id, engine, host, command, ended_ns - started_ns AS length_ns, exit_code, complete, lost_events"
    captures = Answer(case.sql(f"SELECT {columns}, notes FROM capture ORDER BY capture_id"), "", "captures")
    notes = [(row["capture_id"], row["notes"]) for row in captures.table.to_pylist() if row["notes"]]
    clocks = Answer(case.sql(_CLOCKS), "", "clocks of other hosts, and what was added to them")
    parts = {"captures": captures, "clocks": clocks}
    parts |= {"coverage": questions.coverage(case), "losses": questions.losses(case)}
    if args.json:
        print(json.dumps({name: rows_of(answer.table) for name, answer in parts.items()}))
        return 0
    if not clocks.table.num_rows:
        parts.pop("clocks")
    for name, answer in parts.items():
        print(("" if name == "captures" else "\n") + answer.title)
        write_table((answer.table.drop(["notes"]) if name == "captures" else answer.table).slice(0, _SHOWN))
        if answer.table.num_rows > _SHOWN:
            print(f"(and {answer.table.num_rows - _SHOWN:,} more, the better ones: --json shows all)")
        note_line(answer)
        for number, text in notes if name == "captures" else ():
            print(f"capture {number}: {printable(text)}")
    return 0
