"""Steps from program to program: calls as their clients saw them, else their servers; programs that were started."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.causal.span_times import Flags, Ints, Places, Spans

COLUMNS = "conn_id, protocol, error, confidence, request_msg_id, reply_msg_id"
"""What spans must have beside their times."""


class Sizes:
    """Bytes of every message."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        rows = connection.execute("SELECT msg_id, bytes FROM message").fetchnumpy()
        self._places, self._bytes = Places(rows["msg_id"]), rows["bytes"]

    def of(self, numbers: pa.ChunkedArray) -> tuple[NDArray[np.uint64], Flags]:
        """(bytes, whether they are known) of messages by number."""
        if not len(self._bytes):
            return np.zeros(len(numbers), np.uint64), np.zeros(len(numbers), bool)
        place = self._places.of(pc.fill_null(numbers, 0).to_numpy())
        known = (place >= 0) & ~pc.is_null(numbers).to_numpy()
        return np.where(known, self._bytes[place], np.uint64(0)), known


def hops(spans: Spans, sizes: Sizes) -> pa.Table:
    """Rows of table ``hop``; ``conn_id`` is of the connection that says who was asked where ``to_command`` is NULL."""
    near, far, met = _ends(spans)
    table, parent = spans.table.take(pa.array(near)), spans.parent[near]
    client, server = spans.client[near], spans.is_kind("server")[near]
    error, confidence = (spans.table[name].to_numpy() for name in ("error", "confidence"))
    sent, sent_known = sizes.of(table["request_msg_id"])
    received, received_known = sizes.of(table["reply_msg_id"])
    caller = np.where(client, near, np.where(server, -1, parent))
    answer = np.where(client, far, near)
    found = {name: table[name] for name in ("span_id", "request_id", "start_ns")}
    found["from_command"] = _taken(spans.table["command"], caller)
    found["to_command"] = _taken(spans.table["command"], answer)
    found["protocol"] = pc.if_else(pa.array(client | server), table["protocol"], table["kind"])
    found["recorded"] = pa.array(np.where(client, met, ~server))
    sure = np.where(client, met, parent >= 0)
    found["confidence"] = pa.array(np.where(sure, confidence[answer], 1.0))
    found["error"] = pa.array(error[near] | met & error[far])
    found["dur_ns"] = pc.subtract(table["end_ns"], table["start_ns"])
    found["bytes"] = pa.array(sent + received, mask=~(sent_known | received_known))
    return pa.table({**found, "conn_id": table["conn_id"]})


def _ends(spans: Spans) -> tuple[Ints, Ints, Flags]:
    """Of each step the row that tells of it, that of the server which answered a client, and whether one did."""
    server, above = spans.is_kind("server"), np.maximum(spans.parent, 0)
    child = spans.parent >= 0
    answers = np.flatnonzero(server & child & spans.client[above])
    alone = spans.client.copy()
    alone[spans.parent[answers]] = False
    command = spans.codes("command")[0]
    other = server & ~(child & spans.client[above])
    other |= spans.is_kind("process") & child
    other |= spans.is_kind("internal") & child & (command != command[above])
    single = np.concatenate([np.flatnonzero(alone), np.flatnonzero(other)])
    near = np.concatenate([spans.parent[answers], single])
    far = np.concatenate([answers, np.full(len(single), -1)])
    return near, far, far >= 0


def _taken(column: pa.ChunkedArray, rows: Ints) -> pa.ChunkedArray:
    """``column`` of ``rows``; NULL where there is none (-1)."""
    return column.take(pa.array(rows, mask=rows < 0))
