"""JSON files of other profilers: read whole, gzip too, with whatever is wrong in them told in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.ingest.profiles._text import opened

MOST = 1 << 30
"""Bytes: Python's form of a JSON text is some ten times as large."""
_LIST, _EVENTS = re.compile(r"\ufeff?\s*\[\s*"), re.compile(r'"traceEvents"\s*:\s*\[\s*')
_BETWEEN = re.compile(r"[\s,]*")


def load(path: Path) -> Any:
    """The JSON value in the file at ``path``; raises ClewError."""
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from None


def load_open(path: Path) -> tuple[Any, int]:
    """As load(), of a trace, whose list of events may end anywhere, be it the whole value or in ``traceEvents``.

    Returns the value and how many characters were left out behind the last whole event. Raises ClewError.
    """
    raw = _text(path)
    try:
        return json.loads(raw), 0
    except (ValueError, RecursionError) as error:
        damaged = _damaged(path, error)
    text = raw.decode("utf-8", "replace")
    begin = _LIST.match(text) or _EVENTS.search(text)
    events, at, decoder = list[Any](), begin.end() if begin else len(text), json.JSONDecoder()
    while between := _BETWEEN.match(text, at):
        at = between.end()
        try:
            event, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        events.append(event)
    if not events:
        raise damaged
    return events, len(text) - at


def _text(path: Path) -> bytes:
    with opened(path) as file:
        text = file.read(MOST + 1)
    if len(text) > MOST:
        raise ClewError(f"{path} is larger than {MOST >> 20} MiB: too large for JSON")
    return text


def _damaged(path: Path, error: Exception) -> ClewError:
    return ClewError(f"{path} is damaged: {str(error)[:120]}")


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Whatever a value of an unexpected kind leads to inside becomes a ClewError that names the file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ClewError(f"{path} is damaged: {type(error).__name__} {str(error)[:120]}") from None
