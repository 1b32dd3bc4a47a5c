"""Statements, paths and keys without what differs from call to call; hostile ones, cut ones, and how long it takes."""

from __future__ import annotations

import random
import time

import pytest

from clew.native import normalise

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STANDARD = {
    "SELECT * FROM t WHERE id = 17": "SELECT * FROM t WHERE id = ?",
    "SELECT * FROM t WHERE id=17;": "SELECT * FROM t WHERE id=?",
    " select\n\t1 -- one\n  ;": "select ?",
    "SELECT 'it''s', E'a\\'b', N'x', B'01', X'1F', U&'\\0041'": "SELECT ?, ?, ?, ?, ?, ?",
    "SELECT 'a\\', b": "SELECT ?, b",
    "SELECT $$x'y$$, $tag$ $$ $tag$, $1, :name, a::int, '1'::text": "SELECT ?, ?, ?, ?, a::int, ?::text",
    "SELECT 1.5e-3, .5, 0x1F, 1_000": "SELECT ?, ?, ?, ?",
    "SELECT -1, a-1, a - 1, (-1), x1, t2.c3": "SELECT ?, a-?, a - ?, (?), x1, t2.c3",
    'SELECT "my ""name""", "C" FROM "T 1"': 'SELECT "my ""name""", "C" FROM "T 1"',
    "SELECT 'a'\n  'b'": "SELECT ?",
    "x IN (1, 2,3) AND y in('a') AND z IN (SELECT 1)": "x IN (?) AND y in (?) AND z IN (SELECT ?)",
    "x IN (1, 2, now(), 3)": "x IN (?, now(), ?)",
    "(a, b) IN ((1,2), (3, 4), (5,6)) OR c = 1": "(a, b) IN ((?, ?)) OR c = ?",
    "x = ANY(ARRAY[1,2,3]) AND y[1] = a[1:2]": "x = ANY(ARRAY[?]) AND y[?] = a[?:?]",
    "INSERT INTO t(a) VALUES (1,'x'), (2,'y') , (3,NULL) RETURNING id": "INSERT INTO t(a) VALUES (?, ?) RETURNING id",
    "INSERT INTO t VALUES(1,now()),(2,now())": "INSERT INTO t VALUES (?, now())",
    "INSERT INTO t VALUES (1, DEFAULT), (2, 3), (4, 5)": "INSERT INTO t VALUES (?, DEFAULT), (?, ?)",
    "UPDATE t SET a = a + -1234 WHERE b IS NOT NULL": "UPDATE t SET a = a + ? WHERE b IS NOT NULL",
    "SELECT true, FALSE, x IS TRUE": "SELECT ?, ?, x IS TRUE",
    "SELECT 1 /* a /* nested */ comment */ + 2": "SELECT ? + ?",
    "BEGIN; SELECT 1; COMMIT;": "BEGIN; SELECT ?; COMMIT",
    "SAVEPOINT s17": "SAVEPOINT ?",
    'RELEASE SAVEPOINT "_pg3_1"': "RELEASE SAVEPOINT ?",
    "ROLLBACK TO s2; ROLLBACK": "ROLLBACK TO ?; ROLLBACK",
    "FETCH 100 FROM _cursor_140_2": "FETCH ? FROM _cursor_?_?",
    "EXECUTE stmt_12(1, 2)": "EXECUTE stmt_?(?, ?)",
    "SELECT savepoint, release FROM t12": "SELECT savepoint, release FROM t12",
    "SELECT é, 'é' FROM été": "SELECT é, ? FROM été",
    "": "",
    ";;": "",
    "'never ended": "?",
    "/* never ended": "",
    "$never$ ended": "?",
    "SELECT a->>'b', c @> '{}', d ?| x": "SELECT a->>?, c @> ?, d ?| x",
}
MYSQL = {
    "SELECT \"it's\", 'a\\'b' FROM `my ``t`": "SELECT ?, ? FROM `my ``t`",
    "INSERT INTO t VALUES (_binary'x', _utf8mb4 'y'),(_binary'a',_utf8mb4 'b') # end": "INSERT INTO t VALUES (?, ?)",
    "/*!40101 SET NAMES utf8 */": "SET NAMES utf8",
    "/*M!100616 SET @a=1 */;": "SET @a=?",
    "SELECT 1--1, 2 -- comment\n, @@x, @a := 1": "SELECT ?-?, ?, @@x, @a := ?",
    "SELECT $$, 5": "SELECT $$, ?",
}
PATHS = {
    "/": "/",
    "": "/",
    "?a=1": "/",
    "/item/17?page=2#top": "/item/?",
    "/item/17/edit/": "/item/?/edit/",
    "http://host.example:80/a/1": "/a/?",
    "https://host": "/",
    "*": "*",
    "host:443": "host:?",
    "/x/550e8400-e29b-41d4-a716-446655440000/y": "/x/?/y",
    "/static/main.3f2a1b9c.js": "/static/main.?.js",
    "/v1/users/0042/2024-01-02": "/v1/users/?/?",
    "/cafe/add/dead": "/cafe/add/dead",
    "/deadbeef01/x": "/?/x",
    "/0xFF/x": "/?/x",
    "/caf%C3%A9/x": "/caf%C3%A9/x",
    "/a;jsessionid=3F/b": "/a/b",
    "/t/eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoxMjN9": "/t/?",
    "/a\tb\x00c": "/a_b_c",
    "//double//": "//double//",
}
REDIS = {
    ("get", "user:17:cart"): "GET user:?:cart",
    ("MGET", "a1", "b2"): "MGET a?",
    ("config", "get", "maxmemory"): "CONFIG GET",
    ("EVALSHA", "abc", "1", "k:1"): "EVALSHA k:?",
    ("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s:1", ">"): "XREADGROUP s:?",
    ("XINFO", "STREAM", "s1"): "XINFO STREAM s?",
    ("BITOP", "AND", "dest:1", "a"): "BITOP dest:?",
    ("PING",): "PING",
    ("SCAN", "17"): "SCAN",
    ("SET", "sess:3f2a1b9c", "x"): "SET sess:?",
    ("GET", "{user1000}.following"): "GET {user?}.following",
}


