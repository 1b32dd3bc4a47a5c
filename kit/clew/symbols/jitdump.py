"""Functions that a program makes while it runs, as the file jit-PID.dump tells them (node --perf-prof, python -X
perf_jit, a Java agent): tools/perf/Documentation/jitdump-specification.txt of Linux.

Only which function lies where, and since when, is read. Code takes the place of other code: a sample is of the function
that lay there at its time. Where times cannot be compared, the last one has the memory.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

NAME = re.compile(r"(?:^|/)jit-[0-9]+\.dump$")
"""What such a file is called."""

_ORDERS = {b"DTiJ": "<", b"JiTD": ">"}
_LOAD, _MOVE = 0, 1
_HEADER, _WHOLE = 12, 40  # bytes of the header: up to its length; with the flags


def dump_name(pid: int) -> str:
    """The name of the file that process writes."""
    return f"jit-{pid}.dump"


def is_dump(head: bytes) -> bool:
    """Whether a file that begins so is one."""
    return head[:4] in _ORDERS


class Made(NamedTuple):
    """A function: where it lies, how many bytes it has, its name, and the time (ns) from which on it lies there."""

    start: int
    length: int
    name: bytes
    ts_ns: int


def functions(content: bytes) -> list[Made]:
    """The functions in ``content``, as they were written; what is cut or broken ends it."""
    data = memoryview(content)
    order = _ORDERS.get(bytes(data[:4]))
    if order is None or len(data) < _HEADER:
        return []
    record, load, move = (struct.Struct(order + form) for form in ("IIQ", "IIQQQQ", "IIQQQQQ"))
    found: list[Made] = []
    names: dict[int, bytes] = {}
    at = int(struct.unpack_from(order + "I", data, 8)[0])
    while _HEADER <= at <= len(data) - record.size:
        kind, size, ts_ns = record.unpack_from(data, at)
        if size < record.size or size > len(data) - at:
            break
        body = data[at + record.size : at + size]
        if kind == _LOAD and len(body) > load.size:
            _, _, _, start, length, index = load.unpack_from(body)
            names[index] = bytes(body[load.size : len(body) - min(length, len(body))]).split(b"\0", 1)[0]
            found.append(Made(start, length, names[index], ts_ns))
        elif kind == _MOVE and len(body) >= move.size:
            _, _, _, _, start, length, index = move.unpack_from(body)
            found.append(Made(start, length, names.get(index, b""), ts_ns))
        at += size
    return [one for one in found if one.name]


def has_monotonic_times(content: bytes) -> bool:
    """Whether the times are of CLOCK_MONOTONIC: the flag that says they are of the processor's own clock is not set."""
    order = _ORDERS.get(content[:4])
    return order is not None and len(content) >= _WHOLE and not struct.unpack_from(order + "Q", content, 32)[0] & 1
