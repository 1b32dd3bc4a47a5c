"""Recordings of ``clew record --engine bpftrace``, and files that ``bpftrace -f json -o FILE`` wrote."""

from __future__ import annotations

import json
from pathlib import Path

from clew.errors import ClewError
from clew.ingest import bpftrace_json
from clew.ingest.profile import Profile

FORMAT = "bpftrace's JSON"
RANK = 40


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether the first line that is not empty is one of ours, or a record of a type that bpftrace prints."""
    if head.startswith(bpftrace_json.HEAD):
        return True
    first = next((line for line in head.splitlines() if line.strip()), b"")
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    return found.get("type") in bpftrace_json.TYPES and bool({"data", "count"} & set(found))


def read(path: Path) -> Profile:
    """Maps, histograms, printed text and stacks; raises ClewError if it holds nothing of that."""
    profile = bpftrace_json.read(path)
    with path.open("rb") as file:
        ours = file.read(len(bpftrace_json.HEAD)) == bpftrace_json.HEAD
    if not profile.tables and not ours:  # what is being recorded may not have said anything yet
        raise ClewError(f"{path}: bpftrace printed nothing")
    return profile