@pytest.mark.parametrize(("said", "name"), STANDARD.items())
def test_statement(said: str, name: str) -> None:
    assert normalise.sql(said.encode()) == (name, None)
    assert normalise.sql(name.encode())[0] == name, "a name is its own name"


@pytest.mark.parametrize(("said", "name"), MYSQL.items())
def test_statement_of_mysql(said: str, name: str) -> None:
    assert normalise.sql(said.encode(), mysql=True) == (name, None)


@pytest.mark.parametrize(("said", "name"), PATHS.items())
def test_path(said: str, name: str) -> None:
    assert normalise.path(said.encode()) == name


@pytest.mark.parametrize(("words", "name"), REDIS.items())
def test_redis_command(words: tuple[str, ...], name: str) -> None:
    assert normalise.redis([word.encode() for word in words]) == (name, False)


def test_words_of_some_commands_are_secrets() -> None:
    for words in (["AUTH", "x"], ["HELLO", "3", "AUTH", "a", "b"], ["CONFIG", "SET", "requirepass", "x"], ["ACL", "x"]):
        assert normalise.redis([word.encode() for word in words])[1]


def test_trace_context_in_a_comment() -> None:
    for said in (
        f"SELECT 1 /*traceparent='{TRACE}',x='y'*/",
        f"/* traceparent: {TRACE} */ SELECT 1",
        f"SELECT 1 -- traceparent={TRACE}",
    ):
        assert normalise.sql(said.encode()) == ("SELECT ?", TRACE)
    assert normalise.sql(f"SELECT 'traceparent={TRACE}'".encode())[1] is None, "a literal is no comment"
    assert normalise.sql(f"SELECT 1 /* traceparent={TRACE[:-3]} */".encode())[1] is None


