"""Say what a case holds: captures, hosts and their clocks, programs, losses, how much of the programs' I/O was seen.

examples:
  clew info CASE
  clew info CASE --of coverage            only that table: captures, clocks, coverage, losses
  clew info CASE --of losses --csv
  clew info CASE --json                   all of them
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from clew.commands import _options

if TYPE_CHECKING:
    from clew.case import Case

_CLOCKS = """
SELECT capture_id, host, offset_ns, drift_ppb, residual_ns AS error_at_most_ns, messages, from_ns AS since_ns
FROM host_clock ORDER BY capture_id, from_ns
"""
_SHOWN = 20  # programs and threads, the worst first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew info``."""
    _options.add_case(parser)
    _options.add_output(parser, ("captures", "clocks", "coverage", "losses"))


def run(args: argparse.Namespace) -> int:
    """Print captures, losses and coverage."""
    import clew
    from clew import questions
    from clew.commands._output import note_line, rows_of, show, write_table
    from clew.lens import Lens
    from clew.questions.answer import Answer
    from clew.questions.outside import outside, sampled
    from clew.units import printable

    case = clew.open(args.case)
    columns = "capture_id, engine, host, command, ended_ns - started_ns AS length_ns, exit_code, complete, lost_events"
    captures = Answer(case.sql(f"SELECT {columns}, notes FROM capture ORDER BY capture_id"), "", "captures")
    notes = [(row["capture_id"], row["notes"]) for row in captures.table.to_pylist() if row["notes"]]
    clocks = Answer(case.sql(_CLOCKS), "", "clocks of other hosts, and what was added to them")
    parts = {"captures": captures, "clocks": clocks}
    parts |= {"coverage": questions.coverage(case), "losses": questions.losses(case)}
    if args.of or args.csv:
        return show(parts[args.of or "captures"], args)
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
    computes = outside(case, Lens()).note
    if computes and not sampled(case):
        print(f"\n{printable(computes)}: clew record --engine perf,preload says what it does there")
    print(f"\n{_requests(case)}")
    return 0


def _requests(case: Case) -> str:
    """One line on the requests that were found, or how to find them: looking for them may take a while."""
    from clew.questions.recorded import no_payload
    from clew.store import DATABASE

    row = case.sql(
        """SELECT count(*) AS n, count(DISTINCT name) AS names, count(*) FILTER (error) AS errors,
                  count(*) FILTER (NOT resolved) AS unresolved, (SELECT EXISTS (SELECT 1 FROM payload)) AS payload
           FROM request"""
    ).to_pylist()[0]
    if row["n"]:
        said = f"{row['n']:,} requests of {row['names']:,} names, {row['errors']:,} failed"
        return f"{said}, {row['unresolved']:,} unresolved: `clew requests {case.path}` shows them"
    if row["payload"] and not (case.path / DATABASE).exists():  # tables of Parquet stay as they were written
        return "no requests: these tables hold none (`clew trace` the case they are of, and write them again)"
    if row["payload"]:
        return f"requests were not looked for yet, or none was found: `clew trace {case.path}`"
    return f"no requests: {no_payload(case)}"
