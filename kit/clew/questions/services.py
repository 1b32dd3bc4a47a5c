"""Who calls whom: the edges between programs, as requests travelled them."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pyarrow as pa

from clew.case import Case
from clew.lens import Lens
from clew.questions import span_times
from clew.questions.answer import Answer, runnable
from clew.questions.ask import need_requests

# One row for each edge and class of duration (16 an octave): few, whatever the number of calls, and they add up.
_CELLS = """WITH seen AS (SELECT * FROM span WHERE {range} AND {predicate}),
near AS (SELECT * FROM span WHERE {range}),
called AS (
    SELECT c.command AS from_command, coalesce(s.command, p.peer) AS to_command, c.protocol,
           c.error OR coalesce(s.error, FALSE) AS error, c.end_ns - c.start_ns AS dur_ns, c.request_msg_id,
           c.reply_msg_id, s.span_id IS NOT NULL AS recorded, coalesce(s.confidence, 1) AS confidence
    FROM seen c LEFT JOIN near s ON s.parent_span_id = c.span_id AND s.kind = 'server'
    LEFT JOIN connection p ON p.conn_id = c.conn_id WHERE c.kind = 'client'
    UNION ALL
    SELECT CASE WHEN s.kind <> 'server' THEN p.command END, s.command,
           CASE s.kind WHEN 'server' THEN s.protocol ELSE s.kind END, s.error, s.end_ns - s.start_ns, s.request_msg_id,
           s.reply_msg_id, s.kind <> 'server', CASE WHEN p.span_id IS NULL THEN 1 ELSE s.confidence END
    FROM seen s LEFT JOIN near p ON p.span_id = s.parent_span_id
    WHERE s.kind = 'server' AND (p.span_id IS NULL OR p.kind <> 'client')
       OR s.kind = 'process' AND p.span_id IS NOT NULL
       OR s.kind = 'internal' AND p.command <> s.command)
SELECT from_command, to_command, c.protocol, recorded,
       CAST(16 * log2(CASE WHEN dur_ns < 1 THEN 1 ELSE dur_ns END) AS SMALLINT) AS bucket,
       count(*) AS calls, count(*) FILTER (c.error) AS errors,
       sum(coalesce(q.bytes, 0) + coalesce(a.bytes, 0))
           FILTER (coalesce(q.bytes, a.bytes) IS NOT NULL)::BIGINT AS bytes,
       max(dur_ns) AS high_ns, count(*) FILTER (confidence < 0.899999) AS low_confidence
FROM called c LEFT JOIN message q ON q.msg_id = c.request_msg_id LEFT JOIN message a ON a.msg_id = c.reply_msg_id
GROUP BY ALL"""
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("from_command", "to_command", "protocol")),
        *((name, pa.int64()) for name in ("calls", "errors", "bytes", "p50_ns", "p99_ns")),
        ("recorded", pa.bool_()),
        ("low_confidence", pa.int64()),
    ]
)


def services(case: Case, lens: Lens) -> Answer:
    """Calls between programs in the requests under ``lens``, the most frequent first.

    Columns: ``from_command`` (NULL: it was not recorded), ``to_command`` (NULL: not known; where it was not recorded
    the other end of the connection), ``protocol`` (``process``: started it), ``calls``, ``errors``, ``bytes`` (both
    ways; NULL: not known), ``p50_ns``, ``p99_ns`` (as the caller saw it where the caller was recorded; nearest rank
    from a histogram of 16 classes an octave: at most 4.5 % above the exact value; NULL: no end was seen), ``recorded``
    (both ends were), ``low_confidence`` (calls whose ends were paired with confidence below 0.9). The SQL gives the
    histogram. Raises ClewError where no requests were recorded.
    """
    need_requests(case, "services")
    predicate, params = lens.compile("span")
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for low, high in span_times.ranges(case, lens):
        sql = _CELLS.format(range="request_id BETWEEN $first AND $last", predicate=predicate)
        for row in case.sql(sql, params | {"first": low, "last": high}).to_pylist():
            cells[row["from_command"], row["to_command"], row["protocol"], row["recorded"]].append(row)
    rows = [_edge(key, found) for key, found in cells.items()]
    rows.sort(key=lambda row: (-row["calls"], *(row[name] or "" for name in _SCHEMA.names[:3])))
    note = None if rows else "no request matches the lens"
    whole = runnable(_CELLS.format(range="TRUE", predicate=predicate), params)
    return Answer(pa.Table.from_pylist(rows, _SCHEMA), whole, "who calls whom", note)


def _edge(key: tuple[Any, ...], cells: list[dict[str, Any]]) -> dict[str, Any]:
    known = [cell["bytes"] for cell in cells if cell["bytes"] is not None]
    ended = sorted((cell["bucket"], cell["high_ns"], cell["calls"]) for cell in cells if cell["bucket"] is not None)
    return {
        **dict(zip(("from_command", "to_command", "protocol", "recorded"), key, strict=True)),
        **{name: sum(cell[name] for cell in cells) for name in ("calls", "errors", "low_confidence")},
        "bytes": sum(known) if known else None,
        "p50_ns": _percentile(ended, 0.5),
        "p99_ns": _percentile(ended, 0.99),
    }


def _percentile(cells: list[tuple[int, int, int]], share: float) -> int | None:
    """By nearest rank: the longest of the class in which the rank falls."""
    longest: dict[int, int] = defaultdict(int)
    for bucket, high, _ in cells:
        longest[bucket] = max(longest[bucket], high)
    rank = max(math.ceil(share * sum(calls for _, _, calls in cells)), 1)
    for bucket, _, calls in cells:
        rank -= calls
        if rank <= 0:
            return longest[bucket]
    return None
