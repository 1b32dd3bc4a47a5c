"""Taking slots of an arena: all of them, not one more, and none that the file has no room for."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from clew import native

NATIVE = Path(__file__).parents[2] / "native"


@pytest.fixture(scope="module", params=["-O2", "-O1 -fsanitize=address,undefined -fno-sanitize-recover=all"])
def unit(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """arena.c as a program."""
    program = tmp_path_factory.mktemp("unit") / "arena_unit"
    sources = [str(NATIVE / "tests/arena_unit.c"), str(NATIVE / "preload/arena.c")]
    includes = [f"-I{NATIVE / 'include'}", f"-I{NATIVE / 'preload'}"]
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror", *request.param.split()]
    subprocess.run(["cc", *flags, *includes, *sources, "-o", str(program)], check=True)
    return program


@pytest.mark.parametrize("what", ["use", "shrink", "old use", "old shrink"])
def test_slots(unit: Path, tmp_path: Path, what: str) -> None:
    arena = native.Arena.create(tmp_path / "arena", slots=5, ring_size=1 << 16, conns=64)
    run = subprocess.run([unit, *what.split(), arena.path], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [
        (0, "<Q", 0),  # magic
        (8, "<I", 999),  # abi
        (16, "<Q", 1 << 50),  # arena_size beyond the file
        (40, "<Q", 4097),  # slots_at not on a page
        (48, "<I", 1 << 20),  # more slots than there is room for
        (56, "<I", 12345),  # slot_size
        (60, "<I", 3 << 16),  # ring_size no power of two
    ],
)
def test_an_unsound_header_is_refused(unit: Path, tmp_path: Path, offset: int, form: str, value: int) -> None:
    path = native.Arena.create(tmp_path / "arena", slots=5, ring_size=1 << 16, conns=64).path
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack(form, value))
    run = subprocess.run([unit, "refuse", path], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "ok\n", "")
