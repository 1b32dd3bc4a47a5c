"""Recorded calls to table message: connections in parts, so that memory stays bounded, one C call for each part."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clew.native.protocols import CALLS, NONE, ROLES, ConvFlag, Talks
from clew.protocols.base import processor_of
from clew.protocols.identify import conversations, plan, unplan
from clew.protocols.merged import plan_merged
from clew.protocols.registry import all_names, in_python
from clew.protocols.services import Services

Array = npt.NDArray[Any]

PART_CALLS = 500_000
PART_BYTES = 128 << 20
"""A part holds at most so many calls, and about so many bytes that they kept (one connection may be more)."""

_CALLS = """
SELECT e.conn_id, e.ts_ns, e.dur_ns, e.bytes, coalesce(e.byte_offset, $none) AS byte_offset,
       o.sent::UTINYINT AS sent, e.thread_id, e.seq, e.pid, e.tid, p.head, p.tail
FROM event e JOIN talk_op o USING (op_id) JOIN talk t USING (conn_id)
LEFT JOIN payload p ON p.thread_id = e.thread_id AND p.seq = e.seq
WHERE e.conn_id BETWEEN $first AND $last AND o.tls = t.tls AND e.errno = 0 AND e.bytes IS NOT NULL
"""
_MERGED = """
  AND NOT EXISTS (SELECT 1 FROM talk_read r WHERE r.thread_id = e.thread_id AND r.seq = e.seq)
UNION ALL
SELECT conn_id, ts_ns, dur_ns, bytes, byte_offset, 0, thread_id, seq, pid, tid, head, NULL
FROM talk_merged WHERE conn_id BETWEEN $first AND $last
"""
_CGI = """
UNION ALL
SELECT conn_id, ts_ns, dur_ns, bytes, $none, sent::UTINYINT, thread_id, seq, pid, tid, head, NULL
FROM talk_cgi WHERE conn_id BETWEEN $first AND $last
"""
# When the bytes were moved: written, as the call was entered; read, as it returned.
_MOVED = "e.ts_ns + CASE WHEN o.sent THEN 0 ELSE e.dur_ns END"
_CUTS = f"""
SELECT quantile_disc({_MOVED}, $shares) FROM event e JOIN talk_op o USING (op_id) JOIN talk t USING (conn_id)
WHERE e.conn_id = $first AND o.tls = t.tls AND e.errno = 0 AND e.bytes IS NOT NULL
"""
# A program's variables are no bytes of the pipe.
_INSERT = """
INSERT INTO message
SELECT m.msg_id, t.capture_id, m.conn_id, m.thread_id, t.host, m.pid, m.tid, m.seq, m.sent, m.role, m.exchange,
       m.stream, m.first_ns, m.last_ns, m.byte_offset,
       CASE WHEN m.protocol = 'cgi' AND m.role = 'request' THEN 0 ELSE m.bytes END, m.protocol, m.kind, m.name,
       m.summary, m.status, m.error, m.held, m.correlation, m.whole
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
    # Messages are told in a thread of their own while the calls of the next part are read and those before written.
    with Talks([processor_of(kind) for kind in kinds]) as talks, ThreadPoolExecutor(1) as teller:
        plan(connection, known, talks.names)
        merged = plan_merged(connection)
        parts = list(_parts(connection))
        begun: tuple[Array, Future[pa.Table]] | None = None
        for index, part in enumerate([*parts, None]):
            told = begun
            if part is not None:
                ids, convs = conversations(connection, part.first, part.last, talks.names)
                _mark_continued(convs, part)
                calls = _calls(connection, part, ids, merged=merged)
            messages = told[1].result() if told else None
            if part is not None:
                begun = ids, teller.submit(_tell, talks, calls, convs)
            if told and messages:
                number += _insert(connection, messages, told[0], number, talks.names)
                if progress is not None:
                    progress(index / len(parts))
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


def _calls(connection: duckdb.DuckDBPyConnection, part: Part, ids: Array, *, merged: bool) -> pa.Table:
    """The calls of ``part`` as Talks.feed() takes them; ``merged``: some are told by others in their place."""
    query, others, values = _CALLS, _MERGED, {"none": NONE, "first": part.first, "last": part.last}
    for name, sign in (("begin", ">="), ("end", "<")):
        if (bound := getattr(part, name)) is not None:
            query += f" AND {_MOVED} {sign} ${name}"
            others += f" AND ts_ns + dur_ns {sign} ${name}"
            values[name] = bound
    if merged:
        query += others
    if part.begin is None:
        query += _CGI
    found = connection.sql(query, params=values).to_arrow_table()
    conv = np.searchsorted(ids, found.column("conn_id").to_numpy())
    return found.set_column(0, "conv", pa.array(conv.astype(np.uint32))).cast(CALLS)


def _tell(talks: Talks, calls: pa.Table, convs: Array) -> pa.Table:
    talks.feed(calls, convs)
    return talks.take()


def _insert(
    connection: duckdb.DuckDBPyConnection, messages: pa.Table, ids: Array, number: int, names: list[str]
) -> int:
    """Add ``messages`` to table message, numbered from ``number`` in their order; returns how many."""
    made = messages.append_column("msg_id", pa.array(np.arange(number, number + len(messages), dtype=np.uint64)))
    made = made.append_column("conn_id", pa.array(ids[messages["conv"].to_numpy()]))
    for name, words in (("role", ROLES), ("protocol", names)):
        column = pa.DictionaryArray.from_arrays(made[name].combine_chunks(), pa.array(words, pa.string()))
        made = made.set_column(made.schema.get_field_index(name), name, column)
    connection.execute(_INSERT)  # it asks made by that name: registered, it would be held until the transaction ends
    return len(messages)
