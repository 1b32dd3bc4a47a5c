"""MySQL and MariaDB, from packets written by hand after the protocol's documentation."""

from __future__ import annotations

import random
import struct

import pytest

from .conversation import C, Pieces, S, exchanges, same_however_cut, tell

PROTOCOL_41, SSL, COMPRESS, NO_EOF, ATTRIBUTES = 0x200, 0x800, 0x20, 1 << 24, 1 << 27
IN_TRANSACTION, MORE, CURSOR = 1, 8, 0x40


def packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number & 255]) + body


def packets(first: int, *bodies: bytes) -> bytes:
    return b"".join(packet(first + at, body) for at, body in enumerate(bodies))


def com(code: int, body: bytes = b"") -> bytes:
    return packet(0, bytes([code]) + body)


def ok(status: int = 2, head: bytes = b"\0") -> bytes:
    return head + b"\0\0" + struct.pack("<HH", status, 0)


def eof(status: int = 2) -> bytes:
    return b"\xfe" + struct.pack("<HH", 0, status)


def err(code: int) -> bytes:
    return b"\xff" + struct.pack("<H", code) + b"#42S02it failed"


def handshake(capabilities: int = PROTOCOL_41, number: int = 1) -> bytes:
    return packet(number, struct.pack("<IIB", capabilities, 1 << 24, 45) + bytes(23) + b"me\0\x04abcd")


def rows(count: int, *, old: bool = True, status: int = 2, start: int = 1, size: int = 20) -> bytes:
    column, row = b"\3def" + bytes(20), b"\x05hello" + b"\xfb" + b"x" * size
    if old:
        return packets(start, b"\2", column, column, eof(status & ~MORE), *[row] * count, eof(status))
    return packets(start, b"\2", column, column, *[row] * count, ok(status, b"\xfe"))


GREETING = packet(0, b"\x0a8.0.36-x\0" + bytes(4) + b"saltsalt\0" + bytes(30))
QUERY, PREPARE, EXECUTE, LONG, CLOSE, QUIT, PING = 3, 0x16, 0x17, 0x18, 0x19, 1, 14
SELECT = com(QUERY, b"SELECT * FROM t WHERE id = 17")


def login(capabilities: int = PROTOCOL_41) -> Pieces:
    return [(S, GREETING), (C, handshake(capabilities)), (S, packet(2, ok()))]


def test_handshake_and_simple_commands() -> None:
    pieces = [
        (S, GREETING),
        (C, handshake()),
        (S, packet(2, b"\xfecaching_sha2_password\0salt\0")),
        (C, packet(3, b"secret")),
        (S, packets(4, b"\1\3", ok())),
        (C, com(PING)),
        (S, packet(1, ok())),
        (C, com(2, b"shop")),
        (S, packet(1, ok())),
        (C, com(9)),
        (S, packet(1, b"Uptime: 17  Threads: 1")),
        (C, com(QUIT)),
    ]
    told = tell(pieces)
    assert exchanges(told) == [("connect", "OK", False), *((name, "OK", False) for name in COMMANDS)]
    assert [one.kind for one in told if one.role == "other"] == ["Greeting", "Authentication", "COM_QUIT"]
    assert not any("secret" in str(one.where()) for one in told)
    assert next(one.summary for one in told if one.kind == "COM_INIT_DB") == "shop"
    same_however_cut(pieces)


COMMANDS = ["COM_PING", "COM_INIT_DB", "COM_STATISTICS"]


@pytest.mark.parametrize("old", [True, False])
def test_result_sets_errors_and_transactions(old: bool) -> None:
    pieces = [
        *login(PROTOCOL_41 | (0 if old else NO_EOF)),
        (C, SELECT),
        (S, rows(3, old=old)),
        (C, com(QUERY, b"BEGIN")),
        (S, packet(1, ok(3))),
        (C, com(QUERY, b"SELECT nope")),
        (S, packet(1, err(1054))),
        (C, com(QUERY, b"SELECT 1; SELECT 2")),
        (S, rows(1, old=old, status=3 | MORE) + rows(0, old=old, status=3, start=7)),
        (C, com(QUERY, b"UPDATE t SET a = 1")),
        (S, packet(1, err(1213))),
        (C, com(QUERY, b"SELECT broken in its rows")),
        (S, rows(0, old=old)[: -11 if not old else -9] + packet(5, err(1317))),
    ]
    told = tell(pieces)
    assert exchanges(told)[1:] == [
        ("SELECT * FROM t WHERE id = ?", "OK", False),
        ("BEGIN", "OK", True),
        ("SELECT nope", "1054", True),
        ("SELECT ?; SELECT ?", "OK", True),
        ("UPDATE t SET a = ?", "1213", False),
        ("SELECT broken in its rows", "1317", False),
    ]
    assert next((one.status, one.summary) for one in told if one.error) == ("1054", "it failed")
    same_however_cut(pieces)


