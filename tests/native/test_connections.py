"""A descriptor keeps its connection through dup, fork, vfork, exec and message; a number used again gets another."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew import native
from clew.native.decode import Flag

Record = Callable[..., Any]


def _python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)]


def _moved(seen: Any, conn_id: int, *ops: str) -> list[tuple[int | None, bytes]]:
    return [(r.offset, r.head) for r in seen.of(*ops) if r.conn_id == conn_id and r.result > 0]


def test_a_pipeline_is_two_pipes_whose_ends_know_each_other(record: Record) -> None:
    seen = record(["/bin/sh", "-c", "echo hello | /bin/cat | /bin/cat"])
    assert seen.stdout == "hello\n"
    ends = {row["conn_id"]: row["peer_id"] for row in seen.conns.values() if row["peer_id"]}
    writes = [r for r in seen.of("write") if r.head == b"hello\n"]
    reads = [r for r in seen.of("read") if r.head == b"hello\n"]
    assert len({r.pid for r in writes}) == 3
    assert len(reads) == 2
    assert sorted(ends[r.conn_id] for r in reads) == sorted(r.conn_id for r in writes if r.conn_id in ends)
    assert {r.offset for r in reads} == {0}
    last = next(r for r in writes if r.conn_id not in ends)
    assert seen.conns[last.conn_id]["inherited"]  # our own end of the test's pipe


def test_all_processes_share_what_the_first_one_inherited(record: Record) -> None:
    seen = record(["/bin/sh", "-c", "(echo a); /bin/sh -c 'echo b'; echo c"])
    assert seen.stdout == "a\nb\nc\n"
    writes = seen.of("write")
    assert len({r.pid for r in writes}) == 3
    assert len({r.conn_id for r in writes}) == 1
    assert [(r.offset, r.head) for r in sorted(writes, key=lambda r: r.offset)] == [
        (0, b"a\n"),
        (2, b"b\n"),
        (4, b"c\n"),
    ]


WAYS = ("stated", "read", "closed", "replaced", "child", "program", "kept")


def test_what_a_file_is_gets_known_by_whatever_comes_first(record: Record, tmp_path: Path) -> None:
    """It is not asked of the kernel when the file is opened, since most programs call fstat then."""
    code = """
import os, sys
fds = {}
for way in sys.argv[2:]:
    fds[way] = os.open(f"{sys.argv[1]}/{way}", os.O_RDONLY)
os.fstat(fds["stated"])
os.read(fds["read"], 9)
os.close(fds["closed"])
os.dup2(os.open("/dev/null", os.O_RDONLY), fds["replaced"])
if os.fork() == 0:
    os.read(fds["child"], 9)
    os._exit(0)
os.wait()
os.posix_spawn("/bin/cat", ["cat"], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, fds["program"], 0)])
os.wait()
"""
    for way in WAYS:
        (tmp_path / way).write_text(way)
    seen = record(_python(code, tmp_path, *WAYS))
    assert seen.stdout == "program"
    for way in WAYS:
        path = tmp_path / way
        (opened,) = (r for r in seen.of("open", "openat") if r.head == bytes(path))
        row = seen.conns[opened.conn_id]
        assert (row["kind"], row["path"], row["inode"]) == ("file", str(path), path.stat().st_ino), way
        told = [r for r in seen.of("conn") if r.conn_id == opened.conn_id]
        assert len({r.pid for r in told}) == len(told)  # a child of fork tells it again
        assert not row["inherited"]
    reads = {r.head: r for r in seen.of("read", "pread") if r.result > 0}
    for way in ("read", "child", "program"):
        assert seen.conns[reads[way.encode()].conn_id]["path"] == str(tmp_path / way)
    assert seen.lost == 0


def test_posix_spawn_moves_descriptors_unseen_and_they_are_known_again(record: Record) -> None:
    code = """
