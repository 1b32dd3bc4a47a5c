"""Make a case's tables again from its raw files.

Nothing that was recorded is in the tables alone: they can be thrown away. Use it after a recorder was killed (what is
left in its memory file is recovered first), after a damaged case.duckdb, or after an upgrade of clew.

examples:
  clew rebuild CASE
"""

from __future__ import annotations

import argparse

from clew.commands import _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew rebuild``."""
    _options.add_case(parser)


def run(args: argparse.Namespace) -> int:
    """Rebuild and say how many events and samples there are."""
    from pathlib import Path

    import clew
    from clew.ingest.run import rebuild
    from clew.units import number

    events, recovered = rebuild(Path(args.case))
    more = f" ({number(recovered)} records recovered)" if recovered else ""
    case = clew.open(args.case)
    samples = case.sql("SELECT count(*) AS n FROM sample").to_pylist()[0]["n"]
    case.close()
    said = [f"{number(events)} events"] * bool(events or not samples) + [f"{number(samples)} samples"] * bool(samples)
    print(f"{args.case}: {', '.join(said)}{more}")
    return 0
