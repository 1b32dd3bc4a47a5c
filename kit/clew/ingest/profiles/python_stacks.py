"""Stacks that clew itself took of a Python process (``clew.capture.python_stacks``): one JSON object.

``{"clew", "pid", "command", "interval_ns", "threads": {tid: name}, "notes", "frames": [[function, file, line], ...],
"samples": [[ts_ns, tid, weight_ns, [frame, ...]], ...]}``, frames from the outermost, times of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from clew.capture.python_stacks import MARK
from clew.errors import ClewError
from clew.ingest.profile import Event, Profile, Tree

FORMAT = "Python stacks of clew"
RANK = 10


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether it begins as such a file does."""
    return head.startswith(b'{"clew":"' + MARK.encode() + b'"')


def read(path: Path) -> Profile:
    """The samples; raises ClewError where the file is damaged or holds none."""
    try:
        known = json.loads(path.read_text("utf-8"))
        return _profile(known, path)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise ClewError(f"{path} is damaged: {error}") from None


def _profile(known: dict[str, Any], path: Path) -> Profile:
    if not known["samples"]:
        raise ClewError(f"{path}: no sample was taken: the code ended within one interval")
    tree = Tree()
    frames = [tree.frame(function, file, "user", file=file, line=line) for function, file, line in known["frames"]]
    taken = [sample[3] for sample in known["samples"]]
    if any(not 0 <= number < len(frames) for stack in taken for number in stack):
        raise ClewError(f"{path} is damaged: a stack names a frame that is not there")
    stacks = [tree.stack(frames[number] for number in stack) for stack in taken]
    tids = {int(tid): row for row, tid in enumerate(known["threads"])}
    threads = pa.table(
        {
            "pid": pa.array([known["pid"]] * len(tids), pa.int32()),
            "tid": pa.array(list(tids), pa.int32()),
            "name": pa.array(list(known["threads"].values()), pa.string()),
            "command": pa.array([known["command"]] * len(tids), pa.string()),
        }
    )
    samples = pa.table(
        {
            "event": pa.array([0] * len(taken), pa.uint16()),
            "weight": pa.array([float(sample[2]) for sample in known["samples"]]),
            "stack": pa.array(stacks, pa.int32()),
            "thread": pa.array([tids[sample[1]] for sample in known["samples"]], pa.int32()),
            "ts_ns": pa.array([sample[0] for sample in known["samples"]], pa.int64()),
        }
    )
    table, parents = tree.tables()
    notes = [str(note) for note in known.get("notes", ())]
    return Profile([Event("python", "wall", "ns")], table, parents, samples, threads, notes=notes)
