"""Redaction: secrets, users and outside addresses go; what a report is for stays."""

import pyarrow as pa
import pytest

from clew.questions.answer import Answer
from clew_widgets.redact import MASK, Redactor

AWS = "AKIA" + "IOSFODNN7EXAMPLE"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("psql --password=s3cr3tA", "s3cr3tA"),
        ("psql --password s3cr3tA -h db", "s3cr3tA"),
        ("run --api-key='two words' x", "two words"),
        ("env PGPASSWORD=s3cr3tA psql", "s3cr3tA"),
        ("env AWS_SECRET_ACCESS_KEY=abc123 x", "abc123"),
        ("mysql -uroot -ps3cr3tA1 db", "s3cr3tA1"),
        ("curl -H 'Authorization: Bearer abcdef123456'", "abcdef123456"),
        ("curl -H 'Cookie: session=ab12'", "ab12"),
        ("curl http://user:s3cr3tA@example.test/x", "s3cr3tA"),
        ("GET /x?token=s3cr3tA&page=2", "s3cr3tA"),
        (f"aws configure {AWS}", AWS),
        (f"x {JWT}", JWT),
        ("x 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "9f86d081884c7d65"),
        ("/home/alice/.config/app.toml", "alice"),
        ("/Users/bob/x", "bob"),
        ("mail alice.smith@example.test", "alice.smith"),
        ("203.0.113.9:443", "203.0.113.9"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("8.8.8.8:53", "8.8.8.8"),
    ],
)
def test_masked(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in Redactor().text(text)
    assert Redactor(on=False).text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "nginx: worker process",
        "postgres: checkpointer",
        "/srv/data/0/part-01.bin",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/var/lib/postgresql/15/main/base/16384/2619",
        "127.0.0.1:5432",
        "10.1.2.3:80",
        "192.168.1.9:22",
        "[::1]:80",
        "/run/postgresql/.s.PGSQL.5432",
        "nginx -p 8080 -c /etc/nginx/nginx.conf",
        "python3 -m http.server --bind 0.0.0.0",
        "wrk -t2 -c32 -d10s http://127.0.0.1:8080/search?q=1",
        "pipe:[12345]",
        "12:34:56",
        "connection timed out",
    ],
)
def test_kept(text: str) -> None:
    assert Redactor().text(text) == text


def test_an_address_has_one_name_in_one_report() -> None:
    redactor = Redactor()
    first, second = redactor.text("203.0.113.9:443"), redactor.text("198.51.100.4:80")
    assert (first, second) == ("address-1:443", "address-2:80")
    assert redactor.text("203.0.113.9:5000") == "address-1:5000"


def test_an_answer_is_masked_in_table_sql_and_note() -> None:
    table = pa.table({"name": ["/home/alice/x", None, "/home/alice/x"], "calls": [1, 2, 3]})
    masked = Redactor().answer(Answer(table, "SELECT '/home/alice/x'", "t", "see /home/alice"))
    assert masked.table.to_pydict() == {"name": [f"/home/{MASK}/x", None, f"/home/{MASK}/x"], "calls": [1, 2, 3]}
    assert "alice" not in masked.sql + str(masked.note)


def test_versions_of_symbols_are_no_mail_addresses() -> None:
    for name in ("clock_nanosleep@GLIBC_2.2.5", "clock_gettime@@GLIBC_2.17", "_ZNSt@@CXXABI_1.3", "f@LIB_1.0"):
        assert Redactor(True).text(name) == name
