"""Trees of stacks: merged by function, summed up and laid out by libclew.so (native/include/clew_tree.h)."""

from __future__ import annotations

import ctypes
import errno
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from clew.native.library import check, load

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
_COUNT, _INT, _ANY = ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p


@cache
def _library() -> ctypes.CDLL:
    library = load()
    for name, result, arguments in (
        ("clew_tree_down", _COUNT, [_COUNT, _ANY, _ANY, _INT, ctypes.c_int, _ANY, _ANY, _ANY, _COUNT]),
        ("clew_tree_up", _COUNT, [_COUNT, _ANY, _ANY, _COUNT, _ANY, _ANY, _ANY, _ANY, _COUNT]),
        ("clew_tree_callers", _COUNT, [_ANY]),
        ("clew_tree_totals", None, [_COUNT, _ANY, _ANY]),
        ("clew_tree_depths", None, [_COUNT, _ANY, _ANY]),
        ("clew_tree_flags", None, [_COUNT, _ANY, _ANY, _ANY]),
        ("clew_tree_once", None, [_COUNT, _ANY, _ANY, _ANY]),
        ("clew_tree_layout", _COUNT, [_COUNT, _ANY, _ANY, _ANY, _ANY, _ANY]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@dataclass(frozen=True)
class Merged:
    """A merged tree: ``parent`` and ``key`` of each node (node 0: the root of all); ``node`` of each row or leaf."""

    parent: Ints
    key: Ints
    node: Ints  # -1: not in the tree


def merge_down(parent: Ints, key: Ints, *, root: int = -1, recursion: bool = False) -> Merged:
    """Merge rows by ``key`` from the outermost frame down.

    A row with a negative key is left out; ``root``: only what is below the outermost rows of that key; ``recursion``: a
    row with its parent's key counts as its parent.
    """
    node, out_parent, out_key = (
        np.empty(len(key), np.int32),
        np.empty(len(key) + 1, np.int32),
        np.empty(len(key) + 1, np.int32),
    )
    parent, key = _ints(parent), _ints(key)
    arguments = [_at(parent), _at(key), root, int(recursion), _at(node), _at(out_parent), _at(out_key), len(out_key)]
    count = check(_library().clew_tree_down(len(key), *arguments), "cannot merge stacks")
    return Merged(out_parent[:count].copy(), out_key[:count].copy(), node)


def merge_up(parent: Ints, key: Ints, leaves: Ints) -> Merged:
    """Merge the ways from each of ``leaves`` (rows) to its root; ``node`` is where each way ends."""
    parent, key, leaves = _ints(parent), _ints(key), _ints(leaves)
    node, room = np.empty(len(leaves), np.int32), 4 * len(leaves) + 1024
    while True:
        out_parent, out_key = np.empty(room, np.int32), np.empty(room, np.int32)
        outputs = [len(leaves), _at(leaves), _at(node), _at(out_parent), _at(out_key), room]
        count = _library().clew_tree_up(len(key), _at(parent), _at(key), *outputs)
        if count != -errno.ENOSPC:
            check(count, "cannot merge stacks")
            return Merged(out_parent[:count].copy(), out_key[:count].copy(), node)
        room *= 4


class _Callers(ctypes.Structure):
    """`struct clew_tree_callers` of native/include/clew_tree.h."""

    _fields_ = [
        ("rows", _COUNT),
        ("parent", _ANY),
        ("key", _ANY),
        ("keys", _COUNT),
        ("leaves", _COUNT),
        ("leaf", _ANY),
        ("value", _ANY),
        ("other", _ANY),
        ("path_count", _COUNT),
        ("path", _ANY),
        ("least", ctypes.c_double),
        ("room", _COUNT),
        *((name, _ANY) for name in ("out_parent", "out_key", "total", "own", "other_total", "other_own", "narrow")),
    ]


@dataclass(frozen=True)
class Callers:
    """A tree of callers as far as it is wide enough, a value for each node (node 0: the root of all)."""

    parent: Ints
    key: Ints
    total: Floats
    own: Floats
    narrow: NDArray[np.int64]  # ways that go on from it where it is too narrow
    other: Floats | None  # as total, on the other side of a comparison
    other_own: Floats | None


def callers(
    parent: Ints, key: Ints, leaves: Ints, value: Floats, path: Ints, least: float, other: Floats | None = None
) -> Callers:
    """Merge the ways from ``leaves`` (rows), which weigh ``value``, up to their roots.

    Only what begins with ``path`` (keys) is followed, and below its end only what weighs the share ``least`` of it.
    ``other``: what leaves weigh on the other side of a comparison; what is wide enough on one side is followed.
    """
    parent, key, leaves, path = _ints(parent), _ints(key), _ints(leaves), _ints(path)
    value, room = np.ascontiguousarray(value, np.float64), 1 << 16
    other = None if other is None else np.ascontiguousarray(other, np.float64)
    while True:
        parents, keys = np.empty(room, np.int32), np.empty(room, np.int32)
        sums = [np.empty(room) for _ in range(2 if other is None else 4)]
        narrow = np.empty(room, np.int64)
        given = _Callers(len(key), _at(parent), _at(key), int(key.max(initial=-1)) + 1, len(leaves), _at(leaves))
        given.value, given.path_count, given.path = _at(value), len(path), _at(path)
        given.least, given.room = least, room
        given.out_parent, given.out_key, given.narrow = _at(parents), _at(keys), _at(narrow)
        given.total, given.own = (_at(each) for each in sums[:2])
        if other is not None:
            given.other = _at(other)
            given.other_total, given.other_own = (_at(each) for each in sums[2:])
        count = _library().clew_tree_callers(ctypes.byref(given))
        if count != -errno.ENOSPC:
            check(count, "cannot merge stacks")
            total, own, *others = [each[:count].copy() for each in sums]
            beside = others or (None, None)
            return Callers(parents[:count].copy(), keys[:count].copy(), total, own, narrow[:count], *beside)
        room *= 4


def totals(parent: Ints, own: Floats) -> Floats:
    """What each node and all below it weigh, from what each weighs itself."""
    parent, value = _ints(parent), np.array(own, np.float64)
    _library().clew_tree_totals(len(value), _at(parent), _at(value))
    return value


def at_or_below(parent: Ints, hit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each row, or one above it, is a hit."""
    parent, hits, inside = _ints(parent), np.ascontiguousarray(hit, np.uint8), np.empty(len(hit), np.uint8)
    _library().clew_tree_flags(len(hit), _at(parent), _at(hits), _at(inside))
    return inside.astype(bool)


def count_once(parent: Ints, key: Ints, value: Floats) -> Floats:
    """``value`` of each row, 0 where a row above it has the same key or the row is left out (negative key)."""
    parent, key, once = _ints(parent), _ints(key), np.array(value, np.float64)
    _library().clew_tree_once(len(once), _at(parent), _at(key), _at(once))
    return once


def layout(parent: Ints, total: Floats, rank: Ints) -> tuple[Floats, Ints]:
    """(left edge of each node, nodes depth first): siblings from the largest, equal ones by ``rank``."""
    start, order = np.zeros(len(parent)), np.empty(len(parent), np.int32)
    total, rank, parent = np.ascontiguousarray(total, np.float64), _ints(rank), _ints(parent)
    done = _library().clew_tree_layout(len(parent), _at(parent), _at(total), _at(rank), _at(start), _at(order))
    check(done, "cannot lay out stacks")
    return start, order


def gather(node: NDArray[np.integer], value: Floats, nodes: int) -> Floats:
    """The sum of ``value`` for each of ``nodes`` nodes."""
    return np.bincount(node, value, nodes).astype(np.float64)


def depths(parent: NDArray[np.integer]) -> Ints:
    """Nodes from the root to each node, from 1."""
    parent, deep = _ints(parent), np.empty(len(parent), np.int32)
    _library().clew_tree_depths(len(deep), _at(parent), _at(deep))
    return deep


def _ints(values: NDArray[np.integer]) -> Ints:
    return np.ascontiguousarray(values, np.int32)


def _at(array: NDArray[np.generic]) -> int:
    return array.ctypes.data
