"""The calls of conversations in parts that memory holds: which connections each has, and its calls read.

A few parts are read from the case one by one. Each of those reads looks at all that was recorded, so where there are
many, all calls are read once and written part by part to a temporary file: a part then costs the same, however many
there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clew.errors import ClewError
from clew.native.protocols import CALLS, NONE

Array = npt.NDArray[Any]

PART_CALLS = 500_000
PART_BYTES = 128 << 20
"""A part holds at most so many calls, and about so many bytes that they kept (one connection may be more)."""
FEW = 8
"""Parts full of calls; more are written to a file of their own first: that takes as long as to read so many."""
BATCH = 65_536
"""Calls that are written to it at a time, at most."""

# When the bytes were moved: written, as the call was entered; read, as it returned.
_MOVED = "e.ts_ns + CASE WHEN o.sent THEN 0 ELSE e.dur_ns END"
_OF_TALKS = """
FROM event e JOIN talk_op o USING (op_id) JOIN talk t USING (conn_id) {payload}
WHERE o.tls = t.tls AND e.errno = 0 AND e.bytes IS NOT NULL
"""
_CALLS = f"""
CREATE OR REPLACE TEMP VIEW talk_call AS
SELECT e.conn_id, e.ts_ns, e.dur_ns, e.bytes, coalesce(e.byte_offset, {NONE}) AS byte_offset,
       o.sent::UTINYINT AS sent, e.thread_id, e.seq, e.pid, e.tid, p.head, p.tail, {_MOVED} AS moved_ns
{_OF_TALKS.format(payload="LEFT JOIN payload p ON p.thread_id = e.thread_id AND p.seq = e.seq")}
"""
_MERGED = """
  AND NOT EXISTS (SELECT 1 FROM talk_read r WHERE r.thread_id = e.thread_id AND r.seq = e.seq)
UNION ALL
SELECT conn_id, ts_ns, dur_ns, bytes, byte_offset, 0::UTINYINT, thread_id, seq, pid, tid, head, NULL, ts_ns + dur_ns
FROM talk_merged
"""
# A program's variables stand in front of whatever its pipe moved.
_CGI = f"""
UNION ALL
SELECT conn_id, ts_ns, dur_ns, bytes, {NONE}, sent::UTINYINT, thread_id, seq, pid, tid, head, NULL, NULL FROM talk_cgi
"""
_CUTS = f"SELECT quantile_disc({_MOVED}, $shares) {_OF_TALKS.format(payload='')} AND e.conn_id = $first"
_READ = "SELECT * EXCLUDE (moved_ns) FROM talk_call WHERE conn_id BETWEEN $first AND $last"
# Each connection's part, and for one that is cut where it goes on with the next.
_SPREAD = """
SELECT p.part + coalesce(len(list_filter(p.cuts, lambda cut : cut <= c.moved_ns)), 0) AS part, c.* EXCLUDE (moved_ns)
FROM talk_call c JOIN (SELECT conn_id, part, cuts FROM talk ASOF JOIN places ON places.first <= talk.conn_id) p
     USING (conn_id)
WHERE c.seq BETWEEN $first AND $last
"""
# Calls of all threads whose numbers are near each other were recorded near each other, and their bytes, too.
_SLICES = "SELECT approx_quantile(seq::BIGINT, $shares::FLOAT[]) FROM event"
# Where the case is, and how many calls are about as many bytes as a part's.
_ABOUT = """
SELECT (SELECT path FROM duckdb_databases() WHERE database_name = current_database()),
       greatest(2048, least($most, $bytes * sum(calls) / (sum(kept) + 1)))::INTEGER FROM talk
"""
_FILED = pa.schema([("conn_id", pa.uint64()), *list(CALLS)[1:]])


@dataclass(frozen=True)
class Part:
    """Connections first..last (conn_id) that are told at once; ``begin`` and ``end`` cut one that is too long."""

    first: int
    last: int
    begin: int | None = None  # ns, from when on; None: from its first call
    end: int | None = None  # ns, until before


class Parts:
    """The connections of table talk (identify.plan) in parts, in the order of their numbers."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, merged: bool) -> None:
        """Makes a temporary view, which close() drops; ``merged``: some calls are told by others in their place.

        Raises ClewError if there is no room for a temporary file.
        """
        self._connection = connection
        connection.execute(_CALLS + (_MERGED if merged else "") + _CGI)
        self.parts = list(_parts(connection))
        calls = connection.execute("SELECT coalesce(sum(calls), 0) FROM talk").fetchall()[0][0]
        self._spread = _Spread(connection, self.parts) if calls > FEW * PART_CALLS else None

    def calls(self, number: int, ids: Array) -> pa.Table:
        """The calls of a part as Talks.feed() takes them; ``ids`` are the conn_ids of its connections."""
        found = self._spread.calls(number) if self._spread else self._read(self.parts[number])
        conv = np.searchsorted(ids, found.column("conn_id").to_numpy())
        return found.set_column(0, "conv", pa.array(conv.astype(np.uint32))).cast(CALLS)

    def _read(self, part: Part) -> pa.Table:
        query, values = _READ, {"first": part.first, "last": part.last}
        if part.begin is not None:
            query, values["begin"] = f"{query} AND moved_ns >= $begin", part.begin
        if part.end is not None:
            query, values["end"] = f"{query} AND coalesce(moved_ns < $end, TRUE)", part.end
        return self._connection.sql(query, params=values).to_arrow_table()

    def close(self) -> None:
        """Drop what was made."""
        if self._spread:
            self._spread.close()
        self._connection.execute("DROP VIEW temp.talk_call")