@pytest.mark.parametrize("old", [True, False])
def test_prepared_statements(old: bool) -> None:
    define = b"\3def" + bytes(20)
    ends = [eof()] if old else []
    prepared = packets(1, b"\0" + struct.pack("<IHHBH", 7, 2, 1, 0, 0), define, *ends, define, define, *ends)
    bare = packet(1, b"\0" + struct.pack("<IHHBH", 8, 0, 0, 0, 0))
    use = struct.pack("<IBI", 7, 0, 1)
    pieces = [
        *login(PROTOCOL_41 | (0 if old else NO_EOF)),
        (C, com(PREPARE, b"SELECT a FROM t WHERE b = ? AND c = 5")),
        (S, prepared),
        (C, com(LONG, struct.pack("<IH", 7, 0) + b"long") + com(EXECUTE, use)),
        (S, rows(5, old=old)),
        (C, com(PREPARE, b"DELETE FROM t")),
        (S, bare),
        (C, com(EXECUTE, struct.pack("<IBI", 8, 0, 1))),
        (S, packet(1, ok())),
        (C, com(CLOSE, struct.pack("<I", 7)) + com(PING)),
        (S, packet(1, ok())),
        (C, com(EXECUTE, use)),
        (S, packet(1, err(1243))),
        (C, com(PREPARE, b"SELECT 1") + com(EXECUTE, struct.pack("<IBI", 0xFFFFFFFF, 0, 1))),
        (S, bare + packet(1, ok())),
    ]
    name = "SELECT a FROM t WHERE b = ? AND c = ?"
    told = tell(pieces)
    assert [(one, status) for one, status, _ in exchanges(told)][1:] == [
        *((f"COM_STMT_PREPARE {name}", "OK"), (name, "OK")),
        *(("COM_STMT_PREPARE DELETE FROM t", "OK"), ("DELETE FROM t", "OK"), ("COM_PING", "OK")),
        *(("COM_STMT_EXECUTE", "1243"), ("COM_STMT_PREPARE SELECT ?", "OK"), ("SELECT ?", "OK")),
    ]
    others = [(one.kind, one.name) for one in told if one.role == "other"][1:]
    assert others == [(kind, f"{kind} {name}") for kind in ("COM_STMT_SEND_LONG_DATA", "COM_STMT_CLOSE")]
    same_however_cut(pieces)


def test_change_of_user() -> None:
    pieces = [
        *login(),
        (C, com(0x11, b"you\0\4abcd\0")),
        (S, packet(1, b"\xfemysql_native_password\0salt\0")),
        (C, packet(2, b"secret")),
        (S, packet(3, ok())),
        (C, com(PING)),
        (S, packet(1, ok())),
    ]
    told = tell(pieces)
    assert exchanges(told)[1:] == [("COM_CHANGE_USER", "OK", False), ("COM_PING", "OK", False)]
    assert [one.kind for one in told if one.role == "other"] == ["Greeting", "Authentication"]
    same_however_cut(pieces)


def test_rows_fetched_by_cursor() -> None:
    column = b"\3def" + bytes(20)
    opened = packets(1, b"\1", column, eof(2 | CURSOR))
    pieces = [
        *login(),
        (C, com(EXECUTE, struct.pack("<IBI", 1, 1, 1))),
        (S, opened),
        (C, com(0x1C, struct.pack("<II", 1, 10))),
        (S, packets(1, b"\0\0row", b"\0\0row", eof(2 | CURSOR))),
        (C, com(0x1C, struct.pack("<II", 1, 10))),
        (S, packet(1, eof(2 | 0x80))),
    ]
    assert [status for _, status, _ in exchanges(tell(pieces))] == ["OK"] * 4
    same_however_cut(pieces)


def test_file_of_the_client() -> None:
    pieces = [
        *login(),
        (C, com(QUERY, b"LOAD DATA LOCAL INFILE 'f' INTO TABLE t")),
        (S, packet(1, b"\xfbf")),
        (C, packets(2, b"1\tx\n" * 50, b"2\ty\n" * 50, b"")),
        (S, packet(5, ok())),
        (C, com(PING)),
        (S, packet(1, ok())),
    ]
    told = tell(pieces)
    assert exchanges(told)[1:] == [("LOAD DATA LOCAL INFILE ? INTO TABLE t", "OK", False), ("COM_PING", "OK", False)]
    assert [(one.kind, one.size) for one in told if one.role == "other"][1:] == [("LOCAL INFILE", 412)]
    same_however_cut(pieces)


