"""Numbers for people: durations, sizes and counts in the unit that fits."""

from __future__ import annotations


def duration(ns: int | float) -> str:
    """``ns`` nanoseconds, four figures: 1.234 ms."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(ns) >= size:
            return f"{ns / size:.4g} {unit}"
    return f"{ns:.4g} ns"


def size(count: int | float) -> str:
    """``count`` bytes in powers of 1024: 1.5 MiB."""
    for unit, step in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if abs(count) >= step:
            return f"{count / step:.4g} {unit}"
    return f"{count:.4g} B"


def number(count: int | float) -> str:
    """``count`` with thousands apart: 1,234,567; fractions with four figures, from 1,000 on with thousandths."""
    if count == count // 1:
        return f"{int(count):,}"
    return f"{count:,.4g}" if abs(count) < 1000 else f"{count:,.3f}".rstrip("0").rstrip(".")


def shape_name(shape_id: int) -> str:
    """What a shape is called, since its number is too long to read or type: its last six hexadecimal digits."""
    return f"#{shape_id & 0xFFFFFF:06x}" if shape_id > 0xFFFF else f"#{shape_id:x}"


def printable(text: str) -> str:
    """``text`` with every control character (and lone surrogate) shown as \\xNN or \\uNNNN.

    Nothing in it can move a terminal.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
