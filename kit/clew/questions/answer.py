"""What every question returns: a table, the SQL that made it, and what must be said beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pyarrow as pa

from clew.cells import cells, since
from clew.units import printable

_NO_BREAK = "\u00a0"
SHOWN = 40  # rows in a notebook; the table has all


@dataclass(frozen=True)
class Answer:
    """The result of a question.

    ``table`` holds the rows; ``sql`` is the same query as text that runs as it stands (``case.sql(answer.sql)``
    gives ``table`` again); ``title`` is one line for people; ``note`` what they must know to read it right
    (losses, what is missing, why it is empty) or None; ``summary`` single figures of the whole, by name with unit.
    ``origin_ns`` is the begin of the case: times are shown since then, as the Explorer shows them; the table has them
    as they are, which is what a Lens takes.
    """

    table: pa.Table
    sql: str
    title: str
    note: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    origin_ns: int = 0

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, str]:
        """The first rows as a small table with the SQL below it: what a notebook shows; no script, no style needed."""
        shown = since(_weighed(self.table.slice(0, SHOWN), self.summary.get("unit")), self.origin_ns)
        columns = [_unbroken(*cells(name, shown.column(name))) for name in shown.column_names]
        head, *rows = zip(*columns, strict=True)
        left = self.table.num_rows - len(rows)
        below = [self.note] if self.note else [] if rows else ["no rows"]
        below += [f"{left:,} more rows"] if left else []
        html = (
            f"<table><caption>{escape(printable(self.title))}</caption><thead>{_row('th', head)}</thead>"
            f"<tbody>{''.join(_row('td', row) for row in rows)}</tbody></table>"
            f"<p>{escape('; '.join(below))}</p><details><summary>SQL</summary><pre>{escape(self.sql)}</pre></details>"
        )
        first = ", ".join(f"{name} {value}" for name, value in zip(head, rows[0], strict=True)) if rows else "none"
        first = first.replace(_NO_BREAK, " ")
        return {"text/plain": f"{printable(self.title)}: {self.table.num_rows:,} rows; {first}", "text/html": html}


def _weighed(table: pa.Table, unit: object) -> pa.Table:
    """``table`` with what samples weigh named by its unit, where it has one."""
    ending = {"ns": "_ns", "bytes": "_bytes"}.get(str(unit), "")
    return table.rename_columns([name + ending if name in ("self", "total") else name for name in table.column_names])


def _unbroken(texts: list[str], is_text: bool) -> list[str]:
    """A number stays on one line with its unit, however narrow the page is."""
    return texts if is_text else [text.replace(" ", _NO_BREAK) for text in texts]


def _row(tag: str, texts: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"


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
    """``sql`` with each ``$name`` replaced by the literal of ``params[name]``.

    What is replaced is not looked at again.
    """
    return re.sub(r"\$([a-z_][a-z0-9_]*)", lambda found: literal(params[found.group(1)]), sql)
