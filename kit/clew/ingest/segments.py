"""Records of a segment as rows of the tables, whole columns at a time: no Python per record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clew import native
from clew.ingest.clock import Clock
from clew.native import Batch
from clew.ops import ACCOUNT, OP_ID, OPS

Array = npt.NDArray[Any]

CAPTURE_STEP = 10**15
"""Numbers of threads, programs and connections of capture n start at (n - 1) times this, see schema.sql."""
VFORK_STEP = 10**9
"""The k-th vfork child of a thread is numbered k times this higher."""

_MOVES = np.zeros(256, bool)  # by op: a result of n says that n bytes were moved
_MOVES[[number for number, _, kind in OPS if kind in ("read", "write", "tls")]] = True
_COUNTS_IN_HEAD = np.zeros(256, bool)  # the result counts messages or items, the head's first 8 bytes the bytes
_COUNTS_IN_HEAD[[OP_ID[name] for name in ("recvmmsg", "sendmmsg", "fread", "fwrite")]] = True
_ACCOUNT = np.zeros(256, np.uint8)
_ACCOUNT[list(ACCOUNT)] = list(ACCOUNT.values())
_PEEK, _STRUCT = 4, 2


@dataclass
class Vforks:
    """Which thread lends itself to a child of vfork at the moment, and how many it has lent itself to before."""

    children: dict[int, int] = field(default_factory=dict)
    open_pid: dict[int, int] = field(default_factory=dict)

    def table(self) -> pa.Table:
        """The state as rows: serial, children, open_pid (0: none)."""
        serials = sorted(self.children)
        return pa.table(
            {
                "serial": pa.array(serials, pa.uint64()),
                "children": pa.array([self.children[serial] for serial in serials], pa.uint64()),
                "open_pid": pa.array([self.open_pid.get(serial, 0) for serial in serials], pa.uint32()),
            }
        )


def tables_of(batch: Batch, clock: Clock, capture_id: int, vforks: Vforks) -> dict[str, pa.Table]:
    """The rows that ``batch`` adds, by the names that insert.sql reads them from; updates ``vforks``."""
    base = (capture_id - 1) * CAPTURE_STEP
    ts_ns, dur_ns = clock.to_ns(batch.begin, batch.ticks)
    thread_id: Array = batch.serial + np.uint64(base)
    pid, tid = batch.pid, batch.tid
    tables: dict[str, pa.Table] = {}
    first = np.empty(0, np.int64)
    child = pid
    lent = _lend(batch, vforks)
    if lent is not None:
        child, number, first = lent
        thread_id = thread_id + number * np.uint64(VFORK_STEP)
        pid, tid = np.where(child, child, pid), np.where(child, child, tid)
    tables["vfork_images"] = _table(
        process_id=thread_id[first], pid=child[first], ppid=batch.pid[first], ts_ns=ts_ns[first]
    )
    tables["record"] = _table(
        thread_id=thread_id,
        pid=pid,
        tid=tid,
        seq=batch.seq,
        ts_ns=ts_ns,
        dur_ns=dur_ns,
        op=batch.op,
        fd=batch.fd,
        result=batch.result,
        error=batch.error,
        bytes=_bytes(batch),
        account=_ACCOUNT[batch.op],
        conn_id=batch.conn_id,
        byte_offset=batch.offset,
    )
    made = {
        "images": native.processes(batch),
        "image_ends": native.process_ends(batch),
        "threads": native.threads(batch),
        "thread_ends": native.thread_ends(batch),
        "conns": native.conns(batch),
        "texts": native.texts(batch),
        "counters": native.counters(batch),
        "losses": native.losses(batch),
        "procs": native.thread_rows(batch),
        "unseens": native.unseen(batch),
        "stack_maps": native.maps(batch),
    }
    tables |= {name: _timed(table, clock, base) for name, table in made.items()}
    stacks, taken_by = native.stacks(batch), native.stack_records(batch)
    tables["call_stacks"] = stacks.append_column("thread_id", pa.array(thread_id[taken_by])).append_column(
        "ts_ns", pa.array(ts_ns[taken_by])
    )
    held_by = native.payload_records(batch)
    tables["payloads"] = native.payload(batch).append_column("thread_id", pa.array(thread_id[held_by]))
    return tables


def _lend(batch: Batch, vforks: Vforks) -> tuple[Array, Array, Array] | None:
    """For each record the pid of the vfork child that made it (0.

    The thread itself) and that child's number in its thread; and the indices of the records that begin a child. None if
    no record is a child's.

    A child's records stand between VFORK_CHILD and its parent's record of vfork or clone, in one thread's order.
    """
    begins = batch.op == OP_ID["vfork_child"]
    if not begins.any() and not vforks.open_pid:
        return None
    order = np.argsort(batch.serial, kind="stable")  # threads one after the other, each in its own order
    serial, begin = batch.serial[order], begins[order]
    mark = begin | np.isin(batch.op[order], (OP_ID["vfork"], OP_ID["clone"]))
    value = np.where(begin, batch.result[order], 0).astype(np.uint32)
    starts = np.flatnonzero(np.r_[True, serial[1:] != serial[:-1]])
    # What a thread brings along from the batch before stands at its first record, unless that is a mark itself.
    for start in starts.tolist() if vforks.open_pid or vforks.children else ():
        carried = vforks.open_pid.get(int(serial[start]), 0)
        if carried and not mark[start]:
            value[start] = carried
    known = np.zeros(len(serial), np.int64)
    known[starts] = starts
    known[mark] = np.flatnonzero(mark)
    source = np.maximum.accumulate(known)
    child = value[source]
    thread = np.cumsum(np.r_[False, serial[1:] != serial[:-1]])
    count = np.cumsum(begin)
    before = (count - begin)[starts]
    earlier = np.array([vforks.children.get(int(each), 0) for each in serial[starts]], np.int64)
    number = np.where(child != 0, count - before[thread] + earlier[thread], 0).astype(np.uint64)
    ends = np.r_[starts[1:], len(serial)] - 1
    for index, end in enumerate(ends.tolist()):
        who = int(serial[end])
        vforks.children[who] = int(count[end] - before[index] + earlier[index])
        vforks.open_pid[who] = int(child[end])
    vforks.children = {who: many for who, many in vforks.children.items() if many}
    vforks.open_pid = {who: open_pid for who, open_pid in vforks.open_pid.items() if open_pid}
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return child[back], number[back], np.flatnonzero(begins)


def _bytes(batch: Batch) -> Array:
    """Bytes that each call moved; -1: it moves none, or failed, or only peeked."""
    well = (batch.error == 0) & (batch.result >= 0)
    moved: Array = np.where(_MOVES[batch.op] & well & ((batch.flags & _PEEK) == 0), batch.result, -1)
    counted = np.flatnonzero(_COUNTS_IN_HEAD[batch.op])
    if len(counted):
        told = well[counted] & (batch.head[counted] >= 8) & ((batch.flags[counted] & _STRUCT) != 0)
        told &= (batch.flags[counted] & _PEEK) == 0
        moved[counted] = -1
        where = batch.data_at[counted[told]].astype(np.int64)
        moved[counted[told]] = batch.data[where[:, None] + np.arange(8)].view("<i8").ravel()
    return moved


def _timed(table: pa.Table, clock: Clock, base: int) -> pa.Table:
    """``table`` with ``thread_id`` for its serial and ``ts_ns`` (and ``busy_ns``) for its ticks."""
    names = set(table.column_names)
    when = table.column("begin" if "begin" in names else "ticks").to_numpy()
    busy = table.column("busy_ticks").to_numpy() if "busy_ticks" in names else np.zeros(len(when), np.uint64)
    ts_ns, busy_ns = clock.to_ns(when, busy)
    table = table.append_column("ts_ns", pa.array(ts_ns)).append_column("busy_ns", pa.array(busy_ns))
    if "serial" in names:
        table = table.append_column("thread_id", pa.array(table.column("serial").to_numpy() + np.uint64(base)))
    return table


def _table(**columns: Array) -> pa.Table:
    return pa.table({name: pa.array(np.ascontiguousarray(values)) for name, values in columns.items()})
