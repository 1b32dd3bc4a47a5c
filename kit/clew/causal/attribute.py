"""The second stage: which request each call was made for, part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.causal.ahead import one_ahead
from clew.causal.kept import Kept, folder_of
from clew.causal.match import FORKS
from clew.causal.rules import BY_NUMBER, UNLIKELY
from clew.causal.windows import Part, parts
from clew.native.causal import NEVER, Signals, attribute

IDLE = 20_000
"""ns: a wait that took longer found nothing ready; a question alone takes about one µs."""

RULES = (
    *("root", "unresolved", "match", "datagram", "thread", "handoff", "loop", "held", "order", "queue"),
    *("fork", "process", "task"),
)
"""Links.rule by number."""

_SPANS = """
SELECT msg_id, reply_msg_id, process_no, client, start_ns AS start, begun_ns AS begun,
       coalesce(end_ns, $never) AS "end",
       coalesce(whole_ns, $never) AS whole, thread_no AS thread, end_thread, own_thread,
       coalesce(life_ns, $never) AS life, conn_id, name_no AS name, status_no AS status, held, asked_ns AS asked,
       coalesce(owner_msg_id, -1) AS owner
FROM pair LEFT JOIN task_owner USING (msg_id)
WHERE process_no BETWEEN $low AND $high AND start_ns >= $begin AND start_ns < $end
"""

# A new turn of a loop begins when the thread has asked which descriptors are ready. Telling another thread of the same
# process something, through a pipe, an eventfd or a pair of sockets, ends what a worker did before. A reply without a
# call may have led to what goes out next.
_SIGNALS = """
SELECT w.process_no, CASE WHEN o.class = 'wait' THEN e.ts_ns + e.dur_ns ELSE coalesce(q.queued_ns, e.ts_ns) END AS ns,
       w.thread_no AS thread,
       CASE WHEN q.queued_ns IS NOT NULL THEN 0 WHEN o.class <> 'wait' THEN 2
            WHEN e.dur_ns < $idle THEN 1 ELSE 3 END AS kind
FROM event e
JOIN who w USING (thread_id)
JOIN op o USING (op_id)
LEFT JOIN connection c USING (conn_id)
LEFT JOIN connection d ON d.conn_id = c.peer_conn_id
LEFT JOIN queued q ON q.thread_id = e.thread_id AND q.seq = e.seq
WHERE w.process_no BETWEEN $low AND $high
      AND (o.class = 'wait' OR o.class = 'write' AND (c.kind = 'anon' OR c.pid = d.pid AND c.kind <> 'tcp'))
      AND ns >= $begin AND ns < $end
UNION ALL
SELECT w.process_no, m.last_ns, w.thread_no, 4
FROM message m JOIN who w USING (thread_id)
WHERE m.role = 'reply' AND m.exchange IS NULL AND NOT m.sent AND w.process_no BETWEEN $low AND $high
      AND m.last_ns >= $begin AND m.last_ns < $end
