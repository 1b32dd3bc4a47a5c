"""A benchmark's figures as a Markdown table, ready for the README."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Table:
    """A title, column names, and one row of strings a figure."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)


def show(table: Table) -> None:
    """Print `table` as Markdown, numbers to the right."""
    cells = [table.columns, *table.rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    print(f"\n### {table.title}\n")
    for number, row in enumerate(cells):
        padded = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        print(f"| {' | '.join(padded)} |")
        if number == 0:
            print(f"|{'|'.join(['-' * (widths[0] + 2), *('-' * (width + 1) + ':' for width in widths[1:])])}|")
    print(flush=True)
