"""The events of a case are the calls that strace saw in the same run: order, descriptor, result, errno, bytes."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

import clew

# A libc call by the name of the system call it makes; the rest have the same name.
SYSTEM_CALL = dict(
    pair.split(":")
    for pair in (
        "recv:recvfrom send:sendto pread:pread64 pwrite:pwrite64 preadv2:preadv pwritev2:pwritev open:openat "
        "accept4:accept select:pselect6 pselect:pselect6 epoll_pwait:epoll_wait epoll_pwait2:epoll_wait "
        "epoll_create:epoll_create1 eventfd:eventfd2 pipe:pipe2 _exit:exit_group exit:exit_group execveat:execve "
        "vfork:fork clone:fork clone3:fork posix_spawn:fork"
    ).split()
)
MOVES = set(
    "read readv pread64 preadv recvfrom recvmsg recvmmsg write writev pwrite64 pwritev sendto sendmsg sendmmsg".split()
)
ON_DESCRIPTOR = MOVES | set(
    "close dup dup2 dup3 fcntl bind listen accept connect shutdown fsync fdatasync epoll_wait".split()
)
OTHERS = set(
    "openat creat pipe2 eventfd2 close_range epoll_create1 socket socketpair poll ppoll pselect6 "
    "sendfile splice copy_file_range fork execve exit_group".split()
)
COMPARED = ON_DESCRIPTOR | OTHERS
TRACED = (
    "read,readv,pread64,preadv,preadv2,recvfrom,recvmsg,recvmmsg,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,"
    "sendmmsg,sendfile,splice,copy_file_range,open,openat,creat,close,dup,dup2,dup3,fcntl,pipe,pipe2,eventfd2,close_range,"
    "epoll_create,epoll_create1,socket,socketpair,bind,listen,accept,accept4,connect,shutdown,poll,ppoll,select,pselect6,"
    "epoll_wait,epoll_pwait,epoll_pwait2,fork,vfork,clone,clone3,execve,execveat,exit_group,fsync,fdatasync,access"
)
LINE = re.compile(rb"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?|0x[0-9a-f]+)(?: ([A-Z][A-Z0-9_]*))?(?: .*)?$")
PROC_IO = b"".join(b"\\\\x%02x" % byte for byte in b"/proc/self/io")
# What the library opens for itself: a program that is about to be started, and the I/O totals of one that ends.
OWN_LOOK = re.compile(rb"O_RDONLY\|O_NONBLOCK\|O_CLOEXEC$|^AT_FDCWD, \"" + PROC_IO + rb"\"")
TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')


class Call(NamedTuple):
    """One call as both sides can tell it; payload is None where the call moves none."""

    name: str
    fd: int | None
    result: int | None
    error: str
    payload: bytes | None


def joined(trace: Path) -> Iterator[bytes]:
    """strace's lines in order of their begin; calls that another thread's line cut in two put together again."""
    begun: dict[bytes, int] = {}
    lines: list[bytes] = []
    for line in trace.read_bytes().splitlines():
        pid = line.split(None, 1)[0]
        if line.endswith(b"<unfinished ...>"):
            begun[pid] = len(lines)
            lines.append(line.removesuffix(b"<unfinished ...>").rstrip())
        elif b" resumed>" in line and pid in begun:
            lines[begun.pop(pid)] += line.split(b" resumed>", 1)[1]
        else:
            lines.append(line)
    yield from lines


def payload_of(name: str, arguments: bytes, result: int) -> bytes | None:
    """The bytes that a call moved, from strace's quoted strings."""
    if name not in MOVES or result < 0:
        return None
    if name in ("recvmmsg", "sendmmsg"):  # the first message is kept
        message, length = re.split(rb"msg_len=", arguments.split(b"msg_hdr=")[1], maxsplit=1)
        whole = b"".join(TEXT.findall(message.split(b"msg_control", 1)[0].split(b"msg_iov=", 1)[1]))
        result = int(re.match(rb"\d+", length)[0])  # type: ignore[index]
    elif name.endswith("msg"):
        whole = b"".join(TEXT.findall(re.split(rb"msg_control|msg_flags", arguments.split(b"msg_iov=", 1)[1])[0]))
    elif name.endswith("v"):
        whole = b"".join(TEXT.findall(arguments))
    else:
        whole = b"".join(TEXT.findall(arguments)[:1])
    return bytes.fromhex(whole.replace(b"\\x", b"").decode())[:result]


