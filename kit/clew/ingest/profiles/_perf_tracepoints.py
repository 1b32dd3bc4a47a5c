"""What samples of tracepoints say beyond their stacks: fields, system calls, wake-ups, time off the processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.ingest.profile import Event
from clew.ingest.profiles import _switches
from clew.ingest.profiles._perf_event import event_of
from clew.ingest.profiles._perf_header import TRACEPOINT, PerfEvent, PerfFile, plain_name
from clew.ingest.profiles._switches import Happened
from clew.ingest.profiles._tracepoints import Format, details, formats_of, in_interrupt, numbers
from clew.native import perf
from clew.ops import OP_ID

Array = NDArray[Any]
_ENTER, _EXIT = "syscalls:sys_enter_", "syscalls:sys_exit_"
_SAME_CALL = dict(
    pair.split("=")
    for pair in """
        pread64=pread pwrite64=pwrite preadv2=preadv pwritev2=pwritev accept4=accept epoll_create1=epoll_create
        eventfd2=eventfd pipe2=pipe exit_group=_exit clone3=clone execveat=execve openat2=openat pselect6=pselect
        sendfile64=sendfile epoll_pwait2=epoll_pwait
    """.split()
)
"""Calls of the kernel that are an operation of another name."""

OFF_CPU = Event("off-cpu", "off-cpu", "ns")


@dataclass
class Said:
    """``detail`` and ``other_tid`` of every sample (other_tid -1: none); ``off``: times off the processor."""

    detail: pa.Array
    other_tid: Array
    off: _switches.OffCpu | None = None
    off_detail: pa.Array = field(default_factory=lambda: pa.nulls(0, pa.string()))


def described(event: PerfEvent, formats: dict[int, Format]) -> Event:
    """The event as tables have it; a tracepoint without a name gets that of its format."""
    name = event.name
    if event.type == TRACEPOINT and event.config in formats and ":" not in name:
        name = formats[event.config].name
    made = replace(event_of(plain_name(event.type, event.config) or name), name=name)
    if name.startswith(_ENTER):
        call = name.removeprefix(_ENTER).split(":")[0]
        op = _SAME_CALL.get(call, call)
        return replace(made, kind="syscall", unit="calls", op=op if op in OP_ID else None)
    if name.startswith((_EXIT, "raw_syscalls:sys_exit")):
        return replace(made, kind="tracepoint", unit="events")
    if _plain(name) in _switches.WAKINGS:
        return replace(made, kind="wakeup", unit="events")
    return made


def tracepoint_formats(file: PerfFile) -> dict[int, Format]:
    """Formats of the recording's tracepoints, by number; empty where it has none."""
    return formats_of(file.tracing) if any(event.type == TRACEPOINT for event in file.events) else {}


def said(
    file: PerfFile, recording: perf.Recording, used: Sequence[int], events: Sequence[Event], formats: dict[int, Format]
) -> Said:
    """What the bytes of each tracepoint say; ``used``: numbers in ``file.events`` of ``events``."""
    count = len(recording.sample)
    found = Said(pa.nulls(count, pa.string()), np.full(count, -1, np.int64))
    rows_of = {number: np.flatnonzero(recording.sample["event"] == number) for number in used}
    texts, place = [pa.nulls(1, pa.string())], np.zeros(count, np.int64)
    total = 1
    decoded: dict[str, Happened] = {}
    states = np.zeros(count, np.int64)
    told, known = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    tids = _tids(recording)
    for number, event in zip(used, events, strict=True):
        layout = formats.get(file.events[number].config) if file.events[number].type == TRACEPOINT else None
        if layout is None:
            continue
        rows = rows_of[number]
        at, sizes = recording.sample["raw_at"][rows], recording.sample["raw_size"][rows]
        texts.append(details(file.records, at, sizes, layout))
        place[rows] = np.arange(total, total + len(rows))
        total += len(rows)
        name, ts = _plain(event.name), recording.sample["ts_ns"][rows]
        if name == _switches.SWITCH and (
            values := numbers(file.records, at, sizes, layout, ("prev_pid", "prev_state", "next_pid"))
        ):
            decoded[name] = Happened(rows, ts, tids[rows], values["next_pid"])
            states[rows] = values["prev_state"]
            told.append(values["prev_pid"][tids[rows] > 0])
            known.append(tids[rows][tids[rows] > 0])
        elif name in _switches.WAKINGS and (values := numbers(file.records, at, sizes, layout, ("pid",))):
            own = np.where(in_interrupt(file.records, at, sizes), -1, tids[rows])  # a timer is nobody
            decoded[name] = Happened(rows, ts, own, values["pid"])
    if total > 1:
        found.detail = pa.concat_arrays(texts).take(pa.array(place))
    numbered = np.concatenate(told), np.concatenate(known)
    decoded = {
        name: replace(each, other=_switches.same_numbers(*numbered, each.other)) for name, each in decoded.items()
    }
    for name, each in decoded.items():
        if name != _switches.SWITCH:
            found.other_tid[each.row] = each.other
    if _switches.SWITCH in decoded:
        back = recording.switch[recording.switch["out"] == 0]
        found.off = _switches.off_cpu(
            decoded[_switches.SWITCH], back["tid"].astype(np.int64), back["ts_ns"], _wakings(decoded)
        )
        found.off_detail = _switches.state_text(states[found.off.row])
    return found


def _wakings(decoded: dict[str, Happened]) -> Happened:
    """Who woke whom: sched_waking where it was recorded, since the waker itself is seen there."""
    waking, wakeup, new = _switches.WAKINGS
    names = [name for name in (waking if waking in decoded else wakeup, new) if name in decoded]
    parts = [decoded[name] for name in names]
    empty = np.zeros(0, np.int64)
    columns = [
        np.concatenate([empty, *(getattr(part, name) for part in parts)]) for name in ("row", "ts_ns", "tid", "other")
    ]
    return Happened(*columns)


def _tids(recording: perf.Recording) -> Array:
    """The thread of each sample; -1: not known."""
    thread = recording.sample["thread"]
    if not len(recording.thread):
        return np.full(len(thread), -1, np.int64)
    return np.where(thread >= 0, recording.thread["tid"][thread], -1).astype(np.int64)


def _plain(name: str) -> str:
    return ":".join(name.split(":")[:2])
