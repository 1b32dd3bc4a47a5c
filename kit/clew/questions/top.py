"""Who did most, in the whole or in each interval of time."""

from __future__ import annotations

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, key_of, need_events, order_by
from clew.questions.counts import counts
from clew.questions.recorded import lost_calls

_COLUMNS = ("calls", "errors", "bytes", "total_ns", "mean_ns", "max_ns")


def top(
    case: Case, lens: Lens, by: str = "command", interval_ns: int | None = None, n: int = 10, order: str = "calls"
) -> Answer:
    """The ``n`` first of counts() in the ``order`` of a column; with ``interval_ns`` the ``n`` first of each interval.

    With intervals the columns are ``start_ns`` (intervals are counted from the begin of the Lens or of the case),
    ``rank`` (from 1), the key columns, ``calls``, ``errors``, ``bytes``, ``total_ns``, ``mean_ns``, ``max_ns``. Raises
    ClewError for a name that is no column, or an interval or n below 1.
    """
    if n < 1:
        raise ClewError("top: n must be at least 1")
    if interval_ns is None:
        return counts(case, lens, by, limit=n, order=order)
    if interval_ns < 1:
        raise ClewError("top: the interval must be at least 1 ns")
    need_events(case, "top per interval")
    key = key_of(by)
    names = ", ".join(key.names)
    predicate, params = lens.compile()
    origin = case.bounds()[0] if lens.start_ns is None else lens.start_ns
    params |= {"origin_ns": origin, "interval_ns": interval_ns, "n": n}
    sql = f"""WITH cell AS (
    SELECT {key.cell}, (ts_ns - $origin_ns) // $interval_ns AS bin, count(*) AS calls,
           count(*) FILTER (errno <> 0) AS errors, sum(bytes) AS bytes, sum(dur_ns) AS total_ns, max(dur_ns) AS max_ns
    FROM event WHERE {predicate} GROUP BY ALL),
named AS (
    SELECT {key.columns}, bin, sum(calls)::BIGINT AS calls, sum(errors)::BIGINT AS errors,
           sum(bytes)::BIGINT AS bytes, sum(total_ns)::BIGINT AS total_ns,
           sum(total_ns)::BIGINT / sum(calls)::BIGINT AS mean_ns, max(max_ns) AS max_ns
    FROM cell {key.join} GROUP BY ALL)
SELECT $origin_ns + bin * $interval_ns AS start_ns,
       row_number() OVER (PARTITION BY bin ORDER BY {order_by(order, key.names, _COLUMNS)}) AS rank,
       {names}, {", ".join(_COLUMNS)}
FROM named QUALIFY rank <= $n ORDER BY bin, rank"""
    return ask(case, sql, params, f"top {n} by {by}, per interval", lost_calls(case))
