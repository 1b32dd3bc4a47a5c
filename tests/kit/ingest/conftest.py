"""What tests of readers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from clew.ingest.profile import SAMPLES, Profile, conform
from clew.ingest.profiles import Reader, reader_of

Sums = dict[tuple[str, int | None, int | None, str], float]
ReadAs = Callable[[Reader, bytes | str], Profile]


@pytest.fixture
def read_as(tmp_path: Path) -> ReadAs:
    """Reads what a file holds, if the reader is the one that knows it."""

    def read(reader: Reader, content: bytes | str) -> Profile:
        path = tmp_path / "profile"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert reader_of(path) is reader
        return reader.read(path)

    return read


@pytest.fixture
def sums() -> Callable[[Profile], Sums]:
    """Weights of a profile by (event, pid, tid, functions from the outermost)."""

    def summed(found: Profile) -> Sums:
        frames, stacks, threads = (table.to_pylist() for table in (found.frames, found.stacks, found.threads))
        weights = Counter[tuple[str, int | None, int | None, str]]()
        for sample in conform(found.samples, SAMPLES).to_pylist():
            at, names = sample["stack"], list[str]()
            while at is not None:
                names.append(frames[stacks[at]["frame"]]["function"])
                at = stacks[at]["parent"]
            thread = threads[sample["thread"]] if sample["thread"] is not None else {}
            key = found.events[sample["event"]].name, thread.get("pid"), thread.get("tid"), ";".join(reversed(names))
            weights[key] += sample["weight"]
        return dict(weights)

    return summed
