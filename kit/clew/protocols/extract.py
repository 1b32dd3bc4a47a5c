"""Recorded calls to table message: connections in parts, so that memory stays bounded, one C call for each part."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clew.native.protocols import ROLES, ConvFlag, Talks
from clew.protocols.base import processor_of
from clew.protocols.identify import conversations, plan, unplan
from clew.protocols.merged import plan_merged
from clew.protocols.parts import Part, Parts
from clew.protocols.registry import all_names, in_python
from clew.protocols.services import Services

Array = npt.NDArray[Any]

ROW_GROUP = 122_880
"""Rows that DuckDB compresses at once: pieces of so many are written by several threads."""

# A program's variables are no bytes of the pipe.
_INSERT = """
INSERT INTO message
SELECT m.msg_id, t.capture_id, m.conn_id, m.thread_id, t.host, m.pid, m.tid, m.seq, m.sent, m.role, m.exchange,
       m.stream, m.first_ns, m.last_ns, m.byte_offset,
       CASE WHEN m.protocol = 'cgi' AND m.role = 'request' THEN 0 ELSE m.bytes END, m.protocol, m.kind, m.name,
       m.summary, m.status, m.error, m.held, m.correlation, m.whole
FROM made m JOIN talk t USING (conn_id)
"""


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
        parts = Parts(connection, merged=plan_merged(connection))
        begun: tuple[Array, Future[pa.Table]] | None = None
        for index, part in enumerate([*parts.parts, None]):
            told = begun
            if part is not None:
                ids, convs = conversations(connection, part.first, part.last, talks.names)
                _mark_continued(convs, part)
                calls = parts.calls(index, ids)
            messages = told[1].result() if told else None
            if part is not None:
                begun = ids, teller.submit(_tell, talks, calls, convs)
            if told and messages:
                number += _insert(connection, messages, told[0], number, talks.names)
                if progress is not None:
                    progress(index / len(parts.parts))
        parts.close()
    unplan(connection)


def _mark_continued(convs: Array, part: Part) -> None:
    if part.begin is not None:
        convs["flags"] |= np.uint32(ConvFlag.CONTINUED)
    if part.end is not None:
        convs["flags"] |= np.uint32(ConvFlag.CONTINUES)


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
    made = pa.Table.from_batches(made.to_batches(max_chunksize=ROW_GROUP))
    connection.execute(_INSERT)  # it asks made by that name: registered, it would be held until the transaction ends
    return len(messages)
