"""Ask a case in SQL (DuckDB's), read-only.

Table `event` holds one row for each recorded call; view `calls` shows the same with names in place of numbers.

examples:
  clew sql CASE --schema
  clew sql CASE "SELECT command, op, count(*) FROM calls GROUP BY ALL ORDER BY 3 DESC"
  clew sql CASE "SELECT * FROM connection WHERE kind = 'tcp'" --csv
  echo "FROM process" | clew sql CASE -
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

from clew.commands import _options
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.case import Case


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew sql``."""
    _options.add_case(parser)
    parser.add_argument("query", metavar="SQL", nargs="?", help="one statement; - reads it from standard input")
    parser.add_argument(
        "--schema", action="store_true", help="print every table with the unit of every column, and end"
    )
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the rows of the query, or the schema."""
    import clew
    from clew.commands._output import show
    from clew.questions.answer import Answer
    from clew.store import schema_text

    case = clew.open(args.case)
    if args.schema:
        print(schema_text(), end="")
        return 0
    if not args.query:
        raise ClewError("sql: give a statement, or --schema to see the tables")
    query = sys.stdin.read() if args.query == "-" else args.query
    return show(Answer(case.sql(query), query, "SQL", _not_yet(case, query)), args)


def _not_yet(case: Case, query: str) -> str | None:
    """Why the tables of requests that ``query`` names are empty, if they are."""
    from clew.questions.ask import scalar

    named = re.search(r"\b(message|span|link|request|shape|working|span_time|span_wait|hop)\b", query, re.IGNORECASE)
    if not named or scalar(case, "SELECT EXISTS (SELECT 1 FROM message) OR EXISTS (SELECT 1 FROM span)"):
        return None
    return f"requests were not looked for yet, or none was found: `clew trace {case.path}` fills these tables"
