"""Requests: how many, how long, how many failed, and single ones."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.errors import ClewError, one_of
from clew.lens import Lens
from clew.questions.answer import Answer
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
FROM cell ORDER BY {first}{" LIMIT $limit" if limit is not None else ""}"""
    answer = ask(case, sql, params | ({} if limit is None else {"limit": limit}), f"requests by {by}")
    return replace(answer, note=_note(case, lens))


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
    sql = f"""SELECT {", ".join(_SINGLE)}
FROM request WHERE {predicate}
ORDER BY {order} {"DESC" if falling else "ASC"} NULLS LAST, start_ns, request_id"""
    if limit is not None:
        sql, params = sql + " LIMIT $limit", params | {"limit": limit}
    return replace(ask(case, sql, params, "single requests"), note=_note(case, lens))


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
    sql = f"""WITH cell AS (
    SELECT CASE WHEN dur_ns < 1 THEN 0 ELSE floor(log2(dur_ns))::INTEGER + 1 END AS bucket, count(*) AS requests
    FROM request WHERE dur_ns IS NOT NULL AND {predicate} GROUP BY ALL)
SELECT bucket, CASE bucket WHEN 0 THEN 0 ELSE 1::BIGINT << (bucket - 1) END AS low_ns, 1::BIGINT << bucket AS high_ns,
       requests
FROM cell ORDER BY bucket"""
    figures = case.sql(
        f"""SELECT * EXCLUDE p, p[1] AS p50_ns, p[2] AS p90_ns, p[3] AS p99_ns, p[4] AS p999_ns
            FROM (SELECT count(dur_ns) AS count, count(*) - count(dur_ns) AS unfinished,
                         sum(dur_ns)::BIGINT AS sum_ns, min(dur_ns) AS min_ns, avg(dur_ns) AS mean_ns,
                         max(dur_ns) AS max_ns, quantile_disc(dur_ns, [0.5, 0.9, 0.99, 0.999]) AS p
                  FROM request WHERE {predicate})""",
        params,
    ).to_pylist()[0]
    answer = ask(case, sql, params, "how long requests took", _note(case, lens))
    return replace(answer, summary=figures)


def _note(case: Case, lens: Lens) -> str | None:
    """What must be said beside requests under ``lens``: none, unresolved ones, ends that were not seen."""
    predicate, params = lens.compile("request")
    row = case.sql(
        f"""SELECT count(*) AS n, count(*) FILTER (NOT resolved) AS unresolved, count(*) - count(dur_ns) AS unfinished
            FROM request WHERE {predicate}""",
        params,
    ).to_pylist()[0]
    if not row["n"]:
        return "no request matches the lens"
    said = []
    if row["unresolved"]:
        said.append(f"{row['unresolved']:,} of {row['n']:,} are unresolved: parts of requests that are not known")
    if row["unfinished"]:
        said.append(f"{row['unfinished']:,} have no end that was seen: they count, their durations do not")
    return "; ".join(said) or None
