"""What perf.data says before and after its records: events and their ids, build-ids, tracepoint formats.

Layout: tools/perf/Documentation/perf.data-file-format.txt of Linux. A file has sections; a stream (``perf record -o
-``) has records of types from 64 up with the same contents, anywhere between the others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.errors import ClewError
from clew.ingest.profiles._perf_packed import COMPRESSED, COMPRESSED2, unpack
from clew.ingest.profiles._perf_parts import joined, mapped, parts_of
from clew.native import perf

MAGIC, SWAPPED, OLD = b"PERFILE2", b"2ELIFREP", b"PERFFILE"

_FILE = struct.Struct("<8s8Q4Q")  # magic, size, attr size, three sections (offset, size), 256 bits of features
_STREAM_SIZE = 16
_SECTION = struct.Struct("<QQ")
_RECORD = struct.Struct("<IHH")
_ATTRIBUTE = struct.Struct("<IIQQQQQIIQQQQIi")  # struct perf_event_attr as far as clockid
_TRACING_DATA, _BUILD_ID, _RELEASE, _EVENT_DESC, _WAS_COMPRESSED = 1, 2, 4, 12, 27  # features
_ATTR, _TRACING, _BUILD, _UPDATE, _FEATURE = 64, 66, 67, 78, 80  # records
_UPDATE_NAME = 2

HARDWARE = (
    "cycles instructions cache-references cache-misses branches branch-misses bus-cycles stalled-cycles-frontend "
    "stalled-cycles-backend ref-cycles"
).split()
SOFTWARE = (
    "cpu-clock task-clock page-faults context-switches cpu-migrations minor-faults major-faults alignment-faults "
    "emulation-faults dummy bpf-output cgroup-switches"
).split()
TRACEPOINT = 2
"""Type of an event whose config is the number of a tracepoint."""

Array = NDArray[Any]


@dataclass
class PerfEvent:
    """One attribute with its ids and its name."""

    type: int
    config: int
    period: int  # of each sample that tells none; 1 where only a rate was asked for
    sample_type: int
    read_format: int
    flags: int
    branch_type: int
    regs_user: int
    clock: int | None  # clockid(7) of its times; None: the scheduler's clock
    ids: tuple[int, ...]
    name: str = ""

    @property
    def sample_id_all(self) -> bool:
        """Whether other records end with a time and an id."""
        return bool(self.flags >> 18 & 1)

    @property
    def inherited(self) -> bool:
        """Whether threads and processes that are started have the event too."""
        return bool(self.flags >> 1 & 1)

    @property
    def build_ids(self) -> bool:
        """Whether the kernel was asked for build-ids of what is mapped."""
        return bool(self.flags >> 34 & 1)


@dataclass
class PerfFile:
    """A file's headers, and its records in one stretch of bytes."""

    records: Array
    events: list[PerfEvent] = field(default_factory=list)
    build_ids: dict[str, str] = field(default_factory=dict)  # hexadecimal, by path
    release: str = ""  # of the kernel, as uname -r says it; "" where the file does not
    tracing: bytes | None = None
    compressed: bool = True  # records may be
    notes: list[str] = field(default_factory=list)
    ended: bool = True  # False: perf was stopped before it could write all of it, or the file was cut


class CutError(ValueError):
    """A section or record ends before what it should hold."""


