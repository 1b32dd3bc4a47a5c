"""The judge on spans written by hand: what is right, what is left unsaid, what is false, and what only looks right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.live.causal.judge import judge
from tests.live.causal.tags import tags

import clew
from clew.case import Case
from clew.ops import OPS
from clew.store import DATABASE, schema_checksum, schema_text

CALLS = {"q-000001": {"postgres": 1}, "q-000002": {"postgres": 1}}
# span: id, parent, root, kind, protocol, pid, start, id in its request, id in its reply, rule
RIGHT = [
    (1, None, 1, "server", "http1", 10, 100, "q-000001", "q-000001", "root"),
    (2, 1, 1, "client", "postgres", 10, 110, "q-000001", "q-000001", "thread"),
    (3, 2, 1, "server", "postgres", 20, 120, "q-000001", "q-000001", "match"),
    (4, None, 4, "server", "http1", 10, 200, "q-000002", "q-000002", "root"),
    (5, 4, 4, "client", "postgres", 10, 210, "q-000002", "q-000002", "thread"),
    (6, 5, 4, "server", "postgres", 20, 220, "q-000002", "q-000002", "match"),
]
Spans = list[tuple[Any, ...]]
Written = Callable[[Spans], Case]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """written(spans) -> the case; each span has two messages, whose summary holds the id."""
    made: list[Case] = []

    def written(spans: Spans) -> Case:
        folder = tmp_path / f"case-{len(made)}"
        folder.mkdir()
        with duckdb.connect(str(folder / DATABASE)) as connection:
            connection.execute(schema_text())
            connection.execute((Path(clew.__file__).parent / "ingest" / "landing.sql").read_text())
            connection.execute("INSERT INTO setting VALUES ('schema', ?)", [schema_checksum()])
            connection.executemany("INSERT INTO op VALUES (?, ?, ?)", [list(op) for op in OPS])
            for number, parent, root, kind, protocol, pid, start, asked, answered, rule in spans:
                for reply, tag in enumerate((asked, answered) if protocol else ()):
                    add(
                        connection,
                        "message",
                        msg_id=10 * number + reply,
                        capture_id=1,
                        conn_id=number,
                        thread_id=pid,
                        host="a",
                        pid=pid,
                        tid=pid,
                        seq=10 * number + reply,
                        sent=(kind == "client") != bool(reply),
                        role="reply" if reply else "request",
                        first_ns=start + reply,
                        last_ns=start + reply,
                        byte_offset=0,
                        bytes=10,
                        protocol=protocol,
                        summary=tag,
                        error=False,
                        whole=True,
                    )
                add(
                    connection,
                    "span",
                    span_id=number,
                    request_id=root,
                    parent_span_id=parent,
                    capture_id=1,
                    thread_id=pid,
                    host="a",
                    pid=pid,
                    tid=pid,
                    command="p",
                    kind=kind,
                    name="n",
                    protocol=protocol,
                    start_ns=start,
                    error=False,
                    request_msg_id=10 * number,
                    reply_msg_id=10 * number + 1,
                    link_rule=rule,
                    confidence=1.0,
                    depth=0,
                )
        case = clew.open(folder)
        made.append(case)
        return case

    yield written
    for case in made:
        case.close()


def add(connection: duckdb.DuckDBPyConnection, table: str, **row: object) -> None:
    connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values())
    )


def changed(spans: Spans, number: int, **new: object) -> Spans:
    """`spans` with some fields of one of them replaced."""
    names = "id parent root kind protocol pid start asked answered rule".split()
    return [tuple((dict(zip(names, s, strict=True)) | (new if s[0] == number else {})).values()) for s in spans]


def test_right_paths_are_correct(written: Written) -> None:
    report = judge(written(RIGHT), CALLS)
    assert report.verdict == {"q-000001": "correct", "q-000002": "correct"}
    assert (report.share("correct"), report.reason) == (100.0, {})
    assert report.thread_share("correct") == 100.0
    assert report.rules == {("thread", "right"): 2, ("match", "right"): 2, ("root", "orphan"): 2}


def test_a_statement_below_another_request_makes_both_wrong(written: Written) -> None:
    spans = changed(changed(RIGHT, 5, parent=1, root=1), 6, root=1)
    report = judge(written(spans), CALLS)
    assert report.verdict == {"q-000001": "wrong", "q-000002": "wrong"}
    assert report.rules["thread", "wrong"] == 1


def test_a_reply_of_another_request_is_wrong(written: Written) -> None:
    report = judge(written(changed(RIGHT, 5, answered="q-000001")), CALLS)
    assert report.verdict == {"q-000001": "wrong", "q-000002": "wrong"}


def test_what_is_not_linked_is_an_orphan(written: Written) -> None:
    spans = changed(changed(RIGHT, 5, parent=None, root=5, rule="unresolved"), 6, root=5)
    report = judge(written(spans), CALLS)
    assert report.verdict == {"q-000001": "correct", "q-000002": "orphan"}
    assert (report.share("orphan"), report.share("wrong")) == (50.0, 0.0)


def test_what_was_not_seen_is_an_orphan(written: Written) -> None:
    report = judge(written(RIGHT), CALLS | {"q-000002": {"postgres": 2}, "q-000003": {}})
    assert report.verdict == {"q-000001": "correct", "q-000002": "orphan", "q-000003": "orphan"}


def test_a_root_that_should_have_a_cause_is_an_orphan(written: Written) -> None:
    report = judge(written(changed(RIGHT, 4, rule="unresolved")), CALLS)
    assert report.verdict["q-000002"] == "orphan"


def test_the_wrong_place_in_the_right_tree_is_not_correct(written: Written) -> None:
    report = judge(written(changed(RIGHT, 3, parent=1)), CALLS)
    assert report.verdict == {"q-000001": "loose", "q-000002": "correct"}
    elsewhere = changed(RIGHT, 2, pid=11)  # sent by a process that did not receive the request
    assert judge(written(elsewhere), CALLS).verdict["q-000001"] == "loose"


def test_a_program_that_was_started_for_the_request_may_stand_between(written: Written) -> None:
    spans = changed(RIGHT, 2, parent=7, pid=30)
    report = judge(written([*spans, (7, 1, 1, "process", None, 30, 105, None, None, "fork")]), CALLS)
    assert report.verdict["q-000001"] == "correct"


def test_the_thread_rule_takes_the_request_received_last(written: Written) -> None:
    spans = changed(RIGHT, 4, start=105)  # the second request comes before the first one's statement
    report = judge(written(spans), CALLS)
    assert report.verdict["q-000001"] == "correct"
    assert (report.thread_share("correct"), report.thread_share("wrong")) == (50.0, 50.0)


def test_a_request_of_a_recorded_customer_begins_there(written: Written) -> None:
    customer = (9, None, 9, "client", "http1", 5, 90, "q-000001", "q-000001", "root")
    spans = [(*s[:2], 9, *s[3:]) if s[2] == 1 else s for s in changed(RIGHT, 1, parent=9, rule="match")]
    report = judge(written([*spans, customer]), {"q-000001": {"postgres": 1}}, load_recorded=True)
    assert report.verdict == {"q-000001": "correct"}
    assert judge(written(RIGHT), CALLS, load_recorded=True).verdict["q-000001"] == "orphan"


def test_ids_are_found_in_the_bytes_that_a_message_was_made_of(written: Written, tmp_path: Path) -> None:
    written([(1, None, 1, "server", "http1", 10, 100, None, None, "root")]).close()
    with duckdb.connect(str(tmp_path / "case-0" / DATABASE)) as connection:
        connection.execute("UPDATE message SET byte_offset = 100, bytes = 400 WHERE msg_id = 10")  # received on conn 1
        read = next(number for number, name, _ in OPS if name == "read")
        who = {"capture_id": 1, "thread_id": 10, "host": "a", "pid": 10, "tid": 10, "conn_id": 1}
        for seq, offset, size, head, tail in (
            (1, 0, 100, b"GET /?q-000005", b""),  # the message before
            (2, 100, 300, b"GET /?q-000001", b""),
            (3, 400, 200, b"", b" q-000002" + b"." * 100),  # at 491: its last bytes
            (4, 500, 100, b"q-000003", b""),  # the message after
        ):
            add(
                connection,
                "event",
                seq=seq,
                ts_ns=seq,
                dur_ns=1,
                op_id=read,
                result=size,
                errno=0,
                bytes=size,
                byte_offset=offset,
                **who,
            )
            add(connection, "payload", thread_id=10, seq=seq, head=head, tail=tail or None, cut=True)
    case = clew.open(tmp_path / "case-0")
    assert tags(case) == {10: {"q-000001", "q-000002"}}
    case.close()
