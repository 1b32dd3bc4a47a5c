"""Fields of tracepoints: their formats as the kernel describes them, and the bytes of many samples decoded at once.

Formats are those of /sys/kernel/tracing/events/*/*/format. A recording carries them along, packed as trace-cmd does it
(trace-cmd.dat(5), version 6).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.native import perf

Array = NDArray[Any]
_MAGIC = b"\x17\x08\x44tracing"
_FIELD = re.compile(r"^\s*field:(.*?);\s*offset:(\d+);\s*size:(\d+);(?:\s*signed:(\d+);)?\s*$")
_COMMON = "common_"
_MOST_ELEMENTS = 32  # of an array that is shown
_LONGEST = 1 << 16  # bytes of a record


@dataclass(frozen=True)
class Field:
    """One field: ``kind`` is number, pointer, text (fixed size), dynamic (text elsewhere in the record) or relative."""

    name: str
    kind: str
    offset: int  # bytes from the start of the event's own bytes
    size: int
    signed: bool
    elements: int = 1


@dataclass(frozen=True)
class Format:
    """The layout of one event."""

    number: int
    name: str  # system:event
    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        """Bytes that every record of it has."""
        return max((field.offset + field.size for field in self.fields), default=0)


def formats_of(tracing: bytes | None) -> dict[int, Format]:
    """The formats by the events' numbers; those up to a break where the section is cut."""
    found: dict[int, Format] = {}
    if not tracing or not tracing.startswith(_MAGIC):
        return found
    at = tracing.find(b"\0", len(_MAGIC)) + 1 + 1 + 1 + 4  # version, byte order, size of long, size of a page
    try:
        for name in (b"header_page\0", b"header_event\0"):
            if tracing[at : at + len(name)] != name:
                return found
            size, at = _number(tracing, at + len(name), 8)
            at += size
        count, at = _number(tracing, at, 4)  # of ftrace's own events
        for _ in range(count):
            size, at = _number(tracing, at, 8)
            at += size
        systems, at = _number(tracing, at, 4)
        for _ in range(systems):
            end = tracing.index(b"\0", at)
            system = tracing[at:end].decode("utf-8", "backslashreplace")
            count, at = _number(tracing, end + 1, 4)
            for _ in range(count):
                size, at = _number(tracing, at, 8)
                made = format_of(system, tracing[at : at + size].decode("utf-8", "backslashreplace"))
                if made is not None:
                    found[made.number] = made
                at += size
    except ValueError:  # cut
        pass
    return found


def _number(data: bytes, at: int, size: int) -> tuple[int, int]:
    if at + size > len(data):
        raise ValueError("cut")
    return int.from_bytes(data[at : at + size], "little"), at + size


def format_of(system: str, text: str) -> Format | None:
    """The format that a ``format`` file describes; None if it names no event."""
    name, number = re.search(r"^name: (.+)$", text, re.MULTILINE), re.search(r"^ID: (\d+)$", text, re.MULTILINE)
    if not name or not number:
        return None
    made = (_field(*found.groups()) for line in text.splitlines() if (found := _FIELD.match(line)))
    fields = tuple(field for field in made if field is not None and not field.name.startswith(_COMMON))
    return Format(int(number[1]), f"{system}:{name[1]}", fields)


def _field(declared: str, offset: str, size: str, signed: str | None) -> Field | None:
    """None for what is no number and no text (bitmaps, dynamic arrays of numbers)."""
    name = re.sub(r"\[.*\]$", "", declared.split()[-1]) if declared.split() else ""
    kind, place, length, elements = "number", int(offset), int(size), 1
    is_text = re.search(r"\bchar\b(?!.*\*)", declared) is not None
    array = re.search(r"\[(\d*)\]$", declared)
    if "__data_loc" in declared or "__rel_loc" in declared:
        if not is_text or length != 4:
            return None
        kind = "dynamic" if "__data_loc" in declared else "relative"
        name = re.sub(r"\[\]", "", name)
    elif is_text and (array or length > 1):
        kind = "text"
    else:
        if array and array[1] and 0 < int(array[1]) <= _MOST_ELEMENTS and length % int(array[1]) == 0:
            elements = int(array[1])
        if not elements or length // elements not in (1, 2, 4, 8):
            return None
        kind = "pointer" if "*" in declared else "number"
        if length == 8 and re.match(r"(unsigned )?int \w+$", declared):  # a system call's argument, widened
            length, signed = 4, "0" if declared.startswith("unsigned") else "1"
    if not name or not length or place + length > _LONGEST:
        return None
    return Field(name, kind, place, length, signed == "1", elements)


