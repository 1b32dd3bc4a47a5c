"""Off-CPU time and wake-ups, from the scheduler's tracepoints and the kernel's own notes of switches.

A thread is off the processor from the sched_switch that takes it off (whose stack says where it waits) to the next one
that brings it back. Who watches single threads does not see the second one, which happens to another thread; there
PERF_RECORD_SWITCH (perf record --switch-events) tells of the return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Array = NDArray[Any]
SWITCH = "sched:sched_switch"
WAKINGS = ("sched:sched_waking", "sched:sched_wakeup", "sched:sched_wakeup_new")
"""Events that say who wakes whom. The first is told by the waker itself; the second perhaps by an interrupt for it."""

_STATES = "SDTtXZPI"  # bits of prev_state from the lowest; none is set: it could have run on (fs/proc/array.c)


@dataclass(frozen=True)
class Happened:
    """Columns of switches or wake-ups: ``row`` of the sample, its time and thread, and the thread it speaks of."""

    row: Array
    ts_ns: Array
    tid: Array
    other: Array


@dataclass(frozen=True)
class OffCpu:
    """Times off the processor: ``row`` of the sample that began each, its length, and who ended it (0: not known)."""

    row: Array
    length_ns: Array
    waker: Array
    unfinished: int  # threads that were not seen coming back


def same_numbers(told: Array, tid: Array, wanted: Array) -> Array:
    """``wanted`` as perf counts threads: the kernel numbers them otherwise where perf ran in a namespace of its own.

    ``told`` and ``tid``: the kernel's and perf's number of threads that both are known of.
    """
    kernel, first = np.unique(told, return_index=True)
    own = tid[first]
    if not len(kernel) or (kernel == own).all():
        return wanted
    at = np.minimum(np.searchsorted(kernel, wanted), len(kernel) - 1)
    return np.where(kernel[at] == wanted, own[at], -1)


def first_after(key: Array, ts: Array, of_key: Array, of_ts: Array) -> Array:
    """For each (key, ts) the index of the first of ``of_`` with this key at or after ts; -1: there is none."""
    keys, times = np.concatenate([key, of_key]), np.concatenate([ts, of_ts])
    candidate = np.concatenate([np.zeros(len(key), bool), np.ones(len(of_key), bool)])
    order = np.lexsort((candidate, times, keys))
    count = len(order)
    place = np.where(candidate[order], np.arange(count), count)
    following = np.minimum.accumulate(place[::-1])[::-1] if count else place
    asked = np.flatnonzero(~candidate[order])
    found = following[asked]
    target = order[np.minimum(found, count - 1)]
    fits = (found < count) & (keys[target] == keys[order[asked]])
    result = np.full(len(key), -1, np.int64)
    result[order[asked]] = np.where(fits, target - len(key), -1)
    return result


def off_cpu(switches: Happened, returns_tid: Array, returns_ts: Array, wakings: Happened) -> OffCpu:
    """When threads were off. ``switches.other`` runs next; ``returns_*``: further returns (PERF_RECORD_SWITCH)."""
    leaves = switches.tid > 0  # the idle thread is never waited for
    row, begin, tid = switches.row[leaves], switches.ts_ns[leaves], switches.tid[leaves]
    back_tid = np.concatenate([switches.other, returns_tid])
    back_ts = np.concatenate([switches.ts_ns, returns_ts])
    back = first_after(tid, begin, back_tid, back_ts)
    again = first_after(tid, begin + 1, tid, begin)
    end = back_ts[back] if len(back_ts) else np.zeros(len(row), np.int64)
    # Gone once more before it was seen back: how long the first time lasted is not known.
    seen = (back >= 0) & ((again < 0) | (end <= begin[again] if len(begin) else False))
    woken = first_after(tid, begin, wakings.other, wakings.ts_ns)
    in_time = (woken >= 0) & (wakings.ts_ns[woken] <= end) if len(wakings.row) else np.zeros(len(row), bool)
    waker = np.where(in_time, wakings.tid[woken], -1) if len(wakings.row) else np.full(len(row), -1)
    return OffCpu(row[seen], (end - begin)[seen], waker[seen], int((~seen).sum()))


def state_text(states: Array) -> pa.Array:
    """``prev_state=S`` ...: why a thread left; R: it could have run on."""
    numbers, places = np.unique(states, return_inverse=True)
    names = []
    for number in numbers.tolist():
        letters = [letter for bit, letter in enumerate(_STATES) if number >> bit & 1]
        names.append("prev_state=" + ("|".join(letters) or "R"))
    return pa.array(names, pa.string()).take(pa.array(places))
