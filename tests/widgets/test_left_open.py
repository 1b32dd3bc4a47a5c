"""What was left open in the Explorer and in the report: one process leaks, another closes what it opens."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import clew
from clew.case import Case
from clew.commands import main
from clew.lens import Lens
from clew_widgets.answers import Answers
from clew_widgets.explorer import Explorer
from clew_widgets.report import write_report
from clew_widgets.views.left_open import FOLDED, LeftOpen, leaking

PROGRAM = """
import os, sys, time
kept, child = [], os.fork()
for _ in range(60):
    fd = os.open("/etc/hosts" if child else "/etc/passwd", os.O_RDONLY)
    kept.append(fd) if child else os.close(fd)
    time.sleep(0.004)
child and os.waitpid(child, 0)
os._exit(0)
"""


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    case = tmp_path_factory.mktemp("leaky") / "case"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "clew",
        "record",
        "-q",
        "-o",
        case,
        "--",
        sys.executable,
        "-c",
        PROGRAM,
    ]
    subprocess.run(command, check=True)
    opened = clew.open(case)
    yield opened
    opened.close()


def test_the_view_says_who_and_the_command_prints_the_same(leaky: Case, capsys: pytest.CaptureFixture[str]) -> None:
    (pid,) = leaky.sql("SELECT DISTINCT pid FROM process WHERE how = 'first' OR how IS NULL")["pid"].to_pylist()
    view = LeftOpen(leaky, by="file")
    rows = {row["label"]: row for row in view.spec["body"]["rows"]}
    assert rows["/etc/hosts"]["cells"]["open"] > 20 and "/etc/passwd" not in rows
    program, *argv = shlex.split(view.spec["command"])
    assert program == "clew" and main([*argv, "--json"]) == 0
    printed = {row["name"]: row["open"] for row in json.loads(capsys.readouterr().out) if row["open"]}
    assert printed == {label: row["cells"]["open"] for label, row in rows.items()}
    view.handle({"type": "pick", "keys": [rows["/etc/hosts"]["key"]], "mode": "only"})
    assert view.model.lens == Lens(files=("/etc/hosts",))
    view.choose("by", "process")
    assert [row["key"] for row in view.spec["body"]["rows"]] == [[["pids", pid]]]
    assert "leaves more and more open" in view.spec["note"]
    view.choose("by", "what")
    assert view.spec["body"]["rows"][0]["sub"] == "open /etc/hosts"


def test_it_is_shown_where_something_leaks_and_folded_elsewhere(leaky: Case) -> None:
    explorer = Explorer(leaky)
    assert explorer.left_open is not None and explorer.left_open.by == "process"
    assert explorer.left_open in explorer.children and "Left open: " in explorer.left_open.finding()
    explorer.lens = Lens(files=("/etc/passwd",))
    assert explorer.left_open.spec["empty"].startswith("Every descriptor")
    explorer.left_open.choose("by", "")
    assert explorer.left_open.spec["empty"] == FOLDED and explorer.left_open.spec["sql"] == ""


def test_the_report_says_it_first(leaky: Case, tmp_path: Path) -> None:
    text = write_report(leaky, tmp_path / "out.html").read_text()
    assert "leaves more and more open: " in text and "Left open" in text
    assert leaking(Answers(leaky)) == "process"
