"""From tables of calls to table message: which calls count, their order, parts, services, processors of others."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from clew.errors import ClewError
from clew.ops import OP_ID, OPS
from clew.protocols import extract, registry
from clew.protocols.base import Message, Opening, Protocol, Side, Talk
from clew.protocols.services import Services
from clew.store import schema_text

parts_module = __import__("sys").modules["clew.protocols.parts"]
GET = b"GET /item/17 HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Tables:
    """A case's tables, filled call by call."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(schema_text())
        self.connection.executemany("INSERT INTO op VALUES (?, ?, ?)", [list(op) for op in OPS])
        self.carried: dict[tuple[int, bool], int] = {}
        self.seq = 0

    def connect(self, number: int, kind: str = "tcp", role: str | None = None, **more: Any) -> None:
        columns = {"conn_id": number, "capture_id": 1, "host": "h", "pid": 1, "kind": kind, "role": role, **more}
        names = ", ".join(columns)
        marks = ", ".join("?" for _ in columns)
        self.connection.execute(f"INSERT INTO connection ({names}) VALUES ({marks})", list(columns.values()))

    def call(
        self,
        op: str,
        number: int,
        data: bytes,
        ts: int,
        dur: int = 5,
        *,
        thread: int = 1,
        keep: int = 1000,
        **more: Any,
    ) -> None:
        """One call that moved ``data`` and kept ``keep`` bytes of it."""
        self.seq += 1
        out = op in ("write", "send", "sendto", "sendfile", "tls_write")
        row: dict[str, Any] = {
            "capture_id": 1,
            "thread_id": thread,
            "host": "h",
            "pid": 1,
            "tid": thread,
            "seq": self.seq,
            "ts_ns": ts,
            "dur_ns": dur,
            "op_id": OP_ID[op],
            "fd": 3,
            "result": len(data),
            "errno": 0,
            "bytes": len(data),
            "conn_id": number,
            "byte_offset": self.carried.get((number, out), 0),
            **more,
        }
        if row["bytes"]:
            self.carried[number, out] = self.carried.get((number, out), 0) + row["bytes"]
        marks = ", ".join("?" for _ in row)
        self.connection.execute(f"INSERT INTO event ({', '.join(row)}) VALUES ({marks})", list(row.values()))
        if data and keep:
            kept = [thread, self.seq, data[:keep], None, len(data) > keep]
            self.connection.execute("INSERT INTO payload VALUES (?, ?, ?, ?, ?)", kept)

    def cut(self, op: str, number: int, data: bytes, ts: int, keep: int, last: int) -> None:
        """One call that moved ``data`` and kept ``keep`` bytes of its beginning, and the last ones."""
        self.call(op, number, data, ts, keep=keep)
        self.connection.execute("UPDATE payload SET tail = ? WHERE seq = ?", [data[-last:], self.seq])

    def told(self, columns: str, where: str = "TRUE") -> list[tuple[Any, ...]]:
        extract(self.connection)
        query = f"SELECT {columns} FROM message WHERE {where} ORDER BY msg_id"
        return self.connection.execute(query).fetchall()


@pytest.fixture
def tables() -> Iterator[Tables]:
    made = Tables()
    yield made
    made.connection.close()


def test_rows_say_which_call_moved_them(tables: Tables) -> None:
    tables.connect(7, role="accepted")
    tables.call("recv", 7, GET[:10], 100, 50, thread=4)
    tables.call("recv", 7, GET[10:], 200, 50, thread=5)
    tables.call("write", 7, OK[:20], 300, thread=6)
    tables.call("write", 7, OK[20:], 400, thread=7)
    rows = tables.told("msg_id, conn_id, thread_id, seq, sent, role, first_ns, last_ns, byte_offset, bytes, status")
    assert rows == [
        (1, 7, 5, 2, False, "request", 100, 250, 0, len(GET), None),
        (2, 7, 6, 3, True, "reply", 300, 405, 0, len(OK), "200"),
    ]