import os
r, w = os.pipe()
other = os.open("/dev/null", os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, w, 1), (os.POSIX_SPAWN_CLOSE, w), (os.POSIX_SPAWN_CLOSE, r)]
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "echo spawned"], os.environ, file_actions=actions)
os.close(w)
assert os.read(r, 100) == b"spawned\\n"
os.waitpid(pid, 0)
"""
    seen = record(_python(code))
    assert seen.exit_code == 0, seen.stderr
    (written,) = [r for r in seen.of("write") if r.head == b"spawned\n"]
    (read,) = [r for r in seen.of("read") if r.head == b"spawned\n"]
    assert seen.conns[written.conn_id]["peer_id"] == read.conn_id
    assert written.pid != read.pid


def test_a_vfork_child_does_not_touch_its_parents_descriptors(
    build: Callable[..., Path], record: Record, tmp_path: Path
) -> None:
    seen = record([build("vfork_child"), tmp_path / "file"])
    assert (seen.exit_code, seen.stdout) == (0, "0 child program\n")
    parent = seen.records[0].pid
    by_text = {r.head: r for r in seen.of("write", pid=parent)}
    pipe = next(row for row in seen.conns.values() if row["flags"] == 8 and row["peer_id"])
    assert by_text[b"before"].conn_id == by_text[b"after"].conn_id
    assert by_text[b"after"].offset == len("before")
    assert by_text[b"child "].conn_id == pipe["conn_id"]
    assert seen.conns[by_text[b"before"].conn_id]["path"] == str(tmp_path / "file")


def test_a_descriptor_passed_in_a_message_keeps_its_connection(record: Record) -> None:
    code = """
import os, socket
a, b = socket.socketpair()
x, y = socket.socketpair()
x.send(b"before")
if os.fork() == 0:
    x.close(); y.close()
    _, (fd, *_), _, _ = socket.recv_fds(b, 10, 1)
    os.write(fd, b"passed")
    os._exit(0)
socket.send_fds(a, [b"-"], [x.fileno()])
x.close()
os.wait()
assert y.recv(100) == b"beforepassed"
"""
    seen = record(_python(code))
    assert seen.exit_code == 0, seen.stderr
    (before,) = [r for r in seen.of("sendto", "send") if r.head == b"before"]
    (passed,) = [r for r in seen.of("write") if r.head == b"passed"]
    assert passed.pid != before.pid
    assert (passed.conn_id, passed.offset) == (before.conn_id, 6)


def test_both_ends_of_a_tcp_connection_name_the_same_addresses(record: Record) -> None:
    code = """
import os, select, socket
server = socket.create_server(("127.0.0.1", 0))
quick = socket.create_connection(server.getsockname())
slow = socket.socket()
slow.setblocking(False)
slow.connect_ex(server.getsockname())
peers = [server.accept()[0] for _ in range(2)]
select.select([], [slow], [], 10)
quick.send(b"quick"); slow.send(b"slow")
got = [peer.recv(10) for peer in peers]
assert got == [b"quick", b"slow"], got
"""
    seen = record(_python(code))
    assert seen.exit_code == 0, seen.stderr
    conns = seen.conns
    for text in (b"quick", b"slow"):
        (sent,) = [conns[r.conn_id] for r in seen.of("send") if r.head == text]
        (got,) = [conns[r.conn_id] for r in seen.of("recv") if r.head == text]
        assert (sent["kind"], got["kind"]) == ("tcp", "tcp")
        assert (sent["local"], sent["remote"]) == (got["remote"], got["local"])
        assert sent["local"].startswith("127.0.0.1:")
        assert (sent["flags"], got["flags"]) == (2, 1)  # connected, accepted


def test_unix_and_udp_addresses(record: Record, tmp_path: Path) -> None:
    code = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1]); server.listen()
if (child := os.fork()) == 0:
    client = socket.socket(socket.AF_UNIX); client.connect(sys.argv[1]); client.send(b"unix"); os._exit(0)
server.accept()[0].recv(4)
os.waitpid(child, 0)
udp = socket.socket(type=socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0))
other = socket.socket(type=socket.SOCK_DGRAM); other.sendto(b"datagram", udp.getsockname())
data, address = udp.recvfrom(100)
print(address[1], udp.getsockname()[1])
"""
    seen = record(_python(code, tmp_path / "s"))
    assert seen.exit_code == 0, seen.stderr
    ends = {r.op: (r.pid, seen.conns[r.conn_id]) for r in seen.of("send", "recv") if r.head == b"unix"}
    (client_pid, client_end), (server_pid, server_end) = ends["send"], ends["recv"]
    assert (server_end["kind"], server_end["local"], client_end["remote"]) == ("unix", *[str(tmp_path / "s")] * 2)
    assert (client_end["peer_pid"], server_end["peer_pid"]) == (server_pid, client_pid)
    assert all(row["peer_pid"] is None for row in seen.conns.values() if row["kind"] != "unix")
    client, server = seen.stdout.split()
    udp = {row["local"] for row in seen.conns.values() if row["kind"] == "udp"}
    assert udp == {f"0.0.0.0:{client}", f"127.0.0.1:{server}"}


