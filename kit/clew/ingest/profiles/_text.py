"""Text too long to hold: read in blocks (gzip too), handed on in paragraphs, the units that blank lines make."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from clew.errors import ClewError

BLOCK = 1 << 20
"""Bytes read at a time: paragraphs of one block share a list, the rest of the file is not in memory."""
_GZIP = b"\x1f\x8b"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of the file at ``path``, unpacked if it is gzip. Raises ClewError if they cannot be read."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
    except (OSError, EOFError, zlib.error) as error:
        raise ClewError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def unpacked(head: bytes) -> bytes:
    """``head``, the start of a file, as text: unpacked if it is gzip, as far as it goes."""
    if not head.startswith(_GZIP):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 1 << 16)
    except zlib.error:
        return b""


def blocks(file: BinaryIO, start: bytes = b"", *, exact: bool = False) -> Iterator[tuple[bytes, bool]]:
    r"""The text ``start`` and what ``file`` holds, cut at blank lines: (block, whether its last paragraph has ended).

    A block that has not ended is of one paragraph, which goes on with the next that comes, if one does: it is longer
    than a block, or the text ends without a blank line. Each ends at a line's end, but for the text's last: that keeps
    its line feed, if it has one, so that a text that was cut off can be told. Lines that end in CR LF are taken as if
    in LF if the first line does, unless ``exact``.
    """
    rest, crlf = b"", False if exact else None
    while block := start or file.read(BLOCK):
        rest, start = rest + block, b""
        if crlf is None and b"\n" in rest:
            crlf = rest[: rest.find(b"\n") + 1].endswith(b"\r\n")
        if crlf:
            rest = rest.replace(b"\r\n", b"\n")
        cut = rest.rfind(b"\n\n")
        if cut >= 0:
            yield rest[:cut], True
            rest = rest[cut + 2 :]
        elif len(rest) > BLOCK and (cut := rest.rfind(b"\n", 0, -1)) >= 0:
            yield rest[:cut], False
            rest = rest[cut + 1 :]
    rest = (rest.replace(b"\r\n", b"\n") if crlf else rest).lstrip(b"\n")
    if rest:
        yield rest, False


def paragraphs(block: bytes, ended: bool) -> list[bytes]:
    """The paragraphs of one of blocks(): they begin with no line feed, and none is empty."""
    return [found for text in block.split(b"\n\n") if (found := text.strip(b"\n"))] if ended else [block]