def test_what_does_not_move_bytes_is_left_out(tables: Tables) -> None:
    tables.connect(1, role="accepted")
    tables.connect(2, kind="file")
    tables.call("recv", 1, GET, 50, bytes=None)  # a look at what is there (MSG_PEEK)
    tables.call("recv", 1, b"", 60, errno=11, result=-1, bytes=None)
    tables.call("recv", 1, GET, 70)
    tables.call("sendfile", 1, OK, 80, keep=0)
    tables.call("read", 2, GET, 90)
    assert tables.told("conn_id, role, protocol, bytes") == [(1, "request", "http1", len(GET))]
    tables.call("recv", 1, GET, 100)
    tables.call("write", 1, OK, 110)
    assert len(tables.told("conn_id", "role = 'request'")) == 2  # told anew, not twice


def test_order_is_that_of_the_bytes(tables: Tables) -> None:
    """A read that waited began before the request was written; two threads wrote at once; a lost record is a hole."""
    tables.connect(1, role="connected")
    tables.call("recv", 1, OK, 10, 100, thread=1)
    tables.call("send", 1, GET, 50, thread=2)
    assert tables.told("role, exchange") == [("request", 0), ("reply", 0)]
    tables.connect(2, role="connected")
    tables.call("send", 2, GET[9:], 102, thread=1, byte_offset=9)
    tables.call("send", 2, GET[:9], 103, thread=2, byte_offset=0)
    tables.call("recv", 2, OK, 200, thread=1)
    assert tables.told("name, bytes, first_ns", "conn_id = 2 AND role = 'request'") == [("GET /item/?", len(GET), 103)]
    tables.connect(3, role="connected")
    tables.call("send", 3, GET, 300)
    tables.call("recv", 3, OK.replace(b"5\r", b"9005\r"), 310)
    tables.carried[3, False] += 8998  # nobody recorded who read these
    tables.call("recv", 3, b"o.", 330)
    tables.call("send", 3, GET, 340)
    tables.call("recv", 3, OK, 350)
    rows = tables.told("bytes, whole, exchange", "conn_id = 3 AND role = 'reply'")
    assert rows == [(len(OK) + 9003, True, 0), (len(OK), True, 1)]


def test_a_write_that_returns_late_keeps_its_place(tables: Tables) -> None:
    """The client has read the reply and asked again, and another thread answered, before the first one came back."""
    tables.connect(1, role="accepted")
    tables.call("recv", 1, GET, 10)
    tables.call("recv", 1, GET, 120)
    tables.call("recv", 1, GET, 160)
    for at, thread in ((140, 2), (170, 3)):
        tables.call("send", 1, OK, at, thread=thread)
    tables.call("send", 1, OK.replace(b"200", b"404"), 100, 300, thread=1)
    rows = tables.told("exchange, status, thread_id, byte_offset", "role = 'reply'")
    assert rows == [(0, "404", 1, 0), (1, "200", 2, len(OK)), (2, "200", 3, 2 * len(OK))]
    tables.connect(2, role="accepted")  # nothing was asked meanwhile: the offsets decide
    for at in (10, 20):
        tables.call("recv", 2, GET, at)
    tables.call("send", 2, OK, 140, thread=2)
    tables.call("send", 2, OK.replace(b"200", b"404"), 100, 300, thread=1)
    rows = tables.told("exchange, status, thread_id", "role = 'reply' AND conn_id = 2")
    assert rows == [(0, "200", 2), (1, "404", 1)]


SET = b"*3\r\n$3\r\nSET\r\n$4\r\nkey%d\r\n$7\r\nvalue-%d\r\n"