def test_packets_of_16_megabytes() -> None:
    full = 0xFFFFFF
    sql = b"SELECT '" + b"x" * (full + 100) + b"'"
    text = b"\3" + sql
    column = b"\3def" + bytes(20)
    row = b"y" * (2 * full)
    replies = [packets(1, b"\1", column, eof()), packet(4, row[:full]), packet(5, row[full:]), packets(6, b"", eof())]
    pieces = [
        *login(),
        (C, packet(0, text[:full])),
        (C, packet(1, text[full:])),
        *((S, piece) for piece in replies),
        (C, com(PING)),
        (S, packet(1, ok())),
    ]
    for keep in ((1 << 30, 0), (256, 64)):
        told = tell(pieces, keep=keep)
        assert exchanges(told)[1:] == [("SELECT ?...", "OK", False), ("COM_PING", "OK", False)]
        assert [one.size for one in told][3:5] == [len(text) + 8, sum(map(len, replies))]
        assert all(one.whole for one in told)


def test_what_cannot_be_read_is_not_told() -> None:
    wrapped = [(C, b"\x16\x03\x01" + bytes(60)), (S, b"\x16\x03\x03" + bytes(60))]
    tls = [(S, GREETING), (C, packet(1, struct.pack("<IIB", PROTOCOL_41 | SSL, 1 << 24, 45) + bytes(23))), *wrapped]
    assert [one.kind for one in tell(tls)] == ["Greeting", "SSLRequest"]
    compressed = [
        *login(PROTOCOL_41 | COMPRESS),
        (C, b"\x05\0\0\0\0\0\0" + SELECT),
        (S, b"\x07\0\0\0\0\0\0" + bytes(40)),
    ]
    assert exchanges(tell(compressed)) == [("connect", "OK", False)] and len(tell(compressed)) == 3
    same_however_cut(tls)
    same_however_cut(compressed)


def test_clear_text_of_tls_begins_with_the_handshake() -> None:
    pieces = [(C, handshake(number=2)), (S, packet(3, ok())), (C, SELECT), (S, rows(2))]
    assert exchanges(tell(pieces)) == [("connect", "OK", False), ("SELECT * FROM t WHERE id = ?", "OK", False)]


def test_replies_with_holes_end_where_the_client_goes_on() -> None:
    big = rows(900, status=3, size=60)
    pieces = [
        *login(),
        (C, SELECT),
        *((S, big[at : at + 16384]) for at in range(0, len(big), 16384)),
        (C, com(QUERY, b"COMMIT")),
        (S, packet(1, ok())),
        (C, com(QUERY, b"SELECT '" + b"x" * 5000 + b"'")),
        (S, packet(1, ok())),
    ]
    told = tell(pieces, keep=(256, 64))
    wanted = [("SELECT * FROM t WHERE id = ?", "OK", True), ("COMMIT", "OK", False), ("SELECT ?...", "OK", False)]
    assert exchanges(told)[1:] == wanted
    assert [(one.side, one.at, one.size) for one in told] == [(one.side, one.at, one.size) for one in tell(pieces)]


def test_a_recording_that_begins_in_the_middle() -> None:
    pieces = [(C, SELECT), (S, rows(2, old=False)), (C, com(PING)), (S, packet(1, ok())), (C, SELECT), (S, rows(2))]
    told = tell(pieces, start=(900, 900))
    assert [status for _, status, _ in exchanges(told)] == ["OK", "OK", "OK"] and told[0].protocol == "mysql"


def test_query_attributes_stand_before_the_statement() -> None:
    pieces = [*login(PROTOCOL_41 | ATTRIBUTES), (C, com(QUERY, b"\0\1SELECT 17")), (S, packet(1, ok()))]
    assert exchanges(tell(pieces))[1:] == [("SELECT ?", "OK", False)]


def test_hostile_bytes() -> None:
    chance = random.Random(6)
    said = [
        GREETING,
        handshake(),
        SELECT,
        rows(3),
        rows(3, old=False),
        packet(1, ok()),
        packet(1, err(1)),
        com(PREPARE, b"x"),
    ]
    for _ in range(300):
        pieces = []
        for _ in range(chance.randint(1, 12)):
            data = bytearray(chance.choice(said))
            for _ in range(chance.randint(0, 3)):
                data[chance.randrange(len(data))] = chance.choice((0, 255, 254, 251, chance.randrange(256)))
            pieces.append((chance.randint(0, 1), bytes(data)))
        told = tell(pieces, hint="mysql", keep=chance.choice(((1 << 20, 0), (20, 10))))
        total = {side: sum(len(data) for one, data in pieces if one == side) for side in (C, S)}
        assert all(one.at + one.size <= total[one.side] for one in told)