def seen_by_strace(trace: Path) -> dict[int, list[Call]]:
    """Calls of each thread between the marks of its program, or (children that marked nothing) all."""
    calls: dict[int, list[Call]] = defaultdict(list)
    marked: dict[int, bool] = {}
    looking: dict[int, int | None] = {}
    for line in joined(trace):
        found = LINE.match(line)
        if not found:
            continue
        tid, raw, arguments, value, error = int(found[1]), found[2].decode(), found[3], found[4], found[5]
        if raw == "access":
            where = b"".join(TEXT.findall(arguments)).replace(b"\\x", b"")
            if bytes.fromhex(where.decode()) in (b"/clew-mark/begin", b"/clew-mark/end"):
                marked[tid] = bytes.fromhex(where.decode()).endswith(b"begin")
            continue
        name = SYSTEM_CALL.get(raw, raw)
        fd = int(re.match(rb"-?\d+", arguments)[0]) if name in ON_DESCRIPTOR else None  # type: ignore[index]
        if OWN_LOOK.search(arguments) and name == "openat":
            looking[tid] = int(value)
            continue
        if looking.get(tid) is not None and looking[tid] == fd:
            looking[tid] = None if name == "close" else fd
            continue
        if not marked.get(tid) or name not in COMPARED or (name == "fcntl" and b"F_DUPFD" not in arguments):
            continue
        if error and error.startswith(b"ERESTART"):
            continue  # a signal came: the kernel makes the call again by itself
        result = int(arguments) if name == "exit_group" else int(value, 0)
        calls[tid].append(
            Call(name, fd, result, error.decode() if error else "", payload_of(name, arguments, result or 0))
        )
        if name == "execve" and result == 0:
            marked[tid] = False  # what follows is the loader's, until the new program marks its begin
    return calls


EVENTS = """
SELECT tid, op, fd, result, coalesce(errno.name, '') AS error, head, tail, cut, class
FROM event JOIN op USING (op_id) LEFT JOIN errno USING (errno) LEFT JOIN payload USING (thread_id, seq)
WHERE class NOT IN ('alloc', 'note', 'stdio', 'thread', 'wakeup', 'tls')
ORDER BY tid, min(ts_ns) OVER (PARTITION BY thread_id), thread_id, seq
"""


def seen_by_clew(case: clew.Case) -> dict[int, list[Call]]:
    calls: dict[int, list[Call]] = defaultdict(list)
    for row in case.sql(EVENTS).to_pylist():
        name = SYSTEM_CALL.get(row["op"], row["op"])
        payload = None
        if name in MOVES and row["result"] >= 0:
            assert not row["cut"] or name.endswith("mmsg"), row
            payload = (row["head"] or b"") + (row["tail"] or b"")
        fd = (-1 if row["fd"] is None else row["fd"]) if name in ON_DESCRIPTOR else None
        calls[row["tid"]].append(Call(name, fd, row["result"], row["error"], payload))
    return calls


@pytest.fixture
def compared(tmp_path: Path, record: Callable[..., list[str]], case_path: Path) -> Callable[..., list[int]]:
    """compared(program): under both at once, the calls of each thread must be the same; how many of each."""

    def compared(*command: str | Path, full: bool = True) -> list[int]:
        folder, trace = tmp_path / "work", tmp_path / "strace"
        folder.mkdir()
        strace = ["strace", "-f", "-xx", "-s", "100000", "-e", f"trace={TRACED}", "-e", "signal=none", "-o", str(trace)]
        options = ["--payload", "full"] if full else []
        subprocess.run([*strace, *record(command, *options)], cwd=folder, timeout=120, check=True, capture_output=True)
        with_strace = seen_by_strace(trace)
        with closing(clew.open(case_path)) as case:
            assert case.sql("SELECT sum(lost_events) AS lost FROM capture").to_pylist() == [{"lost": 0}]
            with_clew = seen_by_clew(case)
        for tid, calls in with_strace.items():
            wrong = differences(calls, with_clew[tid])
            assert not wrong, "\n".join(wrong)
        return sorted(len(calls) for calls in with_strace.values())

    return compared


