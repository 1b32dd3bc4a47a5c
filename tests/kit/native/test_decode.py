"""The decoder against segments made by hand: everything that is whole is found, nothing that is not is believed."""

from __future__ import annotations

import re
import socket
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from clew import native
from clew.errors import ClewError

Segment = Callable[[Iterable[bytes]], Path]
BLOCKS = 12


@pytest.fixture
def numbered(form, segment: Segment) -> tuple[Path, list[bytes]]:
    """A segment of BLOCKS blocks: block i holds records 2i + 1 and 2i + 2, with payloads of odd sizes."""
    blocks = [
        form.block(
            form.record(2 * i + 1, head=b"x" * i) + form.record(2 * i + 2, op=10, head=b"head", tail=b"t" * i),
            position=1000 * i,
            serial=i % 3 + 1,
        )
        for i in range(BLOCKS)
    ]
    return segment(blocks), blocks


def test_every_field_comes_back_as_it_was_written(form, segment: Segment) -> None:
    given = {"begin": 7, "ticks": 9, "result": -5, "conn_id": 2**63, "offset": 77, "fd": 3, "error": 11}
    path = segment([form.block(form.record(4, 17, b"abc", b"de", flags=9, **given), serial=2**40, pid=12, tid=13)])
    batch = native.decode(path)
    assert len(batch) == 1
    for name, value in {**given, "seq": 4, "op": 17, "flags": 9, "head": 3, "tail": 2, "pid": 12, "tid": 13}.items():
        assert getattr(batch, name)[0] == value, name
    assert batch.serial[0] == 2**40
    at = int(batch.data_at[0])
    assert batch.data[at : at + 5].tobytes() == b"abcde"


def test_another_format_is_refused(form, segment: Segment) -> None:
    path = segment([form.block(form.record(1))])
    data = bytearray(path.read_bytes())
    data[8:12] = struct.pack("<I", 2)
    data[60:64] = struct.pack("<I", zlib.crc32(data[:60]))
    path.write_bytes(data)
    with pytest.raises(ClewError, match="is of format 2, this clew reads"):
        native.decode(path)


def test_pads_are_passed_over_even_the_shortest(form, segment: Segment) -> None:
    short, long = struct.pack("<IHH", 8, 127, 0), struct.pack("<IHH", 72, 127, 0) + b"\xff" * 64
    path = segment([form.block(form.record(1) + short + form.record(2) + long + form.record(3))])
    batch = native.decode(path)
    assert batch.seq.tolist() == [1, 2, 3]
    assert batch.skipped_bytes == 0


def test_blocks_beside_records_keep_their_payload(form, segment: Segment) -> None:
    batch = native.decode(segment([form.block(b"hello", 6, serial=5, ticks=8), form.block(b"", 7)]))
    assert [(block.type, block.payload) for block in batch.blocks] == [(6, b"hello"), (7, b"")]
    assert batch.blocks[0].serial == 5
    assert batch.complete


def test_batches_go_on_where_the_last_one_stopped(numbered: tuple[Path, list[bytes]]) -> None:
    path, _ = numbered
    offset, seen = 0, []
    while True:
        batch = native.decode(path, offset, limit=5)
        assert len(batch) <= 5
        seen += batch.seq.tolist()
        if batch.next_offset == offset:
            break
        offset = batch.next_offset
    assert seen == list(range(1, 2 * BLOCKS + 1))


def test_a_block_that_is_larger_than_the_limit_comes_whole(form, segment: Segment) -> None:
    path = segment([form.block(b"".join(form.record(i) for i in range(1, 101)))])
    assert len(native.decode(path, limit=3)) == 100


