"""Names of C++ as the C++ run-time library of this machine spells them."""

from __future__ import annotations

import ctypes
from functools import cache

_ANY = ctypes.c_void_p


@cache
def _functions() -> tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer] | None:
    """(__cxa_demangle, free); None where there is no C++ library: Arrow and DuckDB need one, too."""
    for name in ("libstdc++.so.6", "libc++abi.so.1"):
        try:
            spell = ctypes.CDLL(name).__cxa_demangle
        except (OSError, AttributeError):
            continue
        spell.restype, spell.argtypes = _ANY, [ctypes.c_char_p, _ANY, _ANY, ctypes.POINTER(ctypes.c_int)]
        free = ctypes.CDLL(None).free
        free.restype, free.argtypes = None, [_ANY]
        return spell, free
    return None


def cxx(mangled: bytes) -> str | None:
    """The declaration that an Itanium-mangled name stands for, parameters included; None if it is none."""
    functions = _functions()
    if functions is None or not mangled.startswith(b"_Z") or b"\0" in mangled:
        return None
    spell, free = functions
    status = ctypes.c_int()
    made = spell(mangled, None, None, ctypes.byref(status))
    if not made:
        return None
    try:
        return ctypes.string_at(made).decode("utf-8", "backslashreplace")
    finally:
        free(made)
