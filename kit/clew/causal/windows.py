"""Which spans are looked at together: whole processes; long ones from one idle moment to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import duckdb
import numpy as np

from clew.native.causal import NEVER

PART = 1_000_000
"""Spans that are looked at together, about; more of a process that always has something to do."""

_PROCESSES = "SELECT process_no, count(*) FROM pair GROUP BY ALL ORDER BY ALL"
_SHARES = "SELECT quantile_disc(start_ns, $shares) FROM pair WHERE process_no = $process"
# A request without a reply may have calls at any time after it; a call that belongs to a request, as its task tells, is
# to be looked at together with that, even if it is made after the reply.
_BUSY = """
SELECT start_ns, coalesce(end_ns, CASE WHEN client THEN start_ns ELSE $never END) AS over_ns
FROM pair WHERE process_no = $process AND start_ns < $until AND over_ns > $since
UNION ALL
SELECT o.start_ns, p.start_ns
FROM task_owner t JOIN pair p USING (msg_id) JOIN pair o ON o.msg_id = t.owner_msg_id
WHERE p.process_no = $process AND o.start_ns < $until AND p.start_ns > $since
"""


@dataclass(frozen=True)
class Part:
    """Spans of the processes ``low`` to ``high`` that start from ``begin`` to before ``end``, ns."""

    low: int
    high: int
    begin: int = -int(NEVER)
    end: int = int(NEVER)


def parts(connection: duckdb.DuckDBPyConnection) -> Iterator[Part]:
    """Parts of ``pair``, in order of process and time.

    Whatever goes on in a process at one time is in one part: what requests of a name do is learned anew in each.
    """
    low = high = spans = 0
    for process, count in connection.execute(_PROCESSES).fetchall():
        if spans and spans + count > PART:
            yield Part(low, high)
            spans = 0
        if count > PART:
            begin = Part.begin
            for cut in _cuts(connection, process, -(-count // PART)):
                yield Part(process, process, begin, cut)
                begin = cut
            yield Part(process, process, begin)
            continue
        low, high, spans = (low if spans else process), process, spans + count
    if spans:
        yield Part(low, high)


def _cuts(connection: duckdb.DuckDBPyConnection, process: int, pieces: int) -> Iterator[int]:
    """Moments (ns) at which the process begins to do something and did nothing before, about so many less one."""
    values = {"shares": [share / pieces for share in range(1, pieces)], "process": process}
    wanted = [*sorted(set(connection.execute(_SHARES, values).fetchall()[0][0])), Part.end]
    for since, until in pairwise(wanted):
        bounds = {"process": process, "since": since, "until": until, "never": int(NEVER)}
        rows = connection.execute(_BUSY, bounds).fetchnumpy()
        order = np.argsort(rows["start_ns"])
        start, over = rows["start_ns"][order], rows["over_ns"][order]
        before = np.maximum.accumulate(np.concatenate(([since], over)))[:-1]
        if (idle := np.flatnonzero(start > before)).size:
            yield int(start[idle[0]])
