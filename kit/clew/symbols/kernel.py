"""Functions of the kernel and its modules: /proc/kallsyms, as it is or as it was kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.errors import ClewError
from clew.native.kallsyms import symbols

Array = NDArray[Any]
KERNEL = "[kernel.kallsyms]"
KALLSYMS = "kallsyms"
_PROC = Path("/proc/kallsyms")
_PAGE = np.uint64(4096)


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
    width = text.find(b" ")
    start, name_at, name_end, line_end = symbols(text if 1 <= width <= 16 else b"", width)
    module, modules = _modules(text, name_end, line_end)
    order = np.argsort(start, kind="stable")
    start, name_at, name_end, module = start[order], name_at[order], name_end[order], module[order]
    if not len(start):
        return Kernel(start, start, name_at, name_end, module, modules, text)
    page = (start + _PAGE + _PAGE - np.uint64(1)) // _PAGE * _PAGE
    end = np.append(start[1:], page[-1])
    end = np.where(np.append(module[1:] != module[:-1], False), page, end)
    last = np.append(start[1:] != start[:-1], True)
    return Kernel(start[last], end[last], name_at[last], name_end[last], module[last], modules, text)


def _modules(text: bytes, name_end: Array, line_end: Array) -> tuple[Array, list[str]]:
    """(module of each line, names of modules)."""
    modules = {KERNEL: 0}
    module = np.zeros(len(line_end), np.int32)
    named = np.flatnonzero(name_end < line_end)
    for row, begin, end in zip(named.tolist(), name_end[named].tolist(), line_end[named].tolist(), strict=True):
        name = text[begin + 1 : end].decode("utf-8", "backslashreplace")
        module[row] = modules.setdefault(name, len(modules))
    return module, list(modules)
