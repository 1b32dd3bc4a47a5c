"""The last stage: trees of spans are requests, equal trees are shapes, and threads worked for them."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.causal.attribute import RULES, Links
from clew.causal.match import FORKS, statements
from clew.errors import ClewError
from clew.native.causal import NEVER, roots, shapes, trees, walk


def make(connection: duckdb.DuckDBPyConnection, links: Links) -> None:
    """Fill span, link, request, shape and working from ``links`` and what its numbers mean."""
    spans = links.spans
    parent = spans["parent"]
    try:
        root, depth = roots(parent)
    except ClewError:  # clocks that disagree made a circle: only parents that stand before their children are kept
        parent = np.where(parent < np.arange(len(parent)), parent, -1)
        root, depth = roots(parent)
    identity = spans["name"] * np.uint64(2) + spans["client"] ^ _programs(connection)[spans["process_no"]]
    shape = shapes(parent, depth, identity)
    sizes = trees(root, depth, spans["process_no"], spans["confidence"])
    found = {
        **{name: pa.array(spans[name]) for name in ("start", "client", "name", "status")},
        "thread": pa.array(spans["own_thread"]),
        "msg_id": pa.array(spans["msg_id"], mask=spans["msg_id"] > FORKS),
        "conn_id": pa.array(spans["conn_id"], mask=spans["msg_id"] > FORKS),
        "reply_msg_id": pa.array(spans["reply_msg_id"], mask=spans["reply_msg_id"] == 0),
        "end": pa.array(spans["end"], mask=spans["end"] == NEVER),
        "place": pa.array(np.arange(len(parent))),
        "parent": pa.array(parent, mask=parent < 0),
        "root": pa.array(root),
        "depth": pa.array(depth.astype(np.uint16)),
        "rule": pa.DictionaryArray.from_arrays(pa.array(spans["rule"].astype(np.int8)), pa.array(RULES)),
        "confidence": pa.array(spans["confidence"]),
        "shape": pa.array(shape),
    }
    tables = {
        "found": pa.table(found),
        "step": _steps(parent, root, depth, shape),
        "tree": pa.table({name: getattr(sizes, name) for name in ("spans", "processes", "depth", "confidence")}),
        "worked": _work(links, root),
        "started": _forks(links, root),
        "doubtful": links.unlikely,
    }
    tops = pa.array(sizes.root)
    for name in ("place", "start", "end", "name", "status", "thread", "rule", "shape"):
        tables["tree"] = tables["tree"].append_column("top_" + name, found[name].take(tops))
    for name, table in tables.items():
        connection.register(name, table)
    try:
        for statement in statements("paths.sql"):
            connection.execute(statement)
    finally:
        for name in tables:
            connection.unregister(name)


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
    place = np.flatnonzero(links.spans["msg_id"] > FORKS)
    found = {"msg_id": links.spans["msg_id"][place], "place": place, "root": root[place]}
    return pa.table(found | {"confidence": links.spans["confidence"][place]})


def _work(links: Links, root: NDArray[np.int64]) -> pa.Table:
    work = links.work[np.argsort(links.work["thread"], kind="stable")]  # of one thread they are in order of time
    return pa.table(
        {
            "thread_no": work["thread"],
            "start_ns": work["start"],
            "end_ns": work["end"],
            "root": root[work["span"]],
            "place": work["span"],
            "confidence": links.spans["confidence"][work["span"]],
        }
    )