@pytest.mark.parametrize("how", ["dup2", "close"])
def test_a_call_that_blocks_is_on_what_its_number_was_when_it_began(record: Record, how: str) -> None:
    code = """
import os, socket, sys, threading, time
ours, theirs = socket.socketpair()
fd = ours.detach()
theirs.send(b"early"); os.read(fd, 10)
got = []
thread = threading.Thread(target=lambda: got.append(os.read(fd, 10)))
thread.start()
while True:  # until the kernel has it in read(fd)
    with open(f"/proc/self/task/{thread.native_id}/syscall") as file:
        words = file.read().split()
    if words[:2] == ["0" if os.uname().machine == "x86_64" else "63", hex(fd)]:
        break
    time.sleep(0.001)
other, far = socket.socketpair()
if sys.argv[1] == "dup2":
    os.dup2(other.fileno(), fd)
else:
    os.close(fd)
    assert os.dup(other.fileno()) == fd
far.send(b"other")
theirs.send(b"late")
thread.join()
assert got == [b"late"]
assert os.read(fd, 10) == b"other"
"""
    seen = record(_python(code, how))
    assert seen.exit_code == 0, seen.stderr
    early, late, other = (next(r for r in seen.of("read") if r.head == text) for text in (b"early", b"late", b"other"))
    assert early.fd == late.fd == other.fd
    assert late.conn_id == early.conn_id != other.conn_id
    assert (early.offset, late.offset, other.offset) == (0, 5, 0)


def test_numbers_that_change_hands_between_threads(build: Callable[..., Path], record: Record, tmp_path: Path) -> None:
    threads, rounds = 6, 400
    for number in range(threads):
        (tmp_path / str(number)).write_text(str(tmp_path / str(number)))
    seen = record([str(word) for word in (build("reuse"), tmp_path, threads, rounds)])
    assert seen.exit_code == 0
    assert seen.lost == 0
    reads = [r for r in seen.of("read") if r.head.startswith(os.fsencode(tmp_path))]
    assert len(reads) == threads * rounds
    assert all(seen.conns[r.conn_id]["path"] == os.fsdecode(r.head) for r in reads)
    assert len({r.conn_id for r in reads}) == threads * rounds
    closes = [r.conn_id for r in seen.of("close") if r.conn_id]
    assert {r.conn_id for r in reads} <= set(closes)


def test_recording_switched_off_and_on_does_not_mix_up_descriptors(record: Record, tmp_path: Path) -> None:
    code = """
import ctypes, os, sys
clew = ctypes.CDLL(os.environ["LD_PRELOAD"])
a = os.open(sys.argv[1] + "/a", os.O_RDWR | os.O_CREAT)
os.write(a, b"seen")
clew.clew_pause()
os.write(a, b"unseen")
os.close(a)
b = os.open(sys.argv[1] + "/b", os.O_RDWR | os.O_CREAT)
c = os.open(sys.argv[1] + "/c", os.O_RDWR | os.O_CREAT)
os.dup2(c, 50)
clew.clew_resume()
assert a == b
os.write(b, b"bbb"); os.write(50, b"ccc")
"""
    seen = record(_python(code, tmp_path))
    assert seen.exit_code == 0, seen.stderr
    paths = {r.head: seen.conns[r.conn_id]["path"] for r in seen.of("write") if r.conn_id}
    assert {text: path.removeprefix(f"{tmp_path}/") for text, path in paths.items()} == {
        b"seen": "a",
        b"bbb": "b",
        b"ccc": "c",
    }


@pytest.mark.parametrize("wide", [False, True])
def test_paths_are_absolute_even_where_the_program_said_less(record: Record, tmp_path: Path, wide: bool) -> None:
    directory = tmp_path
    for _ in range(4 if wide else 1):
        directory /= "d" * (200 if wide else 3)
    directory.mkdir(parents=True)
    code = """
import os, sys
os.chdir(sys.argv[1])
fd = os.open("relative", os.O_RDWR | os.O_CREAT)
os.write(fd, b"text")
at = os.open(".", os.O_RDONLY)
fd = os.open("relative", os.O_RDONLY, dir_fd=at)
os.read(fd, 4)
"""
    seen = record(_python(code, directory))
    assert seen.exit_code == 0, seen.stderr
    moves = [r for r in seen.of("read", "write") if r.head == b"text"]
    assert [seen.conns[r.conn_id]["path"] for r in moves] == [str(directory / "relative")] * 2
    opened = [r for r in seen.of("open", "openat") if r.head == b"relative"]
    assert [(r.flags & Flag.TEXT, r.conn_id) for r in opened] == [(1, r.conn_id) for r in moves]


