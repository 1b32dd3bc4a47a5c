"""Requests: how many, how long, how many failed, and single ones."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.compute as pc

from clew.case import Case
from clew.errors import ClewError, one_of
from clew.lens import Lens
from clew.questions.answer import Answer, runnable
from clew.questions.ask import ask, need_requests

BY = {
    "name": ("name", "name"),
    "status": ("status AS name", "name"),
    "command": ("command AS name", "name"),
    "host": ("host AS name", "name"),
    "shape": ("name, shape_id", "name, shape_id"),
}
"""What requests can be counted by: columns of table ``request``, and their names."""
_MEASURES = ("count", "errors", "unresolved", "total_ns", "mean_ns", "min_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns")
_SINGLE = (
    *("request_id", "name", "status", "error", "start_ns", "dur_ns", "spans", "processes", "confidence"),
    *("resolved", "shape_id"),
)


def requests_by(case: Case, lens: Lens, by: str = "name", order: str = "total_ns", limit: int | None = None) -> Answer:
    """Requests under ``lens`` by "name", "status", "command" (of the root), "host" or "shape".

    Columns: ``name`` (NULL: not known), ``shape_id`` (by="shape"), ``count``, ``errors``, ``unresolved`` (parts of
    requests that are not known), ``total_ns``, ``mean_ns``, ``min_ns``, ``p50_ns``, ``p90_ns``, ``p99_ns``, ``max_ns``
    (durations of those whose end was seen; percentiles exact, nearest rank; NULL: no end was seen), ``unfinished``
    (whose end was not seen). ``order`` names a column. Raises ClewError for a ``by`` or ``order`` that there is not,
    and where no requests were recorded.
    """
    if by not in BY:
        raise ClewError(f"cannot count requests by {by!r:.60}: {one_of(by, BY)}")
    if order not in ("name", *_MEASURES):
        raise ClewError(f"cannot sort requests by {order!r:.60}: {one_of(order, ('name', *_MEASURES))}")
    need_requests(case, "requests")
    columns, names = BY[by]
    predicate, params = lens.compile("request")
    first = names if order == "name" else f"{order} DESC NULLS LAST, {names}"
    sql = f"""WITH seen AS (
    SELECT {columns}, dur_ns, error, resolved FROM request WHERE {predicate}),
cell AS (
    SELECT {names}, count(*) AS n, count(*) FILTER (error) AS errors, count(*) FILTER (NOT resolved) AS unresolved,
           sum(dur_ns)::BIGINT AS total_ns, avg(dur_ns) AS mean_ns, min(dur_ns) AS min_ns, max(dur_ns) AS max_ns,
           quantile_disc(dur_ns, [0.5, 0.9, 0.99]) AS p, count(*) - count(dur_ns) AS unfinished
    FROM seen GROUP BY ALL)
SELECT {names}, n AS count, errors, unresolved, total_ns, mean_ns, min_ns, p[1] AS p50_ns, p[2] AS p90_ns,
       p[3] AS p99_ns, max_ns, unfinished
FROM cell ORDER BY {first}"""
    answer = ask(case, sql, params, f"requests by {by}")  # all of them: the note is on the whole
    note = _note(*(pc.sum(answer.table[name]).as_py() or 0 for name in ("count", "unresolved", "unfinished")))
    if limit is not None:
        shown = runnable(f"{sql} LIMIT $limit", params | {"limit": limit})
        answer = replace(answer, table=answer.table.slice(0, limit), sql=shown)
    return replace(answer, note=note)


def requests(case: Case, lens: Lens, order: str = "dur_ns", limit: int | None = 1000) -> Answer:
    """Single requests under ``lens``, the longest first, or in the ``order`` of another column.

    Columns: ``request_id``, ``name``, ``status``, ``error`` (of the root), ``start_ns``, ``dur_ns`` (NULL: its end was
    not seen), ``spans``, ``processes``, ``confidence`` (lowest of its links), ``resolved`` (FALSE: part of a request
    that is not known), ``shape_id``. Raises ClewError for another ``order``, and where no requests were recorded.
    """
    if order not in _SINGLE:
        raise ClewError(f"cannot sort requests by {order!r:.60}: {one_of(order, _SINGLE)}")
    need_requests(case, "requests")
    predicate, params = lens.compile("request")
    falling = order in ("dur_ns", "error", "spans", "processes")
    tail = f"ORDER BY {order} {'DESC' if falling else 'ASC'} NULLS LAST, start_ns, request_id"
    if limit is not None:
        tail, params = f"{tail} LIMIT $limit", params | {"limit": limit}
    sql = f"SELECT {', '.join(_SINGLE)}\nFROM request WHERE {predicate}\n{tail}"
    # what the Lens asks may take long to find out: once, for the rows and for the note on all of them
    table = case.sql(
        f"""WITH seen AS MATERIALIZED (SELECT request_id, resolved, dur_ns FROM request WHERE {predicate}),
