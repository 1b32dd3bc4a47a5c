"""Stacks as they come, one after the other, made into a tree at the end: for formats that hold many."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from clew.ingest.profile import STACKS
from clew.native.tree import Ints, merge_down

OUTER = 600
"""Bytes at the end of a stack's text, its outer frames, that many stacks have in common: taken apart by themselves."""


def outer(text: bytes) -> int:
    """Where the outer frames begin in a stack's text of lines from the innermost; 0: it is not worth to cut it."""
    return text.find(b"\n", len(text) - OUTER) + 1 if len(text) > 2 * OUTER else 0


class Chains:
    """Rows of (caller, frame), in which the same stack may stand more than once."""

    def __init__(self) -> None:
        self.callers, self.frames = array("i"), array("i")

    def add(self, frames: Sequence[int], under: int = -1) -> int:
        """The row of the innermost of ``frames`` (rows of table ``frames``, outermost first), called from ``under``."""
        first = len(self.frames)
        if not frames:
            return under
        self.callers.append(under)
        self.callers.extend(range(first, first + len(frames) - 1))
        self.frames.extend(frames)
        return first + len(frames) - 1

    def under(self, row: int, frame: int) -> int:
        """The row of ``frame``, called from the frame of ``row`` (-1: from none)."""
        self.callers.append(row)
        self.frames.append(frame)
        return len(self.frames) - 1

    def graft(self, parent: Ints, frame: Ints) -> int:
        """Add a tree (rows of table ``frames``, parents first, -1: none); returns the row of its node 0."""
        first = len(self.frames)
        self.callers.frombytes(np.where(parent < 0, -1, parent + first).astype(np.int32).tobytes())
        self.frames.frombytes(np.ascontiguousarray(frame, np.int32).tobytes())
        return first

    def merged(self) -> tuple[pa.Table, Ints]:
        """(table ``stacks``, its row for each row here)."""
        tree = merge_down(np.frombuffer(self.callers, np.int32), np.frombuffer(self.frames, np.int32))
        parent = tree.parent[1:] - 1
        columns = [pa.array(parent, mask=parent < 0), pa.array(tree.key[1:].astype(np.uint32))]
        return pa.table(columns, schema=STACKS), tree.node - 1

    def rows(self, rows: array[int] | Ints) -> tuple[pa.Table, pa.Array]:
        """(table ``stacks``, column ``stack``) of samples at ``rows``; -1 is NULL."""
        stacks, place = self.merged()
        wanted = np.asarray(rows, np.int32)
        none = wanted < 0
        return stacks, pa.array(np.append(place, -1)[wanted].astype(np.int32), mask=none)
