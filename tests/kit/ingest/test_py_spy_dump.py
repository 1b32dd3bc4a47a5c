"""What py-spy dump prints: by hand for what is odd, and of a process that runs here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles import Reader, py_spy_dump, reader_of

ReadAs = Callable[[Reader, bytes | str], Profile]
Sums = Callable[[Profile], dict[tuple[str, int | None, int | None, str], float]]

DUMP = """\
Process 70: /usr/bin/python3 -c import this
    no (frame)
Python v3.11.7 (/usr/bin/python3.11)

Thread 70 (idle): "MainThread"
    wait (/opt/my (lib)/a.py:12)
        Arguments:
            self: <Thing at 0x7f12>
        Locals:
            text: "f (b.py:3)"
    std::map<int, int>::at(int) (libx.so.1)
    <module> (a.py:3)
Thread 0x7F12AB (active+gil): "q"uoted (x)"
    run (a.py:7)
Thread 72 (idle)
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_threads_and_frames(ends: str, read_as: ReadAs, sums: Sums) -> None:
    found = read_as(py_spy_dump, (DUMP * 2).replace("\n", ends))
    assert sums(found) == {
        ("py-spy", 70, 70, "<module>;std::map<int, int>::at(int);wait"): 2,
        ("py-spy", 70, None, "run"): 2,
        ("py-spy", 70, 72, ""): 2,
    }
    assert [row["name"] for row in found.threads.to_pylist()] == ["MainThread", 'q"uoted (x)', "thread 72"]
    assert {row["command"] for row in found.threads.to_pylist()} == {"python3"}
    files = {row["function"]: (row["file"], row["line"]) for row in found.frames.to_pylist()}
    assert files["wait"] == ("/opt/my (lib)/a.py", 12)
    assert files["std::map<int, int>::at(int)"] == (None, None)


def test_no_thread_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_text(DUMP[: DUMP.index("70 (idle)")])
    with pytest.raises(ClewError, match="no sample in it"):
        py_spy_dump.read(path)


def test_a_process(tmp_path: Path, sums: Sums) -> None:
    code = "import sys\ndef outer(): print(flush=True); sys.stdin.read()\nouter()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin and running.stdout
        running.stdout.readline()
        py_spy = Path(sys.executable).with_name("py-spy")
        done = subprocess.run([py_spy, "dump", "-p", str(running.pid)], capture_output=True, check=False)
        running.stdin.close()
    assert done.returncode == 0, done.stderr
    path = tmp_path / "dump"
    path.write_bytes(done.stdout)
    assert reader_of(path) is py_spy_dump
    assert sums(py_spy_dump.read(path)) == {("py-spy", running.pid, running.pid, "<module>;outer"): 1}
