"""Calls whose asker closed the connection before an answer came: of a program that does so, recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

import clew
from clew import questions
from clew.case import Case
from clew.commands import main
from clew.lens import Lens

PROGRAM = """
import socket
listening = socket.create_server(("127.0.0.1", 0))

def ask(answer):
    asking = socket.create_connection(listening.getsockname())
    serving, _ = listening.accept()
    asking.sendall(b"GET /price HTTP/1.1\\r\\nHost: shop\\r\\n\\r\\n")
    serving.recv(1000)
    if answer:
        serving.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
        asking.recv(1000)
    asking.close()
    serving.close()

for number in range(8):
    ask(number % 4 == 3)
kept = socket.create_connection(listening.getsockname())  # not closed, and not answered: cut by the end
kept.sendall(b"GET /price HTTP/1.1\\r\\nHost: shop\\r\\n\\r\\n")
import os
os._exit(0)
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("given") / "case"
    command = [sys.executable, "-m", "clew", "record", "-q", "-o", str(folder), "--", sys.executable, "-c", PROGRAM]
    subprocess.run(command, check=True)
    opened = clew.open(folder)
    yield opened
    opened.close()


def test_those_that_were_not_waited_for_are_counted(case: Case) -> None:
    answer = questions.given_up(case, Lens())
    (row,) = answer.table.to_pylist()  # without the one that nobody accepted
    assert (row["name"], row["protocol"], row["calls"], row["given_up"]) == ("GET /price", "http1", 8, 6)
    assert row["given_up_share"] == pytest.approx(6 / 8) and 0 < row["p50_ns"] <= row["max_ns"]
    begun = case.sql("SELECT start_ns FROM span WHERE kind = 'client' ORDER BY 1")["start_ns"].to_pylist()
    assert (row["first_ns"], row["last_ns"]) == (begun[0], begun[6])
    assert answer.note and "gave up 6 of 8 calls of GET /price" in answer.note
    assert case.sql(answer.sql).equals(answer.table)


def test_requests_lead_to_them(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["requests", str(case.path)]) == 0
    assert "`clew requests CASE --given-up`" in capsys.readouterr().out
    assert main(["requests", str(case.path), "--given-up", "--json"]) == 0
    assert [row["given_up"] for row in json.loads(capsys.readouterr().out)] == [6]


def test_where_all_was_answered_it_says_so(shop: Case) -> None:
    answer = questions.given_up(shop, Lens())
    assert answer.table.num_rows == 0 and answer.note and answer.note.startswith("no connection was closed before")
