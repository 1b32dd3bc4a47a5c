"""Shapes: requests that took the same path."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_requests


def shapes(case: Case, lens: Lens, limit: int | None = 50) -> Answer:
    """Paths that requests under ``lens`` took, the most frequent first.

    Columns: ``shape_id``, ``name`` (of the root), ``path`` (the tree as text, one line per step, indented by depth),
    ``requests``, ``errors``, ``p50_ns``, ``p99_ns`` (durations; exact, nearest rank; NULL: no end was seen), ``spans``,
    ``processes`` (of one such request), ``total_ns``, ``unfinished`` (requests without an end). Summary: ``shapes`` and
    ``requests`` of the whole, whatever ``limit`` leaves out. Raises ClewError where no requests were recorded.
    """
    need_requests(case, "shapes")
    predicate, params = lens.compile("request")
    sql = f"""WITH cell AS (
    SELECT shape_id, count(*) AS requests, count(*) FILTER (error) AS errors,
           quantile_disc(dur_ns, [0.5, 0.99]) AS p, sum(dur_ns)::BIGINT AS total_ns,
           count(*) - count(dur_ns) AS unfinished
    FROM request WHERE {predicate} GROUP BY ALL)
SELECT shape_id, s.name, s.path, requests, errors, p[1] AS p50_ns, p[2] AS p99_ns, s.spans, s.processes, total_ns,
       unfinished
FROM cell JOIN shape s USING (shape_id) ORDER BY requests DESC, s.name, shape_id"""
    whole = case.sql(
        f"SELECT count(DISTINCT shape_id) AS shapes, count(*) AS requests FROM request WHERE {predicate}", params
    ).to_pylist()[0]
    if limit is not None:
        sql, params = sql + " LIMIT $limit", params | {"limit": limit}
    answer = ask(case, sql, params, "paths that requests took")
    left = whole["shapes"] - answer.table.num_rows
    note = None if answer.table.num_rows else "no request matches the lens"
    return replace(answer, summary=whole, note=f"{left:,} rarer paths are left out" if left else note)
