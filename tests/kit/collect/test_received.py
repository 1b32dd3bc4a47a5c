"""What the collector's disk holds is what it acknowledged, after every way to come back to it."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from clew.capture.meta import Meta
from clew.collect.received import JOURNAL, Received, Receiving
from clew.errors import ClewError

ID = "a" * 32
NAME = "seg-000001.clew"
META = Meta("preload", ["true"], "far", "1", 1, "2026-01-01T00:00:00+00:00", id=ID, received=False)


def capture(case: Path) -> Received:
    return Receiving(case).capture(ID, replace(META))[0]


def take(received: Received, offset: int, data: bytes, name: str = NAME) -> int:
    return received.append(name, offset, zlib.crc32(data), memoryview(data))


def test_a_collector_that_was_killed_knows_what_it_acknowledged(tmp_path: Path) -> None:
    first = capture(tmp_path / "case")
    assert take(first, 0, b"one") == 3
    assert take(first, 3, b"two") == 6
    with (first.folder / NAME).open("ab") as file:
        file.write(b"never acknowledged")
    again = capture(tmp_path / "case")
    assert again.folder == first.folder
    assert again.sizes == {NAME: 6}
    assert take(again, 6, b"three") == 11
    assert (again.folder / NAME).read_bytes()[:11] == b"onetwothree"


def test_a_journal_that_was_torn(tmp_path: Path) -> None:
    """A last line that is cut, lines that are none, sizes that are not there: none of it is believed."""
    first = capture(tmp_path / "case")
    take(first, 0, b"one")
    for line in (
        b'\n{"name": "seg-000001.clew", "si',
        b'\n{"name": "../x", "size": 1}',
        b"\n[1]\n\xff",
        b'\n{"name": 3}',
    ):
        with (first.folder / JOURNAL).open("ab") as file:
            file.write(line)
    with (first.folder / JOURNAL).open("ab") as file:
        file.write(b'\n{"name": "seg-000001.clew", "size": 1000}')
    again = capture(tmp_path / "case")
    assert again.sizes == {NAME: 3}
    assert take(again, 3, b"two") == 6
    assert capture(tmp_path / "case").sizes == {NAME: 6}


def test_ranges_twice_and_overlapping(tmp_path: Path) -> None:
    received = capture(tmp_path / "case")
    take(received, 0, b"abcdef")
    assert take(received, 0, b"abc") == 6
    assert take(received, 4, b"efgh") == 8
    assert (received.folder / NAME).read_bytes() == b"abcdefgh"
    with pytest.raises(ClewError, match="where 8 bytes"):
        take(received, 9, b"x")
    assert take(received, 0, b"", "symbols/empty") == 0
    assert (received.folder / "symbols" / "empty").stat().st_size == 0


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    received = capture(tmp_path / "case")
    target = tmp_path / "target"
    target.write_text("mine")
    (received.folder / NAME).symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        take(received, 0, b"theirs")
    assert target.read_text() == "mine"


def test_it_is_whole_when_everything_is_there(tmp_path: Path) -> None:
    received = capture(tmp_path / "case")
    take(received, 0, b"abc")
    assert not received.describe(replace(META), {NAME: 4})
    assert Meta.read(received.folder).received is False
    assert received.describe(replace(META, ended_ns=5), {NAME: 3})
    meta = Meta.read(received.folder)
    assert (meta.received, meta.recorder_pid, meta.ended_ns) == (True, None, 5)
    assert not received.describe(replace(META, ended_ns=5), None)  # more may come: it was recovered there
    assert Meta.read(received.folder).received is False
