"""Recorded calls to table message: connections in parts, so that memory stays bounded, one C call for each part."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clew.native.protocols import NONE, ConvFlag, Messages, Talks
from clew.protocols.base import processor_of
from clew.protocols.identify import conversations, plan, unplan
from clew.protocols.registry import all_names, in_python
from clew.protocols.services import Services

Array = npt.NDArray[Any]

PART_CALLS = 500_000
PART_BYTES = 128 << 20
"""A part holds at most so many calls, and about so many bytes that they kept (one connection may be more)."""
ROLES = ("request", "reply", "other")

_CALLS = """
SELECT e.conn_id, e.ts_ns, e.dur_ns, e.bytes, coalesce(e.byte_offset, $none) AS byte_offset, o.sent, e.thread_id, e.seq,
       e.pid, e.tid, p.head, p.tail
FROM event e JOIN talk_op o USING (op_id) JOIN talk t USING (conn_id)
LEFT JOIN payload p ON p.thread_id = e.thread_id AND p.seq = e.seq
WHERE e.conn_id BETWEEN $first AND $last AND o.tls = t.tls AND e.errno = 0 AND e.bytes IS NOT NULL
"""
_CGI = """
UNION ALL
SELECT conn_id, ts_ns, dur_ns, bytes, $none, sent, thread_id, seq, pid, tid, head, NULL
FROM talk_cgi WHERE conn_id BETWEEN $first AND $last
"""
# When the bytes were moved: written, as the call was entered; read, as it returned.
_MOVED = "e.ts_ns + CASE WHEN o.sent THEN 0 ELSE e.dur_ns END"
_CUTS = f"""
SELECT quantile_disc({_MOVED}, $shares) FROM event e JOIN talk_op o USING (op_id) JOIN talk t USING (conn_id)
WHERE e.conn_id = $first AND o.tls = t.tls AND e.errno = 0 AND e.bytes IS NOT NULL
"""
_INSERT = """
INSERT INTO message
SELECT m.msg_id, t.capture_id, m.conn_id, m.thread_id, t.host, m.pid::INTEGER, m.tid::INTEGER, m.seq, m.sent, m.role,
       m.exchange, m.stream, m.first_ns, m.last_ns, m.byte_offset, m.bytes, m.protocol, m.kind, m.name, m.summary,
       m.status, m.error, m.held, m.correlation, m.whole
FROM made m JOIN talk t USING (conn_id)
"""


@dataclass(frozen=True)
class Part:
    """Connections first..last (conn_id) that are told at once; ``begin`` and ``end`` cut one that is too long."""

    first: int
    last: int
    begin: int | None = None  # ns, from when on; None: from its first call
    end: int | None = None  # ns, until before


def extract(
    connection: duckdb.DuckDBPyConnection,
    progress: Callable[[float], object] | None = None,
    services: str | os.PathLike[str] | None = None,
) -> None:
    """Fill table message anew from event, payload and connection.

    ``progress`` hears the share that is done, 0 to 1. ``services`` is a file in the format of /etc/services (else
    $CLEW_SERVICES, else clew's own). Raises ClewError if that cannot be read, or a processor cannot be used.
    """
    known = Services.read(all_names(), services)
    kinds = in_python()
    connection.execute("DELETE FROM message")
    number = 1
    with Talks([processor_of(kind) for kind in kinds]) as talks:
        plan(connection, known, talks.names)
        parts = list(_parts(connection))
        for index, part in enumerate(parts):
            ids, convs = conversations(connection, part.first, part.last, talks.names)
            _mark_continued(convs, part)
            _feed(connection, talks, part, ids, convs)
            number += _insert(connection, talks.take(), ids, number, talks.names)
            if progress is not None:
                progress((index + 1) / len(parts))
    unplan(connection)


def _parts(connection: duckdb.DuckDBPyConnection) -> Iterator[Part]:
    """Connections in the order of their numbers, as many at a time as a part may hold."""
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


def _mark_continued(convs: Array, part: Part) -> None:
    if part.begin is not None:
        convs["flags"] |= np.uint32(ConvFlag.CONTINUED)
    if part.end is not None:
        convs["flags"] |= np.uint32(ConvFlag.CONTINUES)


def _feed(connection: duckdb.DuckDBPyConnection, talks: Talks, part: Part, ids: Array, convs: Array) -> None:
    query, values = _CALLS, {"none": NONE, "first": part.first, "last": part.last}
    for name, sign in (("begin", ">="), ("end", "<")):
        if (bound := getattr(part, name)) is not None:
            query += f" AND {_MOVED} {sign} ${name}"
            values[name] = bound
    if part.begin is None:
        query += _CGI
    table = connection.sql(query, params=values).to_arrow_table()
    columns = {name: table.column(name).to_numpy() for name in table.column_names if name not in ("head", "tail")}
    columns["conv"] = np.searchsorted(ids, columns.pop("conn_id"))
    talks.feed(columns, _one_piece(table.column("head")), _one_piece(table.column("tail")), convs)


def _one_piece(column: pa.ChunkedArray) -> pa.Array:
    """One array whose offsets are of 64 bits; nulls are empty."""
    whole = column.cast(pa.large_binary()).combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks or [pa.array([], pa.large_binary())])


def _insert(
    connection: duckdb.DuckDBPyConnection, messages: Messages, ids: Array, number: int, names: list[str]
) -> int:
    """Add the rows to table message, numbered from ``number`` in the order in which they ended; returns how many."""
    rows = messages.rows
    if not len(rows):
        return 0
    asked = (rows["protocol"] == names.index("cgi")) & (rows["role"] == 0)
    rows["bytes"][asked] = 0  # a program's variables are no bytes of the pipe
    table = pa.table(
        {
            "msg_id": pa.array(np.arange(number, number + len(rows), dtype=np.uint64)),
            "conn_id": pa.array(ids[rows["conv"]]),
            **{
                name: pa.array(np.ascontiguousarray(rows[name]))
                for name in ("thread_id", "pid", "tid", "seq", "first_ns", "last_ns", "byte_offset", "bytes")
            },
            **{name: pa.array(rows[name] != 0) for name in ("sent", "error", "whole")},
            **{name: _known(rows[name]) for name in ("exchange", "stream")},
            "held": pa.array(rows["held"] == 2, mask=rows["held"] == 0),
            "role": _named(rows["role"], ROLES),
            "protocol": _named(rows["protocol"], names),
            **messages.texts,
        }
    )
    connection.register("made", table)
    try:
        connection.execute(_INSERT)
    finally:
        connection.unregister("made")
    return len(rows)


def _known(values: Array) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), mask=values == np.uint64(NONE))


def _named(codes: Array, names: tuple[str, ...] | list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16)), pa.array(names, pa.string()))
