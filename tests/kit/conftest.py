"""Captures made by hand, byte for byte from clew_record.h, and a random one whose truth is known."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clew
from clew.case import Case
from clew.native.library import ABI
from clew.ops import OP_ID, OPS

NONCE = 0x0123456789ABCDEF
STRUCT, TEXT = 2, 1
UNKNOWN = 2**64 - 1
RECORD = np.dtype(
    [
        *(("size", "<u4"), ("op", "<u2"), ("flags", "<u2"), ("begin", "<u8"), ("ticks", "<u8"), ("result", "<i8")),
        *(("conn_id", "<u8"), ("offset", "<u8"), ("fd", "<i4"), ("seq", "<u4"), ("error", "<u2"), ("tail", "<u2")),
        ("head", "<u4"),
    ]
)
assert RECORD.itemsize == 64


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


class Capture:
    """One capture's raw folder; ticks are nanoseconds since 1,000,000."""

    def __init__(self, folder: Path, *, ended: bool = True, trace: bool = True, host: str = "h", command: str = "demo"):
        folder.mkdir(parents=True)
        self.folder = folder
        self.blocks: list[bytes] = []
        self.seqs: dict[int, int] = {}
        meta = {"engine": "preload", "command": [command], "host": host, "version": "0", "started_ns": 1_000_000}
        meta |= {"started_utc": "", "options": {"trace": trace}, "ended_ns": 2 if ended else None}
        meta |= {"recorder_pid": None if ended else 1, "exit_code": 0}  # pid 1 lives as long as the test
        (folder / "meta.json").write_text(json.dumps(meta))

    def block(self, kind: int, payload: bytes, serial: int = 0, pid: int = 0, tid: int = 0, ticks: int = 0) -> bytes:
        def header(crc: int) -> bytes:
            fields = (0x4B424C43, kind, 0, len(payload), crc, serial, pid, tid, 0, ticks, NONCE, 0)
            return struct.pack("<IHHIIQIIQQQQ", *fields)

        made = padded(header(zlib.crc32(header(0) + payload)) + payload)
        self.blocks.append(made)
        return made

    def clock(self, ticks: int, ns: int | None = None) -> None:
        ns = ticks + 1_000_000 if ns is None else ns
        self.block(3, struct.pack("<4Q", ticks, ns, ns + 10**18, 1))

    def record(self, serial: int, op: str, head: bytes = b"", tail: bytes = b"", **values: int) -> bytes:
        """One record of thread ``serial``, its seq counted."""
        self.seqs[serial] = self.seqs.get(serial, 0) + 1
        fields = {
            "flags": 0,
            "begin": 0,
            "ticks": 0,
            "result": 0,
            "conn_id": 0,
            "offset": UNKNOWN,
            "fd": -1,
            "error": 0,
        }
        fields |= values
        body = padded(head + tail)
        row = np.zeros(1, RECORD)
        for name, value in fields.items():
            row[name] = value
        row["size"], row["op"], row["seq"] = 64 + len(body), OP_ID[op], self.seqs[serial]
        row["head"], row["tail"] = len(head), len(tail)
        return row.tobytes() + body

    def records(self, serial: int, pid: int, tid: int, *records: bytes) -> None:
        self.block(1, b"".join(records), serial, pid, tid)

    def process(
        self, serial: int, pid: int, comm: str, *, ppid: int = 1, how: int = 0, exe: str = "", begin: int = 0
    ) -> bytes:
        """PROCESS_START: how 0 first, 1 fork, 2 exec."""
        path, words = exe.encode(), b"one\0two\0" if exe else b""
        info = struct.pack("<8I16s", pid, ppid, 0, how, len(path), len(words), 0, 0, comm.encode()) + path + words
        return self.record(serial, "process_start", info, flags=STRUCT, begin=begin)

    def conn(
        self, serial: int, conn_id: int, kind: int, path: str = "", *, fd: int = 3, flags: int = 0, **more: Any
    ) -> bytes:
        """CONN; addresses as (IPv4 text, port)."""

        def address(value: tuple[str, int] | None) -> bytes:
            if value is None:
                return b""
            return struct.pack("<H", 2) + struct.pack(">H", value[1]) + bytes(map(int, value[0].split("."))) + bytes(8)

        local, remote = address(more.get("local")), address(more.get("remote"))
        text = path.encode()
        inode, peer = more.get("inode", 7), more.get("peer", 0)
        info = struct.pack("<IIQQQHHI", kind, len(text), 1, inode, peer, len(local), len(remote), flags)
        info += struct.pack("<II", more.get("peer_pid", 0), 0)
        info += local + remote + text
        return self.record(
            serial,
            "conn",
            info,
            flags=STRUCT | more.get("record_flags", 0),
            conn_id=conn_id,
            fd=fd,
            begin=more.get("begin", 0),
        )

    def counters(self, serial: int, pid: int, tid: int, ticks: int, **ops: tuple[int, int, int, int]) -> None:
        """COUNTERS: op=(calls, errors, bytes, ticks)."""
        rows = b"".join(struct.pack("<II4Q", OP_ID[op], 0, *values) for op, values in ops.items())
        self.block(2, rows, serial, pid, tid, ticks)

    def end(self) -> None:
        self.block(7, b"")

    def write(self, number: int = 1) -> Path:
        """Append what was made since the last call to segment ``number``."""
        path = self.folder / f"seg-{number:06d}.clew"
        if not path.exists():
            head = struct.pack("<QIIQQQ20x", 0x3130474553574C43, ABI, number, 10**9, 5, NONCE)
            path.write_bytes(head + struct.pack("<I", zlib.crc32(head)))
        with path.open("ab") as file:
            file.write(b"".join(self.blocks))
        self.blocks = []
        return path