def test_ids_wrap_without_taking_the_slot_of_an_open_descriptor(record: Record, tmp_path: Path) -> None:
    code = """
import os, sys
kept = os.open(sys.argv[1] + "/kept", os.O_RDWR | os.O_CREAT)
os.write(kept, b"one")
for i in range(1000):
    fd = os.open("/dev/null", os.O_RDWR)
    os.close(fd)
os.write(kept, b"two")
"""
    seen = record(_python(code, tmp_path), conns=64)
    assert seen.exit_code == 0, seen.stderr
    one, two = (r for r in seen.of("write") if r.head in (b"one", b"two"))
    assert (one.conn_id, two.offset) == (two.conn_id, 3)


def test_a_descriptor_that_stdio_writes_to_has_no_offsets(record: Record, tmp_path: Path) -> None:
    code = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.fwrite.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
libc.fflush.argtypes = libc.fileno.argtypes = [ctypes.c_void_p]
file = libc.fopen((sys.argv[1] + "/mixed").encode(), b"w")
libc.fwrite(b"unseen", 1, 6, file)
libc.fflush(file)
os.write(libc.fileno(file), b"direct")
"""
    seen = record(_python(code, tmp_path))
    assert seen.exit_code == 0, seen.stderr
    (direct,) = [r for r in seen.of("write") if r.head == b"direct"]
    assert direct.offset is None
    assert seen.conns[direct.conn_id]["path"] == str(tmp_path / "mixed")


@pytest.mark.parametrize(
    ("by", "kind", "path"),
    [("daemon", "device", "/dev/null"), ("forkpty", "device", "/dev/pts/"), ("login_tty", "device", "/dev/pts/")],
)
def test_standard_streams_that_libc_replaced_are_other_connections(
    by: str, kind: str, path: str, build: Callable[..., Path], record: Record
) -> None:
    seen = record([build("replaced"), by])
    assert seen.exit_code == 0, seen.stderr
    (before,) = [r for r in seen.of("write") if r.result == 6]
    (after,) = [r for r in seen.of("write") if r.result == 5]
    assert before.conn_id != after.conn_id
    conn = seen.conns[after.conn_id]
    assert conn["kind"] == kind
    assert conn["path"].startswith(path)


@pytest.mark.parametrize("by", ["print", "printf"])
def test_what_was_printed_takes_the_offsets_away(by: str, build: Callable[..., Path], record: Record) -> None:
    seen = record([build("replaced"), by])
    assert (seen.exit_code, seen.stdout) == (0, "before77after" if by == "print" else "before7after")
    offsets = {r.head: r.offset for r in seen.of("write")}
    assert offsets == {b"before": 0, b"after": None}


def test_what_a_program_printed_before_the_next_one_wrote_takes_the_offsets_away(record: Record) -> None:
    seen = record(["/bin/bash", "-c", "/usr/bin/seq 3; /bin/cat /dev/fd/3 3<<<text"])
    assert seen.stdout == "1\n2\n3\ntext\n"
    (written,) = [r for r in seen.of("write") if r.head == b"text\n" and r.fd == 1]
    assert written.offset is None


def test_payload_limits(record: Record) -> None:
    code = "import os; fd = os.open('/tmp', os.O_TMPFILE | os.O_RDWR); os.write(fd, bytes(range(256)) * 4)"
    whole = bytes(range(256)) * 4
    for options, head, tail in (
        ({"payload_head": 10, "payload_tail": 4}, 10, 4),
        ({"payload_head": 0, "payload_tail": 0}, 0, 0),
    ):
        seen = record(_python(code), **options)
        (write,) = [r for r in seen.of("write") if r.result == 1024]
        assert (write.head, write.tail) == (whole[:head], whole[1024 - tail :])
    seen = record(_python(code), payload_head=native.arena.FULL_PAYLOAD)
    (write,) = [r for r in seen.of("write") if r.result == 1024]
    assert write.head == whole


def test_a_program_sees_none_of_our_descriptors(record: Record) -> None:
    code = "import json, os; print(json.dumps(sorted(os.listdir('/proc/self/fd'))))"
    bare = os.popen(f'{sys.executable} -I -S -c "{code}" < /dev/null 2>/dev/null').read()
    assert json.loads(record(_python(code)).stdout) == json.loads(bare)
