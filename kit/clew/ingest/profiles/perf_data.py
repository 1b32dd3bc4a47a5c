"""perf.data: what perf record writes, as a file or a stream, compressed or cut short.

Stacks come as addresses; each distinct place is looked up once, and what was inlined there becomes frames of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.errors import ClewError
from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._perf_event import event_of
from clew.ingest.profiles._perf_header import MAGIC, OLD, SWAPPED, PerfEvent, PerfFile, open_perf
from clew.ingest.profiles._perf_places import expand, resolve_places
from clew.native import perf

FORMAT = "perf.data"
RANK = 0

Array = NDArray[Any]
_MONOTONIC = 1  # clockid of CLOCK_MONOTONIC
_KEPT = "symbols"
"""Folder beside the file with what explains its addresses."""


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether the file begins as perf.data does, of whatever byte order or age."""
    return head[:8] in (MAGIC, SWAPPED, OLD)


def read(path: Path) -> Profile:
    """Samples with symbolised stacks; raises ClewError where the file is broken or holds no sample, and says why."""
    file = open_perf(path)
    layouts = [
        perf.Layout(
            event.sample_type,
            event.read_format,
            event.branch_type,
            event.regs_user,
            event.period,
            event.sample_id_all,
            keep_raw=True,
        )
        for event in file.events
    ]
    ids = [(number, place) for place, event in enumerate(file.events) for number in event.ids]
    recording = perf.read(file.records, layouts, ids)
    try:
        if not len(recording.sample):
            raise ClewError(f"{path} holds no sample: {_why_none(file, recording)}")
        return _profile(path, file, recording)
    finally:
        recording.close()


def _profile(path: Path, file: PerfFile, recording: perf.Recording) -> Profile:
    kept = path.parent / _KEPT
    resolved = resolve_places(recording, file.build_ids, kept if kept.is_dir() else None)
    stacks, leaf = expand(recording.stack, resolved)
    used, event = np.unique(recording.sample["event"], return_inverse=True)
    events = [_event(file.events[number]) for number in used.tolist()]
    samples = _samples(recording, event, leaf)
    notes = [*file.notes, *_notes(file, recording)]
    return Profile(events, resolved.frames, stacks, samples, _threads(recording), recording.lost, notes)


def _samples(recording: perf.Recording, event: Array, leaf: Array) -> pa.Table:
    rows = recording.sample
    stack = rows["stack"]
    return pa.table(
        {
            "event": event.astype(np.uint16),
            "weight": np.ascontiguousarray(rows["weight"]),
            "stack": pa.array(leaf[stack] if len(leaf) else stack, mask=stack < 0),
            "thread": pa.array(np.ascontiguousarray(rows["thread"]), mask=rows["thread"] < 0),
            "ts_ns": pa.array(np.ascontiguousarray(rows["ts_ns"]), mask=rows["ts_ns"] == perf.NO_TIME),
            "cpu": pa.array(np.ascontiguousarray(rows["cpu"]), mask=rows["cpu"] < 0),
            "address": pa.array(np.ascontiguousarray(rows["address"]), mask=rows["address"] == 0),
        }
    )


def _threads(recording: perf.Recording) -> pa.Table:
    rows = recording.thread
    texts = pa.array(recording.texts, pa.string())

    def text(name: str) -> pa.Array:
        return texts.take(pa.array(np.ascontiguousarray(rows[name]), mask=rows[name] < 0))

    def time(name: str) -> pa.Array:
        return pa.array(np.ascontiguousarray(rows[name]), mask=rows[name] == perf.NO_TIME)

    def number(name: str) -> pa.Array:
        return pa.array(np.ascontiguousarray(rows[name]), mask=rows[name] < 0)

    return pa.table(
        {
            **{name: number(name) for name in ("pid", "tid", "ppid")},
            **{name: text(name) for name in ("name", "command", "exe")},
            **{name: time(name) for name in ("start_ns", "end_ns")},
        }
    )


def _event(event: PerfEvent) -> Event:
    return event_of(event.name)


def _why_none(file: PerfFile, recording: perf.Recording) -> str:
    if recording.of_no_event:
        return f"{recording.of_no_event} samples are of events that its headers do not name"
    if recording.guest:
        return f"all {recording.guest} samples are of virtual machines"
    if recording.end < len(file.records):
        return "it is cut or broken before the first one"
    names = ", ".join(event.name for event in file.events)
    return (
        f"{names} never happened while it was recorded, the program was too short, or the kernel did not let perf "
        "see it (kernel.perf_event_paranoid; `clew doctor`)"
    )


def _notes(file: PerfFile, recording: perf.Recording) -> Sequence[str]:
    left = len(file.records) - recording.end
    said = {
        f"the last {left} bytes are cut or broken and were not read": left,
        f"{recording.broken} records are broken and were left out": recording.broken,
        f"{recording.guest} samples of virtual machines were left out": recording.guest,
        f"{recording.of_no_event} samples of unknown events were left out": recording.of_no_event,
        f"sampling was suspended {recording.throttled} times (kernel.perf_event_max_sample_rate)": recording.throttled,
        "no record has a time": recording.without_time,
        "times are of the scheduler's clock, not CLOCK_MONOTONIC (perf record -k CLOCK_MONOTONIC)": (
            not recording.without_time and any(event.clock != _MONOTONIC for event in file.events)
        ),
    }
    return [text for text, holds in said.items() if holds]
