"""Say which ways of recording this machine allows, and what to do about the others.

Each is tried, not guessed. The exit code is 0 if programs can be recorded with the preload library, else 1.

examples:
  clew doctor
  clew doctor --json
"""

from __future__ import annotations

import argparse
import shutil
import textwrap
from typing import TYPE_CHECKING

from clew.commands import _options

if TYPE_CHECKING:
    import pyarrow as pa


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew doctor``."""
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print what there is of each source."""
    from clew.capture.doctor import can_record, probe
    from clew.commands._output import show
    from clew.questions.answer import Answer

    table = probe()
    if args.json or args.csv:
        show(Answer(table, "", "sources"), args)
    else:
        print_sources(table)
    return 0 if can_record(table) else 1


def print_sources(table: pa.Table) -> None:
    """A line for each source, and below it what to do: whole, since nobody can act on half a sentence."""
    from clew.units import printable

    width = max(40, shutil.get_terminal_size((120, 24)).columns)
    room = max(len(source) for source in table["source"].to_pylist()) + 2
    fill = textwrap.TextWrapper(
        width, subsequent_indent=" " * (room + 8), break_on_hyphens=False, break_long_words=False
    )
    for row in table.to_pylist():
        fill.initial_indent = f"{row['source']:{room}}{row['state']:8}"
        print(fill.fill(printable(row["reason"])))
        if row["remedy"]:
            fill.initial_indent = fill.subsequent_indent + "-> "
            print(fill.fill(printable(row["remedy"])))
