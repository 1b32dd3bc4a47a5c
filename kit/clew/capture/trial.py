"""Tries a command for what it says: how doctor and engines find out what a machine allows."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PATIENCE_S = 20.0


def attempt(command: Sequence[str], extra: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code of ``command`` and everything it says; 124 if it does not end in time, 126 if it cannot be started."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "LC_ALL": "C", **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"no answer after {time.monotonic() - began:.0f} s"
    except OSError as error:
        return 126, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def first_line(text: str) -> str:
    """The first line that says something, shortened."""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return said[0][:160] if said else ""


def read_text(path: Path) -> str:
    """What stands in a small file; "" if it cannot be read."""
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
