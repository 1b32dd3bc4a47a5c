r"""A frame as gdb prints it, taken apart.

    #N  [0xADDRESS in ] FUNCTION (ARGUMENTS) [at FILE:LINE | from LIBRARY]
    #N  <signal handler called>

FUNCTION may hold blanks and parentheses (``std::function<int (int)>::operator()(int) const``), ARGUMENTS strings with
anything in them. So the arguments are the first group in balanced parentheses after a blank that stands where the frame
ends, or ``at`` or ``from`` follows. A frame has no address if the one before it was inlined into it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

FRAME = re.compile(r"#(\d{1,9})\s+(?:(0x[0-9a-fA-F]{1,16}) in )?(\S.*)$", re.DOTALL)
"""Number, address and the rest."""
_PLACE = re.compile(r"(.+):(\d{1,9})$", re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"|\'(?:[^\'\\]|\\[0-7]{1,3}|\\.)\'', re.DOTALL)
_STEP = re.compile(r"[()\"']")
_TRIES = 64  # groups that are looked at, so that a hostile line costs no more than its length


class GdbFrame(NamedTuple):
    """A frame; None where gdb does not say."""

    number: int
    has_address: bool
    function: str
    module: str | None
    file: str | None
    line: int | None


def gdb_frame(text: str) -> GdbFrame | None:
    """``text``, one line, as a frame; None if it is none."""
    found = FRAME.match(text)
    if found is None:
        return None
    function, rest = _split(found[3].rstrip())
    module = file = line = None
    if rest.startswith(" from "):
        module = rest[6:]
    elif place := _PLACE.match(rest[4:]):
        file, line = place[1], int(place[2])
    name = "[unknown]" if function in ("??", "") else function
    return GdbFrame(int(found[1]), found[2] is not None, name, module, file, line)


def is_open(text: str) -> bool:
    """Whether a frame goes on in the next line: a parenthesis is open."""
    start = text.find(" (")
    return start >= 0 and _end(text, start + 1) < 0 and not _split(text)[1]


def _split(text: str) -> tuple[str, str]:
    """(function, what follows the arguments)."""
    start = -1
    for _ in range(_TRIES):
        start = text.find(" (", start + 1)
        if start < 0:
            break
        end = _end(text, start + 1)
        rest = text[end:] if end >= 0 else ""
        if end >= 0 and (not rest or rest.startswith((" at ", " from "))):
            return text[:start], rest
    return text, ""


def _end(text: str, start: int) -> int:
    """Where the group that opens at ``start`` has ended; -1 if it does not."""
    depth, at = 0, start
    while found := _STEP.search(text, at):
        sign, at = found[0], found.end()
        if sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth == 0:
                return at
        elif quoted := _QUOTED.match(text, found.start()):
            at = quoted.end()
    return -1
