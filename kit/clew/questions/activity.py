"""How much happened when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, has_events, key_of
from clew.questions.recorded import lost_calls

_MOST = 100_000
_EVERY_BIN = " RIGHT JOIN (SELECT unnest(range(($lens_end_ns - $lens_start_ns - 1) // $width + 1)) AS bin) USING (bin)"


_WHAT = {"calls": "<> 'alloc'", "allocations": "= 'alloc' AND op.op <> 'free'"}
"""What is counted -> of which class its operations are."""


def activity(
    case: Case,
    lens: Lens,
    bins: int = 200,
    by: str | None = None,
    *,
    interval_ns: int | None = None,
    what: str = "calls",
) -> Answer:
    """Calls under ``lens`` over its time range (the whole case's if it has none), in at most ``bins`` equal bins.

    ``interval_ns``: bins of that length instead. ``what``: "calls", or "allocations" (their bytes are those asked for;
    they are known by running totals, which are read about once a second). Columns: ``start_ns``, ``end_ns`` of the
    bin, ``group`` if ``by`` is "command", "op" or "host", ``calls``, ``errors``, ``bytes`` (NULL: none moved any),
    ``busy_ns`` (time in the calls that were entered in the bin, wherever they ended; allocations: 0, it is not
    measured), ``rate_per_s`` (calls). Without ``by`` every bin has its row, with it only bins in which the group did
    something. Raises ClewError if nothing was recorded or ``by`` or ``what`` is none of these.
    """
    if by not in (None, "command", "op", "host"):
        raise ClewError(f"activity by {by!r:.60}: choose command, op or host")
    if what not in _WHAT:
        raise ClewError(f"activity of {what!r:.60}: choose calls or allocations")
    first, last = case.bounds()
    start = first if lens.start_ns is None else lens.start_ns
    end = last + 1 if lens.end_ns is None else lens.end_ns
    if end <= start:
        raise ClewError("activity: the time range is empty")
    if interval_ns is not None:
        if interval_ns < 1:
            raise ClewError("activity: the interval must be at least 1 ns")
        bins = -(-(end - start) // interval_ns)
    if not 1 <= bins <= _MOST:
        raise ClewError(f"activity: bins must be from 1 to {_MOST}, not {bins}")
    width = interval_ns or -(-(end - start) // bins)
    lens = replace(lens, start_ns=start, end_ns=end)
    events = what == "calls" and has_events(case)
    source, params = _events(lens) if events else _readings(lens, _WHAT[what])
    params |= {"width": width, "lens_start_ns": start, "lens_end_ns": end}
    key = key_of(by) if by else None
    cell, join, columns, group = (f"{key.cell}, ", key.join, f"{key.columns}, ", "name, ") if key else ("", "", "", "")
    sql = f"""WITH cell AS (
    SELECT {cell}(ts_ns - $lens_start_ns) // $width AS bin, sum(calls) AS calls, sum(errors) AS errors,
           sum(bytes) AS bytes, sum(busy_ns) AS busy_ns
    FROM ({source}) GROUP BY ALL),
named AS (
    SELECT {columns}bin, sum(calls) AS calls, sum(errors) AS errors, sum(bytes) AS bytes, sum(busy_ns) AS busy_ns
    FROM cell {join} GROUP BY ALL)
SELECT $lens_start_ns + bin * $width AS start_ns, least($lens_start_ns + (bin + 1) * $width, $lens_end_ns) AS end_ns,
       {'name AS "group", ' if key else ""}coalesce(calls, 0)::BIGINT AS calls, coalesce(errors, 0)::BIGINT AS errors,
       bytes::BIGINT AS bytes, coalesce(busy_ns, 0)::BIGINT AS busy_ns, coalesce(calls, 0) * 1e9 / $width AS rate_per_s
FROM named{"" if key else _EVERY_BIN}
ORDER BY {group}bin"""
    totals_only = "running totals only: a reading's calls are shown at the time of the reading"
    note = lost_calls(case) if events else totals_only
    return ask(case, sql, params, f"{what} over time" + (f" by {by}" if by else ""), note)


def _events(lens: Lens) -> tuple[str, dict[str, Any]]:
    predicate, params = lens.compile()
    return (
        "SELECT thread_id, op_id, ts_ns, 1 AS calls, (errno <> 0)::INTEGER AS errors, bytes, dur_ns AS busy_ns "
        f"FROM event WHERE {predicate}",
        params,
    )


def _readings(lens: Lens, of_class: str) -> tuple[str, dict[str, Any]]:
    """What each reading of the running totals added to the one before it."""
    predicate, params = lens.without("time").compile("counter")
    added = ", ".join(
        f"{name} - coalesce(lag({name}) OVER reading, 0) AS {name}" for name in ("calls", "errors", "bytes", "busy_ns")
    )
    return (
        f"SELECT * FROM (SELECT thread_id, op_id, ts_ns, {added} FROM counter JOIN op USING (op_id) "
        f"WHERE op.class {of_class} AND {predicate} WINDOW reading AS (PARTITION BY thread_id, op_id ORDER BY ts_ns)) "
        "WHERE ts_ns >= $lens_start_ns AND ts_ns < $lens_end_ns",
        params,
    )
