"""Functions that a program makes while it runs, as the file jit-PID.dump tells them (node --perf-prof, python -X
perf_jit, a Java agent): tools/perf/Documentation/jitdump-specification.txt of Linux.

Only which function lies where is read. Where code took the place of other code, the last one has the memory, whenever
the sample was taken; `perf inject --jit` makes a perf.data that knows the times, too.
"""

from __future__ import annotations

import re
import struct

NAME = re.compile(r"(?:^|/)jit-[0-9]+\.dump$")
"""What such a file is called."""

_ORDERS = {b"DTiJ": "<", b"JiTD": ">"}
_LOAD, _MOVE = 0, 1
_HEADER, _RECORD = 12, 16  # bytes: up to the length of the header; id, length, time of a record


def is_dump(head: bytes) -> bool:
    """Whether a file that begins so is one."""
    return head[:4] in _ORDERS


def functions(content: bytes) -> list[tuple[int, int, bytes]]:
    """(address, bytes, name) of each function, as they were written; what is cut or broken ends it."""
    data = memoryview(content)
    order = _ORDERS.get(bytes(data[:4]))
    if order is None or len(data) < _HEADER:
        return []
    record, load, move = (struct.Struct(order + form) for form in ("IIQ", "IIQQQQ", "IIQQQQQ"))
    found: list[tuple[int, int, bytes]] = []
    names: dict[int, bytes] = {}
    at = int(struct.unpack_from(order + "I", data, 8)[0])
    while _HEADER <= at <= len(data) - record.size:
        kind, size, _ = record.unpack_from(data, at)
        if size < record.size or size > len(data) - at:
            break
        body = data[at + record.size : at + size]
        if kind == _LOAD and len(body) > load.size:
            _, _, _, start, length, index = load.unpack_from(body)
            names[index] = bytes(body[load.size : len(body) - min(length, len(body))]).split(b"\0", 1)[0]
            found.append((start, length, names[index]))
        elif kind == _MOVE and len(body) >= move.size:
            _, _, _, _, start, length, index = move.unpack_from(body)
            found.append((start, length, names.get(index, b"")))
        at += size
    return [(start, length, name) for start, length, name in found if name]
