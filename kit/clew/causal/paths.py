"""The last stage: trees of spans are requests, equal trees are shapes, and threads worked for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.causal.attribute import RULES, Links
from clew.causal.match import FORKS
from clew.causal.statements import statements
from clew.errors import ClewError
from clew.native.causal import NEVER, roots, shapes, trees, walk

SLICE = 8 * 122_880
"""Rows that are written to a table at a time: whole row groups of DuckDB."""

_SPANS = """
INSERT INTO span
SELECT f.place + 1, f.root + 1, f.parent + 1, w.capture_id, w.thread_id, w.host, w.pid, w.tid, w.command,
       CASE WHEN f.msg_id IS NULL THEN 'process' WHEN f.client THEN 'client' ELSE 'server' END, n.name, n.protocol,
       f.conn_id, f.start, f."end", r.status, r.error, f.msg_id, f.reply_msg_id, f.rule, f.confidence, f.depth,
       f.shape & 9007199254740991
FROM rows f
JOIN who w ON w.thread_no = f.thread
JOIN name_of n ON n.name_no = f.name
JOIN status_of r ON r.status_no = f.status
"""
# What a program that was started for a request does all its life is done for it: that is said once.
_WORKING = """
INSERT INTO working
SELECT w.host, w.pid, w.tid, x.start_ns, x.end_ns, x.root + 1, x.place + 1, x.confidence
FROM rows x
JOIN who w USING (thread_no)
ANTI JOIN (SELECT process_id FROM descendant JOIN started USING (msg_id)) d USING (process_id)
WHERE w.pid IS NOT NULL AND w.tid IS NOT NULL
"""


def make(connection: duckdb.DuckDBPyConnection, links: Links) -> None:
    """Fill span, link, request, shape and working from ``links`` and what its numbers mean."""
    connection.execute("DROP TABLE pair")
    spans = links.spans
    parent = spans["parent"]
    try:
        root, depth = roots(parent)
    except ClewError:  # clocks that disagree made a circle: only parents that stand before their children are kept
        parent = np.where(parent < np.arange(len(parent)), parent, -1)
        root, depth = roots(parent)
    identity = links.kept.column("name") * np.uint64(2)
    identity = identity + spans["client"] ^ _programs(connection)[spans["process_no"]]
    shape = shapes(parent, depth, identity)
    del identity
    sizes = trees(root, depth, spans["process_no"], spans["confidence"])
    tree = {name: getattr(sizes, name) for name in ("spans", "processes", "depth", "confidence")}
    tops = {"place": sizes.root, "rule": _rules(spans["rule"][sizes.root]), "shape": shape[sizes.root]}
    tops |= {name: links.kept.column(name)[sizes.root] for name in ("start", "name", "status")}
    tops |= {"thread": links.kept.column("own_thread")[sizes.root], "end": _end(links.kept.column("end")[sizes.root])}
    tables = {
        "step": _steps(parent, root, depth, shape),
        "tree": pa.table(tree | {f"top_{name}": values for name, values in tops.items()}),
        "started": _forks(links, root),
        "doubtful": links.unlikely,
    }
    with _registered(connection, tables):
        for low in range(0, len(parent), SLICE):
            found = _spans(links, slice(low, low + SLICE), parent, root, depth, shape)
            _insert(connection, _SPANS, found)
        for statement in statements("paths.sql"):
            connection.execute(statement)
        for low in range(0, len(links.work), SLICE):
            _insert(connection, _WORKING, _work(links, slice(low, low + SLICE), root))


def _insert(connection: duckdb.DuckDBPyConnection, query: str, rows: pa.Table) -> None:  # noqa: ARG001 -- see below
    """Run ``query``, which asks ``rows`` by that name; registered, they would be held until the transaction ends."""
    connection.execute(query)


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> Iterator[None]:
    """``tables`` by name in SQL, for a while."""
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            connection.unregister(name)


def _spans(
    links: Links,
    rows: slice,
    parent: NDArray[np.int64],
    root: NDArray[np.int64],
    depth: NDArray[np.int32],
    shape: NDArray[np.uint64],
) -> pa.Table:
    """What is to be said of a range of spans, and their places in trees."""
    names = ("msg_id", "reply_msg_id", "conn_id", "start", "end", "name", "status", "own_thread", "client")
    kept = {name: links.kept.column(name, rows.start, rows.stop) for name in names}
    forks = kept["msg_id"] > FORKS
    found = {
        **{name: kept[name] for name in ("start", "client", "name", "status")},
        "thread": kept["own_thread"],
        "msg_id": pa.array(kept["msg_id"], mask=forks),
        "conn_id": pa.array(kept["conn_id"], mask=forks),
        "reply_msg_id": pa.array(kept["reply_msg_id"], mask=kept["reply_msg_id"] == 0),
        "end": _end(kept["end"]),
        "place": np.arange(rows.start, rows.start + len(forks)),
        "parent": pa.array(parent[rows], mask=parent[rows] < 0),
        "root": root[rows],
        "depth": depth[rows].astype(np.uint16),
        "rule": _rules(links.spans["rule"][rows]),
        "confidence": links.spans["confidence"][rows],
        "shape": shape[rows],
    }
    return pa.table(found)


def _end(ns: NDArray[np.int64]) -> pa.Array:
    return pa.array(ns, mask=ns == NEVER)


def _rules(numbers: NDArray[np.uint8]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int8)), pa.array(RULES))


def _programs(connection: duckdb.DuckDBPyConnection) -> NDArray[np.uint64]:
    """A checksum of the program of each process, by its number."""
    rows = connection.execute("SELECT any_value(hash(command)) AS h FROM who GROUP BY process_no ORDER BY process_no")
    return rows.fetchnumpy()["h"]


def _steps(
    parent: NDArray[np.int64], root: NDArray[np.int64], depth: NDArray[np.int32], shape: NDArray[np.uint64]
) -> pa.Table:
    """The tree of one request of each shape, depth first: (shape of the root, nth, place, depth)."""
    tops = np.flatnonzero(parent < 0)
    _, one = np.unique(shape[tops], return_index=True)
    chosen = np.zeros(len(parent), bool)
    chosen[tops[one]] = True
    places = np.flatnonzero(chosen[root])
    places = places[np.argsort(depth[places], kind="stable")]  # parents before their children
    new = np.full(len(parent), -1, np.int64)
    new[places] = np.arange(len(places))
    above = np.where(parent[places] >= 0, new[parent[places]], -1)
    order = places[walk(above, shape[places])]
    return pa.table({"shape": shape[root[order]], "nth": np.arange(len(order)), "place": order, "depth": depth[order]})


def _forks(links: Links, root: NDArray[np.int64]) -> pa.Table:
    """Programs that were started for a request: (number of the fork, place, root)."""
    place = links.forks["place"]
    found = {**links.forks, "root": root[place]}
    return pa.table(found | {"confidence": links.spans["confidence"][place]})


def _work(links: Links, rows: slice, root: NDArray[np.int64]) -> pa.Table:
    """A range of the intervals in which threads worked for a span."""
    names = ("start", "end", "span", "thread")
    start, end, place, thread = (links.work.column(name, rows.start, rows.stop) for name in names)
    found = {"thread_no": thread, "start_ns": start, "end_ns": end, "root": root[place], "place": place}
    return pa.table(found | {"confidence": links.spans["confidence"][place]})
