"""Segments and arenas made by hand, byte for byte, so that the reader is checked against the format and not itself."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from clew.native.library import ABI

NONCE = 0x1122334455667788


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def make_record(
    seq: int,
    op: int = 1,
    head: bytes = b"",
    tail: bytes = b"",
    *,
    flags: int = 0,
    begin: int = 0,
    ticks: int = 0,
    result: int = 0,
    conn_id: int = 0,
    offset: int = 2**64 - 1,
    fd: int = -1,
    error: int = 0,
) -> bytes:
    """struct clew_record and its bytes."""
    body = struct.pack(
        "<QQqQQiIHHI", begin, ticks, result, conn_id, offset, fd, seq, error, len(tail), len(head)
    ) + _padded(head + tail)
    return struct.pack("<IHH", 8 + len(body), op, flags) + body


def make_block(
    payload: bytes,
    kind: int = 1,
    *,
    serial: int = 1,
    pid: int = 10,
    tid: int = 11,
    position: int = 0,
    ticks: int = 0,
    nonce: int = NONCE,
) -> bytes:
    """struct clew_block_header and its payload."""

    def header(crc: int) -> bytes:
        return struct.pack(
            "<IHHIIQIIQQQQ", 0x4B424C43, kind, 0, len(payload), crc, serial, pid, tid, position, ticks, nonce, 0
        )

    return _padded(header(zlib.crc32(header(0) + payload)) + payload)


def make_header(nonce: int = NONCE) -> bytes:
    """struct clew_segment_header."""
    head = struct.pack("<QIIQQQ20x", 0x3130474553574C43, ABI, 1, 10**9, 5, nonce)
    return head + struct.pack("<I", zlib.crc32(head))


class Format:
    """The makers above, as one fixture."""

    record = staticmethod(make_record)
    block = staticmethod(make_block)
    header = staticmethod(make_header)


@pytest.fixture
def form() -> type[Format]:
    """form.header(), form.block(...), form.record(...)."""
    return Format


@pytest.fixture
def segment(tmp_path: Path) -> Callable[[Iterable[bytes]], Path]:
    """segment(blocks) -> a segment file of them."""

    def write(blocks: Iterable[bytes]) -> Path:
        path = tmp_path / "seg-000001.clew"
        path.write_bytes(make_header() + b"".join(blocks))
        return path

    return write
