"""One case, several programs: who reads, who writes, who waits; and Parquet folders that are only read."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyarrow import parquet

import clew
from clew import ClewError, questions
from clew.case import Case
from clew.lens import Lens
from clew.store import FileStore

Maker = Callable[..., Any]
HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
print("held", flush=True)
sys.stdin.readline()
connection.close()
"""


def count(case: Case) -> int:
    return int(case.sql("SELECT count(*) AS n FROM event")["n"][0].as_py())


@pytest.fixture
def growing(capture: Maker) -> tuple[Any, Path]:
    """A capture that is still being recorded, with ten events, and its case."""
    made = capture(ended=False)
    grow(made, 0)
    return made, made.folder.parents[1]


def grow(made: Any, begin: int) -> None:
    made.clock(begin)
    made.records(1, 1, 1, *(made.record(1, "read", begin=begin + at) for at in range(10)))
    made.clock(begin + 100)
    made.write()


def holder(path: Path, how: str) -> subprocess.Popen[str]:
    """Another program that has the file open until it is told to go."""
    program = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path / "case.duckdb"), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "held\n"
    return program


def test_files_are_private(growing: tuple[Any, Path]) -> None:
    clew.open(growing[1])
    assert stat.S_IMODE((growing[1] / "case.duckdb").stat().st_mode) == 0o600


