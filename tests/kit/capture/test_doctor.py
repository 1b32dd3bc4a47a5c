"""The doctor tries what it speaks of, on this machine and on one where things are missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clew.capture import doctor

SOURCES = {
    "preload", "shared memory", "cores", "clock", "kernel", "perf cpu-clock", "hardware counters", "tracepoints",
    "bpftrace", "ptrace", "gdb",
}  # fmt: skip


def test_every_source_has_a_state_and_a_remedy() -> None:
    rows = doctor.probe().to_pylist()
    assert {row["source"] for row in rows} == SOURCES
    for row in rows:
        assert row["state"] in ("yes", "partly", "no")
        assert row["reason"]
        assert "\n" not in row["reason"]
        assert row["state"] != "no" or row["remedy"]
    assert doctor.can_record(doctor.probe())


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CLEW_LIBRARY", str(tmp_path / "libclew.so"))
    rows = {row["source"]: row for row in doctor.probe().to_pylist()}
    for source in ("gdb", "bpftrace", "perf cpu-clock", "hardware counters"):
        assert rows[source]["state"] == "no"
        assert rows[source]["remedy"].startswith("apt-get install")
    assert rows["preload"]["state"] == "no"
    assert not doctor.can_record(doctor.probe())


def test_a_library_that_breaks_programs_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source, library = tmp_path / "bad.c", tmp_path / "libclew.so"
    source.write_text("__attribute__((constructor)) static void end(void) { __builtin_trap(); }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    code = "import clew.native\nfrom clew.capture import doctor\nclew.native.load = lambda: None\n"  # it would end us
    code += "print([row['state'] for row in doctor.probe().to_pylist() if row['source'] == 'preload'])"
    monkeypatch.setenv("CLEW_LIBRARY", str(library))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['no']"


def test_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clew", "doctor", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert {row["source"] for row in json.loads(done.stdout)} == SOURCES
