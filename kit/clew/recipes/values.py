"""Types of parameters: how what a user wrote becomes a literal of bpftrace's language, or is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

_TIME = re.compile(r"(\d{1,9})(us|ms|s|m|h)?")
_UNITS = {"us": ("us", 1), "ms": ("ms", 1), "s": ("s", 1), "m": ("s", 60), "h": ("s", 3600)}
_COMM = 15  # bytes that the kernel keeps of a name
_TEXT = 63  # bytes that bpftrace keeps of a string


def _whole(value: str) -> str | None:
    """a whole number from 0 on"""
    return str(int(value)) if re.fullmatch(r"[0-9]{1,18}", value) else None


def _count(value: str) -> str | None:
    """a whole number from 1 on"""
    return str(int(value)) if re.fullmatch(r"[0-9]{1,9}", value) and int(value) > 0 else None


def _pid(value: str) -> str | None:
    """the number of a process or thread (0: every one)"""
    return str(int(value)) if re.fullmatch(r"[0-9]{1,10}", value) and int(value) < 1 << 31 else None


def _time(value: str) -> str | None:
    """a time such as 10s, 500ms or 20us"""
    found = _TIME.fullmatch(value.strip())
    if not found or int(found[1]) == 0:
        return None
    unit, factor = _UNITS[found[2] or "s"]
    return f"{unit}:{int(found[1]) * factor}"


def _name(value: str) -> str | None:
    """the name of a system call, such as close"""
    return value if re.fullmatch(r"[a-z_][a-z0-9_]{0,40}", value) else None


def _names(value: str) -> str | None:
    """names of system calls as a pattern, such as * or w*"""
    return value if re.fullmatch(r"[a-z0-9_*]{1,40}", value) else None


def _comm(value: str) -> str | None:
    """the kernel's name of a program or thread, up to 15 bytes ("": every one)"""
    return _quoted(value, _COMM)


def _text(value: str) -> str | None:
    """text of up to 63 bytes"""
    return _quoted(value, _TEXT)


def _quoted(value: str, longest: int) -> str | None:
    """In bpftrace's quotes, with octal escapes; ``*`` too, since a parameter may stand in the recipe's comment."""
    try:
        data = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    if len(data) > longest or 0 in data:
        return None
    plain = [chr(byte) if 32 <= byte < 127 and byte not in b'"\\*' else f"\\{byte:03o}" for byte in data]
    return '"' + "".join(plain) + '"'


TYPES: dict[str, Callable[[str], str | None]] = {
    "whole": _whole,
    "count": _count,
    "pid": _pid,
    "time": _time,
    "name": _name,
    "names": _names,
    "comm": _comm,
    "text": _text,
}
"""From text to literal by name of the type; None for what it does not take, which its docstring says."""
