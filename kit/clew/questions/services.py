"""Who calls whom: the edges between programs, as requests travelled them."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pyarrow as pa

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer, runnable
from clew.questions.ask import need_requests

# One row for each edge and class of duration (16 an octave): few, whatever the number of calls, and they add up.
_CELLS = """SELECT from_command, to_command, protocol, recorded,
       CAST(16 * log2(CASE WHEN dur_ns < 1 THEN 1 ELSE dur_ns END) AS SMALLINT) AS bucket,
       count(*) AS calls, count(*) FILTER (error) AS errors, sum(bytes)::BIGINT AS bytes, max(dur_ns) AS high_ns,
       count(*) FILTER (confidence < 0.899999) AS low_confidence
FROM hop WHERE {} GROUP BY ALL"""
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
    sql = _CELLS.format(predicate)
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in case.sql(sql, params).to_pylist():
        cells[row["from_command"], row["to_command"], row["protocol"], row["recorded"]].append(row)
    rows = [_edge(key, found) for key, found in cells.items()]
    rows.sort(key=lambda row: (-row["calls"], *(row[name] or "" for name in _SCHEMA.names[:3])))
    note = None if rows else "no request matches the lens"
    return Answer(pa.Table.from_pylist(rows, _SCHEMA), runnable(sql, params), "who calls whom", note)


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
