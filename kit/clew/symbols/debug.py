"""Lines and inlined functions from debug information (DWARF)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from clew.symbols.elf import Elf

Array = NDArray[Any]


class Line(NamedTuple):
    """A function at one address: its name, the file and the line in it (0: not known)."""

    function: str
    file: str
    line: int


def lines(
    module: str, build_id: str | None, addresses: Array, keep: Path | None = None, pid: int | None = None
) -> dict[int, list[Line]]:
    """For each index of ``addresses`` that debug information knows: its functions, outermost first."""
    del module, build_id, addresses, keep, pid
    return {}


def keep(binary: Elf, folder: Path, name: str) -> None:
    """Keep the lines of ``binary`` in ``folder``."""
    del binary, folder, name