class _Bytes:
    """Reads values one after the other; raises CutError behind the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise CutError
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def text(self) -> str:
        return _text(self.take(self.number(4)))


def open_perf(path: Path) -> PerfFile:
    """Headers and records of ``path``, a file or the folder that perf record --threads writes.

    Raises ClewError if it cannot be read or is not perf.data of this byte order.
    """
    first, *others = parts_of(path)
    data = mapped(first)
    magic = data[:8].tobytes()
    if magic != MAGIC:
        why = {SWAPPED: "is of a machine with the other byte order", OLD: "is of a perf older than Linux 3.0"}
        raise ClewError(f"{path} {why.get(magic, 'is no perf.data')}")
    try:
        if int.from_bytes(data[8:16].tobytes(), "little") == _STREAM_SIZE:
            found = PerfFile(data[_STREAM_SIZE:])
        else:
            found = _file(data)
        if found.compressed:
            _take_notes(found, stream=len(found.records) + _STREAM_SIZE == len(data))
    except CutError:
        raise ClewError(f"{path} is cut or broken in its headers") from None
    if not found.events:
        raise ClewError(f"{path} names no event: it is cut, or perf did not get to write it")
    if others:
        _add_parts(found, others)
    return found


def _add_parts(found: PerfFile, others: Sequence[Path]) -> None:
    """Records that stand in files of their own: a part that is cut must not keep the next one from being read."""
    records = [found.records[: perf.notes(found.records)[1]]]
    left = len(found.records) - len(records[0])
    for path in others:
        if not path.stat().st_size:
            continue
        part = PerfFile(mapped(path))
        if found.compressed:
            _take_notes(part, stream=False)
        records.append(part.records[: perf.notes(part.records)[1]])
        left += len(part.records) - len(records[-1])
        found.ended &= part.ended
        found.notes += part.notes
    if left:
        found.ended = False
        found.notes.append(f"{left} bytes at the ends of its parts are cut or broken and were not read")
    found.records = joined(records)


def _file(data: Array) -> PerfFile:
    header = data[: _FILE.size].tobytes()
    if len(header) < _FILE.size:
        raise CutError
    _, _, attribute_size, at, size, data_at, data_size, _, _, *features = _FILE.unpack(header)
    if attribute_size < _SECTION.size + 64 or at + size > len(data):
        raise CutError
    found = PerfFile(data[data_at : data_at + data_size] if data_size else data[data_at:])
    told = 0
    for begin in range(at, at + size - attribute_size + 1, attribute_size):
        attribute = data[begin : begin + attribute_size - _SECTION.size].tobytes()
        ids_at, ids_size = _SECTION.unpack(
            data[begin + attribute_size - _SECTION.size : begin + attribute_size].tobytes()
        )
        ids = _numbers(data[ids_at : ids_at + ids_size].tobytes())
        told += len(ids)
        if told * 8 > len(data):
            raise CutError
        found.events.append(_event(attribute, ids))
    if not data_size or data_at + data_size > len(data):
        found.ended = False
        found.notes.append("perf did not complete the file: names and build-ids that stand at its end are missing")
        return found
    numbers = [word * 64 + bit for word in range(4) for bit in range(64) if features[word] >> bit & 1]
    found.compressed = _WAS_COMPRESSED in numbers
    for place, feature in enumerate(numbers):
        begin = data_at + data_size + place * _SECTION.size
        section = data[begin : begin + _SECTION.size].tobytes()
        if len(section) < _SECTION.size:
            found.ended = False
            found.notes.append("the file is cut at its end: names and build-ids may be missing")
            break
        offset, length = _SECTION.unpack(section)
        _feature(found, feature, data[offset : offset + length].tobytes())
    return found


def _take_notes(found: PerfFile, *, stream: bool) -> None:
    """Read the records that speak of the file, and replace compressed records by what they hold."""
    noted, end = perf.notes(found.records)
    packed = []
    for note in noted[np.isin(noted["type"], [_ATTR, _TRACING, _BUILD, _UPDATE, _FEATURE, COMPRESSED, COMPRESSED2])]:
        at, kind, size = int(note["at"]), int(note["type"]), int(note["size"])
        if kind in (COMPRESSED, COMPRESSED2):
            packed.append((at, kind, size))
            continue
        if not stream:
            continue  # a file's sections say the same
        body = found.records[at + _RECORD.size : at + size].tobytes()
        if kind == _ATTR:
            length = int.from_bytes(body[4:8], "little") or 64
            found.events.append(_event(body[:length], _numbers(body[length:])))
        elif kind == _TRACING:
            length = int.from_bytes(body[:4], "little")
            found.tracing = found.records[at + size : at + size + length].tobytes()
        elif kind == _BUILD:
            _feature(found, _BUILD_ID, found.records[at : at + size].tobytes())
        elif kind == _FEATURE:
            _feature(found, int.from_bytes(body[:8], "little"), body[8:])
        elif kind == _UPDATE:
            _update(found, body)
    if packed:
        found.records, whole = unpack(found.records, packed, end)
        if not whole:
            found.ended = False
            found.notes.append("a compressed part of the file is broken: what follows it was not read")


def _event(attribute: bytes, ids: list[int]) -> PerfEvent:
    if len(attribute) < 64:
        raise CutError
    values = _ATTRIBUTE.unpack(attribute[: _ATTRIBUTE.size].ljust(_ATTRIBUTE.size, b"\0"))
    kind, _, config, period, sample_type, read_format, flags = values[:7]
    branch_type, regs_user, clock = values[11], values[12], values[14]
    return PerfEvent(
        kind,
        config,
        1 if flags >> 10 & 1 else max(period, 1),
        sample_type,
        read_format,
        flags,
        branch_type,
        regs_user,
        clock if flags >> 25 & 1 else None,
        tuple(ids),
        plain_name(kind, config) or f"type {kind} config {config:#x}",
    )


def _numbers(content: bytes) -> list[int]:
    whole: list[int] = np.frombuffer(content[: len(content) // 8 * 8], "<u8").tolist()
    return whole


def plain_name(kind: int, config: int) -> str:
    """The name of a generic event, whatever the recording calls it; "" for others."""
    names = {0: HARDWARE, 1: SOFTWARE}.get(kind, [])
    return names[config] if config < len(names) else ""


def _feature(found: PerfFile, feature: int, content: bytes) -> None:
    """Take what one section holds; one that is broken is told, and the rest is read."""
    try:
        if feature == _TRACING_DATA:
            found.tracing = content
        elif feature == _BUILD_ID:
            found.build_ids.update(_build_ids(content))
        elif feature == _RELEASE:
            found.release = _Bytes(content).text()
        elif feature == _EVENT_DESC:
            _names(found, _Bytes(content))
    except CutError:
        found.notes.append(f"section {feature} of the file is broken")


def _build_ids(content: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at + _RECORD.size + 28 <= len(content):
        _, misc, size = _RECORD.unpack_from(content, at)
        if size < _RECORD.size + 28 or at + size > len(content):
            raise CutError
        body = content[at + _RECORD.size : at + size]
        length = min(body[24], 20) if misc >> 15 & 1 else 20  # PERF_RECORD_MISC_BUILD_ID_SIZE
        if any(body[4 : 4 + length]):
            yield _text(body[28:]), body[4 : 4 + length].hex()
        at += size


def _names(found: PerfFile, content: _Bytes) -> None:
    count, size = content.number(4), content.number(4)
    by_id = {number: event for event in found.events for number in event.ids}
    for place in range(count):
        attribute, ids = content.take(size), content.number(4)
        name, numbers = content.text(), content.take(8 * ids)
        own = int.from_bytes(numbers[:8], "little")
        event = by_id.get(own) if ids else None
        if event is None and place < len(found.events) and found.events[place].config == _event(attribute, []).config:
            event = found.events[place]
        if event is not None and name:
            event.name = name


def _update(found: PerfFile, body: bytes) -> None:
    """PERF_RECORD_EVENT_UPDATE: type, id, value."""
    kind, number = int.from_bytes(body[:8], "little"), int.from_bytes(body[8:16], "little")
    for event in found.events:
        if kind == _UPDATE_NAME and number in event.ids:
            event.name = _text(body[16:]) or event.name


def _text(content: bytes) -> str:
    return content.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
