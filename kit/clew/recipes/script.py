"""What the text of a bpftrace script says of its maps: how many keys each has, what is kept in it, who empties it.

bpftrace's output does not: keys come joined by commas, unescaped, and a count looks like a sum.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AGGREGATIONS = ("count", "sum", "avg", "min", "max", "stats", "hist", "lhist")
_QUIET = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_MAP = re.compile(r"@\w*")
_KIND = re.compile(r"\s*=\s*(\w+)\s*\(")
_EMPTIED = re.compile(r"\b(?:clear|zero)\s*\(\s*(@\w*)\s*\)")
_NAMED = re.compile(r"[$@](pid|tid|comm|cpu|[uk]stack)\b.*", re.DOTALL)
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class Map:
    """One map of a script.

    ``keys``: its key expressions as written, () for none; a variable or map that is called like a builtin (``$tid``,
    ``@ustack[tid]``) is taken for what its name says. ``kind``: one of AGGREGATIONS, or "value". ``emptied``: the
    script clears it, so that each printing stands for itself.
    """

    keys: tuple[str, ...] = ()
    kind: str = "value"
    emptied: bool = False


def maps_of(text: str) -> dict[str, Map]:
    """The maps that ``text`` uses, by name ("@" is the one without a name). A text that is no script has none."""
    plain = _QUIET.sub(_blank, text)
    keys, kinds = dict[str, tuple[str, ...]](), dict[str, str]()
    for found in _MAP.finditer(plain):
        name, end = found.group(), found.end()
        parts: tuple[str, ...] = ()
        if plain[end : end + 1] == "[":
            parts, end = _arguments(plain, text, end)
        keys[name] = keys.get(name) or parts  # print(@calls) names a map without its keys
        aggregation = _KIND.match(plain, end)
        if aggregation and aggregation[1] in AGGREGATIONS:
            kinds[name] = aggregation[1]
    emptied = set(_EMPTIED.findall(plain))
    return {name: Map(parts, kinds.get(name, "value"), name in emptied) for name, parts in keys.items()}


def _blank(found: re.Match[str]) -> str:
    """What is said in strings and comments is no code; its length stays, so that places in the text stay."""
    return " " * len(found.group())


def _arguments(plain: str, text: str, start: int) -> tuple[tuple[str, ...], int]:
    """What stands between the bracket at ``start`` and its end, split at the commas between them; and where it ends."""
    depth, parts, begin = 0, list[str](), start + 1
    for place in range(start, len(plain)):
        letter = plain[place]
        if letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
            if depth == 0:
                parts.append(text[begin:place])
                return tuple(_NAMED.sub(r"\1", part.strip()) for part in parts), place + 1
        elif letter == "," and depth == 1:
            parts.append(text[begin:place])
            begin = place + 1
    return (), len(plain)
