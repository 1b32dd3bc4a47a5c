"""Spans of a case in arrays: what several questions about paths begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clew.case import Case
from clew.causal.span_times import Flags, Ints, Spans, Times, arrays, places, times
from clew.lens import Lens
from clew.questions.ask import scalar

__all__ = ["Flags", "Ints", "Spans", "Times", "arrays", "load", "places", "ranges", "times"]
_COLUMNS = "request_id, span_id, parent_span_id, kind, command, name, start_ns, end_ns"


def load(case: Case, where: str, params: Mapping[str, Any], columns: str = _COLUMNS) -> Spans:
    """The spans that ``where`` asks for, by request and time."""
    sql = f"SELECT {columns} FROM span WHERE {where} ORDER BY request_id, start_ns, depth, span_id"
    return arrays(case.sql(sql, params))


def ranges(case: Case, lens: Lens, most: int = 1_000_000) -> list[tuple[int, int]]:
    """Ranges (first, last) of request ids, with about ``most`` spans of the requests under ``lens`` in each.

    A request is never divided, so what a question adds up may be done range by range, in bounded memory.
    """
    predicate, params = lens.compile("request")
    whole = scalar(case, f"SELECT coalesce(sum(spans), 0) FROM request WHERE {predicate}", params)
    parts = int(whole) // most + 1
    cuts: list[int] = []
    if parts > 1:
        shares = [number / parts for number in range(1, parts)]
        asked = f"SELECT quantile_disc(request_id, [{', '.join(map(str, shares))}]) FROM request WHERE {predicate}"
        cuts = sorted(set(scalar(case, asked, params)))
    return list(zip([0, *(cut + 1 for cut in cuts)], [*cuts, (1 << 63) - 1], strict=True))
