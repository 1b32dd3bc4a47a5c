"""Single requests as columns, from which a report narrows its tables of requests by itself (report_requests.js)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from clew.case import Case
from clew.lens import Lens
from clew.questions.requests import request_programs, requests
from clew.units import printable
from clew_widgets.redact import Redactor

_T = TypeVar("_T")
LIMIT = 20_000
"""So many requests go into a page, some 40 bytes each; where there are more, its tables of them do not narrow."""


def narrowing(case: Case, lens: Lens, redactor: Redactor, *, origin_ns: int, limit: int = LIMIT) -> dict[str, Any]:
    """What the page needs to narrow requests by time and program; empty where there are more than ``limit``.

    ``names``, ``statuses``, ``shapes`` (numbers as text) and ``programs`` (lists of commands) are numbered from 0; each
    list of ``columns`` has one entry for each request, the longest first: ``name``, ``status``, ``shape`` and
    ``programs`` as such numbers, ``start_ns`` since ``origin_ns``, ``dur_ns`` (None: its end was not seen), ``error``,
    ``resolved``, ``spans``, ``confidence``. ``sql`` is the query that gave them.
    """
    listed = redactor.answer(requests(case, lens, limit=limit + 1))
    if listed.table.num_rows > limit:
        return {}
    worked: dict[int, list[str]] = defaultdict(list)
    for row in redactor.answer(request_programs(case, lens)).table.to_pylist():
        worked[row["request_id"]].append(row["command"])
    table = {name: listed.table[name].to_pylist() for name in listed.table.column_names}
    names, name = _numbered(table["name"])
    statuses, status = _numbered(table["status"])
    shapes, shape = _numbered(table["shape_id"])
    programs, programs_of = _numbered(tuple(worked[request_id]) for request_id in table["request_id"])
    return {
        "names": [{"key": one, "label": "not known" if one is None else printable(one)} for one in names],
        "statuses": ["" if one is None else printable(one) for one in statuses],
        "shapes": [str(one) for one in shapes],  # numbers of 64 bits do not survive a page
        "programs": programs,
        "columns": {
            "name": name,
            "status": status,
            "shape": shape,
            "programs": programs_of,
            "start_ns": [start_ns - origin_ns for start_ns in table["start_ns"]],
            **{column: table[column] for column in ("dur_ns", "spans", "confidence")},
            **{column: [int(value) for value in table[column]] for column in ("error", "resolved")},
        },
        "sql": listed.sql.strip(),
    }


def _numbered(values: Iterable[_T]) -> tuple[list[_T], list[int]]:
    """Distinct ``values`` in the order in which they first come, and of each value which one it is."""
    numbers: dict[_T, int] = {}
    of_each = [numbers.setdefault(value, len(numbers)) for value in values]
    return list(numbers), of_each
