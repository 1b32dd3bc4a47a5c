"""The folder that ``perf record --threads`` writes: a file ``data`` with the headers, ``data.N`` with more records."""

from __future__ import annotations

import mmap
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.errors import ClewError

Array = NDArray[Any]
FIRST = "data"
_OTHER = re.compile(r"data\.([0-9]+)")


def parts_of(path: Path) -> list[Path]:
    """``path`` itself, or the files of the folder that it is, that with the headers first."""
    if not path.is_dir():
        return [path]
    numbered = {int(found[1]): file for file in path.iterdir() if (found := _OTHER.fullmatch(file.name))}
    return [path / FIRST, *(numbered[number] for number in sorted(numbered))]


def mapped(path: Path) -> Array:
    """The bytes of a file, mapped to be read; raises ClewError if it cannot be read or is empty."""
    try:
        with path.open("rb") as file:
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except (OSError, ValueError) as error:
        raise ClewError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is empty'}") from None


def joined(parts: Sequence[Array]) -> Array:
    """The bytes of ``parts`` in one stretch, in a file without a name, so that they need not fit into memory."""
    with tempfile.TemporaryFile() as file:
        for part in parts:
            file.write(part.data)
        file.flush()
        if not file.tell():
            return np.empty(0, np.uint8)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
