"""JSON files of other profilers: read whole, gzip too, with whatever is wrong in them told in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.ingest.profiles._text import opened

MOST = 1 << 30
"""Bytes: Python's form of a JSON text is some ten times as large."""


def load(path: Path) -> Any:
    """The JSON value in the file at ``path``; raises ClewError."""
    with opened(path) as file:
        text = file.read(MOST + 1)
    if len(text) > MOST:
        raise ClewError(f"{path} is larger than {MOST >> 20} MiB: too large for JSON")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ClewError(f"{path} is damaged: {str(error)[:120]}") from None


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Whatever a value of an unexpected kind leads to inside becomes a ClewError that names the file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ClewError(f"{path} is damaged: {type(error).__name__} {str(error)[:120]}") from None