def numbers(data: Array, at: Array, sizes: Array, layout: Format, names: Sequence[str]) -> dict[str, Array] | None:
    """The fields ``names`` as integers for each record; None if the format lacks one or a record is too short."""
    wanted = {field.name: field for field in layout.fields if field.name in names and field.kind == "number"}
    if set(wanted) != set(names) or (sizes < layout.size).any():
        return None
    rows = perf.gather(data, at, layout.size)
    return {name: _integers(rows, field)[:, 0].astype(np.int64) for name, field in wanted.items()}


def in_interrupt(data: Array, at: Array, sizes: Array) -> Array:
    """Whether each record was made by an interrupt, not by the thread that it interrupted.

    Bits of common_flags, the third byte of every record: 8 hard, 16 soft (Linux, include/linux/trace_events.h).
    """
    if (sizes < 4).any():
        return np.zeros(len(at), bool)
    flags = np.asarray(perf.gather(data, at, 4)[:, 2])
    interrupted: Array = (flags & 0x18) != 0
    return interrupted


def _integers(rows: Array, field: Field) -> Array:
    size = field.size // field.elements
    kind = np.dtype(f"<{'i' if field.signed else 'u'}{size}")
    return np.ascontiguousarray(rows[:, field.offset : field.offset + field.size]).view(kind)


def details(data: Array, at: Array, sizes: Array, layout: Format) -> pa.Array:
    """``name=value ...`` of each record, whose bytes are ``sizes`` from ``at`` on; NULL where it is too short."""
    whole = sizes >= layout.size
    at, sizes = at[whole].astype(np.uint64), sizes[whole].astype(np.uint64)
    rows = perf.gather(data, at, layout.size)
    parts: list[Any] = []
    for field in layout.fields:
        if field.kind == "text":
            value = _fixed_text(data, at, rows, field)
        elif field.kind in ("dynamic", "relative"):
            value = _dynamic_text(data, at, sizes, rows, field)
        else:
            value = _number_text(_integers(rows, field), field)
        parts += [pa.scalar(f"{' ' if parts else ''}{field.name}=", pa.large_string()), value]
    if not parts:
        return pa.nulls(len(whole), pa.string())
    joined = pc.binary_join_element_wise(*parts, pa.scalar("", pa.large_string())).cast(pa.string())
    places = np.cumsum(whole) - 1
    return joined if whole.all() else joined.take(pa.array(places, mask=~whole))


def _fixed_text(data: Array, at: Array, rows: Array, field: Field) -> pa.Array:
    zero = rows[:, field.offset : field.offset + field.size] == 0
    lengths = np.where(zero.any(axis=1), zero.argmax(axis=1), field.size)
    return _strings(data, at + np.uint64(field.offset), lengths)


def _dynamic_text(data: Array, at: Array, sizes: Array, rows: Array, field: Field) -> pa.Array:
    place = _integers(rows, Field(field.name, "number", field.offset, 4, signed=False))[:, 0].astype(np.uint64)
    begin, length = place & np.uint64(0xFFFF), place >> np.uint64(16)
    if field.kind == "relative":
        begin = begin + np.uint64(field.offset + field.size)
    inside = (begin + length <= sizes) & (length > 0)
    begin, length = np.where(inside, begin, 0), np.where(inside, length, 0)
    last = np.minimum(at + begin + np.maximum(length, 1) - 1, np.uint64(len(data) - 1))
    ended = inside & (data[last] == 0)  # its closing NUL is counted
    return _strings(data, at + begin, length - ended.astype(np.uint64))


def _strings(data: Array, at: Array, lengths: Array) -> pa.Array:
    text, ends = perf.texts(data, at, lengths)
    return pa.LargeStringArray.from_buffers(len(at), pa.py_buffer(ends), pa.py_buffer(text))


def _number_text(values: Array, field: Field) -> pa.Array:
    columns = [
        _hexadecimal(values[:, place])
        if field.kind == "pointer"
        else pa.array(values[:, place]).cast(pa.large_string())
        for place in range(field.elements)
    ]
    if len(columns) == 1:
        return columns[0]
    return pc.binary_join_element_wise(*columns, pa.scalar(",", pa.large_string()))


def _hexadecimal(values: Array) -> pa.Array:
    digits = np.ascontiguousarray(values, ">u8").tobytes().hex().encode()
    ends = np.arange(len(values) + 1, dtype=np.int64) * 16
    whole = pa.LargeStringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(digits))
    short = pc.utf8_ltrim(whole, characters="0")
    short = pc.if_else(pc.equal(short, ""), "0", short).cast(pa.large_string())
    return pc.binary_join_element_wise(pa.scalar("0x", pa.large_string()), short, pa.scalar("", pa.large_string()))
