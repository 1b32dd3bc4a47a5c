"""The table with bars: which columns, in which unit, and each row with the key that a click hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clew.units import duration, number, printable, size
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.static import bars

Key = tuple[tuple[str, Any], ...]
_WORDS: dict[str, Callable[[Any], str]] = {
    "count": number,
    "bytes": size,
    "duration": duration,
    "id": str,
    "change": lambda ns: f"{'-' if ns < 0 else '+'}{duration(abs(ns))}",
    "share": lambda value: f"{100 * value:.1f} %",
}
_TWIN_ROWS = 10
UNKNOWN = "\N{EN DASH}"


@dataclass(frozen=True)
class Column:
    """One column: ``kind`` is text, id, count, bytes, duration (ns), change (ns, with its sign) or share (of 1).

    ``additive``: shares of its sum mean something; ``bad``: anything but 0 is bad news.
    """

    id: str
    label: str
    kind: str
    additive: bool = False
    bad: bool = False
    title: str = ""


@dataclass(frozen=True)
class Row:
    """One row: ``key`` is the (lens field, value) pairs it stands for; ``cells`` a value, or None, for each column.

    ``inert``: nothing happens on a click; ``aside``: counted apart from the others, without a share of the whole.
    """

    key: Key
    label: str
    cells: Mapping[str, Any]
    sub: str = ""
    selected: bool = False
    color: str = ""
    inert: bool = False
    aside: bool = False


def words(kind: str, value: Any) -> str:
    """``value`` for people; None is an n-dash: not known."""
    if value is None:
        return UNKNOWN
    return printable(str(value)) if kind == "text" else _WORDS[kind](value)


def table(
    columns: Sequence[Column], rows: Sequence[Row], *, sort: str, label: str, finding: str, with_bars: bool = True
) -> Drawing:
    """A table sorted downwards by column ``sort``, with bars for it; the twin holds the first ten rows.

    The first column must be ``name``: the row's label. Keys stay as captured, because they go back into the Lens;
    everything shown has control characters made visible.
    """
    shown = [
        {
            "key": [list(pair) for pair in row.key],
            "label": printable(row.label),
            "sub": printable(row.sub),
            "selected": row.selected,
            "color": row.color,
            "inert": row.inert,
            "aside": row.aside,
            "cells": {name: printable(value) if isinstance(value, str) else value for name, value in row.cells.items()},
        }
        for row in rows
    ]
    body = {
        "columns": [asdict(column) for column in columns],
        "rows": shown,
        "sort": {"id": sort, "down": True},
        "label": label,
        "bars": with_bars,
    }
    first = sorted(rows, key=lambda row: (row.aside, -(row.cells.get(sort) or 0)))[:_TWIN_ROWS]
    kind = next(column.kind for column in columns if column.id == sort)
    picture = bars(
        [
            (printable(row.label), row.cells.get(sort) or 0, words(kind, row.cells.get(sort)), row.color or "s0")
            for row in first
            if not row.aside
        ]
    )
    cells = [[_name(row), *(words(column.kind, row.cells.get(column.id)) for column in columns[1:])] for row in first]
    return Drawing("table", body, finding, picture if first else "", [column.label for column in columns], cells)


def _name(row: Row) -> str:
    return printable(f"{row.label} {row.sub}".strip())