def asked_at_once(tables: Tables, writers: int) -> list[tuple[Any, ...]]:
    """Nine commands, each in a call of its own, of so many threads, and read by two; what the reader is told."""
    tables.connect(1, role="connected", peer_conn_id=2)
    tables.connect(2, role="accepted", peer_conn_id=1)
    commands = [SET % (i, i) for i in range(9)]
    for i, command in enumerate(commands):
        tables.call("send", 1, command, 10 * i, thread=1 + i % writers)
    both = b"".join(commands)
    cut = len(both) // 2  # within a command
    tables.cut("recv", 2, both[:cut], 100, 40, 10)
    tables.cut("recv", 2, both[cut:], 110, 40, 10)
    tables.call("send", 2, 9 * b"+OK\r\n", 120)
    return tables.told("summary, first_ns, whole", "conn_id = 2 AND role = 'request'")


def test_what_was_written_in_many_calls_and_read_by_one_is_whole(tables: Tables) -> None:
    """Of the server's reads 40 bytes and the last 10 were kept: the rest stands at the client's end."""
    rows = asked_at_once(tables, 1)
    assert [summary for summary, _, _ in rows] == [f"SET key{i} value-{i}" for i in range(9)]
    assert [first for _, first, _ in rows] == [100] * 5 + [110] * 4
    assert len(tables.told("msg_id", "conn_id = 2 AND role = 'reply'")) == 9


def test_what_several_threads_wrote_is_not_put_together(tables: Tables) -> None:
    """Their calls may have returned in another order."""
    rows = asked_at_once(tables, 2)
    assert len(rows) < 9
    assert {"SET key3 value-3", "SET key6 value-6"}.isdisjoint(summary for summary, _, _ in rows)


def test_of_a_connection_with_tls_the_clear_text_counts(tables: Tables) -> None:
    tables.connect(1, role="accepted", local="10.0.0.1:443")
    for at in (10, 20):
        tables.call("recv", 1, b"\x17\x03\x03" + bytes(60), at)
        tables.call("tls_read", 1, GET, at, 6, byte_offset=None)
        tables.call("tls_write", 1, OK, at + 7, 3, byte_offset=None)
        tables.call("write", 1, b"\x17\x03\x03" + bytes(80), at + 8)
    rows = tables.told("role, byte_offset, bytes, first_ns")
    expected = [("request", 0, len(GET), 10), ("reply", 0, len(OK), 17)]
    assert rows == [*expected, ("request", len(GET), len(GET), 20), ("reply", len(OK), len(OK), 27)]


