"""What subcommands print: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import textwrap
from typing import Any, TextIO

import pyarrow as pa

from clew.case import Case
from clew.cells import cells, moments, since
from clew.questions.answer import Answer
from clew.units import printable

_NO_TERMINAL = (240, 24)
_READABLE, _SHORTEST = 24, 12  # letters of a text; it is cut to the latter when no column can be spared any more
_SPARED = (
    *("min_ns", "mean_ns", "unfinished", "unresolved", "resolved", "processes", "low_confidence"),
    *("recorded", "p90_ns", "p50_ns", "shape_id"),
)
"""Columns that a narrow terminal does without, in the order in which they go; the rest is never left out."""


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
    return since(table, case.bounds()[0]) if moments(table) else table


def note_line(answer: Answer) -> None:
    """Print the note of ``answer``, if it has one; on a terminal words stay whole."""
    if not answer.note:
        return
    text = f"({printable(answer.note)})"
    if sys.stdout.isatty():
        width = shutil.get_terminal_size(_NO_TERMINAL).columns
        text = textwrap.fill(text, width, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)
    print(text)


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

    Aligned, units by the ends of column names, NULL as -. Where lines do not fit ``width``, text is cut, then columns
    that can be spared are left out, and it is said which.
    """
    out = out or sys.stdout
    width = width or shutil.get_terminal_size(_NO_TERMINAL).columns
    columns = {name: _Column(*cells(name, table.column(name))) for name in table.column_names}
    _cut_texts(columns, width, _READABLE)
    left_out = [columns.pop(name).cells[0] for name in _SPARED if name in columns and _line(columns) > width]
    _cut_texts(columns, width, _SHORTEST)
    for row in zip(*(column.padded() for column in columns.values()), strict=True):
        out.write("  ".join(row).rstrip() + "\n")
    if not table.num_rows:
        out.write("(no rows)\n")
    if left_out:
        out.write(f"(no room for {', '.join(left_out)}: --json has them)\n")


class _Column:
    """Header and values of one column as text, and how much room they get."""

    def __init__(self, texts: list[str], is_text: bool) -> None:
        self.cells, self.is_text = texts, is_text
        self.room = max(len(cell) for cell in texts)

    def padded(self) -> list[str]:
        """All of it in the room that there is; text to the left, numbers to the right."""
        return [
            _cut(cell, self.room).ljust(self.room) if self.is_text else cell.rjust(self.room) for cell in self.cells
        ]


def _line(columns: dict[str, _Column]) -> int:
    """How wide a line is."""
    return sum(column.room for column in columns.values()) + 2 * (len(columns) - 1)


def _cut_texts(columns: dict[str, _Column], width: int, shortest: int) -> None:
    """Take room from text, the widest first, until lines fit ``width``: a number that is cut is another number."""
    texts = [column for column in columns.values() if column.is_text]
    while texts and _line(columns) > width:
        widest = max(texts, key=lambda column: column.room)
        if widest.room <= shortest:
            return
        widest.room -= 1


def _cut(text: str, room: int) -> str:
    """``text`` in ``room`` characters; of a path the end is kept, it says more."""
    if len(text) <= room:
        return text
    is_path = text.startswith("/") and " " not in text
    return "…" + text[1 - room :] if is_path else text[: room - 1] + "…"
