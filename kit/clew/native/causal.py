"""The single pass that gives every call to the request it was made for, and trees of spans (clew_causal.h)."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.native.library import check, load

Array = NDArray[np.generic]
_COUNT, _AT = ctypes.c_int64, ctypes.c_void_p
NEVER = np.iinfo(np.int64).max
"""Time of what was not seen."""

WORK = np.dtype([("start", "i8"), ("end", "i8"), ("span", "i8"), ("thread", "i4"), ("zero", "i4")])
"""struct clew_work."""

END = np.dtype([("begun", "i8"), ("done", "i8"), ("asked", "i8"), ("answered", "i8"), ("said", "u8")])
"""struct clew_end."""

_COLUMNS = {
    "client": np.uint8,
    "start": np.int64,
    "asked": np.int64,
    "end": np.int64,
    "begun": np.int64,
    "whole": np.int64,
    "thread": np.int32,
    "end_thread": np.int32,
    "conn": np.int32,
    "name": np.uint64,
    "held": np.uint8,
    "owner": np.int64,
}


class _Spans(ctypes.Structure):
    _fields_ = (
        *((name, _COUNT) for name in ("spans", "groups")),
        ("first", _AT),
        *((name, _AT) for name in _COLUMNS),
        *((name, _COUNT) for name in ("threads", "conns")),
        ("pool", _AT),
        ("signals", _COUNT),
        *((name, _AT) for name in ("signal_first", "signal_ns", "signal_thread", "signal_kind")),
    )


class _TreeTimes(ctypes.Structure):
    _fields_ = (("spans", _COUNT), *((name, _AT) for name in ("parent", "start", "end", "client", "covers")))


@cache
def _library() -> ctypes.CDLL:
    library = load()
    for name, arguments in (
        ("clew_attribute", [ctypes.POINTER(_Spans), _AT, _AT, _AT, _AT, ctypes.POINTER(_COUNT)]),
        ("clew_pair_ends", [_COUNT, _AT, _AT, _AT, _AT, _AT]),
        ("clew_roots", [_COUNT, _AT, _AT, _AT]),
        ("clew_shapes", [_COUNT, _AT, _AT, _AT, _AT]),
        ("clew_trees", [_COUNT, _AT, _AT, _AT, _COUNT, _AT, _AT, _AT, _AT, _AT, _AT]),
        ("clew_walk", [_COUNT, _AT, _AT, _AT]),
        ("clew_worked", [ctypes.POINTER(_TreeTimes), _COUNT, _AT, _AT, _AT, _AT]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = _COUNT, arguments
    return library


@dataclass(frozen=True)
class Signals:
    """What threads did besides moving messages, in order of group, then time."""

    first: NDArray[np.int64]  # [groups + 1]
    ns: NDArray[np.int64]
    thread: NDArray[np.int32]
    kind: NDArray[np.uint8]  # enum clew_signal


@dataclass(frozen=True)
class Attribution:
    """For each span its cause (row, -1: none), the rule (enum clew_rule) and how likely it is; intervals of threads."""

    cause: NDArray[np.int64]
    rule: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    work: NDArray[np.void]  # of dtype WORK


def attribute(first: NDArray[np.int64], columns: Mapping[str, Array], signals: Signals, pool: Array) -> Attribution:
    """Give client spans to server spans of their process: ``columns`` as struct clew_spans has them.

    ``first`` tells where each process's spans start; ``pool`` gives connections to one address the same number.
    Raises ClewError where memory is short.
    """
    kept = {name: np.ascontiguousarray(columns[name], kind) for name, kind in _COLUMNS.items()}
    kept |= {"first": np.ascontiguousarray(first, np.int64), "signal_first": np.ascontiguousarray(signals.first)}
    kept |= {f"signal_{name}": np.ascontiguousarray(getattr(signals, name)) for name in ("ns", "thread", "kind")}
    kept["pool"] = np.ascontiguousarray(pool, np.int32)
    count = len(kept["start"])
    threads = int(max(kept[name].max(initial=-1) for name in ("thread", "end_thread", "signal_thread"))) + 1
    spans = _Spans(spans=count, groups=len(first) - 1, threads=threads, conns=len(pool), signals=len(signals.ns))
    for name, values in kept.items():
        setattr(spans, name, values.ctypes.data)
    cause, rule = np.empty(count, np.int64), np.empty(count, np.uint8)
    confidence, work, works = np.empty(count, np.float32), np.empty(2 * count, WORK), _COUNT()
    outputs = [values.ctypes.data for values in (cause, rule, confidence, work)]
    check(_library().clew_attribute(ctypes.byref(spans), *outputs, ctypes.byref(works)), "cannot link requests")
    return Attribution(cause, rule, confidence, work[: works.value].copy())


def pair_ends(
    first_client: NDArray[np.int64],
    first_server: NDArray[np.int64],
    clients: NDArray[np.void],
    servers: NDArray[np.void],
) -> NDArray[np.int64]:
    """For each of ``servers`` (dtype END) the row of ``clients`` that is its other end; -1: it cannot be told.

    Both stand in order of listener, clients then in order of ``begun``, servers of ``done``; the first of each listener
    is where ``first_client`` and ``first_server`` say, which have one entry more.
    """
    kept = [np.ascontiguousarray(first, np.int64) for first in (first_client, first_server)]
    kept += [np.ascontiguousarray(ends, END) for ends in (clients, servers)]
    found = np.empty(len(servers), np.int64)
    arguments = [values.ctypes.data for values in (*kept, found)]
    check(_library().clew_pair_ends(len(first_client) - 1, *arguments), "cannot tell connections apart")
    return found


def roots(parent: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """(row of the root, number of parents) of each row; raises ClewError if parents go round in a circle."""
    parent = np.ascontiguousarray(parent, np.int64)
    root, depth = np.empty(len(parent), np.int64), np.zeros(len(parent), np.int32)
    arguments = [parent.ctypes.data, root.ctypes.data, depth.ctypes.data]
    check(_library().clew_roots(len(parent), *arguments), "cannot make trees of spans")
    return root, depth


def shapes(parent: NDArray[np.int64], depth: NDArray[np.int32], name: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A checksum of each row's name and all below it; rows stand in order of their start."""
    parent, name = np.ascontiguousarray(parent, np.int64), np.ascontiguousarray(name, np.uint64)
    shape = np.empty(len(parent), np.uint64)
    arguments = [parent.ctypes.data, depth.ctypes.data, name.ctypes.data, shape.ctypes.data]
    check(_library().clew_shapes(len(parent), *arguments), "cannot compare trees of spans")
    return shape


