"""Columns for the page: little-endian numbers as bytes, each text once; and a tree without what nobody could see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.units import printable

MOST_NODES = 200_000
NARROWEST = 20_000
CHILDREN = 50_000
"""A page gets at most about MOST_NODES; of a larger tree what is narrower than 1 / NARROWEST of the root is merged."""

_TYPES: dict[str, np.dtype[Any]] = {
    "u1": np.dtype("u1"),
    "u2": np.dtype("<u2"),
    "u4": np.dtype("<u4"),
    "f8": np.dtype("<f8"),
}


def column(kind: str, values: Any) -> dict[str, Any]:
    """Numbers as the page reads them (flame_data.js): ``kind`` is u1, u2, u4 or f8."""
    return {"type": kind, "data": np.ascontiguousarray(values, _TYPES[kind]).tobytes()}


def places(table: pa.Table) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """(what the page must know of the frames of ``table``, which of its places each row is).

    A place is a function with its module and kind; file and line, where the table has them, are those of its first row.
    """
    codes, texts = {}, {}
    for name in ("name", "module", "kind"):
        codes[name], texts[name] = _coded(table[name])
    combined = (codes["name"] * len(texts["module"]) + codes["module"]) * len(texts["kind"]) + codes["kind"]
    _, first, place = np.unique(combined, return_index=True, return_inverse=True)
    files, lines = np.zeros(len(first), np.int64), np.zeros(len(first), np.int64)
    file_texts = [""]
    if "file" in table.column_names:
        rows = pa.array(first)
        files, file_texts = _coded(table["file"].take(rows))
        lines = pc.fill_null(table["line"].take(rows).cast(pa.int64()), 0).to_numpy()
    shown = [printable(name) for name in texts["name"]]
    return {
        "places": {
            "name": column("u4", codes["name"][first]),
            "module": column("u4", codes["module"][first]),
            "kind": column("u1", codes["kind"][first]),
            "file": column("u4", files),
            "line": column("u4", np.clip(lines, 0, 2**32 - 1)),
        },
        "names": shown,
        "raw": [[index, name] for index, name in enumerate(texts["name"]) if name != shown[index]],
        "modules": [printable(text) for text in texts["module"]],
        "kinds": texts["kind"],
        "files": [printable(text) for text in file_texts],
    }, place


def _coded(values: pa.ChunkedArray | pa.Array) -> tuple[NDArray[np.int64], list[str]]:
    """(the index of each value's text, the texts); "" stands for what is not known."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    coded = pc.fill_null(whole.cast(pa.string()), "").dictionary_encode()
    return coded.indices.to_numpy().astype(np.int64), coded.dictionary.to_pylist()


@dataclass(frozen=True)
class Pruned:
    """A tree for the page: ``rows`` of the whole tree, depth first; -1: a box for ``many`` narrow frames in one place.

    ``parents`` are rows of the whole tree; ``merged`` says how many frames were merged in all.
    """

    rows: NDArray[np.int64]
    parents: NDArray[np.int64]
    many: NDArray[np.int64]
    merged: int


def sizes(parent: NDArray[np.int64], depth: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows each subtree has, itself included; parents stand before their children."""
    size = np.ones(len(parent), np.int64)
    by_depth = np.argsort(depth, kind="stable")
    edges = np.searchsorted(depth[by_depth], np.arange(int(depth.max(initial=0)) + 2))
    for level in range(len(edges) - 2, 0, -1):
        rows = by_depth[edges[level] : edges[level + 1]]
        np.add.at(size, parent[rows], size[rows])
    return size


def prune(
    parent: NDArray[np.int64],
    depth: NDArray[np.int64],
    weight: NDArray[np.float64],
    at: int | None = None,
    most: int = MOST_NODES,
    narrowest: int = NARROWEST,
) -> Pruned | None:
    """The tree without frames narrower than 1 / ``narrowest`` of the root, or of row ``at``.

    Of what is not below ``at`` only its callers are kept; of its children the CHILDREN that weigh most.
    The narrow frames below one frame become one, after its other children. None: all of it fits (``most`` rows).
    """
    count = len(parent)
    if count <= most:
        return None
    size = sizes(parent, depth)
    keep = np.zeros(count, np.bool_)
    top = at or 0
    inside = slice(top, top + int(size[top]))
    keep[inside] = weight[inside] * narrowest >= weight[top]
    if at is not None:
        children = np.flatnonzero(parent == at)
        keep[children[np.argsort(-weight[children], kind="stable")[:CHILDREN]]] = True
    above = top
    while above >= 0:
        keep[above] = True
        above = int(parent[above])
    # a frame can be heavier than its caller only by rounding, but a kept child of a dropped frame would have no place
    dropped = np.flatnonzero(~keep & keep[parent] & (np.arange(count) > 0))
    owners, which = np.unique(parent[dropped], return_inverse=True)
    many = np.bincount(which, size[dropped]).astype(np.int64)
    return _with_boxes(np.flatnonzero(keep), owners, many, parent, depth, size)


def ended(parent: NDArray[np.int64], depth: NDArray[np.int64], narrow: NDArray[np.int64]) -> Pruned | None:
    """A tree whose narrow frames were never made: a box for the ``narrow`` stacks of each row; None: there are none."""
    owners = np.flatnonzero(narrow)
    if not len(owners):
        return None
    return _with_boxes(np.arange(len(parent)), owners, narrow[owners], parent, depth, sizes(parent, depth))


def _with_boxes(
    rows: NDArray[np.int64],
    owners: NDArray[np.int64],
    many: NDArray[np.int64],
    parent: NDArray[np.int64],
    depth: NDArray[np.int64],
    size: NDArray[np.int64],
) -> Pruned:
    """``rows``, and a box for ``many`` after all that stands below each of ``owners``."""
    order = np.lexsort(
        (
            np.concatenate([np.zeros(len(rows)), -1.0 - depth[owners]]),
            np.concatenate([rows.astype(np.float64), owners + size[owners] - 0.5]),
        )
    )
    return Pruned(
        np.concatenate([rows, np.full(len(owners), -1)])[order],
        np.concatenate([parent[rows], owners])[order],
        np.concatenate([np.zeros(len(rows), np.int64), many])[order],
        int(many.sum()),
    )


def merged_sums(
    pruned: Pruned, parent: NDArray[np.int64], own: NDArray[np.float64], value: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``value`` for the rows of ``pruned``: of a box for narrow frames, what its caller has besides what is kept.

    ``own`` is what each frame of the whole tree weighs itself.
    """
    count = len(parent)
    kept = pruned.rows >= 0
    left = value - own
    shown = np.zeros(count)
    real = pruned.rows[kept]
    np.add.at(shown, parent[real[real > 0]], value[real[real > 0]])
    result = np.empty(len(pruned.rows))
    result[kept] = value[real]
    result[~kept] = np.maximum(0, left[pruned.parents[~kept]] - shown[pruned.parents[~kept]])
    return result


def owned(parent: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each frame weighs without its children."""
    below = np.zeros(len(parent))
    np.add.at(below, parent[1:], value[1:])
    return np.maximum(0, value - below)