def test_truncated_anywhere_every_complete_block_is_kept(numbered: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    path, blocks = numbered
    whole = path.read_bytes()
    ends = np.cumsum([64, *map(len, blocks)])
    cut = tmp_path / "cut.clew"
    for size in range(64, len(whole) + 1):
        cut.write_bytes(whole[:size])
        batch = native.decode(cut, limit=100)
        complete = int(np.searchsorted(ends, size, "right")) - 1
        assert batch.seq.tolist() == list(range(1, 2 * complete + 1)), size
        assert batch.next_offset == ends[complete]
        assert batch.pending_bytes == size - ends[complete]
    assert complete == BLOCKS


def test_one_byte_damaged_anywhere_costs_its_block_alone(numbered: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    path, blocks = numbered
    whole = bytearray(path.read_bytes())
    ends = np.cumsum([64, *map(len, blocks)])
    damaged_path = tmp_path / "damaged.clew"
    for at in range(len(whole)):
        damaged = whole.copy()
        damaged[at] ^= 0x41
        damaged_path.write_bytes(damaged)
        batch = native.decode(damaged_path, limit=100)
        block = int(np.searchsorted(ends, at, "right")) - 1  # -1: the file's header
        lost = {2 * block + 1, 2 * block + 2} if block >= 0 else set()
        in_padding = block >= 0 and len(batch) == 2 * BLOCKS and at >= ends[block + 1] - 7
        expected = [seq for seq in range(1, 2 * BLOCKS + 1) if in_padding or seq not in lost]
        assert batch.seq.tolist() == expected, at
        if lost and not in_padding:
            assert batch.skipped_bytes + batch.pending_bytes == len(blocks[block]), at


def test_bytes_between_blocks_are_skipped_and_counted(form, segment: Segment) -> None:
    path = segment([form.block(form.record(1)), b"\xabgarbage" * 5, form.block(form.record(2))])
    batch = native.decode(path)
    assert batch.seq.tolist() == [1, 2]
    assert batch.skipped_bytes == 40


def test_a_block_inside_a_payload_is_not_taken_for_one(form, segment: Segment) -> None:
    forged = form.block(form.record(666), nonce=1)
    outer = bytearray(form.block(form.record(1, head=forged)))
    outer[70] ^= 1  # the outer block is damaged: the reader looks for the next one from inside it
    batch = native.decode(segment([bytes(outer), form.block(form.record(2))]))
    assert batch.seq.tolist() == [2]


@pytest.mark.parametrize(
    ("size", "op", "head", "tail"),
    [
        *((0, 1, 0, 0), (7, 1, 0, 0), (65, 1, 0, 0), (2**32 - 8, 1, 0, 0), (32, 1, 0, 0)),
        *((64, 0, 0, 0), (64, 200, 0, 0), (64, 1, 1, 0), (64, 1, 0, 1), (64, 1, 2**32 - 1, 1)),
    ],
)
def test_hostile_records_end_their_block_and_no_more(
    form, segment: Segment, size: int, op: int, head: int, tail: int
) -> None:
    hostile = struct.pack("<IHHQQqQQiIHHI", size, op, 0, 0, 0, 0, 0, 0, 0, 9, 0, tail, head)
    path = segment([form.block(form.record(1) + hostile + form.record(2)), form.block(form.record(3))])
    batch = native.decode(path)
    assert batch.seq.tolist() == [1, 3]
    assert batch.skipped_bytes == 128


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 63, b"x" * 200, b"CLWSEG01"])
def test_what_is_no_segment_is_said_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ClewError, match="no segment"):
        native.decode(path)


def test_offsets_that_are_no_block_are_refused(numbered: tuple[Path, list[bytes]]) -> None:
    for offset in (65, 2**63):
        with pytest.raises(ClewError, match="offset"):
            native.decode(numbered[0], offset)


def address(family: int, value: str, port: int = 0) -> bytes:
    """struct sockaddr_in, sockaddr_in6 or sockaddr_un."""
    if family == socket.AF_INET:
        return struct.pack("<HH", family, socket.htons(port)) + socket.inet_aton(value) + bytes(8)
    if family == socket.AF_INET6:
        return struct.pack("<HHI", family, socket.htons(port), 0) + socket.inet_pton(family, value) + bytes(4)
    return struct.pack("<H", family) + value.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("kind", "local", "remote", "path", "expected"),
    [
        (
            5,
            address(socket.AF_INET, "127.0.0.1", 80),
            address(socket.AF_INET6, "::1", 9),
            b"",
            "127.0.0.1:80 [::1]:9 None",
        ),
        (
            7,
            address(socket.AF_UNIX, "/run/x.sock\0"),
            address(socket.AF_UNIX, "\0ab\0c"),
            b"",
            "/run/x.sock @ab\\x00c None",
        ),
        (7, address(socket.AF_UNIX, ""), b"\x63", b"", "None None None"),
        (4, b"", b"", b"", "pipe:[99] None None"),
        (4, b"", b"", b"/tmp/fifo", "None None /tmp/fifo"),
        (1, b"", b"", b"/a\xff\xc3\xa9\x1b\xed\xa0\x80", "None None /a\\xff\u00e9\x1b\\xed\\xa0\\x80"),
        (77, address(99, "?"), b"", b"", "None None None"),
    ],
)
def test_connections_read_as_people_write_them(
    form, segment: Segment, kind: int, local: bytes, remote: bytes, path: bytes, expected: str
) -> None:
    info = struct.pack("<IIQQQHHIII", kind, len(path), 1, 99, 0, len(local), len(remote), 2, 77, 0)
    record = form.record(1, 124, info + local + remote + path, flags=2, conn_id=6, fd=4)
    row = native.conns(native.decode(segment([form.block(record)]))).to_pylist()[0]
    assert f"{row['local']} {row['remote']} {row['path']}" == expected
    assert row["conn_id"] == 6
    assert row["fd"] == 4
    assert (row["peer_id"], row["peer_pid"]) == (None, 77)


