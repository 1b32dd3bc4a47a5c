"""Clocks of other machines, tied to the first host's by the messages between them, else by the wall clocks.

Times of bytes are those that cannot deceive: sent when the call that wrote them was entered, received when the call
that read them returned. Both ends of a TCP connection count the bytes of each direction alike, so that every read finds
the write that its last byte came from, whatever was split or merged on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb
import numpy as np

from clew.causal.clock_line import Array, Bounds, Line, lines
from clew.ingest.clocks import HostClock, host_clocks, move, moved
from clew.units import duration, printable

_BUCKET_NS = 1_000_000  # of time, in which the tightest bound of each direction is kept

# Both ends of each connection between two hosts; where a pair of addresses was used several times they are matched in
# order, and only if both hosts know of as many.
_ENDS = """
CREATE OR REPLACE TEMP TABLE clock_end AS
WITH ends AS (
    SELECT conn_id, k.clock, "local", remote, count(*) OVER pair AS many,
           row_number() OVER (PARTITION BY k.clock, "local", remote ORDER BY opened_ns NULLS FIRST, conn_id) AS nth
    FROM connection JOIN clock_of k USING (capture_id)
    WHERE kind = 'tcp' AND "local" IS NOT NULL AND remote IS NOT NULL
          AND NOT regexp_matches("local", '^(127\\.|\\[::1\\]|\\[::ffff:127\\.)')
    WINDOW pair AS (PARTITION BY k.clock, "local", remote))
SELECT x.conn_id, x.clock, y.conn_id AS peer
FROM ends x JOIN ends y ON x."local" = y.remote AND x.remote = y."local" AND x.nth = y.nth AND x.many = y.many
                        AND x.clock <> y.clock
"""
# For each read the write of its last byte. sent - received is a bound of what must be added to the receiver's clock.
_CROSSINGS = """
CREATE OR REPLACE TEMP TABLE crossing AS
WITH moved AS (
    SELECT e.conn_id, o.class, e.ts_ns, e.ts_ns + e.dur_ns AS end_ns, e.byte_offset, e.bytes, c.clock, c.peer
    FROM event e JOIN op o USING (op_id) JOIN clock_end c USING (conn_id)
    WHERE o.class IN ('read', 'write') AND e.bytes BETWEEN 1 AND 1e12 AND e.byte_offset < 1e18 AND e.errno = 0
          AND e.ts_ns BETWEEN -2e18 AND 2e18 AND e.dur_ns BETWEEN 0 AND 1e18)
SELECT w.clock AS sender, r.clock AS receiver, w.ts_ns AS sent_ns, r.end_ns AS received_ns
FROM (SELECT *, byte_offset + bytes - 1 AS last FROM moved WHERE class = 'read') r
ASOF JOIN (SELECT * FROM moved WHERE class = 'write') w ON w.peer = r.conn_id AND w.byte_offset <= r.last
WHERE r.last < w.byte_offset + w.bytes
"""
# Of one clock (other) that is to be put right by another (known): bounds of what is to be added to its times.
_BOUNDS = f"""
WITH bounds AS (
    SELECT received_ns AS t, sent_ns - received_ns AS d, FALSE AS upper FROM crossing
    WHERE sender = $known AND receiver = $other
    UNION ALL
    SELECT sent_ns, received_ns - sent_ns, TRUE FROM crossing WHERE sender = $other AND receiver = $known)
SELECT arg_max(t, CASE WHEN upper THEN -d ELSE d END) AS t, CASE WHEN upper THEN min(d) ELSE max(d) END AS d, upper,
       count(*) AS messages
FROM bounds GROUP BY t // {_BUCKET_NS}, upper
"""


@dataclass(frozen=True)
class _Known:
    """How a clock is moved to the first host's."""

    lines: list[Line]
    messages: int


