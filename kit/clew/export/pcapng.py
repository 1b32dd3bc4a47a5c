"""Captured bytes as packets that Wireshark opens: pcapng with made-up TCP around what calls really carried.

Format: draft-ietf-opsawg-pcapng (section header, interface description and enhanced packet blocks). Link type 101: IP
packets without a frame. Addresses, ports, times and bytes are those of the calls; handshakes, acknowledgements and
sequence numbers are made up to fit (no packet was captured: a call's bytes are cut into a few large segments). Bytes
that the recording did not keep are zeros, and the packet says so in its comment. Connections that have no address
(unix sockets) get 127.0.0.1 and a port that tells the protocol. Of a connection whose both ends were recorded there is
one copy.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from clew import __version__
from clew.case import Case
from clew.errors import ClewError
from clew.export._spans import to_utc
from clew.lens import Lens
from clew.native.protocols import CALLS, NONE, Array, in_order

_SEGMENT = 32 << 10  # bytes of payload in a packet, at most
_MOST_MISSING = 1 << 20  # bytes that are made up for one call, at most: larger holes stay holes
_SYN, _FIN, _ACK, _PUSH = 2, 1, 16, 8
_ROWS = 20_000
_ADDRESS = re.compile(r"\[?([0-9A-Fa-f.:]+)\]?:(\d{1,5})")

# Of two recorded ends the one that connected is taken: it knows the addresses that were asked for.
_CALLS = """
WITH moved AS (
    SELECT thread_id, seq, pid, tid, ts_ns, dur_ns, conn_id, byte_offset, bytes,
           o.class = 'write' OR o.op = 'tls_write' AS sent, o.class = 'tls' AS clear
    FROM event JOIN op o USING (op_id)
    WHERE conn_id IS NOT NULL AND bytes > 0 AND {lens}
          AND (o.class IN ('read', 'write') OR o.op IN ('tls_read', 'tls_write'))),
ends AS (
    SELECT c.*, m.clear, row_number() OVER (PARTITION BY least(c.conn_id, coalesce(c.peer_conn_id, c.conn_id))
                                            ORDER BY c.role = 'connected' DESC NULLS LAST, c.conn_id) AS nth
    FROM connection c
    JOIN (SELECT conn_id, bool_or(clear) AS clear FROM moved GROUP BY ALL) m USING (conn_id)
    WHERE c.kind IN ('tcp', 'unix'))
