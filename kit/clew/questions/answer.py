"""What every question returns: a table, the SQL that made it, and what must be said beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Answer:
    """The result of a question.

    ``table`` holds the rows; ``sql`` is the same query as text that runs as it stands (``case.sql(answer.sql)``
    gives ``table`` again); ``title`` is one line for people; ``note`` what they must know to read it right
    (losses, what is missing, why it is empty) or None; ``summary`` single figures of the whole, by name with unit.
    """

    table: pa.Table
    sql: str
    title: str
    note: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)


def literal(value: object) -> str:
    """``value`` as an SQL literal: quoted, so that text from a capture stays text.

    Takes None, bool, int, float, str, and lists or tuples of them. Raises TypeError for anything else.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    raise TypeError(f"no SQL literal for {type(value).__name__}")


def runnable(sql: str, params: Mapping[str, object]) -> str:
    """``sql`` with each ``$name`` replaced by the literal of ``params[name]``; what is replaced is not looked at again."""
    return re.sub(r"\$([a-z_][a-z0-9_]*)", lambda found: literal(params[found.group(1)]), sql)
