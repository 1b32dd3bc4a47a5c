"""The last stage: trees of spans are requests, equal trees are shapes, and threads worked for them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.causal.attribute import Links
from clew.errors import ClewError
from clew.native.causal import roots, shapes, walk

_IDENTITIES = """
SELECT hash(c.command, p.client, p.name_no) AS identity FROM pair p JOIN command_of c USING (thread_id) ORDER BY p.row
"""


def make(connection: duckdb.DuckDBPyConnection, links: Links) -> None:
    """Fill span, link, request, shape and working from ``pair`` and ``links``."""
    before, *after = statements("paths.sql")
    connection.execute(before)
    parent = links.parent
    try:
        root, depth = roots(parent)
    except ClewError:  # clocks that disagree made a circle: parents begin before their children
        parent = np.where(parent < np.arange(len(parent)), parent, -1)
        root, depth = roots(parent)
    shape = shapes(parent, depth, connection.execute(_IDENTITIES).fetchnumpy()["identity"])
    tables = {
        "found": pa.table(
            {
                "row": np.arange(len(parent)),
                "parent": pa.array(parent, mask=parent < 0),
                "root": root,
                "depth": depth.astype(np.uint16),
                "rule": pa.array(links.rule, pa.string()),
                "confidence": links.confidence,
                "shape": shape,
            }
        ),
        "steps": _steps(parent, root, shape),
        "worked": links.work,
        "doubtful": links.unlikely,
    }
    for name, table in tables.items():
        connection.register(name, table)
    try:
        for statement in after:
            connection.execute(statement)
    finally:
        for name in tables:
            connection.unregister(name)


def _steps(parent: NDArray[np.int64], root: NDArray[np.int64], shape: NDArray[np.uint64]) -> pa.Table:
    """The tree of one request of each shape, depth first: (shape of the root, nth, row)."""
    tops = np.flatnonzero(parent < 0)
    kinds, one = np.unique(shape[tops], return_index=True)
    chosen = np.zeros(len(parent), bool)
    chosen[tops[one]] = True
    rows = np.flatnonzero(chosen[root])
    place = np.full(len(parent), -1, np.int64)
    place[rows] = np.arange(len(rows))
    above = np.where(parent[rows] >= 0, place[parent[rows]], -1)
    order = rows[walk(above, shape[rows])] if len(rows) else rows
    return pa.table({"shape": shape[root[order]], "nth": np.arange(len(order)), "row": order})


def statements(name: str) -> Iterator[str]:
    """The statements of an SQL file of this room."""
    text = (resources.files("clew.causal") / name).read_text("utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return (statement for statement in lines.split(";\n") if statement.strip())
