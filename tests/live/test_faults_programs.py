"""Programs that fork much, thread much, close all or lock themselves up: nothing harmed, nothing lost uncounted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import clew

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may chroot, and give files away")
TOTALS = """
SELECT (SELECT count(*) FROM event JOIN op USING (op_id) WHERE op = $op AND errno = 0) AS calls,
       (SELECT sum(lost_events) FROM capture) AS lost,
       (SELECT count(*) FROM process) AS processes,
       (SELECT count(*) FROM thread) AS threads,
       (SELECT string_agg(DISTINCT unseen ORDER BY unseen) FROM process) AS unseen
"""


@pytest.fixture
def totals(case_path: Path) -> Callable[[str], dict[str, Any]]:
    """totals(op): successful calls of it, events lost, processes, threads, and why any was not seen."""

    def totals(op: str) -> dict[str, Any]:
        with closing(clew.open(case_path)) as case:
            row: dict[str, Any] = case.sql(TOTALS, {"op": op}).to_pylist()[0]
            return row

    return totals


def test_ten_thousand_forks(build: Callable[..., Path], same: Callable[..., Any], totals: Callable[..., Any]) -> None:
    same([build("fork_many"), "10000"])
    seen = totals("fork")
    assert seen["lost"] == 0
    assert seen["calls"] == 10_000
    assert seen["processes"] == 10_001
    assert totals("write")["calls"] == 10_000  # one by each child; stdout is written by libc itself


def test_two_thousand_threads(build: Callable[..., Path], same: Callable[..., Any], totals: Callable[..., Any]) -> None:
    same([build("threads_many"), "2000"])
    seen = totals("write")
    assert seen["lost"] == 0
    assert seen["calls"] == 2 * 2000 * 10
    assert seen["threads"] == 2 * 2000 + 1


def test_more_threads_than_buffers(
    build: Callable[..., Path], same: Callable[..., Any], totals: Callable[..., Any]
) -> None:
    same([build("threads_many"), "500"], "--threads", "100")
    seen = totals("write")
    assert seen["lost"] > 0
    assert seen["calls"] + seen["lost"] >= 2 * 500 * 10


def test_every_descriptor_closed(
    build: Callable[..., Path], same: Callable[..., Any], totals: Callable[..., Any]
) -> None:
    outcome = same([build("close_all")], "--ring-size", "16M")
    assert "said" in outcome.files
    assert totals("write")["lost"] == 0


def test_every_descriptor_closed_by_a_child(same: Callable[..., Any], totals: Callable[..., Any]) -> None:
    script = (
        "import os; os.closerange(0, 1000); os.write(os.open('out', os.O_WRONLY | os.O_CREAT), b'alive'); os._exit(3)"
    )
    assert same(["python3", "-c", script]).exit_code == 3
    assert totals("write")["calls"] >= 1


@pytest.mark.parametrize("how", ["early", "late"])
def test_strict_seccomp(
    how: str, build: Callable[..., Path], same: Callable[..., Any], totals: Callable[..., Any]
) -> None:
    same([build("seccomp_strict"), how])
    seen = totals("write")
    assert seen["calls"] + totals("read")["calls"] + seen["lost"] >= 40_000
    assert seen["calls"] > 1000


@pytest.mark.parametrize("way", ["0", "1", "2", "3"], ids=["prctl", "seccomp", "threads", "worker"])
def test_seccomp_filter_that_kills(
    way: str, build: Callable[..., Path], same: Callable[..., Any], totals: Callable[..., Any]
) -> None:
    same([build("seccomp_filter"), way])
    seen = totals("write")
    assert seen["calls"] + totals("read")["calls"] + seen["lost"] >= 40_000
    assert seen["calls"] > 1000


@needs_root
def test_workers_in_a_jail_are_recorded(
    build: Callable[..., Path], same: Callable[..., Any], totals: Callable[..., Any]
) -> None:
    same([build("jailed_workers")])
    seen = totals("write")
    assert (seen["lost"], seen["processes"], seen["unseen"]) == (0, 4, None)
    assert seen["calls"] == 3 * 200


def test_started_without_environment(
    build: Callable[..., Path], same: Callable[..., Any], totals: Callable[..., Any]
) -> None:
    same(["/usr/bin/env", "-i", build("ordinary")])
    assert (totals("write")["calls"], totals("write")["unseen"]) == (1, None)


UNSEEN = {
    "static": ("ordinary", ("-static",)),
    "abi": ("no_libc", ("-m32", "-nostdlib", "-static", "-fno-pic", "-no-pie", "-fno-stack-protector")),
}


@pytest.mark.parametrize("started_by", ["clew", "shell", "env -i"])
@pytest.mark.parametrize("reason", [*UNSEEN, pytest.param("setuid", marks=needs_root), "loader"])
def test_what_cannot_be_seen_says_so(
    reason: str,
    started_by: str,
    build: Callable[..., Path],
    both: Callable[..., Any],
    totals: Callable[..., Any],
    tmp_path: Path,
) -> None:
    if reason == "setuid":
        program = tmp_path / "setuid"
        shutil.copy(build("ordinary"), program)
        os.chown(program, 65534, 65534)
        program.chmod(0o6755)
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
    elif reason == "loader":
        loader = tmp_path / "ld-other.so.1"
        loader.symlink_to(next(iter(Path("/lib64").glob("ld-linux*"))).resolve())
        program = build("ordinary", f"-Wl,--dynamic-linker={loader}")
    else:
        name, flags = UNSEEN[reason]
        program = build(name, *flags)
    command = {
        "clew": [program],
        "shell": ["/bin/sh", "-c", f"{program}; echo $?"],
        "env -i": ["/usr/bin/env", "-i", "/bin/sh", "-c", f"{program}; echo $?"],
    }[started_by]
    bare, recorded = both(command)
    assert (recorded.exit_code, recorded.stdout, recorded.stderr) == (bare.exit_code, bare.stdout, bare.stderr)
    assert totals("write")["unseen"] == reason
    assert (started_by == "clew") == any("not recorded" in line for line in recorded.said)


def test_io_uring_says_so(build: Callable[..., Path], same: Callable[..., Any], totals: Callable[..., Any]) -> None:
    same([build("uring")])
    assert totals("open")["unseen"] == "io_uring"


def test_valgrind_runs_a_recorded_program(
    build: Callable[..., Path], record: Callable[..., list[str]], tmp_path: Path
) -> None:
    """valgrind replaces malloc itself; it must find nothing in the library, and nothing may change for the program."""
    for name in ("ordinary", "threads_io", "children"):
        command = [
            "valgrind",
            "--fair-sched=yes",
            "-q",
            "--error-exitcode=99",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            build(name),
        ]
        bare = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
        recorded = subprocess.run(
            record(command, case=tmp_path / f"{name}.case"),
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=300,
            check=False,
        )
        assert (recorded.returncode, recorded.stdout) == (bare.returncode, bare.stdout), recorded.stderr
        assert bare.returncode != 99
        with closing(clew.open(tmp_path / f"{name}.case")) as case:
            assert (
                case.sql("SELECT count(*) AS n FROM event JOIN op USING (op_id) WHERE op = 'pipe'").to_pylist()[0]["n"]
                > 0
            )
