"""PostgreSQL, from messages written by hand after the manual's chapter on the protocol."""

from __future__ import annotations

import random
import struct

from clew.native import normalise

from .conversation import C, Pieces, S, exchanges, same_however_cut, tell


def m(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack(">I", len(body) + 4) + body


def untyped(code: int, body: bytes = b"") -> bytes:
    return struct.pack(">II", len(body) + 8, code) + body


def ready(state: bytes = b"I") -> bytes:
    return m("Z", state)


def done(tag: str) -> bytes:
    return m("C", tag.encode() + b"\0")


def query(sql: str) -> bytes:
    return m("Q", sql.encode() + b"\0")


def parse(name: str, sql: str) -> bytes:
    return m("P", f"{name}\0{sql}\0".encode() + bytes(2))


def bind(portal: str, statement: str, *values: bytes | None) -> bytes:
    body = f"{portal}\0{statement}\0".encode() + struct.pack(">HH", 0, len(values))
    for value in values:
        body += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return m("B", body + bytes(2))


def execute(portal: str = "") -> bytes:
    return m("E", portal.encode() + bytes(5))


def describe(kind: str, name: str = "") -> bytes:
    return m("D", f"{kind}{name}\0".encode())


def failed(code: str, text: str, severity: str = "ERROR") -> bytes:
    return m(
        "E",
        b"".join(f"{k}{v}\0".encode() for k, v in zip("SVCM", (severity, severity, code, text), strict=True)) + b"\0",
    )


SYNC, FLUSH, ROWS = m("S"), m("H"), m("T", bytes(20)) + m("D", bytes(40)) * 3
AUTHENTICATED = m("R", bytes(4)) + m("S", b"a\0b\0") + m("K", bytes(8)) + ready()
START = untyped(196608, b"user\0me\0database\0shop\0\0")


def test_start_with_refused_encryption_and_password() -> None:
    pieces = [
        (C, untyped(80877104)),
        (S, b"N"),
        (C, untyped(80877103)),
        (S, b"N"),
        (C, START),
        (S, m("R", struct.pack(">I", 3))),
        (C, m("p", b"secret\0")),
        (S, AUTHENTICATED),
        (C, query("SELECT 1")),
        (S, ROWS + done("SELECT 3") + ready()),
        (C, m("X")),
    ]
    told = tell(pieces)
    assert exchanges(told) == [("connect", "OK", False), ("SELECT ?", "SELECT", False)]
    assert [one.kind for one in told if one.role == "other"] == [
        *("GSSENCRequest", "EncryptionResponse", "SSLRequest", "EncryptionResponse", "Password", "Terminate"),
    ]
    assert not any("secret" in str(one.where()) for one in told)
    assert next(one.summary for one in told if one.kind == "Startup") == "user=me database=shop"
    same_however_cut(pieces)


def test_behind_an_accepted_encryption_nothing_is_told() -> None:
    for asked, said in ((80877103, b"S"), (80877104, b"G")):
        pieces = [(C, untyped(asked)), (S, said), (C, b"\x16\x03\x01" + bytes(50)), (S, b"\x16\x03\x03" + bytes(90))]
        assert [one.role for one in tell(pieces)] == ["other", "other"]
        same_however_cut(pieces)


def test_refused_connection() -> None:
    pieces = [(C, START), (S, failed("28000", "no role", "FATAL"))]
    assert exchanges(tell(pieces)) == [("connect", "28000", None)]
    same_however_cut(pieces)


def test_cancel_request() -> None:
    told = tell([(C, untyped(80877102, bytes(8)))])
    assert [(one.kind, one.role, one.protocol) for one in told] == [("CancelRequest", "other", "postgres")]


def test_transaction_holds_the_connection() -> None:
    pieces = [
        (C, query("BEGIN")),
        (S, done("BEGIN") + ready(b"T")),
        (C, query("SELECT nope")),
        (S, failed("42703", "no such column") + ready(b"E")),
        (C, query("ROLLBACK")),
        (S, done("ROLLBACK") + ready()),
        (C, query("")),
        (S, m("I") + ready()),
        (C, query("UPDATE t SET a = 1; INSERT INTO t VALUES (2)")),
        (S, done("UPDATE 10") + done("INSERT 0 1") + ready()),
    ]
    told = tell(pieces)
    assert exchanges(told) == [
        ("BEGIN", "BEGIN", True),
        ("SELECT nope", "42703", True),
        ("ROLLBACK", "ROLLBACK", False),
        ("Query", "EMPTY", False),
        ("UPDATE t SET a = ?; INSERT INTO t VALUES (?)", "INSERT", False),
    ]
    errors = [one for one in told if one.error]
    assert [(one.kind, one.summary, one.role) for one in errors] == [("ErrorResponse", "no such column", "reply")]
    same_however_cut(pieces)


def test_prepared_statements_are_remembered() -> None:
    insert = "INSERT INTO t VALUES ($1, $2)"
    pieces = [
        (C, parse("s1", insert) + describe("S", "s1") + SYNC),
        (S, m("1") + m("t", bytes(10)) + m("n") + ready()),
        (C, bind("", "s1", b"17", None) + execute() + SYNC),
        (S, m("2") + done("INSERT 0 1") + ready()),
        (C, bind("p1", "s1", b"18", b"x") + describe("P", "p1") + execute("p1") + SYNC),
        (S, m("2") + m("n") + done("INSERT 0 1") + ready()),
        (C, bind("", "lost", b"1") + execute() + SYNC),
        (S, m("2") + done("SELECT 0") + ready()),
        (C, m("C", b"Ss1\0") + SYNC),
        (S, m("3") + ready()),
        (C, bind("", "s1", b"1") + execute() + SYNC),
        (S, failed("26000", "no statement") + ready()),
    ]
    told = tell(pieces)
    name = "INSERT INTO t VALUES (?, ?)"
    names = [
        (f"Parse {name}", "OK"),
        (name, "INSERT"),
        (name, "INSERT"),
        ("Execute", "SELECT"),
        (f"Close {name}", "OK"),
        ("Execute", "26000"),
    ]
    assert [(one, status) for one, status, _ in exchanges(told)] == names
    requests = [one for one in told if one.role == "request"]
    assert [one.kind for one in requests] == ["Parse", "Execute", "Execute", "Execute", "Close", "Execute"]
    assert requests[1].summary == f"{name} [17, NULL]" and requests[2].summary == f"{name} [18, x]"
    same_however_cut(pieces)


def test_what_runs_no_statement_is_named_by_what_it_does() -> None:
    pieces = [
        (C, parse("s1", "SELECT a FROM t WHERE b = 1") + SYNC),
        (S, m("1") + ready()),
        (C, describe("S", "s1") + SYNC),
        (S, m("t", bytes(2)) + m("n") + ready()),
        (C, bind("p1", "s1") + describe("P", "p1") + FLUSH),
        (S, m("2") + m("n")),
        (C, execute("p1") + SYNC),
        (S, done("SELECT 1") + ready()),
        (C, parse("", "DELETE FROM t") + parse("s2", "SELECT 2") + SYNC),
        (S, m("1") + m("1") + ready()),
        (C, parse("", "DELETE FROM t") + bind("", "") + execute() + m("C", b"S\0") + SYNC),
        (S, m("1") + m("2") + done("DELETE 1") + m("3") + ready()),
    ]
    name = "SELECT a FROM t WHERE b = ?"
    assert [one for one, _, _ in exchanges(tell(pieces))] == [
        *(f"Parse {name}", f"Describe {name}", f"Bind {name}", name),
        *("Parse DELETE FROM t; SELECT ?", "DELETE FROM t"),
    ]
    same_however_cut(pieces)


def test_a_long_statement_that_is_only_parsed_keeps_its_limit() -> None:
    columns = ", ".join(f"column_{number}" for number in range(200))
    pieces = [(C, parse("", f"SELECT {columns} FROM t") + SYNC), (S, m("1") + ready())]
    ((name, _, _),) = exchanges(tell(pieces))
    assert name and name.startswith("Parse SELECT column_0, column_1") and name.endswith("...") and len(name) == 1000
    same_however_cut(pieces, hint="postgres")


def test_pipelines_of_several_syncs() -> None:
    one = parse("", "SELECT $1") + bind("", "", b"1") + describe("P") + execute() + SYNC
    two = parse("", "DELETE FROM t") + bind("", "") + execute() + bind("", "") + execute() + SYNC
    pieces = [
        (C, one + two + one),
        (S, m("1") + m("2") + ROWS + done("SELECT 1") + ready()),
        (S, m("1") + m("2") + done("DELETE 3") + failed("40001", "again") + ready()),
        (S, m("1") + m("2") + ROWS + done("SELECT 1") + ready()),
    ]
    assert exchanges(tell(pieces)) == [
        ("SELECT ?", "SELECT", False),
        ("DELETE FROM t", "40001", False),
        ("SELECT ?", "SELECT", False),
    ]
    same_however_cut(pieces)


def test_a_flush_that_is_waited_for_is_an_exchange() -> None:
    pieces = [
        (C, parse("a", "SELECT 1") + describe("S", "a") + FLUSH),
        (S, m("1") + m("t", bytes(2)) + ROWS[:25]),
        (C, bind("", "a") + execute() + SYNC),
        (S, m("2") + ROWS[25:] + done("SELECT 3") + ready()),
        (C, parse("b", "SELECT nope") + describe("S", "b") + FLUSH),
        (S, failed("42703", "nope")),
        (C, FLUSH + SYNC),
        (S, ready()),
        (C, query("SELECT 2")),
        (S, ROWS + done("SELECT 3") + ready()),
    ]
    told = tell(pieces)
    assert exchanges(told) == [
        ("Parse SELECT ?", "OK", True),
        ("SELECT ?", "SELECT", False),
        ("Parse SELECT nope", "42703", True),
        ("Sync", "OK", False),
        ("SELECT ?", "SELECT", False),
    ]
    same_however_cut(pieces)


def test_copy_in() -> None:
    rows = m("d", b"1\tx\n" * 100) * 5
    pieces = [
        (C, query("COPY t FROM STDIN")),
        (S, m("G", bytes(5))),
        (C, rows + m("c")),
        (S, done("COPY 500") + ready()),
        (C, parse("", "COPY t FROM STDIN") + bind("", "") + execute() + SYNC),
        (S, m("1") + m("2") + m("G", bytes(5))),
        (C, rows + m("c") + SYNC),
        (S, done("COPY 500") + ready()),
        (C, query("SELECT 1")),
        (S, ROWS + done("SELECT 3") + ready()),
    ]
    told = tell(pieces)
    assert exchanges(told) == [
        ("COPY t FROM STDIN", "COPY", False),
        ("COPY t FROM STDIN", "COPY", False),
        ("SELECT ?", "SELECT", False),
    ]
    copies = [(one.kind, one.size) for one in told if one.role == "other"]
    assert copies == [("CopyData", len(rows) + 5), ("CopyData", len(rows) + 5), ("Sync", 5)]
    same_however_cut(pieces)


def test_replication_is_not_followed() -> None:
    pieces = [
        (C, query("START_REPLICATION 0/1")),
        (S, m("W", bytes(3))),
        (S, m("d", bytes(30)) * 3),
        (C, m("d", bytes(34))),
    ]
    assert exchanges(tell(pieces)) == [("START_REPLICATION ?/?", "COPY BOTH", True)] and len(tell(pieces)) == 2
    same_however_cut(pieces)


def test_copy_out_is_one_reply() -> None:
    out = m("H", bytes(5)) + m("d", b"row\n") * 50 + m("c") + done("COPY 50") + ready()
    told = tell([(C, query("COPY t TO STDOUT")), (S, out)])
    assert exchanges(told) == [("COPY t TO STDOUT", "COPY", False)] and told[1].size == len(out)


def test_notices_and_notifications_are_nobodys() -> None:
    notice, notify = m("N", b"SNOTICE\0\0"), m("A", bytes(4) + b"channel\0x\0")
    pieces = [
        (C, query("LISTEN channel")),
        (S, done("LISTEN") + ready()),
        (S, notify + notice),
        (C, query("SELECT 1")),
        (S, notice + ROWS + notice + done("SELECT 3") + notify + ready()),
        (S, failed("57P01", "shutting down", "FATAL")),
    ]
    told = tell(pieces)
    assert exchanges(told) == [("LISTEN channel", "LISTEN", False), ("SELECT ?", "SELECT", False)]
    others = [(one.kind, one.error) for one in told if one.role == "other"]
    assert others == [
        ("NotificationResponse", False),
        ("NoticeResponse", False),
        ("NoticeResponse", False),
        ("ErrorResponse", True),
    ]
    same_however_cut(pieces)


def large() -> Pieces:
    rows = m("T", bytes(30)) + m("D", b"x" * 90) * 300 + done("SELECT 300") + ready()
    return [
        (C, query("SELECT * FROM t")),
        *((S, rows[at : at + 8192]) for at in range(0, len(rows), 8192)),
        (C, query("SELECT '" + "long " * 500 + "' FROM u")),
        (S, failed("22001", "too long " * 100) + ready(b"E")),
        (C, query("ROLLBACK")),
        (S, done("ROLLBACK") + ready()),
    ]


def test_replies_with_holes_end_where_they_end() -> None:
    """Only head and tail of each call were kept; most rows were not."""
    told = tell(large(), keep=(256, 64))
    assert exchanges(told) == [
        ("SELECT * FROM t", "SELECT", False),
        ("SELECT ?...", "22001", True),
        ("ROLLBACK", "ROLLBACK", False),
    ]
    places = [(one.side, one.at, one.size) for one in told]
    assert places == [(one.side, one.at, one.size) for one in tell(large())] and all(one.whole for one in told)


def test_long_batches_with_holes() -> None:
    """One Sync: still one exchange. Other exchanges are told apart behind it."""
    batch = parse("", "INSERT INTO t VALUES ($1)") + (bind("", "", b"x" * 30) + execute()) * 200 + SYNC
    pieces = [
        (C, batch),
        (S, m("1") + (m("2") + done("INSERT 0 1")) * 200 + ready()),
        (C, query("SELECT 1")),
        (S, ROWS + done("SELECT 3") + ready()),
    ]
    told = tell(pieces, keep=(256, 64))
    assert exchanges(told) == [("INSERT INTO t VALUES (?)", "INSERT", False), ("SELECT ?", "SELECT", False)]
    assert [one.size for one in told] == [len(data) for _, data in pieces]
    same = (parse("", "SELECT a, b, c, d, e, f FROM t WHERE a = $1 AND b = 2") + bind("", "", b"1") + execute()) * 20
    told = tell([(C, same + SYNC), (S, (m("1") + m("2") + ROWS + done("SELECT 3")) * 20 + ready())], keep=(256, 64))
    assert exchanges(told) == [("SELECT a, b, c, d, e, f FROM t WHERE a = ? AND b = ?", "SELECT", False)]


def test_a_hole_among_several_exchanges_links_nothing_wrongly() -> None:
    one = bind("", "s", b"x" * 50) + execute() + SYNC
    answer = m("2") + done("INSERT 0 1") + ready()
    pieces = [(C, query("SELECT 1") + one * 40), (S, (ROWS + done("SELECT 3") + ready()) + answer * 40)]
    truth = {(told.at, told.exchange) for told in tell(pieces) if told.role == "reply"}
    told = tell(pieces, keep=(200, 64))
    linked = {(one.at, one.exchange) for one in told if one.role == "reply" and one.exchange is not None}
    assert linked <= truth


def test_a_recording_that_begins_in_the_middle() -> None:
    pieces = [
        (S, m("D", bytes(30)) + done("SELECT 9") + ready(b"T")),
        (C, query("SELECT 17")),
        (S, ROWS + done("SELECT 3") + ready(b"T")),
        (C, query("COMMIT")),
        (S, done("COMMIT") + ready()),
    ]
    told = tell(pieces, start=(1000, 5000))
    assert exchanges(told) == [("SELECT ?", "SELECT", True), ("COMMIT", "COMMIT", False)]
    assert (told[0].role, told[0].exchange, told[0].at) == ("reply", None, 5000)
    cut = [(S, pieces[0][1][7:]), *pieces[1:]]
    assert exchanges(tell(cut, start=(1000, 5000), hint="postgres")) == exchanges(told)


def test_ends_are_told_apart_by_what_they_say() -> None:
    pieces = [(C, query("SELECT 1")), (S, ROWS + done("SELECT 3") + ready())]
    for client_end in (True, False):
        assert exchanges(tell(pieces, sure=False, client_end=client_end)) == [("SELECT ?", "SELECT", False)]


def test_hundreds_of_statements() -> None:
    """Drivers keep 100 to 256 on a connection."""
    pieces = []
    for number in range(250):
        pieces += [(C, parse(f"s{number}", f"SELECT a{number} FROM t") + SYNC), (S, m("1") + ready())]
    for number in range(250):
        pieces += [(C, bind("", f"s{number}") + execute() + SYNC), (S, m("2") + done("SELECT 0") + ready())]
    names = [name for name, _, _ in exchanges(tell(pieces))]
    assert names == [f"{before}SELECT a{number} FROM t" for before in ("Parse ", "") for number in range(250)]


def test_statements_that_come_again_have_the_names_they_had() -> None:
    """More texts than are kept, of which some are cut, traced, or as long as what was kept of others."""
    long = "SELECT " + ", ".join(f"name_{number}" for number in "abcdefghij" * 9)
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    texts = [f"SELECT c{number} FROM t WHERE id = {number}" for number in range(500)]
    texts += [long, long[:59], f"SELECT 1 /*traceparent='{trace}'*/"] * 50
    chosen = random.Random(5).choices(texts, k=2500)
    pieces = [piece for text in chosen for piece in ((C, query(text)), (S, done("SELECT 1") + ready()))]
    for kept in (1000, 64):
        told = [message for message in tell(pieces, keep=(kept, 0)) if message.role == "request"]
        assert len(told) == len(chosen)
        for text, message in zip(chosen, told, strict=True):
            cut = len(text) + 6 > kept
            name, traced = normalise.sql(text.encode()[: (kept - 5) // 32 * 32 if cut else None], cut=cut)
            assert (message.name, message.correlation) == (name, traced and f"traceparent={traced}")


def test_trace_context() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    told = tell([(C, query(f"SELECT 1 /*traceparent='{trace}'*/")), (S, done("SELECT 1") + ready())])
    assert told[0].correlation == f"traceparent={trace}"


def test_hostile_bytes() -> None:
    chance = random.Random(5)
    said = [piece for _, piece in large()] + [parse("a", "b"), bind("", "a"), SYNC, FLUSH, AUTHENTICATED, START]
    for _ in range(300):
        pieces = []
        for _ in range(chance.randint(1, 12)):
            data = bytearray(chance.choice(said)[:600])
            for _ in range(chance.randint(0, 3)):
                data[chance.randrange(len(data))] = chance.choice((0, 255, 90, chance.randrange(256)))
            pieces.append((chance.randint(0, 1), bytes(data[chance.randint(0, 5) :] or b"x")))
        told = tell(pieces, hint="postgres", keep=chance.choice(((1 << 20, 0), (20, 10))))
        total = {side: sum(len(data) for one, data in pieces if one == side) for side in (C, S)}
        assert all(one.at + one.size <= total[one.side] for one in told)
