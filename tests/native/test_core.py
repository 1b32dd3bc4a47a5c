"""Processes, threads, signals, sandboxes and allocations: the program is left alone, and all of it is recorded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew import native
from clew.native.decode import Flag

Build = Callable[..., Path]
SOURCES = Path(__file__).parents[2] / "native" / "tests"
Record = Callable[..., Any]
EMPTY_ENVIRONMENT = ("execve", "execvpe", "execle", "fexecve", "execveat", "noenv")
EXECS = ("execv", "execvp", "execl", "execlp", *EMPTY_ENVIRONMENT)


def bare(*command: str | Path) -> tuple[int, list[str], str]:
    """Exit code, sorted lines of stdout, and stderr of an unrecorded run."""
    run = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, env=dict(os.environ)
    )
    return run.returncode, sorted(run.stdout.splitlines()), run.stderr


def seen(recording: Any) -> tuple[int, list[str], str]:
    """The same of a recorded one."""
    return recording.exit_code, sorted(recording.stdout.splitlines()), recording.stderr


def batches(folder: Path) -> list[native.Batch]:
    """What the one recording below `folder` left."""
    return [native.decode(path) for path in sorted(folder.glob("capture*/*.clew"))]


def rows(folder: Path, table: Callable[[native.Batch], Any]) -> list[dict[str, Any]]:
    return sorted((row for batch in batches(folder) for row in table(batch).to_pylist()), key=lambda row: row["serial"])


@pytest.mark.parametrize(
    "how",
    [
        *("fork", "vfork", "vfork-exec", "spawn", "spawn-empty", "spawn-fails", "clone", "clone-vfork"),
        *("clone-fails", "raw-clone", "exec-fails", "system", *EXECS),
    ],
)
def test_processes_behave_as_without(build: Build, record: Record, how: str) -> None:
    program = build("core_processes")
    recording = record([program, how])
    assert seen(recording) == bare(program, how)
    assert recording.lost == 0


def test_two_threads_of_control_on_one_tls_are_a_counted_loss(build: Build, record: Record) -> None:
    program = build("core_processes")
    recording = record([program, "clone-shared"])
    assert seen(recording) == bare(program, "clone-shared")
    (made,) = recording.of("clone")
    assert made.result > 0
    assert recording.of("write") == []
    assert recording.lost >= 2


@pytest.mark.parametrize("how", EXECS)
def test_exec_is_followed_whatever_the_environment(build: Build, record: Record, tmp_path: Path, how: str) -> None:
    program = build("core_processes")
    recording = record([program, how])
    assert [r.head for r in recording.of("execve")] == [b"" if how == "fexecve" else bytes(program)]
    starts = rows(tmp_path, native.processes)
    assert [row["how"] for row in starts] == ["first", "exec"]
    assert starts[0]["pid"] == starts[1]["pid"]
    assert "not hidden" not in recording.stdout
    assert "vector" in recording.stdout.splitlines()


def test_children_say_who_made_them(build: Build, record: Record, tmp_path: Path) -> None:
    program = build("core_processes")
    recording = record([program, "fork"])
    (made,) = recording.of("fork")
    first, child = rows(tmp_path, native.processes)
    assert (first["how"], child["how"]) == ("first", "fork")
    assert (child["pid"], child["ppid"], child["parent_tid"]) == (made.result, made.pid, made.tid)
    assert first["exe"] == str(program)
    assert [(r.pid, r.result) for r in recording.of("_exit")] == [(made.result, 3)]
    assert len(recording.of("process_end")) == 2


def test_a_raw_clone_is_noticed_at_its_first_call(build: Build, record: Record, tmp_path: Path) -> None:
    recording = record([build("core_processes"), "raw-clone"])
    assert [row["how"] for row in rows(tmp_path, native.processes)] == ["first", "clone"]
    (written,) = recording.of("write")
    assert written.pid != recording.of("process_start")[0].pid


def test_vfork_child_stands_between_two_marks(build: Build, record: Record) -> None:
    recording = record([build("core_processes"), "vfork-exec"])
    parent = recording.records[0].pid
    ops = [(r.op, r.error) for r in recording.records if r.pid == parent and r.op in ("vfork_child", "execve", "vfork")]
    assert ops == [("vfork_child", 0), ("execve", 0), ("execve", 2), ("execve", 0), ("vfork", 0)]
    (child,) = recording.of("vfork_child")
    (made,) = recording.of("vfork")
    assert child.result == made.result != parent


def test_failed_exec_is_two_records_and_the_thread_goes_on(build: Build, record: Record) -> None:
    recording = record([build("core_processes"), "exec-fails"])
    assert [(r.result, r.error) for r in recording.of("execve")] == [(0, 0), (-1, 2)]
    assert recording.stdout == "-1 2\n"
    assert recording.of("process_end")


def test_threads_are_recorded_to_their_last_destructor(build: Build, record: Record, tmp_path: Path) -> None:
    recording = record([build("core_threads"), "200"])
    assert (recording.exit_code, recording.stderr, recording.lost) == (0, "", 0)
    per_thread = Counter((r.tid, r.op) for r in recording.records)
    threads = [r.tid for r in recording.of("thread_start")]
    assert len(set(threads)) == 200
    for tid in threads:
        assert (per_thread[tid, "write"], per_thread[tid, "read"], per_thread[tid, "thread_end"]) == (24, 24, 1)
    main = recording.of("process_start")[0].tid
    assert {row["creator_tid"] for row in rows(tmp_path, native.threads)} == {main}
    assert len(recording.of("pthread_create")) == len(recording.of("pthread_join")) == 200


def test_a_cancelled_join_is_recorded(build: Build, record: Record) -> None:
    recording = record([build("core_threads"), "cancel"])
    assert (recording.exit_code, recording.stderr, recording.lost) == (0, "", 0)
    joins = recording.of("pthread_join")
    assert sorted(bool(r.flags & Flag.CANCELLED) for r in joins) == [False, False, True]
    assert len(recording.of("thread_end")) == 2


def test_slots_are_used_again(build: Build, record: Record) -> None:
    recording = record([build("core_threads"), "600", "6"], slots=64)
    assert (recording.exit_code, recording.stderr) == (0, "")
    kept = len(recording.of("thread_start"))
    assert kept == 600 or recording.lost > 0
    assert kept > 64


def test_threads_without_a_slot_are_counted(build: Build, record: Record) -> None:
    recording = record([build("core_threads"), "8"], slots=1)
    assert (recording.exit_code, recording.stderr) == (0, "")
    assert recording.of("thread_start") == []
    assert recording.lost == 8 * 48


@pytest.mark.parametrize("how", ["strict", "filter", "filter-syscall", "asks", "tsc"])
def test_sandboxes_are_respected(build: Build, record: Record, how: str) -> None:
    program = build("core_sandbox")
    recording = record([program, how])
    assert seen(recording) == bare(program, how)
    assert recording.lost == 0
    assert len(recording.of("write")) == len(recording.stdout)


@pytest.mark.parametrize("how", ["return", "jump"])
def test_signal_handlers(build: Build, record: Record, how: str) -> None:
    recording = record([build("core_signals"), how], ring_size=1 << 22)
    assert (recording.exit_code, recording.stderr) == (0, "")
    writes = [r for r in recording.of("write") if r.fd != 1]
    assert len(writes) + recording.lost >= int(recording.stdout)
    assert recording.lost == 0 or how == "jump"


def test_own_switch(build: Build, record: Record) -> None:
    recording = record([build("core_control")])
    assert (recording.exit_code, recording.stderr) == (0, "")
    assert recording.stdout == "beforepausedpaused childafter"
    assert [r.head for r in recording.of("write")] == [b"before", b"after"]


def test_allocations_are_counted_exactly(build: Build, record: Record, tmp_path: Path) -> None:
    program = build("core_alloc")
    totals: list[dict[int, tuple[int, int, int]]] = []
    for times in (0, 100):
        recording = record([program, str(times)])
        assert (recording.exit_code, recording.stderr) == (0, "")
        folder = tmp_path / f"capture{len(totals) + 1}"
        counted = [row for path in folder.glob("*.clew") for row in native.counters(native.decode(path)).to_pylist()]
        totals.append({row["op"]: (row["calls"], row["errors"], row["bytes"]) for row in counted})
    none, many = totals
    each = {
        op: [(b - a) / 100 for a, b in zip(none.get(op, (0, 0, 0)), many[op], strict=True)] for op in range(100, 105)
    }
    assert each[100] == [3, 1, 10 + 11]  # malloc, one of them refused, one made by realloc(NULL)
    assert each[101] == [2, 1, 21]  # calloc
    assert each[102] == [3, 1, 1000 + 100]  # realloc, reallocarray, one of them refused
    assert each[103] == [6, 1, 100 + 64 + 5 + 1 + 1]  # posix_memalign, aligned_alloc, memalign, valloc, pvalloc
    assert each[104] == [8, 0, 0]  # free, and realloc to nothing
    assert sum(each[op][0] - each[op][1] for op in (100, 101, 103)) == each[104][0]


def test_small_address_space(build: Build, record: Record) -> None:
    """The arena's mapping takes a quarter at most, so the program can still allocate."""
    program = build("core_threads")
    recording = record(["sh", "-c", f"ulimit -v 400000 && exec {program} 4"])
    assert (recording.exit_code, recording.stderr) == (0, "")
    assert len(recording.of("thread_start")) == 4


