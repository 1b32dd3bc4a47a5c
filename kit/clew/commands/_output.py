"""What subcommands print: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc

from clew.case import Case
from clew.cells import MOMENTS, cells
from clew.questions.answer import Answer
from clew.units import printable


def show(answer: Answer, args: argparse.Namespace, case: Case | None = None) -> int:
    """Print ``answer`` as ``args`` ask: JSON, CSV, or an aligned table with its note; returns the exit code 0.

    ``case``: the table has its times, for people, since its begin: as --from takes them.
    """
    if args.json:
        print("[" + ",\n ".join(json.dumps(row) for row in rows_of(answer.table)) + "]")
    elif args.csv:
        write_csv(answer.table)
    else:
        write_table(answer.table if case is None else _since_begin(answer.table, case))
        note_line(answer)
    return 0


def _since_begin(table: pa.Table, case: Case) -> pa.Table:
    moments = [name for name in table.column_names if name in MOMENTS and table[name].null_count < table.num_rows]
    if not moments:
        return table
    origin = case.bounds()[0]
    for name in moments:
        since = pc.subtract(table[name], origin)
        table = table.set_column(table.column_names.index(name), name, since)
    return table


def note_line(answer: Answer) -> None:
    """Print the note of ``answer``, if it has one."""
    if answer.note:
        print(f"({printable(answer.note)})")


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of ``table`` as JSON has them; bytes as hexadecimal text, times as ISO text."""
    return [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]


def write_csv(table: pa.Table) -> None:
    """Print ``table`` as CSV with a header line; NULL is an empty field."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(list(row.values()) for row in rows_of(table))


def _plain(value: Any) -> Any:
    """``value`` as something that JSON has."""
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def write_table(table: pa.Table, out: TextIO | None = None, width: int | None = None) -> None:
    """``table`` for people.

    Aligned, units by the ends of column names, NULL as -, text cut so that lines fit ``width``.
    """
    out = out or sys.stdout
    width = width or shutil.get_terminal_size((120, 24)).columns
    columns = [cells(name, table.column(name)) for name in table.column_names]
    widths = [max(len(cell) for cell in column) for column, _ in columns]
    texts = [index for index, (_, is_text) in enumerate(columns) if is_text]
    # Only text may be cut, the widest first: a number that is cut is another number.
    while texts and sum(widths) + 2 * (len(widths) - 1) > width and max(widths[i] for i in texts) > 12:
        widest = max(texts, key=lambda index: widths[index])
        widths[widest] -= 1
    for row in zip(*(column for column, _ in columns), strict=True):
        parts = [
            _cut(cell, room).ljust(room) if is_text else cell.rjust(room)
            for cell, room, (_, is_text) in zip(row, widths, columns, strict=True)
        ]
        out.write("  ".join(parts).rstrip() + "\n")
    if not table.num_rows:
        out.write("(no rows)\n")


def _cut(text: str, room: int) -> str:
    """``text`` in ``room`` characters; of a path the end is kept, it says more."""
    if len(text) <= room:
        return text
    is_path = text.startswith("/") and " " not in text
    return "…" + text[1 - room :] if is_path else text[: room - 1] + "…"
