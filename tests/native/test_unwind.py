"""The unwinder alone: CFI written by hand, and a program that unwinds itself, made in ways that change its CFI."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
CHECKED = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"


def build(name: str, program: Path, compiler: str, flags: str) -> Path:
    """native/tests/NAME.c and the unwinder as one program."""
    sources = [NATIVE / f"tests/{name}.c", *sorted((NATIVE / "reader").glob("unwind_*.c"))]
    includes = [f"-I{NATIVE / 'include'}", f"-I{NATIVE / 'reader'}"]
    always = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(
        [compiler, *always, *flags.split(), *includes, *sources, "-o", str(program), "-lpthread"], check=True
    )
    return program


def sections(program: Path) -> str:
    return subprocess.run(["readelf", "-SW", program], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("flags", ["-O2", CHECKED])
def test_every_instruction_and_operation_of_cfi(tmp_path: Path, flags: str) -> None:
    program = build("unwind_unit", tmp_path / "unit", "cc", flags)
    run = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize(
    ("compiler", "flags", "has", "lacks"),
    [
        ("gcc", "-O2 -fomit-frame-pointer", ".eh_frame_hdr", ".debug_frame"),
        ("gcc", "-O0 -fno-omit-frame-pointer", ".eh_frame_hdr", ".debug_frame"),
        ("gcc", "-O2 -Wl,--no-eh-frame-hdr", ".eh_frame", ".eh_frame_hdr"),
        ("gcc", "-O2 -static", ".eh_frame", ".interp"),
        ("gcc", "-O2 -g -fno-asynchronous-unwind-tables -fno-unwind-tables", ".debug_frame", ".debug_nothing"),
        ("gcc", "-O2 -no-pie -Wl,-z,noseparate-code", ".eh_frame_hdr", ".debug_frame"),
        ("clang", "-O2 -fomit-frame-pointer", ".eh_frame_hdr", ".debug_frame"),
        ("gcc", CHECKED, ".eh_frame_hdr", ".debug_frame"),
    ],
)
def test_a_program_finds_its_own_callers(tmp_path: Path, compiler: str, flags: str, has: str, lacks: str) -> None:
    program = build("unwind_self", tmp_path / "self", compiler, flags)
    told = sections(program)
    assert f" {has} " in told
    assert f" {lacks} " not in told
    run = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "ok\n", "")
