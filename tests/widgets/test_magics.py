"""``%%clew`` in a real IPython shell: the cell runs as ever, and its stacks are shown below it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

import clew
from clew import questions
from clew.lens import Lens

CELL = """
import threading, time

def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(100))

def other():
    spin(0.3)

def wait():
    time.sleep(0.3)

worker = threading.Thread(target=other, name="worker")
worker.start()
wait()
worker.join()
spin(0.2)
answer = 42
"""


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    shell = InteractiveShell.instance()
    shell.display_pub = CapturingDisplayPublisher()
    clew.load_ipython_extension(shell)
    yield shell
    InteractiveShell.clear_instance()


def test_a_cell_is_recorded_and_shown(shell: InteractiveShell) -> None:
    shell.run_cell_magic("clew", "-F 500 --as recorded", CELL)
    assert shell.user_ns["answer"] == 42
    case = shell.user_ns["recorded"]
    tree = questions.flame(case, Lens())
    names = tree.table["name"].to_pylist()
    assert names[1].startswith("<") or names[1] == "Thread._bootstrap", names[:3]  # no frame of IPython above the cell
    assert {"spin", "other", "wait"} <= set(names)
    threads = {row["name"]: row["weight"] for row in questions.samples_by(case, Lens(), "thread").table.to_pylist()}
    assert threads["worker"] > 0.1e9
    assert threads["MainThread"] > 0.3e9
    shown = shell.display_pub.outputs
    assert any("spin" in str(output["data"].get("text/html", "")) for output in shown)
    tid = case.sql("SELECT tid FROM thread WHERE name = 'MainThread'")["tid"][0].as_py()
    chart = questions.flame_chart(case, Lens(), tid).table.to_pylist()
    waited = [row for row in chart if row["name"] == "wait"]
    assert waited
    assert sum(row["end_ns"] - row["start_ns"] for row in waited) > 0.2e9


def test_what_a_cell_raises_is_shown_and_kept(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell_magic("clew", "-F 500", CELL + "\n1 / 0\n")
    assert "ZeroDivisionError" in capsys.readouterr().out
    row = shell.user_ns["case"].captures().to_pylist()[0]
    assert (row["engine"], row["exit_code"]) == ("python", 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--rate 0", "1 to 1000"),
        ("--as 1x", "no name of a variable"),
        ("--nonsense", "unrecognized arguments"),
        ("", "too short"),
    ],
)
def test_mistakes_are_one_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    shell.run_cell_magic("clew", line, "pass\n")
    out = capsys.readouterr().out
    assert out.startswith("clew: ")
    assert said in out
    assert len(out.splitlines()) == 1


def test_help_lists_the_options(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell_magic("clew", "--help", "raise SystemExit\n")
    assert "--rate" in capsys.readouterr().out


@pytest.mark.timeout(300, method="thread")  # else SIGALRM is in use
def test_a_cell_is_sampled_where_it_is_not_where_it_lets_go_of_the_lock(shell: InteractiveShell) -> None:
    cell = """
import os, time

def slow():
    return sum(i * i for i in range(20000))

def closes():
    for _ in range(200):
        try:
            os.close(9999)
        except OSError:
            pass

took = [0.0, 0.0]
while sum(took) < 1:
    begin = time.perf_counter()
    slow()
    middle = time.perf_counter()
    closes()
    took = [took[0] + middle - begin, took[1] + time.perf_counter() - middle]
"""
    shell.run_cell_magic("clew", "--as recorded", cell)
    table = questions.functions(shell.user_ns["recorded"], Lens()).table
    total = dict(zip(table["function"].to_pylist(), table["total"].to_pylist(), strict=True))
    share = total["slow"] / (total["slow"] + total.get("closes", 0))
    took = shell.user_ns["took"]
    assert abs(share - took[0] / sum(took)) < 0.12


@pytest.mark.timeout(300, method="thread")  # else SIGALRM is in use
def test_what_threads_do_while_the_main_one_waits_for_them_is_sampled(shell: InteractiveShell) -> None:
    cell = """
import json, threading, time

def spin():
    end = time.thread_time() + 0.5
    while time.thread_time() < end:
        json.dumps(list(range(500)))

worker = threading.Thread(target=spin, name="worker")
worker.start()
worker.join()
"""
    shell.run_cell_magic("clew", "-F 200 --as joined", cell)
    case = shell.user_ns["joined"]
    samples = case.sql("SELECT t.name, weight FROM sample JOIN thread t USING (thread_id)").to_pylist()
    assert sum(row["name"] == "worker" for row in samples) > 10
    assert min(row["weight"] for row in samples) >= 0
    assert "were taken by a thread" in case.captures().to_pylist()[0]["notes"]
