"""Recordings of ``clew record --engine bpftrace``, and files that ``bpftrace -f json -o FILE`` wrote."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from clew.errors import ClewError
from clew.ingest import bpftrace_json
from clew.ingest.profile import Profile
from clew.ingest.profiles._text import opened, unpacked

FORMAT = "bpftrace's JSON"
RANK = 40
_LOOKED_AT = 20  # lines


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether one of the first lines is a record of a type that bpftrace prints, or the file is one of ours.

    Before it there may be warnings, where the output of errors went into the same file.
    """
    head = unpacked(head)
    if head.startswith(bpftrace_json.HEAD):
        return True
    lines = islice(filter(bytes.strip, head.splitlines()), _LOOKED_AT)
    return any(_is_record(line) for line in lines)


def _is_record(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    return found.get("type") in bpftrace_json.TYPES and bool({"data", "count"} & set(found))


def read(path: Path) -> Profile:
    """Maps, histograms, printed text and stacks; raises ClewError if it holds nothing of that."""
    profile = bpftrace_json.read(path)
    with opened(path) as file:
        ours = file.read(len(bpftrace_json.HEAD)) == bpftrace_json.HEAD
    if not profile.tables and not ours:  # what is being recorded may not have said anything yet
        raise ClewError(f"{path}: bpftrace printed nothing")
    return profile
