"""Readers of profiles: one format, one module, told apart by content.

A module of this package is a reader if it has ``FORMAT`` (what people call it), ``RANK`` (who looks first: a format
with a magic number 0, one of structured text 50, one that fits almost any text 90), ``matches(head, path) -> bool``
(``head``: the first 64 KiB) and ``read(path) -> Profile``. It is found by being there.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles._perf_parts import FIRST, parts_of

HEAD = 64 << 10
"""Bytes from the start of a file that readers are shown."""


class Reader(Protocol):
    """What a module of this package has."""

    FORMAT: str
    RANK: int

    def matches(self, head: bytes, path: Path) -> bool:
        """Whether a file that begins with ``head`` is of this format."""
        ...

    def read(self, path: Path) -> Profile:
        """The whole file; raises ClewError where it is broken or holds no sample."""
        ...


@cache
def readers() -> tuple[Reader, ...]:
    """Every reader, in the order in which they look at a file."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))
    modules = [cast(Reader, importlib.import_module(f"{__name__}.{name}")) for name in names]
    return tuple(sorted(modules, key=lambda module: module.RANK))


_read: dict[Path, Profile] = {}


def hand_over(path: Path, profile: Profile) -> None:
    """Say what is in the file at ``path``, which was read elsewhere: the next read_once() need not read it again."""
    _read[path.resolve()] = profile


def read_once(reader: Reader, path: Path) -> Profile:
    """What ``reader`` reads in the file at ``path``, or what was handed over; raises ClewError as the reader does."""
    profile = _read.pop(path.resolve(), None)
    return reader.read(path) if profile is None else profile


def is_folder_of_perf(path: Path) -> bool:
    """Whether ``path`` is a folder that perf record --threads wrote; raises ClewError if it cannot be read."""
    return path.is_dir() and (path / FIRST).is_file() and reader_of(path) is not None


def reader_of(path: Path) -> Reader | None:
    """The reader of the file (or folder of perf record --threads) at ``path``; None if nobody knows it.

    Raises ClewError if it cannot be read.
    """
    first = parts_of(path)[0]
    if path.is_dir() and not first.is_file():
        raise ClewError(f"{path} is a folder, not a profile")
    try:
        with first.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise ClewError(f"cannot read {path}: {error.strerror}") from None
    return next((reader for reader in readers() if reader.matches(head, path)), None)
