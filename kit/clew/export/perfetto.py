"""Spans as a trace that ui.perfetto.dev opens: TrackEvent messages, a track for each process and thread.

Format: protos/perfetto/trace/trace_packet.proto and track_event/track_event.proto; only the few fields that are named
below. Slices of one track must lie within one another: a span that overlaps others of its thread otherwise (event loops
work for many) goes to a track of its own beside them. A message is a flow, an arrow from the slice of who sent it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from clew.case import Case
from clew.export._spans import batches
from clew.lens import Lens

_BEGIN, _END = 1, 2
_SEQUENCE = 1
_QUERY = """
SELECT span_id, parent_span_id, request_id, host, pid, tid, command, kind, name, protocol, start_ns, end_ns, status,
       error, link_rule, confidence, summary,
       (SELECT list(cause_span_id) FROM link l WHERE l.span_id = one.span_id) AS causes
FROM one ORDER BY start_ns, end_ns DESC NULLS FIRST, span_id
"""


def perfetto(case: Case, lens: Lens, *, unredacted: bool = False) -> Iterator[bytes]:
    """The pieces of a trace file; ``unredacted``: with what was said, not names only."""
    rows = [
        row for table in batches(case, lens, _QUERY, "Perfetto", unredacted=unredacted) for row in table.to_pylist()
    ]
    rows.sort(key=lambda row: (row["start_ns"], -(row["end_ns"] or row["start_ns"]), row["span_id"]))
    called = {row["parent_span_id"] for row in rows if row["kind"] == "server"} | {
        cause for row in rows for cause in row["causes"] or ()
    }
    tracks = _Tracks()
    for row in rows:
        track = tracks.of(row)
        yield from tracks.take_new()
        event = _slice(row, track, called)
        end = row["start_ns"] if row["end_ns"] is None else row["end_ns"]
        yield _packet(row["start_ns"], 11, event)
        yield _packet(end, 11, _varint_field(9, _END) + _varint_field(11, track))


def _slice(row: dict[str, Any], track: int, called: set[int]) -> bytes:
    """A TrackEvent that begins a span."""
    known = {
        **{name: row[name] for name in ("kind", "protocol", "status", "link_rule", "confidence")},
        "said": row["summary"],
        "request": row["request_id"],
        "span": row["span_id"],
        "error": "yes" if row["error"] else None,
        "end": "not seen" if row["end_ns"] is None else None,
    }
    event = (
        _varint_field(9, _BEGIN)
        + _varint_field(11, track)
        + _text_field(23, row["name"])
        + _text_field(22, row["kind"])
    )
    for name, value in known.items():
        if value is not None:
            event += _bytes_field(4, _text_field(10, name) + _value(value))
    if row["span_id"] in called:
        event += _fixed_field(47, row["span_id"])
    if row["kind"] == "server" and row["parent_span_id"] is not None:
        event += _fixed_field(48, row["parent_span_id"])
    for cause in row["causes"] or ():
        event += _fixed_field(48, cause)
    return event


class _Tracks:
    """A track for each process, each of its threads, and each slice that would cross another one."""

    def __init__(self) -> None:
        self._processes: dict[tuple[Any, ...], int] = {}
        self._lanes: dict[tuple[Any, ...], list[tuple[int, list[int]]]] = {}
        self._new: list[bytes] = []
        self._last = 0

    def take_new(self) -> list[bytes]:
        """Packets that describe the tracks that were made since the last call."""
        new, self._new = self._new, []
        return new

    def of(self, row: dict[str, Any]) -> int:
        """The track for a span; spans must come by their begin, the longer of two first."""
        process, thread = (
            (row["host"], row["pid"], row["command"]),
            (row["host"], row["pid"], row["command"], row["tid"]),
        )
        if process not in self._processes:
            self._processes[process] = self._describe(self._process(row, process))
        lanes = self._lanes.setdefault(thread, [])
        start, end = row["start_ns"], row["start_ns"] if row["end_ns"] is None else row["end_ns"]
        for track, ends in lanes:
            while ends and ends[-1] <= start:
                ends.pop()
            if not ends or end <= ends[-1]:
                ends.append(end)
                return track
        name = f"thread {row['tid']}" if row["tid"] is not None else "spans"
        if not lanes and row["pid"] is not None and row["tid"] is not None:
            about = _varint_field(1, row["pid"]) + _varint_field(2, row["tid"]) + _text_field(5, row["command"])
            track = self._describe(_varint_field(5, self._processes[process]) + _bytes_field(4, about))
        else:
            shown = name if not lanes else f"{name}, at the same time {len(lanes)}"
            track = self._describe(_varint_field(5, self._processes[process]) + _text_field(2, shown))
        lanes.append((track, [end]))
        return track

    def _process(self, row: dict[str, Any], process: tuple[Any, ...]) -> bytes:
        """Processes of different hosts may have the same pid, which Perfetto takes for one process."""
        same_pid = any(other[1] == row["pid"] for other in self._processes if other != process)
        if row["pid"] is None or same_pid:
            return _text_field(2, f"{row['command']} on {row['host']}")
        return _bytes_field(3, _varint_field(1, row["pid"]) + _text_field(6, row["command"]))

    def _describe(self, about: bytes) -> int:
        self._last += 1
        self._new.append(_packet(None, 60, _varint_field(1, self._last) + about))
        return self._last


def _packet(at_ns: int | None, number: int, body: bytes) -> bytes:
    """A TracePacket with that message, as a field of the Trace."""
    packet = b"" if at_ns is None else _varint_field(8, at_ns)
    packet += _varint_field(10, _SEQUENCE) + _bytes_field(number, body)
    return _bytes_field(1, packet)


def _value(value: str | int | float) -> bytes:
    if isinstance(value, str):
        return _text_field(6, value)
    return _varint_field(3, value) if isinstance(value, int) else _varint(5 << 3 | 1) + struct.pack("<d", value)


def _varint(value: int) -> bytes:
    """Protocol buffers' variable-length form of a number; negative ones as 64-bit two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _fixed_field(number: int, value: int) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<Q", value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _text_field(number: int, value: str) -> bytes:
    return _bytes_field(number, value.encode("utf-8", "replace"))
