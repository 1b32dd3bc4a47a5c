"""Symbols in the text of /proc/kallsyms, by libclew.so (native/include/clew_kallsyms.h)."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.native.library import load

Array = NDArray[Any]


@cache
def _library() -> ctypes.CDLL:
    library, given = load(), [ctypes.c_void_p] * 4
    library.clew_kallsyms.restype = ctypes.c_int64
    library.clew_kallsyms.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64, *given, ctypes.c_int64]
    return library


def symbols(text: bytes, width: int) -> tuple[Array, Array, Array, Array]:
    """(address, where the name begins, where it ends, where the line ends) of the symbols in lines of ``text``.

    ``width``: digits of addresses, 1 to 16. Where a name ends before its line, a tab and a module's name follow.
    """
    lines = text.count(b"\n")
    start, places = np.empty(lines, np.uint64), [np.empty(lines, np.int64) for _ in range(3)]
    given = [start.ctypes.data, *(place.ctypes.data for place in places)]
    count = _library().clew_kallsyms(text, len(text), width, *given, lines)
    name_at, name_end, line_end = (place[:count] for place in places)
    return start[:count], name_at, name_end, line_end
