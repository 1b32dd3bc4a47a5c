"""Names that rustc mangled before v0: Itanium names whose last part is a hash."""

from __future__ import annotations

import re

_LEGACY = re.compile(rb"_?_ZN((?:[0-9]+[^0-9])[A-Za-z0-9_.$:]*)17h([0-9a-f]{16})E(?:\..*)?")
_NUMBER = re.compile(rb"[0-9]+")
_ESCAPES = {
    "C": ",", "SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")",
}  # fmt: skip
_ESCAPE = re.compile(r"\$(C|SP|BP|RF|LT|GT|LP|RP|u[0-9a-f]{1,6})\$|\.\.")


def legacy(name: bytes) -> str | None:
    """The path that an older name of Rust stands for, without its hash; None if it is none."""
    found = _LEGACY.fullmatch(name)
    if not found or len(set(found[2])) < 5:
        return None
    rest, parts = found[1], []
    while rest:
        count = _NUMBER.match(rest)
        if not count:
            return None
        end = count.end() + int(count[0])
        if end > len(rest) or end == count.end():
            return None
        parts.append(_unescaped(rest[count.end() : end].decode("ascii")))
        rest = rest[end:]
    return "::".join(parts)


def _unescaped(part: str) -> str:
    if part.startswith("_$"):
        part = part[1:]
    return _ESCAPE.sub(_escape, part)


def _escape(found: re.Match[str]) -> str:
    if found[0] == "..":
        return "::"
    if found[1] in _ESCAPES:
        return _ESCAPES[found[1]]
    value = int(found[1][1:], 16)
    return chr(value) if 0x20 <= value < 0x7F else found[0]
