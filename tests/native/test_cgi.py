"""A CGI program's record says what it was asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

Record = Callable[..., Any]
ASKED = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REQUEST_METHOD": "GET",
    "REQUEST_URI": "/cgi/item?secret=1",
    "SCRIPT_NAME": "/cgi/item",
    "QUERY_STRING": "secret=1",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "HTTP_COOKIE": "session=secret",
    "UNIQUE_ID": "a\nREQUEST_METHOD=POST",
}


@pytest.fixture
def told(record: Record, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, str]]]:
    """told(code, environment, **options) -> the lines of each CGI record."""

    def told(code: str, environment: dict[str, str], **options: Any) -> list[dict[str, str]]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        seen = record([sys.executable, "-I", "-S", "-c", code], **options)
        assert seen.exit_code == 0, seen.stderr
        texts = [r.head.decode() for r in seen.of("cgi")]
        assert all(text.endswith("\n") and len(text) <= 2048 for text in texts)
        return [dict(line.split("=", 1) for line in text.splitlines()) for text in texts]

    return told


def test_what_was_asked_for(told: Callable[..., list[dict[str, str]]]) -> None:
    kept = {name: value for name, value in ASKED.items() if name not in ("GATEWAY_INTERFACE", "HTTP_COOKIE")}
    assert told("pass", ASKED) == [kept | {"UNIQUE_ID": "a"}]


def test_nothing_of_it_is_payload_where_none_is_kept(told: Callable[..., list[dict[str, str]]]) -> None:
    wanted = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/cgi/item", "SCRIPT_NAME": "/cgi/item"}
    assert told("pass", ASKED, payload_head=0, payload_tail=0) == [wanted | {"SERVER_PROTOCOL": "HTTP/1.1"}]


def test_a_line_that_does_not_fit_is_left_out(told: Callable[..., list[dict[str, str]]]) -> None:
    (lines,) = told("pass", ASKED | {"REQUEST_URI": "/" + "x" * 2040, "PATH_INFO": "/" + "y" * 1000})
    assert "REQUEST_URI" not in lines
    assert len(lines["PATH_INFO"]) == 1001
    assert lines["SERVER_PROTOCOL"] == "HTTP/1.1"


def test_once_for_each_program(told: Callable[..., list[dict[str, str]]]) -> None:
    code = "import os; os.system('/bin/true'); os._exit(0) if os.fork() == 0 else os.wait()"
    assert len(told(code, ASKED)) == 3  # python, sh, true: not the child of fork


def test_programs_that_are_no_cgi_say_nothing(told: Callable[..., list[dict[str, str]]]) -> None:
    assert told("pass", {name: value for name, value in ASKED.items() if name != "GATEWAY_INTERFACE"}) == []
