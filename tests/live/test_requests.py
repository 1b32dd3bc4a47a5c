"""From a recorded program to its requests on the command line: two real servers and their customers."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import clew

from .conftest import CLEW, WORKLOADS


def said(case: Path, command: str, *options: str) -> Any:
    """What ``clew COMMAND CASE ... --json`` prints."""
    done = subprocess.run([*CLEW, command, str(case), *options, "--json"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 requests that three customers made, who were recorded, too."""
    folder = tmp_path_factory.mktemp("two_tiers") / "case"
    program = [sys.executable, str(WORKLOADS / "two_tiers.py")]
    done = subprocess.run(
        [*CLEW, "record", "-q", "-o", str(folder), "--", *program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "done\n"
    return folder


def test_info_says_how_to_find_them_and_trace_finds_them(case: Path) -> None:
    info = subprocess.run([*CLEW, "info", str(case)], capture_output=True, text=True, check=True)
    assert f"`clew trace {case}`" in info.stdout
    outer, inner = pty.openpty()
    with subprocess.Popen([*CLEW, "trace", str(case)], stdout=subprocess.PIPE, stderr=inner, text=True) as child:
        os.close(inner)
        out, _ = child.communicate()
    progress = b""
    try:
        while piece := os.read(outer, 65536):
            progress += piece
    except OSError:  # how a terminal says that nobody writes any more
        pass
    os.close(outer)
    assert child.returncode == 0
    for stage in (b"messages", b"requests", b"paths"):
        assert stage in progress
    assert progress.endswith(b"\r\x1b[K"), "the line is taken away"
    # Each of the 30 pages: asked for by a customer, and by front; both ends of both were recorded.
    assert out.splitlines()[-1].startswith("120 spans: 90 linked")
    assert "0 unresolved, 0 without an end" in out
    assert "(everything is linked, for sure)" in out, out


def test_requests_by_name_and_their_paths(case: Path) -> None:
    rows = {row["name"]: row for row in said(case, "requests")}
    assert {name: row["count"] for name, row in rows.items()} == {"GET /item/?": 27, "GET /slow/?": 3}
    assert rows["GET /slow/?"]["min_ns"] > 30_000_000
    shapes = said(case, "paths")
    assert {row["name"]: row["requests"] for row in shapes} == {"GET /item/?": 27, "GET /slow/?": 3}
    assert all((row["spans"], row["processes"]) == (4, 3) for row in shapes)


def test_the_slowest_waits_at_its_end(case: Path) -> None:
    """The 30 ms are back's own: on the critical path, below what front and the customer only waited."""
    (slowest,) = said(case, "requests", "--slowest", "1", "--request", "GET /slow/?")
    rows = said(case, "path", str(slowest["request_id"]))
    assert [(row["kind"], row["name"]) for row in rows] == [
        ("client", "GET /slow/?"),
        ("server", "GET /slow/?"),
        ("client", "GET /stock/slow/?"),
        ("server", "GET /stock/slow/?"),
    ]
    assert rows[3]["self_ns"] > 30_000_000
    assert sum(row["critical_ns"] for row in rows) == slowest["dur_ns"]
    assert all(row["wait_ns"] > 30_000_000 for row in rows[:3])
    assert len({row["pid"] for row in rows}) == 3
    calls = said(case, "path", str(slowest["request_id"]), "--events")
    told = [(row["op"], row["message"]) for row in calls if row["role"] == "request"]
    assert len(told) == 4 and all("slow" in message for _, message in told)


def test_time_is_spent_where_it_is(case: Path) -> None:
    rows = said(case, "requests", "--time", "--request", "GET /slow/?")
    waiting = sum(row["total_ns"] for row in rows if row["kind"].startswith("waiting for"))
    assert waiting > 90_000_000, "front waits for back"
    steps = said(case, "paths", "--diff", *(str(row["shape_id"]) for row in said(case, "paths")[::-1]))
    assert steps[0]["name"] == "GET /stock/slow/?" and steps[0]["kind"] == "server"
    assert steps[0]["self_a_ns"] > 30_000_000


def test_a_services_file_is_read_and_remembered(case: Path, tmp_path: Path) -> None:
    """It counts for later looks, until another one or none of that name is there; a wrong one is one line."""
    services = tmp_path / "ports"
    services.write_text("nothing 1/tcp\n")
    before = said(case, "trace")["requests"]
    assert said(case, "trace", "--services", str(services))["requests"] == before

    def remembered() -> str:
        query = "SELECT value FROM setting WHERE name = 'services'"
        return str(clew.open(case).sql(query).to_pylist()[0]["value"])

    assert remembered() == str(services)
    assert clew.open(case).trace() is False
    services.write_text("nothing 2/tcp\n")
    assert clew.open(case).trace() is True, "it was edited"
    services.unlink()
    assert said(case, "requests", "--by", "name")
    done = subprocess.run([*CLEW, "trace", str(case), "--services", str(services)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"clew: cannot read {services}: No such file or directory\n"
