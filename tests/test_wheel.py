"""The wheel, as `pip install .` and Binder make it, holds all that the source tree has, for any Python."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_wheel_is_complete(tmp_path: Path) -> None:
    build = ["-C", f"build-dir={tmp_path / 'build'}", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", *build],
        check=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert "-py3-none-linux" in wheel.name
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "kit/clew", "widgets/clew_widgets"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    wanted = {name.removeprefix("kit/").removeprefix("widgets/") for name in tracked if (ROOT / name).exists()}
    assert wanted <= names, wanted - names
    assert "clew/_native/libclew.so" in names
    assert not [name for name in names if name.startswith(("tests/", "native/", "notebooks/", "benchmarks/"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)
