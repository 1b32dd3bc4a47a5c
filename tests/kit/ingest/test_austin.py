"""Files of austin: text of all modes, and MOJO, written by hand as its events are documented."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles import Reader, austin

ReadAs = Callable[[Reader, bytes | str], Profile]
Sums = Callable[[Profile], dict[tuple[str, int | None, int | None, str], float]]


def test_threads_without_frames_and_what_the_collector_does(read_as: ReadAs, sums: Sums) -> None:
    text = "# austin: 3.3.0\n# mode: wall\n\nP7;T0:8;/a.py:f:3;:GC: 100\nP7;T0:8 50\nP7;T0:main 5\n"
    found = read_as(austin, text)
    assert sums(found) == {
        ("austin", 7, 8, "f;:GC:"): 100_000,
        ("austin", 7, 8, ""): 50_000,
        ("austin", 7, None, ""): 5_000,
    }
    assert not found.notes


def test_memory_is_bytes_taken_and_given_back(read_as: ReadAs, sums: Sums) -> None:
    text = "# austin: 3.3.0\n# mode: memory\n\nP7;T8;/a.py:f:3 4096\nP7;T8;/a.py:g:3 -1024\n"
    found = read_as(austin, text)
    assert sums(found) == {("memory allocated", 7, 8, "f"): 4096, ("memory freed", 7, 8, "g"): 1024}
    assert {event.unit for event in found.events if event.kind == "alloc"} == {"bytes"}


def test_mode_full_has_both(read_as: ReadAs, sums: Sums) -> None:
    text = "# austin: 3.3.0\n# mode: full\n\nP7;T8;/a.py:f:3 100,0,4096\nP7;T8;/a.py:f:4 20,1,0\n"
    assert sums(read_as(austin, text)) == {
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


def test_mojo(read_as: ReadAs, sums: Sums) -> None:
    found = read_as(austin, MOJO)
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
def test_mojo_that_is_cut_says_so(cut: int, read_as: ReadAs, sums: Sums) -> None:
    found = read_as(austin, MOJO[:-cut])
    assert sum(sums(found).values()) == 305_000
    assert found.notes == ["the file ends inside a sample, which was left out"]


@pytest.mark.parametrize("more", [b"\x63", REF + b"\x3f", TIME + b"\xff" * 20, b"MOJ"])
def test_broken_mojo_is_one_line(more: bytes, read_as: ReadAs) -> None:
    with pytest.raises(ClewError, match="damaged") as error:
        read_as(austin, MOJO + more)
    assert "\n" not in str(error.value)
