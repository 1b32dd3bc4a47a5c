"""Every wrapped I/O function gives the program what it gives without clew, and records what it gave."""

from __future__ import annotations

import errno
import platform
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew import native
from clew.native.decode import Flag
from clew.ops import OPS

GROUPS = ("files", "streams", "sockets", "waits", "stdio", "hidden", "wakeups", "futexes")
SOURCES = Path(__file__).parents[2] / "native" / "tests"
WAKEUPS = {name for _, name, kind in OPS if kind == "wakeup"}
WAITS = ("poll", "ppoll", "select", "pselect")

# The wrapped names of I/O: those of the library's promise, and the older ones that mean the same.
SYMBOLS = """
    read readv pread pread64 preadv preadv64 preadv2 preadv64v2 recv recvfrom recvmsg recvmmsg
    __read __pread64 __read_chk __pread_chk __pread64_chk __recv_chk __recvfrom_chk
    write writev pwrite pwrite64 pwritev pwritev64 pwritev2 pwritev64v2 send sendto sendmsg sendmmsg
    __write __pwrite64 __send sendfile sendfile64 splice copy_file_range
    open open64 __open __open64 __open_2 __open64_2 openat openat64 __openat_2 __openat64_2 creat creat64
    close __close close_range closefrom closedir dup dup2 __dup2 dup3 fcntl fcntl64 __fcntl pipe __pipe pipe2
    eventfd epoll_create epoll_create1 epoll_ctl socket socketpair bind listen accept accept4 connect __connect shutdown
    poll __poll __poll_chk ppoll __ppoll_chk select __select pselect epoll_wait epoll_pwait epoll_pwait2
    fopen fopen64 fdopen freopen freopen64 fclose pclose fread fread_unlocked __fread_chk __fread_unlocked_chk
    fwrite fwrite_unlocked fflush fflush_unlocked fsync fdatasync
    pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait pthread_cond_signal pthread_cond_broadcast
    sem_wait sem_timedwait sem_clockwait sem_trywait sem_post syscall
    daemon login_tty forkpty dprintf vdprintf __dprintf_chk __vdprintf_chk vmsplice tee
""".split()

# System calls that an operation may be made of.
SYSTEM_CALLS = {
    **{name: {name} for name in ("read", "readv", "recvmsg", "recvmmsg", "write", "writev", "sendmsg", "sendmmsg")},
    **{name: {name} for name in ("sendfile", "splice", "copy_file_range", "close", "dup", "dup2", "dup3", "fcntl")},
    **{name: {name} for name in ("close_range", "socket", "socketpair", "bind", "listen", "connect", "shutdown")},
    **{name: {name} for name in ("epoll_wait", "fsync", "fdatasync", "ppoll")},
    "pread": {"pread64"},
    "pwrite": {"pwrite64"},
    "preadv": {"preadv", "preadv2"},
    "pwritev": {"pwritev", "pwritev2"},
    **{name: {"recvfrom"} for name in ("recv", "recvfrom")},
    **{name: {"sendto"} for name in ("send", "sendto")},
    "open": {"open", "openat"},
    "openat": {"openat"},
    "creat": {"creat", "openat"},
    "accept": {"accept", "accept4"},
    "pipe": {"pipe", "pipe2"},
    "eventfd": {"eventfd2"},
    "epoll_create": {"epoll_create", "epoll_create1"},
    "poll": {"poll"},
    "select": {"select", "pselect6"},
    "pselect": {"pselect6"},
    "epoll_pwait": {"epoll_pwait", "epoll_pwait2"},
    **{name: {"futex"} for name in ("futex_wait", "futex_wake")},
}
RESULT_IS_FD = {"open", "openat", "creat", "socket", "eventfd", "epoll_create"}
NO_FD = {"pipe", "socketpair", "poll", "ppoll", "select", "pselect", "futex_wait", "futex_wake"}
SECOND_FD = {"splice", "copy_file_range"}


@pytest.fixture
def calls(build: Callable[..., Path]) -> Path:
    return build("calls", "calls*.c")