def test_programs_that_cannot_be_seen_say_why(record: Record, tmp_path: Path) -> None:
    source = tmp_path / "hello.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n')
    static, other_loader, setuid, script = (tmp_path / name for name in ("static", "other", "setuid", "script"))
    subprocess.run(["cc", "-static", str(source), "-o", str(static)], check=True)
    subprocess.run(["cc", str(source), "-o", str(setuid)], check=True)
    loader = tmp_path / "ld-other.so.1"
    loader.symlink_to(Path("/lib64/ld-linux-x86-64.so.2").resolve())
    subprocess.run(["cc", str(source), f"-Wl,--dynamic-linker={loader}", "-o", str(other_loader)], check=True)
    os.chown(setuid, 65534, -1)
    setuid.chmod(0o4755)
    script.write_text(f"#!{static}\n")
    script.chmod(0o755)
    programs = [static, other_loader, setuid, script]
    command = "; ".join(str(program) for program in programs)
    recording = record(["sh", "-c", f"{command}; exit 0"])
    assert (recording.exit_code, recording.stdout, recording.stderr) == (0, "hello\n" * 4, "")
    reasons = {r.head.decode(): r.result for r in recording.of("unseen")}
    assert reasons == {str(static): 1, str(other_loader): 4, str(setuid): 2, str(script): 1}


