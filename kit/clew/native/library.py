"""Finds and loads libclew.so, and checks that it speaks the version of the formats that this code does."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from clew.errors import ClewError

ABI = 4
"""CLEW_ABI of native/include/clew_record.h."""

_U32 = ctypes.c_uint32
_U64 = ctypes.c_uint64
OP_LIMIT = 128
"""CLEW_OP_LIMIT of it: every operation's number is below."""
_TEXT = ctypes.c_char_p
_ANY = ctypes.c_void_p


class ArenaOptions(ctypes.Structure):
    """`struct clew_arena_options` of native/reader/reader.h."""

    _fields_ = [
        *(
            (name, _U32)
            for name in ("slots", "conns", "ring_size", "payload_head", "payload_tail", "on_full", "mode", "wakeups")
        ),
        ("sample_ns", _U64),
        ("stack_every", _U32 * OP_LIMIT),
    ]


class DrainStats(ctypes.Structure):
    """`struct clew_drain_stats`: totals of a capture so far; `fill` is per mille of the fullest ring at this pass."""

    records: int
    bytes: int
    lost: int
    lost_no_slot: int
    lost_threads: int
    waits: int
    broken: int
    processes: int
    threads: int
    live_threads: int
    live_processes: int
    fill: int
    segments: int
    unseen: int
    other_user: int

    _fields_ = [
        *(
            (name, _U64)
            for name in (
                "records",
                "bytes",
                "lost",
                "lost_no_slot",
                "lost_threads",
                "waits",
                "broken",
                "processes",
                "threads",
            )
        ),
        *((name, _U32) for name in ("live_threads", "live_processes", "fill", "segments", "unseen", "other_user")),
    ]


class Columns(ctypes.Structure):
    """`struct clew_columns`: where the decoder puts one entry per record."""

    _fields_ = [
        (name, _ANY)
        for name in (
            *("serial", "begin", "ticks", "conn_id", "offset", "data_at", "result", "pid"),
            *("tid", "seq", "head", "fd", "op", "flags", "error", "tail"),
        )
    ]


class Decoded(ctypes.Structure):
    """`struct clew_decoded`: how far a call of the decoder came."""

    _fields_ = [
        *((name, _U64) for name in ("records", "notes", "next_offset", "skipped", "pending", "need_records")),
        *((name, _U32) for name in ("complete", "zero")),
    ]


_STATS = ctypes.POINTER(DrainStats)
_GATHER = [_ANY, _U64, _ANY, _ANY, _U64, _ANY, _U64, _ANY]
_INTERFACE: dict[str, tuple[type, Sequence[type]]] = {
    "clew_pause": (type(None), []),
    "clew_resume": (type(None), []),
    "clew_recording": (ctypes.c_int, []),
    "clew_runtime_of": (_U32, [_TEXT, _TEXT, _U32]),
    "clew_arena_create": (ctypes.c_int, [_TEXT, ctypes.POINTER(ArenaOptions)]),
    "clew_arena_set_mode": (ctypes.c_int, [_TEXT, _U32]),
    "clew_arena_mode": (ctypes.c_int, [_TEXT]),
    "clew_drain_open": (ctypes.c_int, [_TEXT, _TEXT, ctypes.POINTER(_ANY)]),
    "clew_drain": (ctypes.c_int, [_ANY, _U64, _STATS]),
    "clew_drain_for": (ctypes.c_int, [_ANY, _U32, ctypes.c_int, _STATS]),
    "clew_drain_settle": (ctypes.c_int, [_ANY, _STATS]),
    "clew_drain_again": (type(None), [_ANY]),
    "clew_drain_pids": (ctypes.c_int, [_ANY, _ANY, _U32]),
    "clew_drain_unseen": (ctypes.c_int, [_ANY, _U32, _U32, _TEXT]),
    "clew_drain_close": (ctypes.c_int, [_ANY, ctypes.c_int, _STATS]),
    "clew_recover": (ctypes.c_int, [_TEXT, _TEXT, _STATS]),
    "clew_decode": (
        ctypes.c_int,
        [_ANY, _U64, _U64, _U64, ctypes.POINTER(Columns), _U64, _ANY, _U64, ctypes.POINTER(Decoded)],
    ),
    "clew_gather": (ctypes.c_int, _GATHER),
    "clew_gather_text": (ctypes.c_int, _GATHER),
    "clew_gather_addresses": (ctypes.c_int, _GATHER),
    "clew_expand": (
        ctypes.c_int64,
        [_ANY, _U64, ctypes.POINTER(Columns), _U64, _U64, _U32, _ANY, _U64, ctypes.POINTER(_U64)],
    ),
}


def library_path() -> Path:
    """Where libclew.so is: $CLEW_LIBRARY, else beside the package. Raises ClewError if it was not built."""
    named = os.environ.get("CLEW_LIBRARY")
    path = Path(named) if named else Path(str(resources.files("clew._native").joinpath("libclew.so")))
    if not path.is_file():
        what = f"CLEW_LIBRARY names {path}, which is no file" if named else "libclew.so was not built"
        raise ClewError(f"{what}; `make native` (or `pip install .`) builds it", exit_code=1)
    return path.resolve()


@cache
def load() -> ctypes.CDLL:
    """The library, its functions typed. Raises ClewError if it is missing or of another version."""
    path = library_path()
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "clew_abi"):  # else this process is recorded itself: by that copy, wherever it is
            library = ctypes.CDLL(str(path), use_errno=True)
        library.clew_abi.restype = _U32
        abi = library.clew_abi()
        if abi != ABI:
            raise ClewError(f"{path} is of version {abi}, this clew needs {ABI}: `make native` builds it again", 1)
        for name, (result, arguments) in _INTERFACE.items():
            function = getattr(library, name)
            function.restype = None if result is type(None) else result
            function.argtypes = arguments
    except (OSError, AttributeError) as error:
        raise ClewError(f"{path} cannot be used: {error}; `make native` builds it again", exit_code=1) from None
    return library


class DiskFullError(ClewError):
    """There is no room, or no quota, at the moment."""


def check(result: int, what: str) -> int:
    """`result` of a C function; raises ClewError (exit code 1) if it is a negative errno; DiskFullError."""
    if result in (-errno.ENOSPC, -errno.EDQUOT):
        raise DiskFullError(f"{what}: {os.strerror(-result)}", exit_code=1)
    if result < 0:
        raise ClewError(f"{what}: {os.strerror(-result)}", exit_code=1)
    return result


def pause() -> None:
    """Stop counting and tracing this process. Nothing happens where it is not being recorded."""
    load().clew_pause()


def resume() -> None:
    """Count and trace this process again, as far as the recorder asks for it."""
    load().clew_resume()


def runtime_of(program: str) -> str:
    """The library that must stand before ours in LD_PRELOAD if ``program`` is to start (a sanitizer's), or ""."""
    name = ctypes.create_string_buffer(256)
    load().clew_runtime_of(os.fsencode(program), name, len(name))
    return os.fsdecode(name.value)


def is_recording() -> bool:
    """Whether calls of this thread are being counted or traced right now."""
    return bool(load().clew_recording())
