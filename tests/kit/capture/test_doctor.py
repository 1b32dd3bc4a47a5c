"""The doctor tries what it speaks of, on this machine and on one where things are missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clew.capture import doctor

SOURCES = {
    "preload", "shared memory", "cores", "clock", "kernel", "sampler", "perf cpu-clock", "perf kernel",
    "perf whole machine", "hardware counters", "perf DWARF", "tracepoints", "perf off-CPU", "perf system calls",
    "perf page faults", "perf stat", "perf build", "kernel symbols", "bpftrace", "ptrace", "gdb", "gdb attach",
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
    for source in ("gdb", "gdb attach", "bpftrace", "hardware counters", *(name for name in SOURCES if "perf" in name)):
        assert rows[source]["state"] == "no"
        assert rows[source]["remedy"].startswith("apt-get install")
    assert rows["preload"]["state"] == "no"
    assert not doctor.can_record(doctor.probe())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_is_for_root_only_is_told_with_the_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    everything = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", sys.executable, "-c"]
    code = "import json\nfrom clew.capture import doctor\nprint(json.dumps(doctor.probe().to_pylist()))"
    done = subprocess.run([*everything, code], cwd=tmp_path, capture_output=True, text=True, check=True)
    rows = {row["source"]: row for row in json.loads(done.stdout)}
    allowed = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    for source, level in (
        ("perf cpu-clock", 2),
        ("perf page faults", 2),
        ("perf kernel", 1),
        ("perf whole machine", 0),
    ):
        assert (rows[source]["state"] == "yes") == (allowed <= level), rows[source]
        assert rows[source]["state"] == "yes" or f"kernel.perf_event_paranoid={level}" in rows[source]["remedy"]
    assert rows["bpftrace"] == {"source": "bpftrace", "state": "no", "reason": "it needs root", "remedy": "run as root"}
    hidden = rows["kernel symbols"]
    assert (hidden["state"] == "no") == (
        allowed > 1 or Path("/proc/sys/kernel/kptr_restrict").read_text().strip() != "0"
    )
    assert hidden["state"] == "yes" or "kernel.perf_event_paranoid=1" in hidden["remedy"]


def test_tracefs_that_is_not_mounted_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("clew.capture.engines._perf_events._TRACEFS", (tmp_path,))
    rows = {row["source"]: row for row in doctor.probe().to_pylist()}
    for source in ("tracepoints", "perf off-CPU", "perf system calls"):
        assert rows[source]["state"] == "no"
        assert "mount" in rows[source]["remedy"]


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