ORDER BY process_no, ns
"""

# A server's request whose other end was recorded has a cause, even if the message there was not understood.
_LOST = """
SELECT p.msg_id FROM pair p JOIN other_end o USING (conn_id)
WHERE NOT p.client AND p.msg_id NOT IN (SELECT msg_id FROM matched) AND o.peer_conn_id IN (SELECT conn_id FROM pair)
UNION ALL SELECT p.msg_id FROM pair p SEMI JOIN torn USING (conn_id) WHERE NOT p.client
"""


_MATCHED = "SELECT msg_id, parent, rule = 'match' AS sure, confidence FROM matched"
MATCHES = 1_000_000
"""Rows of ``matched`` that are looked at together."""

Columns = dict[str, NDArray[Any]]

_LINKED = {
    "msg_id": np.int64,
    "parent": np.int64,
    "process_no": np.int32,
    "client": np.bool_,
    "rule": np.uint8,
    "confidence": np.float32,
}
_KEPT = {
    **dict.fromkeys(("msg_id", "reply_msg_id", "conn_id", "start", "end"), np.int64),
    **dict.fromkeys(("name", "status"), np.uint64),
    "own_thread": np.int32,
    "client": np.bool_,
}
_WORK = {"start": np.int64, "end": np.int64, "span": np.int64, "thread": np.int32}


@dataclass(frozen=True)
class Links:
    """All spans, in order of process and start, with what was found of them.

    ``spans`` has an array for each name of _LINKED: ``parent`` is a place among them (-1: none), ``rule`` one of RULES
    by number; ``kept`` has what else is to be said of them: ``start`` and ``end`` are ns (NEVER: not seen), the others
    numbers of ``pair``. ``forks`` has ``place`` and ``msg_id`` of those that are programs started. ``work`` has the
    fields of native.causal.WORK: spans by place, threads by who.thread_no; of one thread they are in order of time.
    """

    spans: Columns
    forks: Columns
    kept: Kept
    work: Kept
    unlikely: pa.Table  # place, cause, confidence


class _Read(NamedTuple):
    """A part as it is given to the pass in C: ``first`` of each process, ``pool`` of each connection."""

    first: NDArray[np.int64]
    spans: Columns
    signals: Signals
    pool: NDArray[np.int64]


class _Found(NamedTuple):
    """What is told of a part: places count from its first span."""

    spans: Columns
    work: NDArray[np.void]
    doubtful: NDArray[Any]  # place, cause, confidence


def link(connection: duckdb.DuckDBPyConnection) -> Links:
    """Find the parent of every row of ``pair``."""
    pieces: dict[str, list[NDArray[Any]]] = {name: [np.zeros(0, kind)] for name, kind in _LINKED.items()}
    kept = Kept(_KEPT, folder_of(connection))
    work = Kept(_WORK, folder_of(connection))
    unlikely = [np.zeros((3, 0))]
    offset = 0
    for part in one_ahead(list(parts(connection)), lambda looked_at: _read(connection, looked_at), _find):
        parent = part.spans["parent"]
        parent[parent >= 0] += offset
        part.work["span"] += offset
        for name, kind in _LINKED.items():
            pieces[name].append(part.spans[name].astype(kind, copy=False))
        kept.append(part.spans)
        work.append({name: part.work[name] for name in _WORK})
        unlikely.append(part.doubtful + np.array([offset, offset, 0])[:, None])
        offset += len(parent)
        del part, parent  # the next part needs their room
    found = {name: np.concatenate(pieces.pop(name)) for name in _LINKED}
    _add_matches(connection, found)
    _add_programs(connection, found)
    doubts = dict(zip(("place", "cause", "confidence"), np.concatenate(unlikely, axis=1), strict=True))
    fork = np.flatnonzero(found["msg_id"] > FORKS)
    forks = {"place": fork, "msg_id": found.pop("msg_id")[fork]}
    return Links(found, forks, kept, work, pa.table(doubts))


def _read(connection: duckdb.DuckDBPyConnection, part: Part) -> _Read:
    """Spans of ``part`` in order of process and start, and what else happened in those processes."""
    rows = connection.execute(_SPANS, vars(part) | {"never": int(NEVER)}).fetchnumpy()
    order = np.lexsort((rows["msg_id"], rows["start"], rows["process_no"]))
    spans: Columns = {name: np.asarray(rows.pop(name))[order] for name in list(rows)}
    process = spans["process_no"]
    first = np.concatenate(([0], np.flatnonzero(np.diff(process)) + 1, [len(order)])).astype(np.int64)
    conns, spans["conn"] = np.unique(spans["conn_id"], return_inverse=True)
    signals = _signals(connection, part, process[first[:-1]])
    spans["owner"] = _places(spans["msg_id"], spans["owner"])
    return _Read(first, spans, signals, _pools(connection, conns))


def _find(read: _Read) -> _Found:
    """The causes of a part's spans, and when threads worked for them."""
    spans = read.spans
    found = attribute(*read)
    sure = (found.rule != UNLIKELY) & (found.cause >= 0)
    doubtful = np.flatnonzero((found.rule == UNLIKELY) & (found.cause >= 0))
    spans["rule"] = np.array([RULES.index(name) for name in BY_NUMBER], np.uint8)[found.rule]
    spans["parent"] = np.where(sure, found.cause, -1)
    spans["confidence"] = np.where(sure, found.confidence, spans["rule"] == RULES.index("root"))
    spans["end"] = np.where(spans["client"], spans["end"], spans["whole"])
    forks = spans["msg_id"] > FORKS
    spans["end"] = np.where(forks, spans["life"], spans["end"])
    thread = found.work["thread"].astype(np.min_scalar_type(found.work["thread"].max(initial=0)))  # 16 bits are quick
    work = found.work[np.argsort(thread, kind="stable")]
    return _Found(spans, work, np.array([doubtful, found.cause[doubtful], found.confidence[doubtful]]))


