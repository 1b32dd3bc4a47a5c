"""Who made how many calls, how long they took and with what result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import MEASURES, Key, ask, has_events, key_of, need_events, order_by, scalar, totals
from clew.questions.recorded import joined, lost_calls, no_calls


def counts(case: Case, lens: Lens, by: str = "command", limit: int | None = None, order: str = "calls") -> Answer:
    """Calls under ``lens`` by "host", "command", "process", "thread", "op", "file" or "peer".

    Columns: ``name`` (and ``pid``, ``tid`` where they apply), ``calls``, ``errors``, ``bytes`` (NULL: the calls move
    none), ``total_ns``, ``mean_ns``, ``min_ns``, ``max_ns``, ``p50_ns``, ``p99_ns`` (durations). Percentiles are by
    nearest rank from a histogram of 16 classes an octave: never below the exact value, and at most 4.5 % above it.
    Allocations (by="op") and captures of --count-only have running totals only: durations that were not measured are
    NULL. ``order`` names a column. Raises ClewError for a ``by`` or ``order`` that there is not.
    """
    key = key_of(by)
    tail = f"ORDER BY {order_by(order, key.names)}" + (" LIMIT $limit" if limit is not None else "")
    bound: dict[str, Any] = {} if limit is None else {"limit": limit}
    title = f"calls by {by}"
    if not has_events(case):
        if by in ("file", "peer"):
            need_events(case, f"counts by {by}")
        sql, params = _from_totals(key, lens)
        note = None if scalar(case, "SELECT EXISTS (SELECT 1 FROM counter)") else no_calls(case)
        return ask(
            case,
            f"{sql} {tail}",
            params | bound,
            title,
            note or "running totals only: no shortest, longest, percentiles",
        )
    sql, params = _from_events(key, lens)
    if by == "op" and not _beyond_totals(lens):
        added, more = _from_totals(key, lens, only="AND o.class = 'alloc'")
        sql, params = f"SELECT * FROM ({sql}) UNION ALL BY NAME ({added})", params | more
    note = {
        "file": "calls on what has no path are left out",
        "peer": "calls on what has no other end are left out",
    }.get(by)
    if lens.functions or lens.modules or lens.stack:
        note = "; ".join(filter(None, (note, "only calls whose stack was recorded (clew record --stacks) are counted")))
    answer = ask(case, f"{sql} {tail}", params | bound, title, joined(note, lost_calls(case)))
    if answer.table.num_rows:
        return answer
    # calls on what has no path, or no other end, may well match: then it is not said that none does
    none = {"file": "no call under the lens is on a file", "peer": "no call under the lens is on a connection"}
    return replace(answer, note="; ".join(filter(None, (none.get(by, "no call matches the lens"), note))))


def _beyond_totals(lens: Lens) -> bool:
    """Whether the Lens asks for what running totals do not hold: then allocations are outside it."""
    of_requests = lens.requests or lens.request_ids or lens.shapes or lens.took
    of_calls = lens.files or lens.peers or lens.errnos or lens.latency
    return bool(of_calls or lens.functions or lens.modules or lens.stack or of_requests)


def _from_events(key: Key, lens: Lens) -> tuple[str, dict[str, Any]]:
    """Group by a number of the event and duration class first (quick over millions), then find names for the rest."""
    predicate, params = lens.compile()
    names = ", ".join(key.names)
    sql = f"""WITH cell AS (
    SELECT {key.cell}, CAST(16 * log2(greatest(dur_ns, 1)) AS USMALLINT) AS bucket, count(*) AS calls,
           count(*) FILTER (errno <> 0) AS errors, sum(bytes) AS bytes, sum(dur_ns) AS total_ns,
           min(dur_ns) AS low_ns, max(dur_ns) AS high_ns
    FROM event WHERE {predicate} GROUP BY ALL),
named AS (
    SELECT {key.columns}, bucket, sum(calls) AS calls, sum(errors) AS errors, sum(bytes) AS bytes,
           sum(total_ns) AS total_ns, min(low_ns) AS low_ns, max(high_ns) AS high_ns
    FROM cell {key.join} GROUP BY ALL),
ranked AS (
    SELECT *, sum(calls) OVER (PARTITION BY {names} ORDER BY bucket) AS upto,
           sum(calls) OVER (PARTITION BY {names}) AS n
    FROM named)
SELECT {names}, sum(calls)::BIGINT AS calls, sum(errors)::BIGINT AS errors, sum(bytes)::BIGINT AS bytes,
       sum(total_ns)::BIGINT AS total_ns, sum(total_ns)::BIGINT / sum(calls)::BIGINT AS mean_ns,
       min(low_ns) AS min_ns, max(high_ns) AS max_ns,
       min(high_ns) FILTER (upto >= 0.50 * n) AS p50_ns, min(high_ns) FILTER (upto >= 0.99 * n) AS p99_ns
FROM ranked GROUP BY {names}"""
    return sql, params


_MOVES = "o.class IN ('read', 'write', 'tls', 'stdio', 'alloc') AND o.op NOT IN ('free', 'fopen', 'fclose', 'fflush')"
"""Operations whose totals have bytes; those of others are none, not nothing."""


def _from_totals(key: Key, lens: Lens, only: str = "") -> tuple[str, dict[str, Any]]:
    inner, params = totals(lens)
    ops = "" if key.cell == "op_id" else "JOIN op o USING (op_id)"
    # Allocations are many and small: among a program's calls they would hide all others; only by="op" counts them.
    only = only or ("" if key.cell == "op_id" else "AND o.class <> 'alloc'")
    empty = ", ".join(f"NULL::BIGINT AS {name}" for name in MEASURES[5:])
    sql = f"""SELECT {key.columns}, sum(calls)::BIGINT AS calls, sum(errors)::BIGINT AS errors,
       (sum(bytes) FILTER ({_MOVES}))::BIGINT AS bytes,
       nullif(sum(busy_ns), 0)::BIGINT AS total_ns, nullif(sum(busy_ns), 0)::BIGINT / sum(calls)::BIGINT AS mean_ns,
       {empty}
FROM ({inner}) {key.join} {ops} WHERE calls > 0 {only} GROUP BY ALL"""
    return sql, params
