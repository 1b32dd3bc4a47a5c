"""What exports of spans share: the spans of the chosen requests with ids and times as other tools want them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.ask import need_requests, scalar

BATCH = 2000
"""Requests that are written at a time: what bounds the memory that an export needs."""

_TRACEPARENT = "traceparent=00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}"
"""W3C Trace Context, as protocols/ put it into message.correlation."""

# Ids are made of the span's number and its case's first moment, so that they are the same in every export of a case
# and different in the next case. A request that came with a traceparent keeps that trace's id; so do imported spans.
_ONE = r"""
WITH salt AS (SELECT min(started_ns)::VARCHAR || min(host) AS salt FROM capture),
picked AS (SELECT * FROM request WHERE request_id IN (SELECT unnest($requests))),
called AS (
    SELECT p.request_id, regexp_extract(m.correlation, $traceparent, 1) AS trace,
           regexp_extract(m.correlation, $traceparent, 2) AS parent
    FROM picked p JOIN span s ON s.span_id = p.request_id JOIN message m ON m.msg_id = s.request_msg_id
    WHERE s.kind <> 'client'),
one AS (
    SELECT s.*,
           coalesce(t.trace_id, nullif(c.trace, ''), md5(salt || ' request ' || s.request_id)) AS trace_hex,
           coalesce(i.id, left(md5(salt || ' span ' || s.span_id), 16)) AS span_hex,
           coalesce(u.id, CASE WHEN s.parent_span_id IS NULL THEN nullif(c.parent, '')
                               ELSE left(md5(salt || ' span ' || s.parent_span_id), 16) END) AS parent_hex,
           s.start_ns + $utc AS start_utc, coalesce(s.end_ns, s.start_ns) + $utc AS end_utc,
           s.end_ns IS NULL AS unfinished, CASE WHEN $unredacted THEN m.summary END AS summary,
           m.bytes AS request_bytes, a.bytes AS reply_bytes,
           CASE WHEN o.local LIKE '%:%' THEN o.local END AS near, CASE WHEN o.remote LIKE '%:%' THEN o.remote END AS far
    FROM span s CROSS JOIN salt
    JOIN picked USING (request_id)
    LEFT JOIN called c USING (request_id)
    LEFT JOIN imported_span i ON i.span_id = s.span_id
    LEFT JOIN imported_span u ON u.span_id = s.parent_span_id
    LEFT JOIN imported_span t ON t.span_id = s.request_id
    LEFT JOIN message m ON m.msg_id = s.request_msg_id
    LEFT JOIN message a ON a.msg_id = s.reply_msg_id
    LEFT JOIN connection o ON o.conn_id = s.conn_id)
"""


def request_ids(case: Case, lens: Lens, what: str) -> list[int]:
    """The numbers of the requests under ``lens`` by time; raises ClewError, naming ``what``, if there are none."""
    need_requests(case, what)
    predicate, params = lens.compile("request")
    table = case.sql(f"SELECT request_id FROM request WHERE {predicate} ORDER BY start_ns, request_id", params)
    if not table.num_rows:
        raise ClewError(f"{what}: there is no such request; `clew requests {case.path}` shows those there are")
    ids: list[int] = table["request_id"].to_pylist()
    return ids


def to_utc(case: Case) -> int:
    """ns to add to the case's times for the time since 1970-01-01 UTC; 0 if that is what they are (imported spans)."""
    found = scalar(
        case,
        """SELECT (SELECT epoch_ns(started_utc) - started_ns FROM capture
                   WHERE started_utc IS NOT NULL AND started_ns > 0 ORDER BY capture_id LIMIT 1)""",
    )
    return int(found or 0)


def batches(case: Case, lens: Lens, query: str, what: str, *, unredacted: bool = False) -> Iterator[pa.Table]:
    """The rows that ``query`` makes of ``one`` (a row a span: see above), for some requests at a time.

    ``one`` holds what was said in full (summary) only if ``unredacted``. Raises ClewError if there is no such request.
    """
    ids, utc = request_ids(case, lens, what), to_utc(case)
    for first in range(0, len(ids), BATCH):
        params: dict[str, Any] = {"requests": ids[first : first + BATCH], "utc": utc, "traceparent": _TRACEPARENT}
        params["unredacted"] = unredacted
        yield case.sql(_ONE + query, params)