@pytest.fixture
def capture(tmp_path: Path) -> Callable[..., Capture]:
    """capture(number=1, **options) -> a new capture of the case tmp_path / "case"."""

    def make(number: int = 1, **options: Any) -> Capture:
        return Capture(tmp_path / "case" / "raw" / f"{number:03d}", **options)

    return make


@pytest.fixture(scope="session")
def capture_class() -> type[Capture]:
    """For fixtures that live longer than a test: capture_class(folder, **options)."""
    return Capture


@dataclass
class Truth:
    """A random capture as rows of plain Python: what every question must say."""

    case: Case
    rows: list[dict[str, Any]] = field(default_factory=list)


COMMANDS = {1: ("web", 100, 100), 2: ("web", 100, 101), 3: ("d'; DROP x; --", 200, 200), 4: ("web", 300, 300)}
PATHS = {1: "/etc/a", 2: "/tmp/b c", 3: None, 4: None}
PEERS = {3: "10.0.0.9:5432", 4: "127.0.0.1:*"}
MOVES = {name for _, name, kind in OPS if kind in ("read", "write")} - {"recvmmsg", "sendmmsg"}


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """20,000 random calls of four threads on four connections."""
    folder = tmp_path_factory.mktemp("truth") / "case"
    capture = Capture(folder / "raw" / "001")
    chance = np.random.default_rng(7)
    names = ["read", "write", "open", "close", "poll", "recvmsg"]
    capture.clock(0)
    for serial, (command, pid, tid) in COMMANDS.items():
        if pid == tid:
            capture.records(serial, pid, tid, capture.process(serial, pid, command, exe=f"/bin/{command}"))
    about = [capture.conn(1, 1, 1, "/etc/a"), capture.conn(1, 2, 1, "/tmp/b c")]
    about.append(capture.conn(1, 3, 5, flags=2, local=("10.0.0.1", 4000), remote=("10.0.0.9", 5432)))
    about.append(capture.conn(3, 4, 5, flags=1, local=("127.0.0.1", 80), remote=("127.0.0.1", 4001)))
    capture.records(1, 100, 100, *about[:3])
    capture.records(3, 200, 200, about[3])
    rows = []
    for serial, (command, pid, tid) in COMMANDS.items():
        count = 5000
        made = np.zeros(count, RECORD)
        ops = chance.choice(names, count)
        made["size"] = 64
        made["op"] = [OP_ID[name] for name in ops]
        made["begin"] = np.sort(chance.integers(10, 10**9, count))
        made["ticks"] = np.where(chance.random(count) < 0.01, 0, chance.lognormal(7, 2, count)).astype(np.uint64)
        made["error"] = np.where(chance.random(count) < 0.1, chance.choice([2, 9, 11], count), 0)
        made["result"] = np.where(made["error"] > 0, -1, chance.integers(0, 9000, count))
        made["conn_id"] = chance.integers(0, 5, count)
        made["fd"], made["offset"] = 5, UNKNOWN
        start = capture.seqs.get(serial, 0) + 1
        made["seq"] = np.arange(start, start + count)
        for part in np.array_split(made, 7):
            capture.records(serial, pid, tid, part.tobytes())
        for name, one in zip(ops, made.tolist(), strict=True):
            call = dict(zip(RECORD.names or (), one, strict=True))
            moved = call["result"] if name in MOVES and not call["error"] else None
            rows.append(
                {
                    "command": command,
                    "pid": pid,
                    "tid": tid,
                    "op": str(name),
                    "errno": call["error"],
                    "bytes": moved,
                    "ts_ns": call["begin"] + 1_000_000,
                    "dur_ns": call["ticks"],
                    "host": "h",
                    "file": PATHS.get(call["conn_id"]),
                    "peer": PEERS.get(call["conn_id"]),
                }
            )
    capture.clock(2 * 10**9)
    capture.end()
    capture.write()
    return Truth(clew.open(folder), rows)