def test_structs_that_lie_about_their_lengths_are_cut(form, segment: Segment) -> None:
    conn = struct.pack("<IIQQQHHIII", 1, 2**32 - 1, 1, 99, 0, 0, 0, 0, 0, 0)
    far = struct.pack("<IIQQQHHIII", 7, 5, 1, 99, 0, 65535, 65535, 0, 0, 0) + b"\1\0/sock"
    process = struct.pack("<8I16s", 1, 2, 3, 1, 2**32 - 1, 2**32 - 1, 0, 0, b"sixteen bytes...")
    records = form.record(1, 124, conn + b"/x", flags=2) + form.record(2, 120, process + b"/bin/x", flags=2)
    records += form.record(3, 124, conn[:-1], flags=2) + form.record(4, 124, far, flags=2)
    batch = native.decode(segment([form.block(records)]))
    conns = native.conns(batch).to_pylist()
    assert [(row["path"], row["local"], row["remote"]) for row in conns] == [("/x", None, None), (None, "/sock", None)]
    row = native.processes(batch).to_pylist()[0]
    assert (row["exe"], row["cmdline"], row["comm"]) == ("/bin/x", None, "sixteen bytes...")


def test_payloads_are_gathered_byte_for_byte(form, segment: Segment) -> None:
    records = (
        form.record(1, 10, b"\x00\xffabc", b"yz", flags=8)
        + form.record(2, 10)
        + form.record(3, 31, b"/etc/passwd", flags=1)
        + form.record(4, 1, b"k" * 9)
    )
    rows = native.payload(native.decode(segment([form.block(records, serial=8)]))).to_pylist()
    assert rows == [
        {"serial": 8, "seq": 1, "head": b"\x00\xffabc", "tail": b"yz", "cut": True},
        {"serial": 8, "seq": 4, "head": b"k" * 9, "tail": None, "cut": False},
    ]


def test_counters_losses_and_rows_of_proc(form, segment: Segment) -> None:
    counters = struct.pack("<IIQQQQ", 1, 0, 5, 1, 50, 500) + struct.pack("<IIQQQQ", 100, 0, 7, 0, 70, 0)
    row = struct.pack("<IIIIQQQQ16sII", 10, 11, 1, 1, 2**64 - 1, 2, 3, 4, b"name\0junk", 4, 6) + b"/exea\0b\0c\0"
    blocks = [
        form.block(counters, 2, ticks=3),
        form.block(counters[:40], 2, serial=2),
        form.block(struct.pack("<6Q", 1, 2, 3, 4, 5, 6), 5),
        form.block(row, 4),
        form.block(struct.pack("<II", 1, 44) + b"/bin/busybox", 6),
        form.block(struct.pack("<4Q", 1, 2, 3, 4), 3),
    ]
    batch = native.decode(segment(blocks))
    assert [(r["serial"], r["op"], r["calls"]) for r in native.counters(batch).to_pylist()] == [
        (1, 1, 5),
        (1, 100, 7),
        (2, 1, 5),
    ]
    assert native.losses(batch).to_pylist()[0]["wait_ticks"] == 6
    proc = native.thread_rows(batch).to_pylist()[0]
    assert (proc["comm"], proc["exe"], proc["cmdline"], proc["rchar"], proc["wchar"]) == (
        "name",
        "/exe",
        "a b c",
        None,
        2,
    )
    assert native.unseen(batch).to_pylist() == [{"ticks": 0, "pid": 44, "reason": "static", "path": "/bin/busybox"}]
    assert native.clocks(batch).to_pylist()[0]["monotonic_ns"] == 2


def test_what_is_printed_moves_no_terminal(form, segment: Segment) -> None:
    nasty = bytes(range(256))
    records = form.record(1, 31, b"/\x1b[2J\r\n\x07", flags=1) + form.record(2, 10, nasty, nasty[:9], flags=8)
    batch = native.decode(segment([form.block(records)]))
    index = np.arange(len(batch))
    for json in (False, True):
        text = native.expand(batch, index, batch.begin, batch.ticks, json=json, payload=True)
        assert re.fullmatch(rb"[ -~\n]*", text)
        assert text.count(b"\n") == 2


def test_a_payload_larger_than_the_print_buffer_is_printed_whole(form, segment: Segment) -> None:
    size = 8 << 20
    batch = native.decode(segment([form.block(form.record(1, 10, b"\n" * size) + form.record(2))]))
    text = native.expand(batch, np.arange(2), batch.begin, batch.ticks, json=False, payload=True)
    assert text.count(b"\\n") == size
    assert text.count(b"\n") == 2
