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
from clew.ingest.profile import Profile
from clew.ingest.profiles._perf_header import MAGIC, OLD, SWAPPED, TRACEPOINT, PerfFile, open_perf
from clew.ingest.profiles._perf_places import dumps_of, expand, made_in, resolve_places
from clew.ingest.profiles._perf_tracepoints import OFF_CPU, Said, described, said, tracepoint_formats
from clew.native import perf
from clew.symbols.find import moved
from clew.symbols.jitdump import Made

FORMAT = "perf.data"
RANK = 0

Array = NDArray[Any]
_MONOTONIC = 1  # clockid of CLOCK_MONOTONIC
_STACK_USER = 1 << 13  # PERF_SAMPLE_STACK_USER
_KEPT = "symbols"
"""Folder beside the file with what explains its addresses."""


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether the file begins as perf.data does, of whatever byte order or age."""
    return head[:8] in (MAGIC, SWAPPED, OLD)


def read(path: Path) -> Profile:
    """Samples with symbolised stacks; raises ClewError where the file is broken or holds no sample, and says why."""
    file = open_perf(path)
    kept = path.parent / _KEPT
    keep = kept if kept.is_dir() else None
    recording, made = recorded(file, keep)
    try:
        if not len(recording.sample):
            raise ClewError(f"{path} holds no sample: {_why_none(file, recording)}")
        return _profile(file, recording, keep, made)
    finally:
        recording.close()


def recorded(file: PerfFile, keep: Path | None) -> tuple[perf.Recording, list[Made]]:
    """The records of a file, and what programs in it made while they ran, by the number that places have.

    ``keep``: the folder of symbols beside it. Records name the dumps of programs: where there are some, they are read
    once more, knowing what lay where at which time. Raises ClewError as ``records()``.
    """
    recording = records(file)
    made = made_in(dumps_of(recording, keep)) if _has_monotonic_times(file) else []
    if made:
        recording.close()
        recording = records(file, made)
    return recording, [one for _, one in made]


def _has_monotonic_times(file: PerfFile) -> bool:
    return all(event.clock == _MONOTONIC for event in file.events)


def records(file: PerfFile, made: Sequence[tuple[int, Made]] = ()) -> perf.Recording:
    """The records of a file as columns; raises ClewError where there is no memory for them.

    ``made``: (pid, function) of what programs made while they ran, in order of time.
    """
    build_ids = any(event.build_ids for event in file.events)  # what perf says of earlier mappings is of no event
    layouts = [
        perf.Layout(
            event.sample_type,
            event.read_format,
            event.branch_type,
            event.regs_user,
            event.period,
            event.sample_id_all,
            keep_raw=event.type == TRACEPOINT,
            build_ids=build_ids,
            inherit=event.inherited,
        )
        for event in file.events
    ]
    ids = [(number, place) for place, event in enumerate(file.events) for number in event.ids]
    unwind = any(event.sample_type & _STACK_USER for event in file.events)
    files = moved(file.build_ids) if unwind else None
    functions = [(one.ts_ns, one.start, one.length, pid) for pid, one in made]
    return perf.read(file.records, layouts, ids, unwind=unwind, files=files, made=functions)


def _profile(file: PerfFile, recording: perf.Recording, keep: Path | None, made: Sequence[Made]) -> Profile:
    resolved = resolve_places(recording, file.build_ids, keep, file.release, made)
    stacks, leaf = expand(recording.stack, resolved)
    number = recording.sample["event"]
    counted = np.bincount(number)
    used, event = np.flatnonzero(counted), (np.cumsum(counted > 0) - 1)[number]
    formats = tracepoint_formats(file)
    events = [described(file.events[number], formats) for number in used.tolist()]
    told = said(file, recording, used.tolist(), events, formats)
    samples = _samples(recording, event, leaf, told)
    notes = [*file.notes, *_notes(file, recording), *resolved.notes]
    if told.off is not None:
        samples = pa.concat_tables([samples, _off_cpu(samples, told, len(events))])
        events.append(OFF_CPU)
        if told.off.unfinished:
            notes.append(f"{told.off.unfinished} times a thread left its processor and was not seen to come back")
    unread = len(file.records) - recording.end
    whole = file.ended and not unread
    threads = _threads(recording)
    return Profile(
        events,
        resolved.frames,
        stacks,
        samples,
        threads,
        recording.lost,
        notes,
        resolved.missing,
        unread=unread,
        whole=whole,
    )


def _off_cpu(samples: pa.Table, told: Said, event: int) -> pa.Table:
    """The samples of switches again, as time that the thread was off."""
    if told.off is None:
        return samples.slice(0, 0)
    waker = told.off.waker
    columns = {
        "event": pa.array(np.full(len(waker), event, np.uint16)),
        "weight": pa.array(told.off.length_ns.astype(np.float64)),
        "other_tid": pa.array(waker.astype(np.int32), mask=waker < 0),
        "detail": told.off_detail,
    }
    found = samples.take(pa.array(told.off.row))
    for name, column in columns.items():
        found = found.set_column(found.column_names.index(name), name, column)
    return found


def _samples(recording: perf.Recording, event: Array, leaf: Array, told: Said) -> pa.Table:
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
            "other_tid": pa.array(told.other_tid.astype(np.int32), mask=told.other_tid < 0),
            "detail": told.detail,
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
            **{name: number(name) for name in ("pid", "tid", "ppid")},  # the tid of a thread that was ending is -1
            **{name: text(name) for name in ("name", "command", "exe")},
            **{name: time(name) for name in ("start_ns", "end_ns")},
        }
    )


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
            not recording.without_time and not _has_monotonic_times(file)
        ),
    }
    return [text for text, holds in said.items() if holds]
