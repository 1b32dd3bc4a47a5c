"""Names of functions for people: C++ without its parameters and Rust without its hashes, as perf prints them."""

from __future__ import annotations

import re
from functools import lru_cache

from clew.native.demangle import cxx
from clew.symbols.rust import legacy
from clew.symbols.rust_v0 import v0

LONGEST = 4096  # bytes of a mangled name: longer ones stay as they are
_SPECIAL = re.compile(rb"_Z(?:T[A-Za-z]|G[A-Z])")
_QUALIFIERS = re.compile(rb"^[rVK]*[RO]?")
_NUMBER = re.compile(rb"[0-9]+")
_REFERENCE = re.compile(rb"S(?:[tabsiod]|[0-9A-Z]*_)|T(?:L[0-9]*_)?[0-9]*_|D[0-9TtpncahisudevofgxkKNOw]?|C[I0-9]?")
_SKIPPED = re.compile(rb"Ut[0-9]*_|A[0-9]*_")
_NTH = re.compile(rb"[0-9]*_")
_UNNAMED = re.compile(rb"Ut[0-9]*_")
_DEFAULT = re.compile(rb"d[0-9]*_")
_POINTERS = (b"P", b"R", b"O", b"K", b"V")
_VALUE = re.compile(rb"n?[0-9a-f]*E")
_OPERATOR = re.compile(
    rb"nw|na|dl|da|aw|ps|ng|ad|de|co|pl|mi|ml|dv|rm|an|or|eo|aS|pL|mI|mL|dV|rM|aN|oR|eO|ls|rs|lS|rS|eq|ne|lt|gt|le|ge|ss"
    rb"|nt|aa|oo|pp|mm|cm|pm|pt|cl|ix|qu|cv|li|v[0-9]"
)


@lru_cache(1 << 16)
def demangle(name: bytes) -> str:
    """``name`` demangled; as it stands, where it is not mangled. Bytes that are not UTF-8 become \\xNN."""
    if len(name) <= LONGEST:
        if name.startswith(b"_R"):
            found = v0(name)
        elif name.startswith((b"_Z", b"__Z")):
            found = legacy(name) or _cxx(name)
        else:
            found = None
        if found is not None:
            return found
    return name.decode("utf-8", "backslashreplace")


def _cxx(name: bytes) -> str | None:
    """The name of a C++ function: the part of the mangled name that says the parameters is left away."""
    if _SPECIAL.match(name):
        return cxx(name.partition(b".")[0]) or cxx(name)
    try:
        end = _end_of_name(name, 2)
    except RecursionError:  # nobody's name
        return None
    if end:
        found = cxx(_unqualified(name[:end]))
        if found is not None:
            return found
    for place in _ends(name):
        found = cxx(_unqualified(name[:place]))
        if found is not None:
            return found
    return None


def _unqualified(name: bytes) -> bytes:
    """Without the const, volatile, & and && of a member function, which stand before its name."""
    at = 2 if not name.startswith(b"_ZZ") else _closed(name, 2)
    if not at or name[at : at + 1] != b"N":
        return name
    return name[: at + 1] + _QUALIFIERS.sub(b"", name[at + 1 :])


def _ends(name: bytes) -> list[int]:
    """Where the name may end, before its parameters."""
    return [at + 1 for at in range(3, len(name)) if name[at : at + 1] == b"E"] + [len(name)]


def _end_of_name(name: bytes, at: int) -> int:
    """Where the name that begins at ``at`` ends; 0 if that is not clear. Reads no more of the grammar than needed."""
    here = name[at : at + 1]
    if here == b"N":
        return _closed(name, at)
    if here == b"Z":
        at = _closed(name, at)
        if not at:
            return 0
        if name[at : at + 1] == b"s":
            return at + 1
        if name[at : at + 1] == b"d":
            found = _DEFAULT.match(name, at)
            at = found.end() if found else at
        return _end_of_name(name, at)
    if here == b"U":
        found = _UNNAMED.match(name, at)
        if found:
            return found.end()
        return _closed(name, at)
    if name.startswith(b"St", at):
        at += 2
        here = name[at : at + 1]
    if here == b"L":
        at += 1
    found = _NUMBER.match(name, at)
    if found:
        at = found.end() + int(found[0][:9])
    else:
        found = _OPERATOR.match(name, at)
        if not found or found[0] in (b"cv",):
            return 0
        at = found.end()
        if found[0] == b"li":
            found = _NUMBER.match(name, at)
            if not found:
                return 0
            at = found.end() + int(found[0][:9])
    while name[at : at + 1] == b"B":
        found = _NUMBER.match(name, at + 1)
        if not found:
            return 0
        at = found.end() + int(found[0][:9])
    return _closed(name, at) if name[at : at + 1] == b"I" else min(at, len(name))


def _closed(name: bytes, at: int) -> int:
    """Behind the E that closes what opens at ``at``; 0 if none does."""
    inside, length = bytearray(), len(name)  # what is open, by the letters that opened it
    while at < length:
        one = name[at]
        if 0x30 <= one <= 0x39:
            at = _after_identifier(name, at)
        elif one in b"STDC":
            found = _REFERENCE.match(name, at)
            if found is None:
                return 0
            if found[0] in (b"DT", b"Dt", b"DO", b"Dw"):
                inside.append(one)
            at = found.end()
        elif one == 0x4C:  # L: a literal, or a name that other files do not see
            if name[at + 1 : at + 2].isdigit():
                at += 1
            elif name.startswith(b"L_Z", at):
                inside.append(one)
                at += 3
            else:
                at = _after_literal(name, at + 1)
                if not at:
                    return 0
        elif one == 0x45:
            opener = inside.pop()
            at += 1
            if opener == 0x55:  # the number of a lambda
                found = _NTH.match(name, at)
                at = found.end() if found else at
            if not inside:
                return at
        elif one in b"NIJFXZ":
            inside.append(one)
            at += 1
        elif one == 0x55 and name.startswith(b"Ul", at):
            inside.append(one)
            at += 2
        else:
            found = _SKIPPED.match(name, at) or (_OPERATOR.match(name, at) if inside[-1:] == b"N" else None)
            at = found.end() if found else at + 1
    return 0


def _after_identifier(name: bytes, at: int) -> int:
    """Behind the length at ``at`` and as many letters."""
    found = _NUMBER.match(name, at)
    return found.end() + int(found[0][:9]) if found else len(name)


def _after_literal(name: bytes, at: int) -> int:
    """Behind a literal whose type is at ``at``; 0 if it is not one."""
    while name[at : at + 1] in _POINTERS:
        at += 1
    if name[at : at + 1] == b"N":
        at = _closed(name, at)
    elif found := _REFERENCE.match(name, at):
        at = found.end()
    else:
        at += 1
    found = _VALUE.match(name, at) if at else None
    return found.end() if found else 0
