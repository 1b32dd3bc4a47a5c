"""Functions of the kernel and its modules: /proc/kallsyms, as it is or as it was kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.errors import ClewError

Array = NDArray[Any]
KERNEL = "[kernel.kallsyms]"
KALLSYMS = "kallsyms"
_PROC = Path("/proc/kallsyms")
_PAGE = np.uint64(4096)
_HEX = np.full(256, 255, np.uint8)
_HEX[np.frombuffer(b"0123456789abcdefABCDEF", np.uint8)] = [*range(16), *range(10, 16)]


@dataclass(frozen=True)
class Kernel:
    """Symbols by address: ``end`` exclusive, ``name_at`` and ``name_end`` in ``text``.

    ``module`` is an index into ``modules``, whose first is the kernel itself.
    """

    start: Array
    end: Array
    name_at: Array
    name_end: Array
    module: Array
    modules: list[str]
    text: bytes

    def name(self, row: int) -> str:
        """The name of a symbol."""
        return self.text[self.name_at[row] : self.name_end[row]].decode("utf-8", "backslashreplace")

    def lookup(self, addresses: Array) -> Array:
        """The row that each address (u64) lies in; -1 where none does."""
        if not len(self.start):
            return np.full(len(addresses), -1)
        row = np.searchsorted(self.start, addresses, side="right") - 1
        row[(row >= 0) & (addresses >= self.end[np.maximum(row, 0)])] = -1
        return row

    def address(self, name: str) -> int | None:
        """The address of the function or mark of that name, such as _text."""
        at = (b"\n" + self.text).find(f" {name}\n".encode())
        if at < 0:
            return None
        line = self.text[self.text.rfind(b"\n", 0, at) + 1 : at]
        try:
            return int(line.split()[0], 16)
        except (ValueError, IndexError):
            return None


def read_kallsyms(keep: Path | None = None) -> Kernel:
    """The kernel's symbols; of the recording where it kept them.

    Raises ClewError, with what to do, where this user may not see their addresses.
    """
    path = keep / KALLSYMS if keep is not None and (keep / KALLSYMS).is_file() else _PROC
    try:
        state = path.stat()
        kernel = _parsed(path, state.st_mtime_ns if path != _PROC else 0, state.st_size)
    except OSError as error:
        raise ClewError(f"cannot read {path}: {error.strerror}") from None
    if not len(kernel.start) or not kernel.start[-1]:
        raise ClewError(
            "addresses of kernel functions are hidden from this user: sysctl kernel.kptr_restrict=0 and "
            "kernel.perf_event_paranoid=1, or record as root"
        )
    return kernel


@lru_cache(2)
def _parsed(path: Path, _changed: int, _size: int) -> Kernel:
    return parse(path.read_bytes())


def parse(content: bytes) -> Kernel:
    """The symbols in a text of lines ``address type name[\\t[module]]``; other lines are passed over.

    Symbols have no sizes there: each reaches to the next, the last of the kernel or a module to the end of a page. Of
    several at one address the last is named, as perf does.
    """
    text = content if content.endswith(b"\n") else content + b"\n"
    data = np.frombuffer(text, np.uint8)
    line_end = np.flatnonzero(data == 10)
    line = np.append(0, line_end[:-1] + 1)
    width = text.find(b" ")
    if not 1 <= width <= 16:
        line, line_end = line[:0], line_end[:0]
    whole = line_end - line > width + 3
    line, line_end = line[whole], line_end[whole]
    digits = _HEX[data[line[:, None] + np.arange(max(width, 0))]]
    kind = data[line + width + 1] | 0x20
    good = (digits < 16).all(axis=1) & (data[line + width] == 32) & (data[line + width + 2] == 32)
    good &= np.isin(kind, np.frombuffer(b"twdb", np.uint8)) & (data[np.minimum(line + width + 3, len(data) - 1)] != 36)
    line, line_end, digits = line[good], line_end[good], digits[good].astype(np.uint64)
    start = np.zeros(len(line), np.uint64)
    for column in range(max(width, 0)):
        start = start << np.uint64(4) | digits[:, column]
    name_at, name_end = line + width + 3, line_end
    module, modules, name_end = _modules(text, data, name_at, line_end)
    order = np.argsort(start, kind="stable")
    start, name_at, name_end, module = start[order], name_at[order], name_end[order], module[order]
    if not len(start):
        return Kernel(start, start, name_at, name_end, module, modules, text)
    page = (start + _PAGE + _PAGE - np.uint64(1)) // _PAGE * _PAGE
    end = np.append(start[1:], page[-1])
    end = np.where(np.append(module[1:] != module[:-1], False), page, end)
    last = np.append(start[1:] != start[:-1], True)
    return Kernel(start[last], end[last], name_at[last], name_end[last], module[last], modules, text)


def _modules(text: bytes, data: Array, name_at: Array, line_end: Array) -> tuple[Array, list[str], Array]:
    """(module of each line, names of modules, where the symbol's own name ends)."""
    tab = np.flatnonzero(data == 9)
    before = np.searchsorted(tab, line_end) - 1
    place = tab[np.maximum(before, 0)] if len(tab) else np.zeros(len(line_end), np.int64)
    named = (before >= 0) & (place > name_at)
    modules = {KERNEL: 0}
    module = np.zeros(len(line_end), np.int32)
    for row in np.flatnonzero(named):
        name = text[place[row] + 1 : line_end[row]].decode("utf-8", "backslashreplace")
        module[row] = modules.setdefault(name, len(modules))
    return module, list(modules), np.where(named, place, line_end)