whole AS (SELECT count(*) AS n, count(*) FILTER (NOT resolved) AS unresolved, count(*) - count(dur_ns) AS unfinished
          FROM seen)
SELECT {", ".join(_SINGLE)}, whole.* FROM request, whole WHERE request_id IN (SELECT request_id FROM seen) {tail}""",
        params,
    )
    note = _note(*(table[name][0].as_py() if table.num_rows else 0 for name in ("n", "unresolved", "unfinished")))
    origin_ns = case.bounds()[0] if table.num_rows else 0
    return Answer(table.select(_SINGLE), runnable(sql, params), "single requests", note, origin_ns=origin_ns)


def request_programs(case: Case, lens: Lens) -> Answer:
    """Which programs worked for each request under ``lens``: one row for each of both.

    Columns: ``request_id``, ``command``. Raises ClewError where no requests were recorded.
    """
    need_requests(case, "requests")
    predicate, params = lens.compile("request")
    sql = f"""SELECT DISTINCT request_id, command FROM span
WHERE request_id IN (SELECT request_id FROM request WHERE {predicate}) ORDER BY request_id, command"""
    return ask(case, sql, params, "programs of requests")


def request_latency(case: Case, lens: Lens) -> Answer:
    """Histogram of how long requests under ``lens`` took, in powers of two, and exact figures of the whole.

    Columns: ``bucket`` k, ``low_ns`` and ``high_ns`` (low <= duration < high; bucket 0 holds 0, bucket k from 2^(k-1)
    to 2^k), ``requests``. Summary: count, unfinished, sum_ns, min_ns, mean_ns, max_ns, p50_ns, p90_ns, p99_ns, p999_ns
    (exact, nearest rank; NULL if no request has an end). Raises ClewError where no requests were recorded.
    """
    need_requests(case, "latency of requests")
    predicate, params = lens.compile("request")
    sql = _HISTOGRAM.format(source=f"request WHERE {predicate} AND")
    # what the Lens asks may take long to find out: once, for the histogram and for the figures of the whole
    found = case.sql(
        _WITH_FIGURES.format(predicate=predicate, histogram=_HISTOGRAM.format(source="seen WHERE")), params
    )
    whole = found.slice(0, 1).to_pylist()[0]
    figures = {name: whole[name] for name in _FIGURES}
    table = found.select(("bucket", "low_ns", "high_ns", "requests")).filter(pc.is_valid(found["bucket"]))
    note = _note(whole["count"] + whole["unfinished"], whole["unresolved"], whole["unfinished"])
    return Answer(table, runnable(sql, params), "how long requests took", note, figures)


_FIGURES = tuple("count unfinished sum_ns min_ns mean_ns max_ns p50_ns p90_ns p99_ns p999_ns".split())
_HISTOGRAM = """WITH cell AS (
    SELECT CASE WHEN dur_ns < 1 THEN 0 ELSE floor(log2(dur_ns))::INTEGER + 1 END AS bucket, count(*) AS requests
    FROM {source} dur_ns IS NOT NULL GROUP BY ALL)
SELECT bucket, CASE bucket WHEN 0 THEN 0 ELSE 1::BIGINT << (bucket - 1) END AS low_ns, 1::BIGINT << bucket AS high_ns,
       requests
FROM cell ORDER BY bucket"""
_WITH_FIGURES = """WITH seen AS MATERIALIZED (SELECT dur_ns, resolved FROM request WHERE {predicate}),
histogram AS ({histogram}),
sums AS (
    SELECT count(dur_ns) AS count, count(*) - count(dur_ns) AS unfinished, sum(dur_ns)::BIGINT AS sum_ns,
           min(dur_ns) AS min_ns, avg(dur_ns) AS mean_ns, max(dur_ns) AS max_ns,
           quantile_disc(dur_ns, [0.5, 0.9, 0.99, 0.999]) AS p, count(*) FILTER (NOT resolved) AS unresolved
    FROM seen)
SELECT * EXCLUDE p, p[1] AS p50_ns, p[2] AS p90_ns, p[3] AS p99_ns, p[4] AS p999_ns
FROM sums LEFT JOIN histogram ON TRUE ORDER BY bucket"""


def _note(asked: int, unresolved: int, unfinished: int) -> str | None:
    """What must be said beside so many requests: none, unresolved ones, ends that were not seen."""
    if not asked:
        return "no request matches the lens"
    said = []
    if unresolved:
        said.append(f"{unresolved:,} of {asked:,} are unresolved: parts of requests that are not known")
    if unfinished:
        said.append(
            f"{unfinished:,} have no end that was seen: they count, their durations do not; "
            "`clew requests CASE --given-up` says which calls were given up"
        )
    return "; ".join(said) or None