def _said(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


def test_every_wrapped_name_is_exported() -> None:
    listed = subprocess.run(["nm", "-D", "--defined-only", native.library_path()], capture_output=True, check=True)
    exported = {line.split()[-1].split("@")[0] for line in listed.stdout.decode().splitlines()}
    assert sorted(set(SYMBOLS) - exported) == []


def test_every_wrapped_name_is_called_by_the_test_program(calls: Path, tmp_path: Path) -> None:
    out = subprocess.run([calls, tmp_path, *GROUPS], capture_output=True, check=True, text=True).stdout
    quiet = {"epoll_ctl", "pclose"}  # called, but they say nothing
    quiet |= {"daemon", "login_tty", "forkpty", "vdprintf", "__vdprintf_chk"}  # test_connections calls them
    assert sorted(set(SYMBOLS) - {line[0] for line in _said(out)} - quiet) == []


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("mode", [native.Mode.OFF, native.Mode.COUNT, native.Mode.TRACE | native.Mode.COUNT])
def test_the_program_sees_no_difference(
    group: str, mode: native.Mode, calls: Path, record: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "with").mkdir()
    bare = subprocess.run([calls, tmp_path / "bare", group], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    seen = record([calls, tmp_path / "with", group], mode=mode)
    assert (seen.exit_code, seen.stdout, seen.stderr) == (bare.returncode, bare.stdout, bare.stderr)
    assert bare.stdout
    assert bool([r for r in seen.records if r.fd >= 0]) == bool(mode & native.Mode.TRACE)


@pytest.mark.parametrize("group", GROUPS)
def test_records_say_what_the_calls_gave(group: str, calls: Path, record: Callable[..., Any], tmp_path: Path) -> None:
    seen = record([calls, tmp_path, group])
    said = [line for line in _said(seen.stdout) if line[1] != "-"]
    pid = seen.records[0].pid
    ops = {line[1] for line in said}
    records = seen.of(*ops, pid=pid)
    assert seen.lost == 0
    assert [(r.op, r.fd, r.result, r.error) for r in records] == [
        (op, int(fd), int(result), int(result) if "cond" in op else int(error) if int(result) < 0 else 0)
        for _, op, fd, result, error, _ in said
    ]
    for record_, (symbol, op, _, result, _, moved) in zip(records, said, strict=True):
        if record_.flags & Flag.TEXT or moved == "-":
            continue
        want = bytes.fromhex(moved)
        if op in WAKEUPS:
            assert (record_.offset, record_.head) == (int.from_bytes(want, "little"), b""), symbol
        elif op in ("sendmmsg", "recvmmsg"):
            assert record_.head[16:] == (want if int(result) > 0 else b""), symbol
        elif record_.flags & Flag.CUT:
            assert (record_.head, len(record_.tail)) == (want, 64), symbol
        else:
            assert record_.head + record_.tail == want, symbol


LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|\?)(?: (E[A-Z0-9]+) .*)?")
STRING = re.compile(r'^-?\d+, "((?:\\x[0-9a-f]{2})*)"')


def _system_calls(trace: str) -> list[tuple[str, str, int, str | None]]:
    """(name, arguments, result, errno name) between the program's two marks, but for its own reports."""
    lines = [match.groups() for match in map(LINE.match, trace.splitlines()) if match]
    first, last = (i for i, line in enumerate(lines) if line[0] == "sched_yield")
    return [
        (name, arguments, int(result), error)
        for name, arguments, result, error in lines[first + 1 : last]
        if not (name == "write" and arguments.startswith("1,")) and not (name == "fcntl" and "F_DUPFD" not in arguments)
    ]


@pytest.mark.parametrize("group", ["files", "streams", "sockets", "waits", "futexes"])
def test_records_equal_a_system_call_trace_of_the_same_run(
    group: str, calls: Path, record: Callable[..., Any], tmp_path: Path
) -> None:
    wanted = sorted({name for names in SYSTEM_CALLS.values() for name in names} | {"sched_yield"})
    if group != "futexes":  # libc's own ones
        wanted.remove("futex")
    options = ["-f", "-xx", "-s", "8192", "-e", "trace=" + ",".join(wanted), "-o", str(tmp_path / "trace")]
    seen = record([calls, tmp_path, group], prefix=["strace", *options])
    assert seen.exit_code == 0, seen.stderr
    program = next(r.pid for r in seen.records if r.op != "process_start" and (r.fd > 2 or r.op in WAKEUPS))
    records = seen.of(*SYSTEM_CALLS, pid=program)
    traced = _system_calls((tmp_path / "trace").read_text())
    assert len(traced) >= 10
    assert len(records) == len(traced)
    for record_, (name, arguments, result, error) in zip(records, traced, strict=True):
        assert name in SYSTEM_CALLS[record_.op]
        assert (record_.result, record_.error) == (result, getattr(errno, error) if error else 0), (name, arguments)
        if record_.op in RESULT_IS_FD:
            assert record_.fd == result
        elif record_.op in SECOND_FD:
            assert re.findall(r"(?:^|, )(-?\d+), (?:NULL|\[)", arguments)[1] == str(record_.fd)
        elif record_.op not in NO_FD:
            assert arguments.split(",")[0] == str(record_.fd)
        payload = STRING.match(arguments)
        kept = record_.conn_id and not record_.flags & (Flag.TEXT | Flag.STRUCT)
        if payload and result > 0 and kept and record_.head:
            moved = bytes.fromhex(payload[1].replace("\\x", ""))[:result]
            assert moved.startswith(record_.head) and moved.endswith(record_.tail)
            assert len(record_.head + record_.tail) == min(len(moved), 256 + 64)


def test_a_cancelled_thread_unwinds_and_its_call_is_recorded(
    build: Callable[..., Path], record: Callable[..., Any]
) -> None:
    program = build("cancelled")
    bare = subprocess.run([program], capture_output=True, text=True, check=True)
    seen = record([program])
    assert (seen.exit_code, seen.stdout) == (0, bare.stdout)
    cancelled = [r for r in seen.records if r.flags & Flag.CANCELLED and r.op != "usleep"]
    assert [r.op for r in sorted(cancelled, key=lambda r: r.tid)] == (
        "read readv recv recvmsg accept poll select epoll_wait cond_wait cond_wait sem_wait".split()
    )
    assert all(r.result == -1 for r in cancelled)
    assert seen.stdout.count("unlock 0") == 2  # they held the mutex
    assert all(r.offset for r in cancelled if r.op in WAKEUPS)
    assert all(r.conn_id for r in cancelled if r.fd >= 0)


def test_a_program_older_than_the_struct_of_condition_variables_keeps_its_own(
    build: Callable[..., Path], record: Callable[..., Any]
) -> None:
    seen = record([build("old_cond")])
    assert (seen.exit_code, seen.stdout) == (0, f"{errno.ETIMEDOUT}\n")
    assert seen.of("pthread_create")
    assert bool(seen.of(*WAKEUPS)) == (platform.machine() != "x86_64")  # only there it was once another struct


def test_wakeups_are_left_out_where_they_are_not_wanted(
    calls: Path, record: Callable[..., Any], tmp_path: Path
) -> None:
    bare = subprocess.run([calls, tmp_path, "wakeups", "futexes"], capture_output=True, text=True, check=True)
    seen = record([calls, tmp_path, "wakeups", "futexes"], wakeups=False)
    assert seen.stdout == bare.stdout
    assert seen.of("fork")
    assert not seen.of(*WAKEUPS)


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_a_sanitizer_finds_nothing_in_wakeups(sanitizer: str, record: Callable[..., Any], tmp_path: Path) -> None:
    """The runtimes wrap the same functions: they stand before ours."""
    flags = ["-D_GNU_SOURCE", "-O1", "-g", "-w", f"-fsanitize={sanitizer}"]
    program = tmp_path / "calls"
    sources = [str(path) for path in sorted(SOURCES.glob("calls*.c"))]
    subprocess.run(["clang", *flags, *sources, "-o", str(program), "-lpthread"], check=True)
    bare = subprocess.run([program, tmp_path, "wakeups", "futexes"], capture_output=True, text=True, check=True)
    seen = record([program, tmp_path, "wakeups", "futexes"])
    assert (seen.exit_code, seen.stdout, seen.stderr) == (0, bare.stdout, bare.stderr)
    assert {r.op for r in seen.of(*WAKEUPS)} == WAKEUPS


def _complaints(directory: Path) -> list[str]:
    """What valgrind said, without where: first lines of its reports."""
    text = "".join(path.read_text() for path in sorted(directory.glob("valgrind.*")))
    return sorted(re.findall(r"^==\d+== ([A-Z].*)$", text, re.MULTILINE))


def test_valgrind_says_nothing_that_it_does_not_say_of_the_bare_program(
    calls: Path, record: Callable[..., Any], tmp_path: Path
) -> None:
    said: list[list[str]] = []
    for with_clew in (False, True):
        directory = tmp_path / ("with" if with_clew else "bare")
        directory.mkdir()
        valgrind = ["valgrind", "-q", "--fair-sched=yes", f"--log-file={directory}/valgrind.%p"]
        command = [*valgrind, str(calls), str(directory), *GROUPS]
        run = record(command) if with_clew else subprocess.run(command, capture_output=True, check=True)
        assert run.stdout
        said.append(_complaints(directory))
    assert said[0] == said[1]
    assert any("unaddressable" in line for line in said[0])  # the wrong pointers are there on purpose