def align(connection: duckdb.DuckDBPyConnection) -> bool:
    """Move the times of other hosts' captures to the first host's clock, where that was not done yet.

    Returns whether any were. Runs in the caller's transaction if there is one. Quick where there is one clock only.
    """
    clocks = host_clocks(connection)
    done = moved(connection)
    if len(clocks) < 2 or all(capture in done for clock in clocks[1:] for capture in clock.captures):
        return False
    known = _tie(connection, clocks)
    for number, clock in enumerate(clocks[1:], 1):
        captures = [capture for capture in clock.captures if capture not in done]
        found = known.get(number)
        if found is not None:
            rows = [
                [line.from_ns, float(line.offset_ns), line.drift * 1e9, line.residual_ns, line.messages]
                for line in found.lines
            ]
            insert = "INSERT INTO host_clock VALUES (?, ?, ?, ?, ?, ?, ?)"
            connection.executemany(insert, [[capture, clock.host, *row] for capture in captures for row in rows])
            move(connection, captures, found.lines)
        else:
            _by_the_wall(connection, clocks[0], clock, captures)
    for table in ("clock_of", "clock_end", "crossing"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute("DELETE FROM setting WHERE name = 'traced'")
    return True


def _tie(connection: duckdb.DuckDBPyConnection, clocks: list[HostClock]) -> dict[int, _Known]:
    """By the clock's number, how it is moved; clocks that no chain of messages ties to the first are left out."""
    connection.execute("CREATE OR REPLACE TEMP TABLE clock_of (capture_id UINTEGER, clock INTEGER)")
    connection.executemany(
        "INSERT INTO clock_of VALUES (?, ?)",
        [[capture, number] for number, clock in enumerate(clocks) for capture in clock.captures],
    )
    connection.execute(_ENDS)
    connection.execute(_CROSSINGS)
    pairs = connection.execute("SELECT DISTINCT sender, receiver FROM crossing").fetchall()
    known = {0: _Known([], 0)}
    while True:
        # The next clock is the one that is bounded best, by any that is known already.
        best: tuple[float, int, _Known] | None = None
        for number in {one for pair in pairs for one in pair} - known.keys():
            for by in [each for each in known if (each, number) in pairs and (number, each) in pairs]:
                found = _bounded(connection, known[by], by, number)
                if found is None:
                    continue
                worst = max(line.residual_ns for line in found.lines if line.messages)
                if best is None or worst < best[0]:
                    best = (worst, number, found)
        if best is None:
            return {number: found for number, found in known.items() if number}
        known[best[1]] = best[2]


def _bounded(connection: duckdb.DuckDBPyConnection, by: _Known, known: int, other: int) -> _Known | None:
    """How clock ``other`` is moved, by its messages with clock ``known``, which is moved as ``by`` says."""
    rows = connection.execute(_BOUNDS, {"known": known, "other": other}).fetchnumpy()
    t, d, upper = rows["t"].astype(np.int64), rows["d"].astype(np.int64), rows["upper"].astype(bool)
    d = d + _shift(by.lines, t + d)
    order = np.argsort(t, kind="stable")
    found = lines(Bounds(t[order], d[order], upper[order]))
    slack = max((line.residual_ns for line in by.lines if line.messages), default=0.0)
    messages = int(rows["messages"].sum())
    share = messages / max(len(t), 1)
    found = [
        replace(line, residual_ns=line.residual_ns + slack, messages=round(line.messages * share)) for line in found
    ]
    return _Known(found, messages) if found else None


def _shift(by: list[Line], t: Array) -> Array:
    """ns to add at each of ``t``, by lines that follow each other."""
    if not by:
        return np.zeros(len(t), np.int64)
    which = np.clip(np.searchsorted([line.from_ns for line in by], t, "right") - 1, 0, None)
    first = np.array([line.from_ns for line in by], np.int64)[which]
    offset = np.array([line.offset_ns for line in by], np.int64)[which]
    drift = np.array([line.drift for line in by])[which]
    added: Array = offset + np.rint((t - first) * drift).astype(np.int64)
    return added


def _trust(first: HostClock, clock: HostClock) -> str:
    """How far wall clocks may be wrong, in words."""
    loose = [printable(each.host) for each in (first, clock) if each.wall_error_ns is None]
    if loose:
        return f"and nobody knows how wrong these are: nothing kept that of {' and '.join(loose)} right"
    return f"which are off by at most {duration((first.wall_error_ns or 0) + (clock.wall_error_ns or 0))}"


def _by_the_wall(
    connection: duckdb.DuckDBPyConnection, first: HostClock, clock: HostClock, captures: list[int]
) -> None:
    """Move by what the hosts held for the time of day, and say so; leave the times alone where that is not known."""
    why = f"no messages in both directions tie the clock of {printable(clock.host)} to that of {printable(first.host)}"
    if first.wall_ns is None or clock.wall_ns is None:
        move(connection, captures, [])
        note = f"{why}, and the time of day is not known: times of the two cannot be compared"
    else:
        offset = (clock.wall_ns - clock.started_ns) - (first.wall_ns - first.started_ns)
        move(connection, captures, [Line(clock.started_ns, offset, 0.0, float("inf"), 0)])
        note = f"{why}: times were moved by {duration(offset)}, as their wall clocks say, {_trust(first, clock)}"
    connection.execute(
        "UPDATE capture SET notes = concat_ws('; ', notes, $note) WHERE capture_id IN (SELECT unnest($captures))",
        {"note": note, "captures": captures},
    )
