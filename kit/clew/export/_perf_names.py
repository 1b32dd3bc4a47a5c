r"""Names of frames as FlameGraph's stackcollapse-perf.pl writes them, from lines of ``perf script``.

Rules, in their order: ``+0x1f`` at the end is cut off; a symbol that begins with ``(`` is no frame; ``a->b`` is b
inlined in a; ``[unknown]`` becomes the file's name in brackets; ``;`` becomes ``:``; what follows the first ``(`` is
cut off, but for ``(anonymous namespace)`` and Go's ``.(*T).m``; quotes are left out; of programs whose name begins
with java the ``L`` before a class with ``/``. Suffixes: ``_[i]`` inlined, ``_[k]`` kernel, ``_[j]`` compiled when run.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache

_OFFSET = re.compile(rb"\+0x[0-9a-f]+\Z")
_GO = re.compile(rb"\.\(.*\)\.")
_ARGUMENTS = re.compile(rb"\((?!anonymous namespace\)).*", re.DOTALL)
_QUOTES = bytes.maketrans(b"", b""), b"\"'"
_SYMBOL = re.compile(rb"\s*(\w+)\s*(.+)\Z", re.DOTALL)
_JIT = re.compile(rb"/tmp/perf-[0-9]+\.map")
_KERNEL = re.compile(rb"^\[|vmlinux\Z")
_NO_INLINE = re.compile(rb"perf-[0-9]+.map|kernel\.|\[[^\]]+\]")
_SYMBOL_OFFSET = re.compile(rb"(.+)\+0x([0-9a-f]+)\Z", re.DOTALL)
_DISCRIMINATOR = re.compile(rb" \(discriminator \S+\)")
_FAILED = (b"", b"??", b"??:??:0")


@dataclass(frozen=True)
class Style:
    """The script's options: what is added to names."""

    kernel: bool = False
    jit: bool = False
    addrs: bool = False
    inline: bool = False
    context: bool = False


def split(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """(address, symbol, module) of a frame's line; None if it is none.

    The symbol goes as far as the last `` (`` before the last ``)``, even where both belong to the module's name.
    """
    end = line.rfind(b")")
    start = line.rfind(b" (", 0, end) if end >= 0 else -1
    found = _SYMBOL.match(line, 0, start) if start >= 0 else None
    return (found[1], found[2], line[start + 2 : end]) if found else None


def names(line: bytes, style: Style, java: bool) -> list[bytes] | None:
    """Names of the frames of one line, from the outermost; None if it is no frame's line."""
    found = split(line)
    if found is None:
        return None
    if said := resolved(found, style):
        return [said]
    address, symbol, module = found
    symbol = _OFFSET.sub(b"", symbol)
    if symbol.startswith(b"("):
        return []
    parts = symbol.split(b"->")
    while parts and not parts[-1]:
        parts.pop()
    return [_name(part, number > 0, address, module, style, java) for number, part in enumerate(parts)]


def is_java(root: bytes) -> bool:
    """Whether ``root``, the name at the root of a stack, process and thread included, is of a Java program."""
    return root.startswith(b"java")


def resolved(found: tuple[bytes, bytes, bytes], style: Style) -> bytes | None:
    """The names of ``found``, one of split(), as addr2line has them; None if it is not asked, or does not know."""
    address, symbol, module = found
    if not style.inline or _NO_INLINE.search(module):
        return None
    said = inlined(address, symbol, module, style.context)
    return None if said in _FAILED else said


def tidy(name: bytes, java: bool = False) -> bytes:
    """``name`` without what is noise in a graph."""
    name = name.replace(b";", b":")
    if b"(" in name and not _GO.search(name):
        name = _ARGUMENTS.sub(b"", name, count=1)
    name = name.translate(*_QUOTES)
    return name[1:] if java and name.startswith(b"L") and b"/" in name else name


def unknown(module: bytes, address: bytes | None) -> bytes:
    """What a frame without symbol is called: its file, and its ``address`` if that is given."""
    base = b"unknown" if module == b"[unknown]" else module.rpartition(b"/")[2]
    return b"[%b <%b>]" % (base, address) if address is not None else b"[%b]" % base


def in_kernel(module: bytes) -> bool:
    """Whether the script takes ``module`` for one of the kernel: it does so of all in brackets, [vdso] as well."""
    return bool(_KERNEL.search(module)) and b"unknown" not in module


def _name(part: bytes, inner: bool, address: bytes, module: bytes, style: Style, java: bool) -> bytes:
    if part == b"[unknown]":
        part = unknown(module, address if style.addrs else None)
    name = tidy(part, java)
    if inner:
        return name if b"_[i]" in name else name + b"_[i]"
    if style.kernel and in_kernel(module):
        return name + b"_[k]"
    if style.jit and _JIT.search(module) and b"_[j]" not in name:
        return name + b"_[j]"
    return name


@cache
def inlined(address: bytes, symbol: bytes, module: bytes, context: bool) -> bytes:
    """What addr2line says of ``address``: functions from the outermost, joined by ``;``, with ``context`` file:line."""
    said = _run("addr2line", "-a", address, "-e", module, "-i", "-f", "-s", "-C").partition(b"\n")[2]
    offset = _SYMBOL_OFFSET.match(symbol)
    if b"??\n??:0" in said and offset:
        # perf before 6 prints addresses of the process, which are not the file's: begin at the symbol.
        start = re.search(rb"^([0-9a-f]+) . " + re.escape(offset[1]) + rb"$", _symbols(module), re.MULTILINE)
        if start:
            return inlined(b"0x%x" % (int(start[1], 16) + int(offset[2], 16)), b"", module, context)
    lines = [_DISCRIMINATOR.sub(b"", line, count=1) for line in said.split(b"\n")]
    pairs = list(zip(lines[0::2], lines[1::2], strict=False))
    return b";".join(function + b":" + place if context else function for function, place in reversed(pairs))


@cache
def _symbols(module: bytes) -> bytes:
    return _run("nm", module)


def _run(*command: str | bytes) -> bytes:
    try:
        return subprocess.run(command, capture_output=True, check=False).stdout
    except OSError:
        return b""