def test_another_program_asks_and_ingests_while_a_case_is_open(growing: tuple[Any, Path]) -> None:
    made, path = growing
    case = clew.open(path)
    assert count(case) == 10
    grow(made, 1000)
    command = [sys.executable, "-m", "clew", "sql", str(path), "SELECT count(*) AS n FROM event", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [{"n": 20}]
    assert count(case) == 20  # the one who had it open sees what the other ingested


def test_reading_goes_on_beside_another_reader(growing: tuple[Any, Path]) -> None:
    case = clew.open(growing[1])
    case.close()
    with holder(growing[1], "read") as other:
        assert count(clew.open(growing[1])) == 10
        other.communicate("go\n")


def test_a_writer_is_waited_for(growing: tuple[Any, Path]) -> None:
    case = clew.open(growing[1])
    case.close()
    with holder(growing[1], "write") as other:
        waiting = threading.Thread(target=lambda: found.append(count(case)))
        found: list[int] = []
        waiting.start()
        waiting.join(0.3)
        assert found == []
        other.communicate("go\n")
        waiting.join()
        assert found == [10]


def test_waiting_has_an_end(growing: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    case = clew.open(growing[1])
    case.close()
    monkeypatch.setattr("clew.store._WAIT_S", 0.1)
    with holder(growing[1], "write") as other:
        with pytest.raises(ClewError, match="another program"):
            count(case)
        other.communicate("go\n")


def test_threads_share_a_case(growing: tuple[Any, Path]) -> None:
    made, path = growing
    case = clew.open(path)
    seen: list[int] = []
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(20):
                seen.append(count(case))
                case.refresh()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for step in range(1, 6):
        grow(made, step * 1000)
        clew.open(path)
    for thread in threads:
        thread.join()
    assert failed == []
    assert count(clew.open(path)) == 60
    assert set(seen) <= set(range(10, 70, 10))


def test_an_idle_case_lets_go(growing: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.store._LINGER_S", 0.05)
    case = clew.open(growing[1])
    assert count(case) == 10
    with holder_when_free(growing[1]) as other:  # gets the file though the case was never closed
        other.communicate("go\n")
    assert count(case) == 10


def holder_when_free(path: Path) -> subprocess.Popen[str]:
    code = HOLD.replace("connection = ", "import time\nwhile True:\n  try: connection = ", 1).replace(
        '== "read")', '== "read"); break\n  except duckdb.IOException: time.sleep(0.01)', 1
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code, str(path / "case.duckdb"), "write"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "held\n"
    return program


def test_a_case_is_read_only_to_sql(truth: Any) -> None:
    for query in ("DELETE FROM event", "DROP TABLE event", "CREATE TABLE x (a INT)", "UPDATE event SET pid = 1"):
        with pytest.raises(ClewError):
            truth.case.sql(query)


def test_python_ends_quietly(growing: tuple[Any, Path]) -> None:
    code = (
        "import clew, sys; case = clew.open(sys.argv[1]); print(case.sql('SELECT 1 AS a')['a'][0]); print(repr(case))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(growing[1])], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "1"


def test_shown_in_a_notebook(truth: Any) -> None:
    bundle = truth.case._repr_mimebundle_()
    assert "20,000 events" in bundle["text/plain"]
    assert "<th>processes</th><td>3</td>" in bundle["text/html"]
    assert truth.case.captures().num_rows == 1
    assert "event" in truth.case.tables


# -- Parquet --


def test_parquet_answers_the_same(truth: Any, tmp_path: Path) -> None:
    folder = truth.case.to_parquet(tmp_path / "it's tables")
    tables = clew.open(folder)
    assert tables.refresh() == 0
    for name in truth.case.tables:
        query = f'SELECT * FROM "{name}" ORDER BY ALL'
        assert tables.sql(query).to_pylist() == truth.case.sql(query).to_pylist(), name
    for by in ("command", "file"):
        lens = Lens(ops=("read",))
        assert questions.counts(tables, lens, by).table.equals(questions.counts(truth.case, lens, by).table)
    assert stat.S_IMODE((folder / "event.parquet").stat().st_mode) == 0o600
    with pytest.raises(ClewError, match="not empty"):
        truth.case.to_parquet(folder)


def test_columns_that_older_tables_lack_are_not_known(truth: Any, tmp_path: Path) -> None:
    folder = truth.case.to_parquet(tmp_path / "tables")
    table = parquet.read_table(folder / "capture.parquet")
    parquet.write_table(table.drop(["notes", "skipped_bytes"]), folder / "capture.parquet")
    tables = clew.open(folder)
    assert tables.sql("SELECT notes, skipped_bytes, host FROM capture").to_pylist() == (
        truth.case.sql("SELECT NULL::VARCHAR AS notes, NULL::UBIGINT AS skipped_bytes, host FROM capture").to_pylist()
    )
    tables.close()


def test_parquet_is_the_same_each_time(truth: Any, tmp_path: Path) -> None:
    first, second = (truth.case.to_parquet(tmp_path / name) for name in ("a", "b"))
    for file in sorted(first.iterdir()):
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name


def test_parquet_of_others_is_one_line(truth: Any, tmp_path: Path) -> None:
    folder = truth.case.to_parquet(tmp_path / "tables")
    (folder / "event.parquet").write_bytes(b"PAR1 none PAR1")
    with pytest.raises(ClewError, match=r"event\.parquet"):
        clew.open(folder)
    (folder / "event.parquet").unlink()
    with pytest.raises(ClewError, match=r"event\.parquet"):
        clew.open(folder)


# -- a folder that is not ours --


def test_somebody_elses_case_is_shown_as_it_was(growing: tuple[Any, Path]) -> None:
    """As a user who may read but not write."""
    made, path = growing
    assert count(clew.open(path)) == 10
    grow(made, 1000)
    for folder in (path, *path.rglob("*"), *path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | (0o055 if folder.is_dir() else 0o044))
    code = "import os, sys, clew, clew.ingest.run, clew.store\nclew.store.schema_checksum()\n"
    code += "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"  # all is read that root alone may read
    code += "print(clew.open(sys.argv[1]).sql('SELECT count(*) AS n FROM event')['n'][0])"
    if os.getuid() != 0:
        path.chmod(0o555)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    path.chmod(0o755)
    assert (done.stdout, done.stderr) == ("10\n", "")


def test_a_file_of_another_clew_that_cannot_be_made_again_says_so(growing: tuple[Any, Path]) -> None:
    _, path = growing
    case = clew.open(path)
    with case._store.writing() as connection:  # type: ignore[union-attr]
        connection.execute("UPDATE setting SET value = 'other' WHERE name = 'schema'")
    (path / "raw").rename(path / "elsewhere")
    assert count(clew.open(path)) == 10, "every table is there: it is shown as it was"
    with case._store.writing() as connection:  # type: ignore[union-attr]
        connection.execute("DROP TABLE hop")
    with pytest.raises(ClewError, match="made by another version of clew, and cannot be made again"):
        clew.open(path)
    (path / "elsewhere").rename(path / "raw")
    assert count(clew.open(path)) == 10
    assert clew.open(path).sql("SELECT count(*) AS n FROM hop")["n"].to_pylist() == [0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize(("command", "said"), [("requests", "cannot be written"), ("rebuild", "Read-only file system")])
def test_what_would_have_to_write_says_that_it_cannot(truth: Any, tmp_path: Path, command: str, said: str) -> None:
    path = tmp_path / "case"
    shutil.copytree(truth.case.path, path)
    with duckdb.connect(path / "case.duckdb") as connection:
        connection.execute("INSERT INTO payload VALUES (1, 1, 'x'::BLOB, NULL, FALSE)")
        connection.execute("DELETE FROM setting WHERE name = 'traced'")  # the case is of all tests
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && "$2" -m clew "$3" "$1"'
    line = ["unshare", "--mount", "sh", "-c", script, "sh", path, sys.executable, command]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_one_store_for_one_file(tmp_path: Path) -> None:
    store = FileStore.at(tmp_path / "x")
    assert FileStore.at(tmp_path / "." / "x") is store