def test_a_library_that_is_bound_past_us_is_told_of(record: Record, tmp_path: Path) -> None:
    """The loader finds libraries beside whoever calls dlopen, and binds them as it was asked to."""
    source = SOURCES / "deepbind.c"
    program, plugins = tmp_path / "program", tmp_path / "plugins"
    plugins.mkdir()
    for name in ("one", "two"):
        library = ["-shared", "-fPIC", f'-DPLUGIN="{name}"', "-o", str(plugins / f"{name}.so")]
        subprocess.run(["cc", str(source), *library], check=True)
    subprocess.run(["cc", str(source), "-Wl,-rpath,$ORIGIN/plugins", "-o", str(program), "-ldl"], check=True)
    missing, one, two = (str(plugins / name) for name in ("none.so", "one.so", "two.so"))

    harmless = [str(program), "plain=one.so", f"look={two}", f"deep={missing}"]
    recording = record(harmless)
    assert seen(recording) == bare(*harmless)
    assert recording.of("unseen") == []
    assert [r.head for r in recording.of("write")] == [b"one\n", b"child\n"]

    for asked in (one, "one.so"):
        deep = [str(program), f"deep={asked}", f"deep={two}"]
        recording = record(deep)
        assert seen(recording) == bare(*deep)
        assert [r.head for r in recording.of("write")] == [b"child\n"]
        starts = [r.pid for r in recording.of("process_start")]
        told = [(r.fd, r.pid, r.result, r.head.decode()) for r in recording.of("unseen")]
        assert sorted(told) == sorted((pid, pid, 9, asked) for pid in starts)
        assert len(starts) == 2


