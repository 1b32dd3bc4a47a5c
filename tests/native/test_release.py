"""A Release build: gcc looks further when it optimises, and what it warns of there is an error, too."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NATIVE = Path(__file__).parents[2] / "native"


def test_protocols_compile_without_a_warning_when_optimised() -> None:
    folders = [f"-I{NATIVE / name}" for name in ("include", "protocols", "reader")]
    line = ["gcc", "-std=gnu11", "-O3", "-DNDEBUG", "-D_GNU_SOURCE", "-fPIC", "-Wall", "-Wextra", "-Werror", *folders]

    def said(file: Path) -> str:
        done = subprocess.run([*line, "-c", file, "-o", "/dev/null"], capture_output=True, text=True, check=False)
        return done.stderr

    files = sorted((NATIVE / "protocols").glob("*.c"))
    with ThreadPoolExecutor(2) as pool:
        assert "".join(pool.map(said, files)) == "" and len(files) > 20
