r"""The two kinds of lines that ``perf script`` prints, taken apart: heads of samples, and frames of their stacks.

    head   COMM WS [PID/]TID WS ["[" CPU "]" WS] [MODE WS] SECONDS ":" [WS [PERIOD WS] EVENT ":"] [WS FIELDS | WS frame]
    frame  WS ADDRESS SYMBOL["+0x" OFFSET] ["(" MODULE ")"]    inlined functions: MODULE is "inlined"

MODE, a letter, is the field ``misc``. COMM is printed as it is, so that a head may be read in more than one way;
Head.ambiguous tells. It is printed in 16 columns, to the right, where samples have no stacks; the number after it in 5.
Addresses in user code are offsets in a file, addresses of the process or of the symbol table, by perf's version: they
are not used.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TIME = re.compile(rb"(?<=\s)(\d{1,9}|[1-8]\d{9})\.(\d{9}|\d{6}):(?=\s)")  # as ns it fits 64 bits
_WHO = re.compile(rb"(?<!\S)(-?\d{1,9})(?:/(-?\d{1,9})\s*)?(?:\s+\[(\d{1,5})\])?(?:\s+[KUHGg])?\s*$")
_EVENT = re.compile(rb"\s*(?:(\d{1,19})\s+)?((?:raw )?\S+?):(?=\s|$)[ \t]*(.*)", re.DOTALL)
_NOTIME = re.compile(
    rb"(?<!\S)(-?\d{1,9})(?:/(-?\d{1,9})\s*)?\s(?:\s*\[(\d{1,5})\]\s)?(?:\s*(\d{1,19})\s)?\s*([^\s\d]\S*):[ \t]*$"
)
_NUMBER = re.compile(rb"\d+\.\d+$")
_FRAME = re.compile(rb"\s*([0-9a-fA-F]{1,16})\s+(\S.*)\)\s*$")
_OFFSET = re.compile(rb"\+0x([0-9a-f]{1,16})$")
_MODULE = re.compile(rb"(?:\+0x[0-9a-f]{1,16}|^\[unknown\]) \(| \((?=[/\[]|inlined$|anon)")
_NO_MODULE = re.compile(rb"\s+([0-9a-fA-F]{1,16})\s+(\S.*?)\s*$")
_SOURCE = re.compile(rb"\s+(\S.*?):(\d{1,9})(?: (\(inlined\)))?\s*$")
_BARE = re.compile(rb"(?<!\S)(-?\d{1,9})(?:/(-?\d{1,9})\s*)?()\s*$")
_JIT = re.compile(r"perf-\d+\.map$|^\[JIT\b|/jitted-[^/]*\.so$|^jitted-|JIT app cache")
_KERNEL = re.compile(r"^\[(?!vdso|vsyscall|vectors|heap|stack|anon|unknown|uprobes|JIT)|vmlinux$|\.ko(\.\w+)?$")
_KERNEL_FROM = 1 << 63
_LAST = re.compile(rb" \(")
COMM = 15
"""Bytes of a thread's name in the kernel, at most."""


class Head(NamedTuple):
    """A sample's first line. None where it does not say; ``period`` in the event's unit."""

    comm: bytes
    pid: int | None
    tid: int
    cpu: int | None
    time_ns: int | None
    period: int | None
    event: bytes
    fields: bytes  # what follows: fields of a tracepoint, or the only frame
    ambiguous: bool


class Frame(NamedTuple):
    """A frame's line. ``module`` None: not known; kind as in table ``frame``."""

    function: str
    module: str | None
    kind: str
    address: int | None
    byte_offset: int | None  # of inlined frames perf prints that of the function they are in
    printed: int  # the address as it stands there: frames inlined in each other have the same


class Source(NamedTuple):
    """A line of ``perf script -F +srcline``: where the frame before it is in the source."""

    file: str
    line: int
    inlined: bool  # so is the frame, which has no module then


def text(raw: bytes) -> str:
    """``raw`` as text; bytes that are no UTF-8 are shown as \\xNN."""
    return raw.decode("utf-8", "backslashreplace")


