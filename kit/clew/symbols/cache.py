"""What was read once from a binary, kept by build-id below $XDG_CACHE_HOME/clew; losing it costs only time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

VERSION = 1
"""Part of every key: another number, and what older versions of clew wrote is not read any more."""

MOST = 2 << 30
"""Bytes of the whole cache; the oldest files go first."""


def folder() -> Path:
    """Where the cache is: $XDG_CACHE_HOME/clew/symbols, by default below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path("~/.cache").expanduser()) / "clew" / "symbols"


def key(*parts: object) -> str:
    """A file name for what depends on ``parts`` only."""
    return hashlib.sha256(repr((VERSION, *parts)).encode("utf-8", "backslashreplace")).hexdigest()[:40]


def load(name: str) -> bytes | None:
    """What was stored under that key; None if nothing was, or it cannot be read."""
    try:
        return (folder() / name).read_bytes()
    except OSError:
        return None


def store(name: str, content: bytes) -> None:
    """Keep ``content`` under that key; a cache that cannot be written is none."""
    with contextlib.suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        folder().chmod(0o700)
        write(folder() / name, content)
        _trim()


def _trim() -> None:
    """Remove what was written first, until the rest is not too much."""
    files = sorted(((path.stat(), path) for path in folder().iterdir()), key=lambda one: one[0].st_mtime_ns)
    surplus = sum(state.st_size for state, _ in files) - MOST
    for state, path in files[:-1]:
        if surplus <= 0:
            break
        path.unlink(missing_ok=True)
        surplus -= state.st_size


def write(path: Path, content: bytes) -> None:
    """Put a file there, whole or not at all, for its owner only. Raises OSError."""
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
