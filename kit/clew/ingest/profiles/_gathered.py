"""Samples gathered one by one: for formats of other tools, which hold some thousands of them, not millions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from clew.errors import ClewError
from clew.ingest.profile import Event, Profile, Tree

_MOST = {"pid": 2**31, "ts_ns": 2**63, "tid": 2**31}


class Gathered:
    """Rows of samples and threads beside a ``Tree`` of their stacks."""

    def __init__(self) -> None:
        self.tree = Tree()
        self._rows: list[tuple[int, float, int | None, int | None, int | None]] = []
        self._threads: dict[tuple[int | None, int | None, str | None, str | None], int] = {}

    def thread(self, pid: object, tid: object, name: str | None = None, command: str | None = None) -> int:
        """The row of that thread; a pid or tid that is no such number is not known, but stands in its name."""
        number = _number(tid, "tid")
        if number is None and tid is not None and name is None:
            name = f"thread {tid!s:.80}"
        return self._threads.setdefault((_number(pid, "pid"), number, name, command), len(self._threads))

    def add(
        self, event: int, weight: float, stack: int | None, thread: int | None = None, ts_ns: float | None = None
    ) -> None:
        """One sample; ``weight`` in the event's unit. Raises ValueError if that is infinite, or no number."""
        if not math.isfinite(weight):
            raise ValueError(f"a sample of weight {weight}")
        self._rows.append((event, float(weight), stack, thread, _number(ts_ns, "ts_ns")))

    def profile(self, events: Sequence[Event], path: Path, notes: Sequence[str] = ()) -> Profile:
        """What was gathered; raises ClewError if that is no sample."""
        if not self._rows:
            raise ClewError(f"{path}: no sample in it")
        frames, stacks = self.tree.tables()
        names = ("event", "weight", "stack", "thread", "ts_ns")
        types = (pa.uint16(), pa.float64(), pa.int32(), pa.int32(), pa.int64())
        columns = zip(names, types, zip(*self._rows, strict=True), strict=True)
        samples = pa.table({name: pa.array(values, kind) for name, kind, values in columns})
        keys = list(zip(*self._threads, strict=True)) or [(), (), (), ()]
        threads = pa.table(
            {
                "pid": pa.array(keys[0], pa.int32()),
                "tid": pa.array(keys[1], pa.int32()),
                "name": pa.array(keys[2], pa.string()),
                "command": pa.array(keys[3], pa.string()),
            }
        )
        return Profile(events, frames, stacks, samples, threads, notes=notes)


def _number(value: object, what: str) -> int | None:
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if -_MOST[what] <= number < _MOST[what] else None
