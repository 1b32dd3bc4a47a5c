"""Connects that do not wait, to a port that nobody listens on: their failure is told beside errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import clew
from clew import questions
from clew.lens import Lens

PROGRAM = """
import select, socket
deaf = socket.socket()
deaf.bind(("127.0.0.1", 0))
listening = socket.create_server(("127.0.0.1", 0))
for place in [deaf] * 3 + [listening]:
    asking = socket.socket()
    asking.setblocking(False)
    asking.connect_ex(place.getsockname())
    select.select([], [asking], [])
    if place is listening:
        asking.send(b"x")
    asking.close()
print(deaf.getsockname()[1])
"""


def test_those_that_came_to_nothing_are_named(tmp_path: Path) -> None:
    record = [
        sys.executable,
        "-m",
        "clew",
        "record",
        "-q",
        "-o",
        str(tmp_path / "case"),
        "--",
        sys.executable,
        "-c",
        PROGRAM,
    ]
    port = subprocess.run(record, check=True, capture_output=True, text=True).stdout.strip()
    case = clew.open(tmp_path / "case")
    answer, others = questions.errors(case, Lens()), questions.errors(case, Lens(ops=("open",)))
    case.close()
    rows = {(row["op"], row["name"]): row["calls"] for row in answer.table.to_pylist()}
    assert rows["connect", "EINPROGRESS"] == 4
    assert answer.note == f"connections that were put off (EINPROGRESS) and closed unused: 3 to 127.0.0.1:{port}"
    assert "EINPROGRESS" not in (others.note or "")
