"""Folded stacks: one line for each stack, frames from the outermost joined by ``;``, then a blank and how often.

The format of FlameGraph's stackcollapse scripts. Suffixes _[k], _[j] and _[i] of a frame say kernel, JIT and inlined.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from clew.errors import ClewError
from clew.ingest.profile import Event, Profile, Tree

FORMAT = "folded stacks"
RANK = 90
_LINE = re.compile(r"^(.*?) (\d+(?:\.\d*)?|\.\d+)(?: (\d+(?:\.\d*)?))?$")
_KINDS = {"_[k]": "kernel", "_[j]": "jit", "_[i]": "inlined"}
_TRUSTED = 5  # lines that must look right


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether the first lines all are a stack and a count, and one of them has more than one frame."""
    if b"\0" in head:
        return False
    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:_TRUSTED] if line.strip()]
    return bool(lines) and all(_LINE.match(line) for line in lines) and any(";" in line for line in lines)


def read(path: Path) -> Profile:
    """Stacks with their counts; raises ClewError if there is none."""
    tree, rows, weights, strange = Tree(), list[int | None](), list[float](), 0
    with path.open(encoding="utf-8", errors="replace", newline=None) as file:
        for line in file:
            found = _LINE.match(line.rstrip())
            if found is None:
                strange += bool(line.strip()) and not line.startswith("#")
                continue
            rows.append(tree.stack(_frame(tree, name) for name in found[1].split(";")))
            weights.append(float(found[3] or found[2]))
    if not rows:
        raise ClewError(f"{path}: no stack in it")
    frames, stacks = tree.tables()
    samples = pa.table({"event": pa.array([0] * len(rows), pa.uint16()), "weight": weights, "stack": rows})
    notes = [f"{strange} lines are no folded stacks and were left out"] if strange else []
    return Profile([Event("samples", "other", "samples")], frames, stacks, samples, notes=notes)


def _frame(tree: Tree, name: str) -> int:
    kind = _KINDS.get(name[-4:], "user")
    return tree.frame(name if kind == "user" else name[:-4], kind=kind)