def test_out_of_reach_of_library_and_arena(record: Record, tmp_path: Path) -> None:
    """The loader must not complain about a library that a program may not, or cannot, read."""
    jail = tmp_path / "jail"
    libraries = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    for path in ["/bin/sh", *re.findall(r"/lib\S+", libraries)]:
        (jail / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, jail / path[1:])
    for command in (
        ["chroot", str(jail), "/bin/sh", "-c", "echo in $LD_PRELOAD"],
        ["setpriv", "--reuid", "65534", "--clear-groups", "sh", "-c", "echo other"],
    ):
        recording = record(command)
        assert seen(recording) == bare(*command)
        assert [r.result for r in recording.of("unseen")] == [6]


def test_other_pid_namespaces(record: Record, tmp_path: Path) -> None:
    command = ["unshare", "-f", "-p", "--mount-proc", "sh", "-c", "echo $$; sh -c 'echo $$'; true"]
    recording = record(command)
    assert seen(recording) == bare(*command)
    starts = rows(tmp_path, native.processes)
    assert {1, 2} <= {row["pid"] for row in starts}
    assert recording.lost == 0


def test_a_sanitizers_runtime_stays_first(record: Record, tmp_path: Path) -> None:
    source = tmp_path / "asan.c"
    source.write_text(
        '#include <stdlib.h>\n#include <unistd.h>\nint main(void) { return write(1, getenv("HOME"), 1) != 1; }\n'
    )
    program = tmp_path / "asan"
    subprocess.run(["cc", "-fsanitize=address", str(source), "-o", str(program)], check=True)
    recording = record(["sh", "-c", f"{program} && env | grep LD_PRELOAD"])
    assert (recording.exit_code, recording.stderr) == (0, "")
    assert "asan" not in recording.stdout
    assert [r.head for r in recording.of("write") if r.head == b"/"]


def test_no_descriptor_of_ours(record: Record) -> None:
    command = ["ls", "-l", "/proc/self/fd"]
    recording = record(command)
    listed = [line.split()[-1] for line in recording.stdout.splitlines() if "->" in line]
    assert not [target for target in listed if "arena" in target or "clew" in target]
    assert len(listed) == len([line for line in bare(*command)[1] if "->" in line])


def test_locking_all_memory_does_not_fill_the_arena(record: Record, tmp_path: Path) -> None:
    code = "import ctypes; print(ctypes.CDLL(None).mlockall(3))"
    recording = record(["python3", "-c", code])
    assert seen(recording) == bare("python3", "-c", code)
    arena = next(tmp_path.glob("capture*/arena")).stat()
    assert arena.st_blocks * 512 < 64 << 20


def test_text_is_kept_whole_and_payload_is_cut(record: Record) -> None:
    long_path = "/nowhere/" + "x" * 200
    recording = record(["sh", "-c", f"printf %01000d 1 | cat | cat; cat {long_path}"], payload_head=10)
    moved = [r for r in recording.of("read", "write") if r.result == 1000]
    assert moved
    assert all((len(r.head), len(r.tail), r.flags & Flag.CUT) == (10, 64, Flag.CUT) for r in moved)
    assert any(r.head == long_path.encode() for r in recording.of("open", "openat"))


def test_brings_no_other_library_and_hides_what_is_its_own() -> None:
    library = str(native.library_path())
    dynamic = subprocess.run(["readelf", "-dW", library], capture_output=True, text=True, check=True).stdout
    assert re.findall(r"NEEDED.*\[(.*)\]", dynamic) == ["libc.so.6"]
    names = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    exported = [line.split()[-1].split("@")[0] for line in names.splitlines()]
    assert not [name for name in exported if "_Unwind" in name or "personality" in name]