def differences(calls: list[Call], events: list[Call]) -> list[str]:
    """The first place where the events, from where they fit best, part from what strace saw; empty if nowhere."""

    def fitting(start: int) -> int:
        pairs = zip(calls, events[start:], strict=False)
        return next(
            (number for number, (call, event) in enumerate(pairs) if call != event),
            min(len(calls), len(events) - start),
        )

    start = max(range(len(events)), key=fitting, default=0)
    matched = fitting(start) if events else 0
    if matched == len(calls):
        return []
    around = slice(max(matched - 2, 0), matched + 3)
    return [
        f"{matched} of {len(calls)} calls match",
        "strace:",
        *map(shown, calls[around]),
        "clew:",
        *map(shown, events[start:][around]),
    ]


def shown(call: Call) -> str:
    size = "" if call.payload is None else f" {len(call.payload)} bytes {call.payload[:20]!r}"
    return f"  {call.name}({call.fd}) = {call.result} {call.error}{size}"


def test_every_call(build: Callable[..., Path], compared: Callable[..., list[int]]) -> None:
    assert compared(build("calls"))[-1] > 700


def test_threads(build: Callable[..., Path], compared: Callable[..., list[int]]) -> None:
    assert compared(build("threads_io")) == [1506] * 4


def test_processes(build: Callable[..., Path], compared: Callable[..., list[int]]) -> None:
    assert len(compared(build("tree"))) >= 8


@pytest.mark.parametrize("number", ["1", "2"])
def test_calls_that_nobody_thought_of(
    number: str, build: Callable[..., Path], compared: Callable[..., list[int]]
) -> None:
    assert compared(build("random_calls"), number, "400")[-1] > 300


def test_head_and_tail_of_each_payload(
    build: Callable[..., Path], record: Callable[..., list[str]], tmp_path: Path
) -> None:
    """What is kept by default: the first 256 and the last 64 bytes, of the same calls as when all is kept."""
    kept = {}
    for name, options in (("default", ()), ("full", ("--payload", "full")), ("none", ("--payload", "none"))):
        (tmp_path / name).mkdir()
        command = record([build("calls")], *options, case=tmp_path / f"{name}.case")
        subprocess.run(command, cwd=tmp_path / name, timeout=120, check=True, capture_output=True)
        with closing(clew.open(tmp_path / f"{name}.case")) as case:
            kept[name] = case.sql(PAYLOADS).to_pylist()
    assert kept["none"] == []
    assert len(kept["default"]) == len(kept["full"]) > 500
    for default, full in zip(kept["default"], kept["full"], strict=True):
        whole, size = full["head"] + (full["tail"] or b""), len(full["head"]) + len(full["tail"] or b"")
        if default["op"].endswith("mmsg"):
            assert default["head"] == whole[:256]
        elif size <= 256 + 64:
            assert default["head"] + (default["tail"] or b"") == whole
            assert not default["cut"]
        else:
            assert (default["head"], default["tail"], default["cut"]) == (whole[:256], whole[-64:], True)


PAYLOADS = """
SELECT op, head, tail, cut FROM payload JOIN event USING (thread_id, seq) JOIN op USING (op_id) ORDER BY thread_id, seq
"""


def test_nothing_lost_at_200000_calls_a_second(
    build: Callable[..., Path],
    record: Callable[..., list[str]],
    case_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    done = subprocess.run(record([build("paced"), "5"]), capture_output=True, text=True, timeout=120, check=True)
    calls, per_second = map(int, done.stdout.split())
    record_property("calls_per_second", per_second)
    with closing(clew.open(case_path)) as case:
        (row,) = case.sql(MOVED).to_pylist()
        assert row == {"calls": calls, "bytes": calls * 22, "lost": 0, "last": (calls // 4 - 1) * 22}


MOVED = """
SELECT count(*) AS calls, sum(bytes) AS bytes, (SELECT sum(lost_events) FROM capture) AS lost, max(byte_offset) AS last
FROM event JOIN op USING (op_id) WHERE op IN ('read', 'write') AND bytes = 22
"""
