"""Page faults of a real server are charged to the requests that it worked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .conftest import CLEW, WORKLOADS

PAGES, REQUESTS = 300, 10


def faults(case: Path, name: str) -> int:
    """Page faults of the requests of this name."""
    command = [*CLEW, "requests", str(case), "--time", "--request", name, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sum(row["count"] for row in json.loads(done.stdout) if row["kind"] == "page faults")


def test_memory_that_is_new_to_the_server_is_charged_to_who_asked_for_it(tmp_path: Path) -> None:
    case = tmp_path / "case"
    record = [*CLEW, "record", "-q", "--engine", "preload,perf", "--page-faults", "--on-cpu", "no", "-o", str(case)]
    program = [sys.executable, str(WORKLOADS / "fresh_pages.py"), str(PAGES), str(REQUESTS)]
    subprocess.run([*record, "--", *program], check=True, timeout=120)
    fresh, plain = faults(case, "GET /fresh/?"), faults(case, "GET /plain/?")
    assert fresh >= PAGES * REQUESTS
    assert plain < PAGES * REQUESTS / 10, "whose requests touch nothing new"