@dataclass(frozen=True)
class Trees:
    """Of each tree: the place of its root, spans, their processes, the deepest and the least sure of them."""

    root: NDArray[np.int64]
    spans: NDArray[np.uint32]
    processes: NDArray[np.uint32]
    depth: NDArray[np.uint16]
    confidence: NDArray[np.float32]


def trees(
    root: NDArray[np.int64], depth: NDArray[np.int32], process: NDArray[np.int32], confidence: NDArray[np.float32]
) -> Trees:
    """The size of each tree, in order of their roots."""
    kept = [np.ascontiguousarray(process, np.int32), np.ascontiguousarray(confidence, np.float32)]
    room = int(np.count_nonzero(root == np.arange(len(root))))
    sizes = Trees(
        np.empty(room, np.int64),
        np.empty(room, np.uint32),
        np.empty(room, np.uint32),
        np.empty(room, np.uint16),
        np.empty(room, np.float32),
    )
    outputs = (sizes.root, sizes.spans, sizes.processes, sizes.depth, sizes.confidence)
    check(
        _library().clew_trees(
            *(len(root), root.ctypes.data, depth.ctypes.data, kept[0].ctypes.data, int(kept[0].max(initial=-1)) + 1),
            *(kept[1].ctypes.data, *(output.ctypes.data for output in outputs)),
        ),
        "cannot measure trees of spans",
    )
    return sizes


def walk(parent: NDArray[np.int64], shape: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows of trees depth first, without those that repeat the one before; parents stand before their children."""
    parent, shape = np.ascontiguousarray(parent, np.int64), np.ascontiguousarray(shape, np.uint64)
    order = np.empty(len(parent), np.int64)
    arguments = [parent.ctypes.data, shape.ctypes.data, order.ctypes.data]
    return order[: check(_library().clew_walk(len(parent), *arguments), "cannot walk trees of spans")]


def worked(
    tree: Mapping[str, NDArray[Any]], span: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each span of ``tree`` the ns of its intervals (``span`` is a row, -1: none) that no child covers.

    ``tree`` has ``parent``, ``start``, ``end``, ``client`` and ``covers`` as struct clew_tree_times explains them.
    """
    kinds = {"parent": np.int64, "start": np.int64, "end": np.int64, "client": np.uint8, "covers": np.int64}
    kept = [np.ascontiguousarray(tree[name], kind) for name, kind in kinds.items()]
    intervals = [np.ascontiguousarray(values, np.int64) for values in (span, low, high)]
    found = np.zeros(len(kept[0]), np.int64)
    given = _TreeTimes(len(found), *(values.ctypes.data for values in kept))
    outputs = [values.ctypes.data for values in (*intervals, found)]
    check(_library().clew_worked(ctypes.byref(given), len(span), *outputs), "cannot add up times of spans")
    return found