def _places(numbers: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Where each of ``wanted`` stands among ``numbers``; -1: nowhere."""
    if not len(wanted) or wanted.max() < 0:
        return np.full(len(wanted), -1)
    order = np.argsort(numbers)
    at = np.minimum(np.searchsorted(numbers, wanted, sorter=order), len(order) - 1)
    return np.where(numbers[order[at]] == wanted, order[at], -1)


def _pools(connection: duckdb.DuckDBPyConnection, conns: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each of ``conns`` (sorted): the same for connections to the same address."""
    rows = connection.execute("SELECT conn_id, hash(remote) AS address FROM connection ORDER BY conn_id").fetchnumpy()
    at = np.minimum(np.searchsorted(rows["conn_id"], conns), max(len(rows["conn_id"]) - 1, 0))
    known = len(rows["conn_id"]) > 0
    address = np.where(rows["conn_id"][at] == conns, rows["address"][at], conns) if known else conns
    return np.unique(address, return_inverse=True)[1]


def _signals(connection: duckdb.DuckDBPyConnection, part: Part, groups: NDArray[np.int32]) -> Signals:
    found = connection.execute(_SIGNALS, vars(part) | {"idle": IDLE}).fetchnumpy()
    first = np.searchsorted(found["process_no"], np.append(groups, np.iinfo(np.int32).max)).astype(np.int64)
    return Signals(
        first, found["ns"].astype(np.int64), found["thread"].astype(np.int32), found["kind"].astype(np.uint8)
    )


def _add_matches(connection: duckdb.DuckDBPyConnection, spans: Columns) -> None:
    """Give server spans the client span at the other end of their connection."""
    most = int(spans["msg_id"].max(initial=0, where=spans["msg_id"] < FORKS))
    place = np.full(most + 1, -1, np.min_scalar_type(-len(spans["msg_id"]) - 1))
    messages = np.flatnonzero(spans["msg_id"] < FORKS)
    place[spans["msg_id"][messages]] = messages
    del messages
    for rows in connection.sql(_MATCHED).to_arrow_reader(MATCHES):
        found = {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.schema.names}
        at = place[found["msg_id"]]
        spans["parent"][at] = place[found["parent"]]
        spans["rule"][at] = np.where(found["sure"], RULES.index("match"), RULES.index("datagram"))
        spans["confidence"][at] = found["confidence"]
    lost = place[connection.execute(_LOST).fetchnumpy()["msg_id"]]
    spans["rule"][lost] = RULES.index("unresolved")
    spans["confidence"][lost] = 0


def _add_programs(connection: duckdb.DuckDBPyConnection, spans: Columns) -> None:
    """What programs do that were started for a request is done for it, where nothing nearer asked for it."""
    found = connection.execute(
        "SELECT w.process_no, any_value(d.msg_id) AS msg_id "
        "FROM descendant d JOIN who w USING (process_id) GROUP BY w.process_no"
    ).fetchnumpy()
    if not len(found["process_no"]):
        return
    start = np.full(int(max(spans["process_no"].max(initial=0), found["process_no"].max())) + 1, -1, np.int64)
    forks = np.flatnonzero(spans["msg_id"] > FORKS)
    by_message = dict(zip(spans["msg_id"][forks].tolist(), forks.tolist(), strict=True))
    start[found["process_no"]] = [by_message.get(number, -1) for number in found["msg_id"].tolist()]
    above = start[spans["process_no"]]
    own = (above >= 0) & (spans["parent"] < 0)
    spans["parent"][own] = above[own]
    spans["rule"][own] = np.where(spans["client"][own], RULES.index("process"), RULES.index("fork"))
    spans["confidence"][own] = 1
