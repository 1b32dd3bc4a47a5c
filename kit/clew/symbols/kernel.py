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
_PAGE = 4096


@dataclass(frozen=True)
class Kernel:
    """Symbols by address; ``module`` is an index into ``modules``, whose first is the kernel itself."""

    start: Array
    end: Array
    name: list[str]
    module: Array
    modules: list[str]
    address: dict[str, int]

    def lookup(self, addresses: Array) -> Array:
        """The row that each address (u64) lies in; -1 where none does."""
        if not len(self.start):
            return np.full(len(addresses), -1)
        row = np.searchsorted(self.start, addresses, side="right") - 1
        row[(row >= 0) & (addresses >= self.end[np.maximum(row, 0)])] = -1
        return row


def read_kallsyms(keep: Path | None = None) -> Kernel:
    """The kernel's symbols; of the recording where it kept them.

    Raises ClewError, with what to do, where this user may not see their addresses.
    """
    path = keep / KALLSYMS if keep is not None and (keep / KALLSYMS).is_file() else Path("/proc/kallsyms")
    try:
        state = path.stat()
        kernel = _parsed(path, state.st_mtime_ns if path.name != "/proc/kallsyms" else 0, state.st_size)
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
    """The symbols in a text of lines ``address type name [module]``; others are passed over."""
    rows: list[tuple[int, str, str]] = []
    address: dict[str, int] = {}
    for line in content.decode("utf-8", "backslashreplace").splitlines():
        parts = line.split()
        if len(parts) < 3 or parts[1] not in "TtWwDdBb" or parts[2].startswith("$"):
            continue
        try:
            begin = int(parts[0], 16)
        except ValueError:
            continue
        if 0 <= begin < 2**64:
            rows.append((begin, parts[2], parts[3] if len(parts) > 3 else KERNEL))
            address.setdefault(parts[2], begin)
    rows.sort(key=lambda row: row[0])  # stable: of several at one address the last has a size, and is the one to name
    modules = {KERNEL: 0}
    start = np.array([row[0] for row in rows], np.uint64)
    module = np.array([modules.setdefault(row[2], len(modules)) for row in rows], np.int32)
    if not len(rows):
        return Kernel(start, start, [], module, list(modules), {})
    page = (start + np.uint64(2 * _PAGE - 1)) // np.uint64(_PAGE) * np.uint64(_PAGE)
    end = np.append(start[1:], page[-1])
    border = np.append(module[1:] != module[:-1], False)
    end = np.where(border, page, end)
    last = np.append(start[1:] != start[:-1], True)
    kept = np.flatnonzero(last)
    return Kernel(start[kept], end[kept], [rows[row][1] for row in kept], module[kept], list(modules), address)
