"""How wrong the time of day may be, as the kernel keeps it for NTP: adjtimex(2)."""

from __future__ import annotations

import ctypes
import struct

_MAXERROR, _STATUS = 24, 40  # in struct timex of 64-bit Linux: long maxerror (µs), int status
_UNSYNC = 0x40  # STA_UNSYNC
_ERROR = 5  # TIME_ERROR: the clock is not synchronised


def wall_error_ns() -> int | None:
    """ns by which the wall clock is off at most; None where nothing keeps it right, or the kernel does not say."""
    data = ctypes.create_string_buffer(512)  # modes = 0: only asked; larger than any struct timex
    try:
        state = ctypes.CDLL(None).adjtimex(data)
    except (OSError, AttributeError):
        return None
    status: int = struct.unpack_from("<i", data, _STATUS)[0]
    if state < 0 or state == _ERROR or status & _UNSYNC or struct.calcsize("P") != 8:
        return None
    return int(struct.unpack_from("<q", data, _MAXERROR)[0]) * 1000
