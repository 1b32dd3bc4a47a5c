"""Header blocks of HTTP/2 (HPACK, RFC 7541) where the beginning of a connection, or a part of it, was not recorded.

Entries of the dynamic table are counted from the newest, so a table that lacks its older part gives right entries or
none: what is not known is left out, and never wrong.
"""

from __future__ import annotations

from hpack.exceptions import HPACKError, InvalidTableIndex
from hpack.hpack import Decoder
from hpack.struct import HeaderTuple
from hpack.table import HeaderTable

LONGEST = 16384
"""Bytes of a header block that is read."""
_LARGEST_TABLE = 1 << 16  # bytes; of a larger one the older entries are not known
_UNKNOWN = (b"", b"")


class _Table(HeaderTable):
    """A dynamic table that may lack its older part."""

    def get_by_index(self, index: int) -> tuple[bytes, bytes]:
        try:
            return super().get_by_index(index)
        except InvalidTableIndex:
            if index == 0:
                raise
            return _UNKNOWN


class HeaderReader(Decoder):
    """The decoder of one direction."""

    def __init__(self) -> None:
        super().__init__()
        self._fields: list[HeaderTuple] = []
        self.max_allowed_table_size = _LARGEST_TABLE
        self.forget()

    def forget(self) -> None:
        """Blocks were not seen: from here on older entries are not known."""
        size = self.header_table.maxsize
        self.header_table = _Table()
        self.header_table.maxsize = size

    def read(self, block: bytes, whole: bool = True) -> dict[bytes, bytes]:
        """Fields by name, the first of each; ``whole``: the block is all there.

        Names or values that are not known are left out. Of a damaged block the fields before the damage are returned.
        """
        self._fields = []
        try:
            self.decode(block[:LONGEST], raw=True)
        except (HPACKError, IndexError, ValueError):
            whole = False
        if not whole or len(block) > LONGEST:
            self.forget()
        found: dict[bytes, bytes] = {}
        for name, value in self._fields:
            if name and (name, value) != _UNKNOWN:
                found.setdefault(bytes(name), bytes(value))
        return found

    def _update_encoding_context(self, data: bytes | memoryview) -> int:
        consumed = super()._update_encoding_context(data)
        self._fields = []
        return consumed

    def _decode_indexed(self, data: bytes | memoryview) -> tuple[HeaderTuple, int]:
        field, consumed = super()._decode_indexed(data)
        self._fields.append(field)
        return field, consumed

    def _decode_literal(self, data: bytes | memoryview, should_index: bool) -> tuple[HeaderTuple, int]:
        field, consumed = super()._decode_literal(data, should_index)
        self._fields.append(field)
        return field, consumed
