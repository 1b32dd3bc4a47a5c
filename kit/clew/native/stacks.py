"""Stacks that programs took of themselves, and the code that they lie in: STACK and MAP records as tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from clew.native.decode import Array, Batch
from clew.native.tables import _binary, _records, _structs, _table, _text, _who

OP_MAP, OP_STACK = 118, 119
TICK = 0
"""``op`` of a stack that the sampler took, not a call."""
ENDS = ("whole", "cut", "broken")
"""enum clew_stack_end."""

_STACK = np.dtype([("op", "u4"), ("call_seq", "u4"), ("weight", "u8"), ("end", "u4"), ("frames", "u4")])
_MAP = np.dtype([("start", "u8"), ("end", "u8"), ("offset", "u8"), ("build_id_size", "u4"), ("path_size", "u4")])


def stack_records(batch: Batch) -> Array:
    """Which records are stacks: indices into the columns of ``batch``, in the order of stacks()."""
    return _records(batch, OP_STACK, _STACK)[0]


def stacks(batch: Batch) -> pa.Table:
    """Stacks: serial, pid, tid, seq, begin; op (TICK: the sampler's), call_seq (0: none), weight, end (see ENDS).

    ``addresses`` are a list for each, innermost first; empty where none was taken.
    """
    index, info = _records(batch, OP_STACK, _STACK)
    room = (batch.head[index] - _STACK.itemsize) // 8
    frames = np.minimum(info["frames"], room).astype(np.int64)
    ends = np.zeros(len(index) + 1, np.int64)
    np.cumsum(frames, out=ends[1:])
    within = np.arange(ends[-1]) - np.repeat(ends[:-1], frames)
    first = np.repeat(batch.data_at[index] + np.uint64(_STACK.itemsize), frames)
    addresses = _structs(batch, first + within.astype(np.uint64) * np.uint64(8), np.dtype([("address", "<u8")]))
    return _table(
        {
            **_who(batch, index),
            **{name: info[name] for name in ("op", "call_seq", "weight")},
            "stack_end": info["end"],
            "addresses": pa.LargeListArray.from_arrays(ends, np.ascontiguousarray(addresses["address"])),
        }
    )


def maps(batch: Batch) -> pa.Table:
    """Code that was mapped: serial, pid, tid, seq, begin; start, end, file_offset of start, path, build_id."""
    index, info = _records(batch, OP_MAP, _MAP)
    at: Array = batch.data_at[index] + np.uint64(_MAP.itemsize)
    room = (batch.head[index] - _MAP.itemsize).astype(np.uint64)
    id_size = np.minimum(info["build_id_size"], room)
    path_size = np.minimum(info["path_size"], room - id_size)
    return _table(
        {
            **_who(batch, index),
            "start": info["start"],
            "end": info["end"],
            "file_offset": info["offset"],
            "path": _text(batch, at + id_size, path_size),
            "build_id": _hexadecimal(_binary(batch, at, id_size)),
        }
    )


def _hexadecimal(values: pa.Array) -> pa.Array:
    return pa.array([value.hex() or None for value in values.to_pylist()], pa.string())  # a few for each process