class _Spread:
    """All calls in a temporary file beside the case, so that those of one part are read without the others."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, parts: list[Part]) -> None:
        self._batches: list[list[int]] = [[] for _ in parts]  # numbers of a part's record batches in the file
        case, rows = connection.execute(_ABOUT, {"bytes": PART_BYTES, "most": BATCH}).fetchall()[0]
        places = _places(parts)  # the query asks it by that name
        connection.execute("SET arrow_large_buffer_size = true")
        try:
            self._file = TemporaryFile(dir=Path(case).parent if case else None)  # noqa: SIM115
            with pa.ipc.new_file(self._file, _FILED) as out:
                for first, last in _slices(connection, len(parts)):
                    found = connection.sql(_SPREAD, params={"first": first, "last": last})
                    self._write(found.to_arrow_reader(rows), out)
        except OSError as error:
            raise ClewError(f"cannot keep calls in a temporary file: {error.strerror or error}", 1) from None
        del places
        connection.execute("RESET arrow_large_buffer_size")

    def _write(self, calls: pa.RecordBatchReader, out: pa.ipc.RecordBatchFileWriter) -> None:
        written = sum(map(len, self._batches))
        for batch in calls:
            part = batch.column("part").to_numpy()
            order = np.argsort(part, kind="stable")
            by_part = batch.select(_FILED.names).take(pa.array(order)).cast(_FILED)
            begins = np.flatnonzero(np.diff(part[order], prepend=-1))
            for begin, end in pairwise([*begins.tolist(), len(batch)]):
                out.write(by_part.slice(begin, end - begin))
                self._batches[part[order[begin]]].append(written)
                written += 1

    def calls(self, number: int) -> pa.Table:
        """Those of a part."""
        reader = pa.ipc.open_file(self._file)
        return pa.Table.from_batches(map(reader.get_batch, self._batches[number]), _FILED)

    def close(self) -> None:
        """Give the file's room back."""
        self._file.close()


def _parts(connection: duckdb.DuckDBPyConnection) -> Iterator[Part]:
    """As many connections at a time as a part may hold."""
    columns = connection.execute("SELECT conn_id, calls, kept FROM talk ORDER BY conn_id").fetchnumpy()
    ids, weight = columns["conn_id"], np.maximum(columns["calls"] / PART_CALLS, columns["kept"] / PART_BYTES)
    begin = 0
    while begin < len(ids):
        if weight[begin] > 1:
            yield from _cut(connection, int(ids[begin]), int(np.ceil(weight[begin])))
            begin += 1
            continue
        small = weight[begin:] <= 1
        alone = begin + int(np.argmin(small)) if not small.all() else len(ids)
        end = begin + max(1, int(np.searchsorted(np.cumsum(weight[begin:alone]), 1.0, "right")))
        yield Part(int(ids[begin]), int(ids[end - 1]))
        begin = end


def _cut(connection: duckdb.DuckDBPyConnection, conn_id: int, pieces: int) -> Iterator[Part]:
    """One connection, in pieces of time."""
    shares = [share / pieces for share in range(1, pieces)]
    found = connection.execute(_CUTS, {"shares": shares, "first": conn_id}).fetchall()[0][0]
    cuts = [None, *sorted(set(found)), None]
    for begin, end in pairwise(cuts):
        yield Part(conn_id, conn_id, begin, end)


def _slices(connection: duckdb.DuckDBPyConnection, count: int) -> Iterator[tuple[int, int]]:
    """First and last numbers of calls (event.seq) of about as many calls each."""
    shares = [share / count for share in range(1, count)]
    cuts = sorted(set(connection.execute(_SLICES, {"shares": shares}).fetchall()[0][0]))
    for begin, end in pairwise([0, *cuts, 1 << 32]):
        yield begin, end - 1


def _places(parts: list[Part]) -> pa.Table:
    """A row for each connection that a part begins with: the part's number, and when the others of it begin (ns)."""
    rows: dict[int, tuple[int, list[int]]] = {}
    for number, part in enumerate(parts):
        _, cuts = rows.setdefault(part.first, (number, []))
        if part.begin is not None:
            cuts.append(part.begin)
    return pa.table(
        {
            "first": pa.array(rows, pa.uint64()),
            "part": pa.array([part for part, _ in rows.values()], pa.int64()),
            "cuts": pa.array([cuts for _, cuts in rows.values()], pa.list_(pa.int64())),
        }
    )
