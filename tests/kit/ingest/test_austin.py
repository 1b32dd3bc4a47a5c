"""Files of austin: text of all modes, and MOJO, written by hand as its events are documented."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles import austin, reader_of

Key = tuple[str, int | None, int | None, str]


def profile(content: bytes, folder: Path) -> Profile:
    path = folder / "austin.out"
    path.write_bytes(content)
    assert reader_of(path) is austin
    return austin.read(path)


def sums(found: Profile) -> dict[Key, float]:
    """Weights by (event, pid, tid, functions from the outermost)."""
    frames, stacks, threads = (table.to_pylist() for table in (found.frames, found.stacks, found.threads))
    weights = Counter[Key]()
    for sample in found.samples.to_pylist():
        at, names = sample["stack"], list[str]()
        while at is not None:
            names.append(frames[stacks[at]["frame"]]["function"])
            at = stacks[at]["parent"]
        thread = threads[sample["thread"]]
        key = found.events[sample["event"]].name, thread["pid"], thread["tid"], ";".join(reversed(names))
        weights[key] += sample["weight"]
    return dict(weights)


def test_threads_without_frames_and_what_the_collector_does(tmp_path: Path) -> None:
    text = "# austin: 3.3.0\n# mode: wall\n\nP7;T0:8;/a.py:f:3;:GC: 100\nP7;T0:8 50\nP7;T0:main 5\n"
    found = profile(text.encode(), tmp_path)
    assert sums(found) == {
        ("austin", 7, 8, "f;:GC:"): 100_000,
        ("austin", 7, 8, ""): 50_000,
        ("austin", 7, None, ""): 5_000,
    }
    assert not found.notes


def test_memory_is_bytes_taken_and_given_back(tmp_path: Path) -> None:
    text = "# austin: 3.3.0\n# mode: memory\n\nP7;T8;/a.py:f:3 4096\nP7;T8;/a.py:g:3 -1024\n"
    found = profile(text.encode(), tmp_path)
    assert sums(found) == {("memory allocated", 7, 8, "f"): 4096, ("memory freed", 7, 8, "g"): 1024}
    assert {event.unit for event in found.events if event.kind == "alloc"} == {"bytes"}


def test_mode_full_has_both(tmp_path: Path) -> None:
    text = "# austin: 3.3.0\n# mode: full\n\nP7;T8;/a.py:f:3 100,0,4096\nP7;T8;/a.py:f:4 20,1,0\n"
    assert sums(profile(text.encode(), tmp_path)) == {
        ("austin", 7, 8, "f"): 120_000,
        ("memory allocated", 7, 8, "f"): 4096,
    }


META, STACK, FRAME, REF, TIME, MEMORY, STRING, REPEAT, TASK = (
    bytes([kind]) for kind in (1, 2, 3, 5, 9, 10, 11, 13, 14)
)
BIG = bytes([0x80 | 0x2C, 0x04])  # 300
NEGATIVE = bytes([0xC0 | 0x2C, 0x04])  # -300
NAMES = b"".join(
    STRING + bytes([key]) + name + b"\0" for key, name in ((2, b"/a.py"), (3, b"main"), (4, b"\xe9t\xc3\xa9"))
)
FRAMES = b"".join(FRAME + bytes([key, 2, name, line, 0, 0, 0]) for key, name, line in ((1, 3, 7), (2, 4, 9), (3, 1, 0)))
MOJO = (
    b"MOJ\x04"
    + (META + b"mode\0wall\0")
    + (STACK + b"\x07\x00" + b"0x1f\0" + NAMES + FRAMES + REF + b"\x01" + REF + b"\x02" + TIME + BIG)
    + (STACK + b"\x07\x00" + b"0x1f\0" + REF + b"\x03" + REPEAT + TIME + b"\x05")
    + (
        STACK
        + b"\x07\x00"
        + b"9\0"
        + TASK
        + b"\x01\x00\x01"
        + REF
        + b"\x01"
        + REF
        + b"\x02"
        + TIME
        + b"\x02"
        + MEMORY
        + NEGATIVE
    )
)


def test_mojo(tmp_path: Path) -> None:
    found = profile(MOJO, tmp_path)
    assert sums(found) == {
        ("austin", 7, 31, "main;\\xe9té"): 300_000,
        ("austin", 7, 31, "main;\\xe9té;<unknown>"): 5_000,
        ("austin", 7, 9, "\\xe9té"): 2_000,
        ("memory freed", 7, 9, "\\xe9té"): 300,
    }
    assert {(row["function"], row["line"]) for row in found.frames.to_pylist()} == {
        ("main", 7),
        ("\\xe9té", 9),
        ("<unknown>", None),
    }
    assert not found.notes


@pytest.mark.parametrize("cut", [1, 2])
def test_mojo_that_is_cut_says_so(cut: int, tmp_path: Path) -> None:
    found = profile(MOJO[:-cut], tmp_path)
    assert sum(sums(found).values()) == 305_000
    assert found.notes == ["the file ends inside a sample, which was left out"]


@pytest.mark.parametrize("more", [b"\x63", REF + b"\x3f", TIME + b"\xff" * 20, b"MOJ"])
def test_broken_mojo_is_one_line(more: bytes, tmp_path: Path) -> None:
    with pytest.raises(ClewError, match="damaged") as error:
        profile(MOJO + more, tmp_path)
    assert "\n" not in str(error.value)