def head(line: bytes) -> Head | None:
    """``line`` as the first of a sample; None if it is none."""
    found: list[Head] = []
    for time in TIME.finditer(line):
        who = _WHO.search(line, max(0, time.start() - 64), time.start())
        what = _what(line, time.end()) if who else None
        if not who or not what:
            continue
        seconds, fraction = time.groups()
        time_ns = int(seconds) * 10**9 + int(fraction.ljust(9, b"0"))
        found.append(Head(*_who(line, who), time_ns, *what, ambiguous=False))
        if len(found) > 1:
            short = [one for one in found if len(one.comm) <= COMM]
            return (short or found)[-1]._replace(ambiguous=True)
    if not found and not line[:1].isspace() and (bare := _NOTIME.search(line)):
        period = int(bare[4]) if bare[4] else None
        return Head(*_who(line, bare), None, period, bare[5], b"", ambiguous=False)
    return found[0] if found else None


def bare(line: bytes) -> Head | None:
    """``line`` as the first of a sample, where perf was asked for neither times nor events; None if it is none."""
    found = None if line[:1].isspace() else _BARE.search(line[:128])
    return Head(*_who(line, found), None, None, b"samples", b"", ambiguous=False) if found else None


def _what(line: bytes, start: int) -> tuple[int | None, bytes, bytes] | None:
    """(period, event, fields) from what stands behind the time; None if that is no sample's."""
    event = _EVENT.match(line, start)
    if event and not event[2].startswith(b"PERF_RECORD_") and not _NUMBER.match(event[2]):
        return int(event[1]) if event[1] else None, event[2], event[3].rstrip()
    rest = b"" if event else line[start:].strip()  # perf was not asked for events
    return (None, b"samples", rest) if not event and (not rest or isinstance(frame(rest), Frame)) else None


def _who(line: bytes, found: re.Match[bytes]) -> tuple[bytes, int | None, int, int | None]:
    """(comm, pid, tid, cpu): comm without the one blank after it and those that fill the number's 5 columns."""
    first, second, cpu = found[1], found[2], found[3]
    comm = line[: found.start(1)]
    fill = max(0, 5 - len(first)) + 1
    comm = comm[:-fill] if comm.endswith(b" " * fill) else comm.rstrip()
    if len(comm) > COMM and comm.startswith(b" "):
        comm = comm.lstrip()
    pid, tid = (int(first), int(second)) if second else (None, int(first))
    return comm, pid, tid, int(cpu) if cpu else None


def frame(line: bytes) -> Frame | Source | None:
    """``line`` as one of a stack; None if it is none."""
    found = _FRAME.match(line)
    split = (_MODULE.search(found[2]) or _last(found[2])) if found else None
    if not found or not split:
        if source := _SOURCE.match(line):
            return Source(text(source[1]), int(source[2]), source[3] is not None)
        found = _NO_MODULE.match(line)
        return _made(found[2], "", int(found[1], 16)) if found else None
    return _made(found[2][: split.end() - 2], text(found[2][split.end() :]), int(found[1], 16))


def _made(symbol: bytes, module: str, address: int) -> Frame:
    offset = _OFFSET.search(symbol)
    name = text(symbol[: offset.start()] if offset else symbol) or "[unknown]"
    kind = _kind(module, address)
    return Frame(
        name,
        None if module in ("[unknown]", "inlined", "") else module,
        kind,
        address if kind in ("kernel", "jit") else None,
        int(offset[1], 16) if offset and kind != "inlined" else None,
        address,
    )


def _last(symbol: bytes) -> re.Match[bytes] | None:
    """The last `` (`` of a frame whose module begins as none does."""
    at = symbol.rfind(b" (")
    return _LAST.match(symbol, at) if at > 0 else None


def _kind(module: str, address: int) -> str:
    if module == "inlined":
        return "inlined"
    if _JIT.search(module):
        return "jit"
    if _KERNEL.search(module):
        return "kernel"
    if module in ("[unknown]", ""):
        return "kernel" if address >= _KERNEL_FROM else "unknown"
    return "user"
