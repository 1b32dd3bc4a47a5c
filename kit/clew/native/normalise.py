"""Names to group requests by, as libclew.so makes them (native/protocols/normalise.h)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache

from clew.native.library import load

ROOM = 1000
"""Bytes of a name, at most."""
_SIZE, _BOOL, _TEXT = ctypes.c_size_t, ctypes.c_bool, ctypes.c_char_p


class _Found(ctypes.Structure):
    """`struct clew_found`."""

    at: int
    size: int
    _fields_ = [("at", ctypes.c_uint64), ("size", ctypes.c_uint64)]


class _Word(ctypes.Structure):
    """`struct clew_word`."""

    _fields_ = [("text", _TEXT), ("size", _SIZE), ("cut", _BOOL)]


@cache
def _library() -> ctypes.CDLL:
    library = load()
    dialect, found = ctypes.c_uint32, ctypes.POINTER(_Found)
    for name, arguments in (
        ("clew_normalise_sql", [dialect, _TEXT, _SIZE, _BOOL, _TEXT, _SIZE, found]),
        ("clew_normalise_path", [_TEXT, _SIZE, _BOOL, _TEXT, _SIZE]),
        ("clew_normalise_key", [_TEXT, _SIZE, _BOOL, _TEXT, _SIZE]),
        ("clew_normalise_redis", [ctypes.POINTER(_Word), _SIZE, _TEXT, _SIZE, ctypes.POINTER(_BOOL)]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = _SIZE, arguments
    return library


def sql(text: bytes, *, mysql: bool = False, cut: bool = False, room: int = ROOM) -> tuple[str, str | None]:
    """(``text`` without literals, the W3C trace context of a comment in it, if any).

    ``mysql``: by its rules (double quotes make strings); ``cut``: the statement went on; ``room``: bytes of the name.
    """
    out, found = ctypes.create_string_buffer(room), _Found()
    size = _library().clew_normalise_sql(int(mysql), text, len(text), cut, out, room, ctypes.byref(found))
    trace = text[found.at : found.at + found.size].decode() if found.size else None
    return _read(out, size), trace


def path(text: bytes, *, cut: bool = False, room: int = ROOM) -> str:
    """A request target without query and ids: ``/item/17?x=1`` is ``/item/?``."""
    out = ctypes.create_string_buffer(room)
    return _read(out, _library().clew_normalise_path(text, len(text), cut, out, room))


def key(text: bytes, *, cut: bool = False, room: int = ROOM) -> str:
    """The pattern of a key: ``user:17`` is ``user:?``."""
    out = ctypes.create_string_buffer(room)
    return _read(out, _library().clew_normalise_key(text, len(text), cut, out, room))


def redis(words: Sequence[bytes], *, room: int = ROOM) -> tuple[str, bool]:
    """(name of a Redis command, whether its words are a secret)."""
    out, secret = ctypes.create_string_buffer(room), _BOOL()
    array = (_Word * len(words))(*[_Word(word, len(word), False) for word in words])
    size = _library().clew_normalise_redis(array, len(words), out, room, ctypes.byref(secret))
    return _read(out, size), secret.value


def _read(out: ctypes.Array[ctypes.c_char], size: int) -> str:
    return out.raw[:size].decode("utf-8", "replace")
