"""Keys of bpftrace's maps taken apart: they are printed as one text, joined by commas, stacks as lines within it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from clew.recipes.script import Map

_STACK = r"\n(?:[ \t][^\n]*\n)*"
_NUMBER = r"-?(?:0x[0-9a-fA-F]+|\d+)"
_WHOLE = re.compile(r"pid|tid|cpu|uid|gid|nsecs|elapsed|cgroup|numaid|cpid|arg\d|retval|\d+|args(?:->|\.)\w+")
_STACKS = re.compile(r"[uk]stack\b")
_FOUND_STACK = re.compile(rf"(?:^|(?<=,))(?:{_STACK[:-1]}+)(?:$|(?=,))")
_PERF = re.compile(r"\s*([0-9a-f]{1,16}) (?:(.*)\+(\d{1,19})|(.*?))(?: \((.*)\))?")
_PLAIN = re.compile(r"\s*(.*)\+(\d{1,19})")
_ADDRESS = re.compile(r"\s*0x([0-9a-f]{1,16})")
_KERNEL = 1 << 63
"""Addresses from here on are the kernel's: on x86-64 and aarch64 it has the upper half."""


@dataclass(frozen=True)
class Keys:
    """The keys of one entry: those that are text or numbers, and the stacks among them as printed."""

    texts: tuple[str, ...]
    stacks: tuple[tuple[str, str], ...]  # (key expression or "", lines)
    named: tuple[tuple[str, str], ...]  # (key expression, text) where the script says what the keys are

    def get(self, expression: str) -> str | None:
        """The key written as ``expression`` (tid) in the script; None if there is none."""
        return dict(self.named).get(expression)


class Splitter:
    """Takes the keys of one map apart, each distinct text once."""

    def __init__(self, form: Map | None) -> None:
        self._expressions = form.keys if form else ()
        self._pattern = re.compile(_pattern_of(self._expressions), re.DOTALL) if self._expressions else None
        self._known: dict[str, Keys] = {}

    def split(self, text: str) -> Keys:
        """The keys that were joined to ``text``; where the script does not tell, a comma ends a key."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._split(text)
        return known

    def _split(self, text: str) -> Keys:
        found = self._pattern.fullmatch(text) if self._pattern else None
        if found is None:
            stacks = tuple(("", part) for part in _FOUND_STACK.findall(text))
            rest = _FOUND_STACK.sub("\0", text).split(",")
            return Keys(tuple(part for part in rest if part != "\0"), stacks, ())
        pairs = list(zip(self._expressions, found.groups(), strict=True))
        texts = tuple(part for expression, part in pairs if not _STACKS.match(expression))
        return Keys(texts, tuple(pair for pair in pairs if _STACKS.match(pair[0])), tuple(pairs))


def _pattern_of(expressions: tuple[str, ...]) -> str:
    """Numbers and stacks hold no comma that could mislead; what is left between them is text, commas included."""
    parts = []
    for place, expression in enumerate(expressions):
        if _STACKS.match(expression):
            parts.append(f"((?:{_STACK})?)")
        elif _WHOLE.fullmatch(expression):
            parts.append(f"({_NUMBER})")
        else:
            parts.append("(.*)" if place == len(expressions) - 1 else "(.*?)")
    return ",".join(parts)


class Line(NamedTuple):
    """One frame of a stack as printed. ``place``: where in the process's memory, if no symbol was found for it."""

    function: str
    module: str | None = None
    kind: str = "user"
    address: int | None = None
    byte_offset: int | None = None
    place: int | None = None


def lines_of(stacks: tuple[tuple[str, str], ...]) -> list[Line]:
    """The frames of stacks as printed (innermost first), from the outermost; those of the kernel are the innermost."""
    in_order = sorted(stacks, key=lambda stack: stack[0].startswith("kstack"))
    return [
        _line(line, expression)
        for expression, lines in in_order
        for line in reversed(lines.splitlines())
        if line.strip()
    ]


def folded(stacks: tuple[tuple[str, str], ...]) -> str:
    """The functions of stacks as printed, from the outermost, joined by ``;``."""
    return ";".join(line.function for line in lines_of(stacks))


def _line(line: str, expression: str) -> Line:
    """One line: ``name+7``, ``0x1234``, or in perf's form ``1234 name+7 (module)``."""
    kernel = expression.startswith("kstack")
    if line.startswith("\t") and (found := _PERF.fullmatch(line)):
        address, name, offset, module = int(found[1], 16), found[2] or found[4], found[3], found[5]
        kernel = kernel or address >= _KERNEL
        if name.startswith("0x") and offset is None:
            return _unknown(address, kernel, module)
        module = "[kernel.kallsyms]" if kernel and module is None else _known(module)
        return Line(name, module, "kernel" if kernel else "user", address if kernel else None, _number(offset))
    if found := _ADDRESS.fullmatch(line):
        return _unknown(int(found[1], 16), kernel or int(found[1], 16) >= _KERNEL, None)
    found = _PLAIN.fullmatch(line)
    name, offset = (found[1], found[2]) if found else (line.strip(), None)
    kind = "kernel" if kernel else "user" if expression else "unknown"
    return Line(name, "[kernel.kallsyms]" if kernel else None, kind, None, _number(offset))


def _unknown(address: int, kernel: bool, module: str | None) -> Line:
    """A place without a symbol. Its address is that in the process, which no symbol table counts by: kernel only."""
    if kernel:
        return Line("[unknown]", _known(module), "kernel", address)
    return Line("[unknown]", _known(module), "unknown", place=address)


def _known(module: str | None) -> str | None:
    return None if module in (None, "", "[unknown]") else module


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
