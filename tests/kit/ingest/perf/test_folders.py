"""Folders that `perf record --threads` writes: headers in one file, records in several."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.ingest.profiles import perf_data

Build = Callable[..., Path]
Oracle = Any
EVERYBODY = ("-a", "-e", "cpu-clock", "-F", "999", "-g")


@pytest.fixture
def folder(build: Build, tmp_path: Path) -> Callable[..., Path]:
    """folder(*options) -> what perf makes of a recording of all that runs."""

    def folder(*options: str) -> Path:
        path = tmp_path / "many.data"
        options = ("-q", "--threads", *EVERYBODY, *options, "-o", str(path))
        subprocess.run(["perf", "record", *options, str(build("profiled")), "many", "6"], check=True)
        assert len(list(path.glob("data.*"))) > 1
        return path

    return folder


@pytest.mark.parametrize("options", [(), ("-z",)])
def test_every_part_is_read(oracle: Oracle, folder: Callable[..., Path], options: tuple[str, ...]) -> None:
    path = folder(*options)
    oracle.assert_equal(path, 100, everybody=True)
    assert len(perf_data.read(path).samples["cpu"].unique()) > 1


def test_a_part_that_is_cut_keeps_no_other_from_being_read(folder: Callable[..., Path]) -> None:
    path = folder()
    whole = perf_data.read(path)
    part = path / "data.0"
    content = part.read_bytes()
    part.write_bytes(content[: len(content) // 2 + 3])
    cut = perf_data.read(path)
    assert cut.whole is False
    assert any("ends of its parts" in note for note in cut.notes)
    assert 0 < cut.samples.num_rows < whole.samples.num_rows
    of = {cpu: whole.samples["cpu"].to_pylist().count(cpu) for cpu in set(whole.samples["cpu"].to_pylist())}
    left = {cpu: cut.samples["cpu"].to_pylist().count(cpu) for cpu in of}
    assert sum(left[cpu] == of[cpu] for cpu in of) == len(of) - 1


def test_a_folder_becomes_a_case_again_and_again(folder: Callable[..., Path], tmp_path: Path) -> None:
    path, case = folder(), tmp_path / "case"
    expected = perf_data.read(path).samples.num_rows
    for command in (["import", case, path], ["rebuild", case]):
        subprocess.run([sys.executable, "-m", "clew", *map(str, command)], check=True, capture_output=True)
        opened = clew.open(case)
        assert opened.sql("SELECT count(*) AS n FROM sample").to_pylist() == [{"n": expected}]
        opened.close()
    assert all(file.stat().st_mode & 0o077 == 0 for file in (case / "raw").rglob("*"))