def test_lists_and_rows_of_any_length_have_one_name() -> None:
    for count in (1, 2, 1000):
        numbers = ", ".join(map(str, range(count)))
        rows = ",".join(f"({n}, 'x{n}')" for n in range(count))
        assert normalise.sql(f"SELECT 1 FROM t WHERE a IN ({numbers}) AND b = 1".encode())[0] == (
            "SELECT ? FROM t WHERE a IN (?) AND b = ?"
        )
        assert normalise.sql(f"INSERT INTO t VALUES {rows} ON CONFLICT DO NOTHING".encode())[0] == (
            "INSERT INTO t VALUES (?, ?) ON CONFLICT DO NOTHING"
        )


def test_what_was_cut_says_so() -> None:
    assert normalise.sql(b"INSERT INTO t VALUES (1, 2), (3", cut=True)[0] == "INSERT INTO t VALUES (?, ?)..."
    assert normalise.sql(b"SELECT * FROM t WHERE a IN (1, 2, ", cut=True)[0] == "SELECT * FROM t WHERE a IN (?..."
    assert normalise.sql(b"SELECT 'abc", cut=True)[0] == "SELECT ?..."
    assert normalise.path(b"/item/17/lo", cut=True) == "/item/?/lo..."
    assert normalise.path(b"/item/17?q=", cut=True) == "/item/?", "what is missing is not part of the name"
    long = "SELECT " + "column_é, " * 500
    for room in range(3, 60):
        name = normalise.sql(long.encode(), room=room)[0]
        assert name.endswith("...") and len(name.encode()) <= room and "\ufffd" not in name


def test_any_bytes_and_any_room() -> None:
    chance = random.Random(3)
    pieces = [b"'", b'"', b"$", b"$a$", b"(", b")", b",", b"IN (", b"VALUES (", b"--", b"/*", b"*/", b"\\", b"1", b"a"]
    pieces += [b";", b"\0", b"\xff", b"\xc3", b" ", b"\n", b"E'", b"U&'", b":x", b"::", b"[", b"]", b"SAVEPOINT ", b"`"]
    for _ in range(3000):
        said = b"".join(chance.choices(pieces, k=chance.randint(0, 40)))
        room = chance.randint(1, 80)
        for mysql in (False, True):
            assert len(normalise.sql(said, mysql=mysql, cut=chance.random() < 0.5, room=room)[0]) <= room
        assert len(normalise.path(said, room=room)) <= room
        assert len(normalise.key(said, room=room)) <= room
        assert len(normalise.redis([said, said, said], room=room)[0]) <= room


@pytest.mark.parametrize(
    "unit",
    [b"(", b"'", b"$a", b"$$", b"/*", b"--\n", b"IN (1,", b"VALUES (1),", b"1,", b"((1),", b"[", b"'a' ", b"$a$x"],
)
def test_time_grows_with_the_text_alone(unit: bytes) -> None:
    """16 times the text takes nowhere near 256 times as long, whatever it is made of; in seconds of CPU."""

    def spent(times: int) -> float:
        text = unit * times
        best = 1e9
        for _ in range(3):
            begin = time.process_time()
            normalise.sql(text, room=1 << 22)
            normalise.path(text, room=1 << 22)
            best = min(best, time.process_time() - begin)
        return best

    assert spent(160_000) < 64 * max(spent(10_000), 1e-4)


def test_a_redis_command_with_a_nul_is_no_known_one() -> None:
    """Bytes after the end of a name that is known are not compared with what lies behind that name in memory."""
    for known in (b"ping", b"get", b"sync", b"zunion"):
        assert normalise.redis([known + b"\0" * 80, b"x"])[0].lower().startswith(known.decode())
