"""The columns of a table as text for people, in the unit that a column's name ends in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clew.units import duration, number, printable, shape_name, size

MOMENTS = frozenset("start_ns end_ns ts_ns first_ns last_ns started_ns ended_ns opened_ns closed_ns".split())
"""Columns that are times of the case's clock, not lengths."""


def cells(name: str, column: pa.ChunkedArray) -> tuple[list[str], bool]:
    """Header and values of one column as text, and whether it is text (aligned to the left)."""
    show, header = form(name)
    is_text = not (
        pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
    )
    values = [
        "-" if value is None else printable(str(value)) if is_text else show(value) for value in column.to_pylist()
    ]
    return [printable(header), *values], is_text


def moments(table: pa.Table) -> list[str]:
    """The columns of ``table`` that are times of the case's clock, and have any."""
    return [name for name in table.column_names if name in MOMENTS and table[name].null_count < table.num_rows]


def since(table: pa.Table, origin_ns: int) -> pa.Table:
    """``table`` with its times counted from ``origin_ns``."""
    for name in moments(table):
        table = table.set_column(table.column_names.index(name), name, pc.subtract(table[name], origin_ns))
    return table


def form(name: str) -> tuple[Callable[[Any], str], str]:
    """How numbers of a column are shown, and its header, by the unit its name ends in."""
    if name in MOMENTS:
        return (lambda value: f"{value / 1e9:.6f}"), name.removesuffix("_ns") + "_s"
    if name.endswith("_ns"):
        return duration, name.removesuffix("_ns")
    if name == "bytes" or name.endswith("_bytes") or name == "bytes_asked":
        return size, name
    if name == "share" or name.endswith("_share"):
        return (lambda value: f"{value:.1%}"), name
    if name == "shape_id":
        return shape_name, "shape"
    if name in ("pid", "tid", "ppid", "errno", "fd") or name.endswith("_id"):
        return str, name
    return number, name