def test_parts_tell_the_same(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections in parts, and one that is longer than a part: cut in time, in the middle of messages."""
    for number in range(1, 8):
        tables.connect(number, role="accepted")
    for turn in range(12):
        for number in range(1, 8):
            if number != 3 and turn > 4:
                continue
            tables.call("recv", number, GET[:20], 1000 * turn + number)
            tables.call("recv", number, GET[20:], 1000 * turn + 100 + number)
            tables.call("write", number, OK[:30], 1000 * turn + 200 + number)
            tables.call("write", number, OK[30:], 1000 * turn + 300 + number)
    columns = "* EXCLUDE (host)"
    whole = tables.told(columns)
    assert len(whole) == 2 * (12 + 6 * 5)
    heard: list[float] = []
    for calls in (1, 9, 100):
        monkeypatch.setattr(parts_module, "PART_CALLS", calls)
        assert tables.told(columns) == whole
        extract(tables.connection, heard.append)
    assert heard[-1] == 1.0 and all(0 < share <= 1 for share in heard) and len(heard) > 10


def test_parts_that_find_no_room_say_so(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.connect(1, role="accepted")
    for turn in range(20):
        tables.call("recv", 1, GET, 100 * turn)
    monkeypatch.setattr(parts_module, "PART_CALLS", 1)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most[1]))
    try:
        with pytest.raises(ClewError, match="cannot keep calls in a temporary file: File too large"):
            extract(tables.connection)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)


def test_services_file_tells_where_bytes_do_not(tables: Tables, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.connect(1, role="connected", local="10.0.0.2:40000", remote="10.0.0.1:4000")
    tables.connect(2, kind="unix", role="accepted", path="/run/finger.sock")
    for number in (1, 2):
        tables.call("send", number, b"who is it\n", 10 * number)
        tables.call("recv", number, b"me\n", 10 * number + 5)
    assert [row[0] for row in tables.told("protocol")] == ["unknown"] * 2 + ["line"] * 2
    file = tmp_path / "services"
    file.write_text("# mine\nnothing 4000/udp\nbuero 4000/tcp LINE # by lines\nhttp 4000/tcp\nbroken\n")
    monkeypatch.setenv("CLEW_SERVICES", str(file))
    assert [row[0] for row in tables.told("protocol")] == ["line"] * 4
    monkeypatch.delenv("CLEW_SERVICES")
    extract(tables.connection, services=file)
    assert tables.connection.execute("SELECT DISTINCT protocol FROM message").fetchall() == [("line",)]
    with pytest.raises(ClewError, match="cannot read services file"):
        extract(tables.connection, services=tmp_path / "none")


def test_services() -> None:
    services = Services(
        "http 80/tcp www\ndomain 53/udp\n", {"http1": ["http"], "dns": ["domain"], "postgres": ["pgsql"]}
    )
    assert services.of_port("[::1]:80", "tcp") == "http1" and services.of_port("1.2.3.4:80", "udp") is None
    assert services.of_port("", "tcp") is None and services.of_port(None, "udp") is None
    assert services.of_path("/var/run/.s.PGSQL.9") == "postgres" and services.of_path("/run/x.80") == "http1"
    assert services.of_path("/run/other.sock") is None and services.of_path(None) is None


class Netstrings(Protocol):
    """A protocol that somebody adds: LENGTH:BYTES, each way."""

    name = "netstrings"
    aliases = ("ns",)

    @classmethod
    def recognise(cls, opening: Opening) -> int:
        head = opening.client.partition(b":")[0]
        return 60 if head.isdigit() and opening.client.endswith(b",") else 0

    def feed(self, side: Side, data: bytes) -> int:
        head, colon, rest = data.partition(b":")
        size = len(head) + 1 + int(head or 0) + 1
        if not colon or len(data) < size:
            return 0
        message = self.talk.begin(side)
        if side == Side.CLIENT:
            message.ask(tag=int(head))
            message.name("netstring")
        else:
            message.status(str(message.answer()))
        message.summary(rest[: int(head)])
        message.end(size)
        return size


@pytest.fixture
def netstrings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "entry_points", lambda **_: [Entry(Netstrings)])
    registry.in_python.cache_clear()
    yield
    monkeypatch.undo()
    registry.in_python.cache_clear()


class Entry:
    """As importlib.metadata gives them."""

    name = "test"

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def load(self) -> Any:
        if isinstance(self.kind, Exception):
            raise self.kind
        return self.kind


@pytest.mark.usefixtures("netstrings")
def test_processors_of_others(tables: Tables) -> None:
    tables.connect(1)
    tables.call("send", 1, b"3:abc,", 10)
    tables.call("recv", 1, b"2:", 20)
    tables.call("recv", 1, b"\xff\0,", 30)
    rows = tables.told("role, exchange, protocol, name, summary, status, bytes, whole")
    assert rows == [
        ("request", 0, "netstrings", "netstring", "abc", None, 6, True),
        ("reply", 0, "netstrings", None, "\\xff\\x00", "3", 5, True),
    ]


@pytest.mark.usefixtures("netstrings")
def test_a_processor_that_fails_says_so(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise KeyError("oops")

    tables.connect(1)
    tables.call("send", 1, b"3:abc,", 10)
    monkeypatch.setattr(Netstrings, "feed", broken)
    with pytest.raises(ClewError, match=r"protocol netstrings: KeyError: 'oops'"):
        extract(tables.connection)


@pytest.mark.parametrize(
    ("kind", "said"),
    [(ImportError("no"), "cannot be loaded: ImportError: no"), (Talk, "is no subclass"), (Message, "is no subclass")],
)
def test_processors_that_are_none(kind: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda **_: [Entry(kind)])
    registry.in_python.cache_clear()
    with pytest.raises(ClewError, match=said):
        registry.in_python()
    registry.in_python.cache_clear()