SELECT m.*, c.kind, c.local, c.remote, c.path, c.role, c.opened_ns, p.head, p.tail, p.head IS NULL AS unkept
FROM moved m JOIN ends c ON c.conn_id = m.conn_id AND c.nth = 1 AND c.clear = m.clear
LEFT JOIN payload p ON p.thread_id = m.thread_id AND p.seq = m.seq
"""


@dataclass
class _Stream:
    """What has been said of a connection so far; its own end is 0, the other 1."""

    addresses: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]
    ports: tuple[int, int]
    connected: bool  # this end asked for the connection
    note: str | None
    carried: list[int] = field(default_factory=lambda: [0, 0])  # bytes each end has sent


def pcapng(case: Case, lens: Lens) -> Iterator[bytes]:
    """The blocks of a file; raises ClewError where no bytes of a connection were recorded."""
    predicate, params = lens.compile("event")
    table = case.sql(_CALLS.format(lens=predicate), params)
    if not table.num_rows:
        raise ClewError("pcapng: no bytes of a TCP or unix connection were recorded there")
    utc = to_utc(case)
    yield _section()
    places, placed = _in_order(table)
    conn_ids, firsts = np.unique(table["conn_id"].to_numpy()[places], return_index=True)
    streams, opened = dict[int, _Stream](), list[tuple[int, int]]()
    for number, (first, call) in enumerate(zip(firsts, table.take(places[firsts]).to_pylist(), strict=True)):
        streams[call["conn_id"]] = _stream(call, number)
        at = int(placed["at_ns"][first])
        opened.append((min(at, call["opened_ns"] or at), int(conn_ids[number])))
    opened.sort(reverse=True)
    for begin in range(0, len(placed), _ROWS):
        calls = table.take(places[begin : begin + _ROWS]).to_pylist()
        for call, offset, at in zip(calls, *_each(placed[begin : begin + _ROWS]), strict=True):
            while opened and opened[-1][0] <= at:
                begun, conn_id = opened.pop()
                yield from _handshake(streams[conn_id], begun + utc)
            yield from _segments(streams[call["conn_id"]], call, offset, at + utc)


def _in_order(table: pa.Table) -> tuple[Array, Array]:
    """Which rows of ``table`` follow each other as bytes were moved, and PLACED for each of these: when, and where."""
    conn_ids, conv = np.unique(table["conn_id"].to_numpy(), return_inverse=True)
    none = pa.array([b""] * table.num_rows, pa.large_binary())
    columns = {name: table[name] for name in CALLS.names if name in table.column_names}
    columns |= {"conv": pa.array(conv), "head": none, "tail": none}
    columns["byte_offset"] = table["byte_offset"].fill_null(pa.scalar(NONE, pa.uint64()))
    calls = [columns[field.name].cast(field.type) for field in CALLS]
    placed = in_order(pa.table(calls, CALLS), len(conn_ids))
    places = np.empty(len(placed), np.int64)
    keys = table["seq"].to_numpy(), table["thread_id"].to_numpy()
    places[np.lexsort((placed["seq"], placed["thread_id"]))] = np.lexsort(keys)
    order = np.argsort(placed["at_ns"], kind="stable")
    return places[order], placed[order]


def _each(placed: Array) -> tuple[list[int | None], list[int]]:
    """Offsets (None: not known) and times."""
    return [None if offset == NONE else offset for offset in placed["byte_offset"].tolist()], placed["at_ns"].tolist()


def _stream(call: dict[str, Any], number: int) -> _Stream:
    """A connection's addresses; where it has none, this machine's, and ports that tell who is asked."""
    own, other = (_ADDRESS.fullmatch(call[name] or "") for name in ("local", "remote"))
    connected = call["role"] != "accepted"
    if own and other:
        addresses = tuple(ipaddress.ip_address(found[1]) for found in (own, other))
        ports = (int(own[2]) & 0xFFFF, int(other[2]) & 0xFFFF)
        if call["clear"]:  # clear text at a port that Wireshark takes for TLS
            ports = (_clear(ports[0]), _clear(ports[1]))
        if addresses[0].version == addresses[1].version:
            return _Stream(addresses, ports, connected, "clear text of a TLS connection" if call["clear"] else None)
    path = next((text for text in (call["path"], call["remote"], call["local"]) if text), "")
    port = re.search(r"\.s\.PGSQL\.(\d{1,5})$", path)
    asked = int(port[1]) & 0xFFFF if port else _PORTS.get(next((name for name in _PORTS if name in path), ""), 1)
    mine = 32768 + number % 28000
    here = ipaddress.ip_address("127.0.0.1")
    note = f"no TCP: {call['kind']} {path}"[:500]
    return _Stream((here, here), (mine, asked) if connected else (asked, mine), connected, note)


_PORTS = {"mysql": 3306, "redis": 6379, "memcache": 11211, "fpm": 9000, "fastcgi": 9000, "http": 80, ".X11": 6000}


def _clear(port: int) -> int:
    return {443: 80, 8443: 8080}.get(port, port)


def _handshake(stream: _Stream, at: int) -> Iterator[bytes]:
    """SYN, SYN and ACK, ACK: three packets, at the time the connection was opened or first seen."""
    first = 0 if stream.connected else 1
    for sender, flags, sequence in ((first, _SYN, 0), (1 - first, _SYN | _ACK, 0), (first, _ACK, 1)):
        note = stream.note if sequence == 0 and flags == _SYN else None
        yield _packet(stream, sender, flags, sequence, 1 if flags & _ACK else 0, b"", at, note)


def _segments(stream: _Stream, call: dict[str, Any], known: int | None, at: int) -> Iterator[bytes]:
    """What one call moved; ``known``: its offset in its direction."""
    sender = 0 if call["sent"] else 1
    offset = stream.carried[sender] if known is None else known
    if offset + call["bytes"] <= stream.carried[sender]:
        return  # peeked at before it was read
    head, tail = call["head"] or b"", call["tail"] or b""
    missing = call["bytes"] - len(head) - len(tail)
    note = None
    if missing > 0:
        note = f"{missing} bytes from byte {len(head)} of {call['bytes']} were not kept: shown as zeros"
        if missing > _MOST_MISSING:
            note = f"{missing} bytes from byte {len(head)} of {call['bytes']} were not kept: left out"
    pieces = (
        [(0, head + bytes(missing) + tail)]
        if missing <= _MOST_MISSING
        else [(0, head), (call["bytes"] - len(tail), tail)]
    )
    for begin, data in pieces:
        for place in range(0, len(data), _SEGMENT):
            part = data[place : place + _SEGMENT]
            sequence = 1 + offset + begin + place
            acknowledged = 1 + stream.carried[1 - sender]
            yield _packet(stream, sender, _ACK | _PUSH, sequence, acknowledged, part, at, note)
            note = None
    stream.carried[sender] = max(stream.carried[sender], offset + call["bytes"])


def _packet(
    stream: _Stream, sender: int, flags: int, sequence: int, acknowledged: int, data: bytes, at: int, note: str | None
) -> bytes:
    """An enhanced packet block with one IP packet."""
    source, target = stream.addresses[sender].packed, stream.addresses[1 - sender].packed
    ports = (stream.ports[sender], stream.ports[1 - sender])
    fields = (sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF, 5 << 12 | flags, 0xFFFF)
    length = 20 + len(data)

    def tcp(checksum: int) -> bytes:
        return struct.pack(">HHIIHHHH", *ports, *fields, checksum, 0)

    pseudo = source + target + struct.pack(">IHBB" if len(source) == 16 else ">BBH", *_pseudo(len(source), length))
    segment = tcp(_checksum(pseudo + tcp(0) + data)) + data
    if len(source) == 4:

        def ip(checksum: int) -> bytes:
            about = (0x45, 0, 20 + length, 0, 0x4000, 64, 6, checksum)
            return struct.pack(">BBHHHBBH", *about) + source + target

        packet = ip(_checksum(ip(0))) + segment
    else:
        packet = struct.pack(">IHBB", 6 << 28, length, 6, 64) + source + target + segment
    block = struct.pack("<IIIII", 0, at >> 32 & 0xFFFFFFFF, at & 0xFFFFFFFF, len(packet), len(packet)) + _padded(packet)
    return _block(6, block + (_option(1, note.encode("utf-8", "replace")) + _option(0, b"") if note else b""))


def _pseudo(size: int, length: int) -> tuple[int, ...]:
    """What the checksum covers beside addresses: IPv6 length, zeros, next header; IPv4 zero, protocol, length."""
    return (length, 0, 0, 6) if size == 16 else (0, 6, length)


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): the sum of 16-bit words is the same modulo 65535 as the one large number."""
    value = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    folded = value % 0xFFFF
    return 0xFFFF - (folded or (0xFFFF if value else 0))


def _section() -> bytes:
    """Section header and the one interface; times in ns."""
    who = _option(4, f"clew {__version__}".encode()) + _option(0, b"")
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + who
    options = _option(2, b"recorded calls") + _option(9, bytes([9])) + _option(0, b"")
    return _block(0x0A0D0D0A, section) + _block(1, struct.pack("<HHI", 101, 0, 0) + options)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
