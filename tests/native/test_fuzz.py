"""libFuzzer, AddressSanitizer and UBSan on whatever reads hostile bytes; seeds are recorded or compiled on the spot."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from clew.ingest.profiles._perf_header import open_perf

NATIVE = Path(__file__).parents[2] / "native"
RUNS = 200_000
SECONDS = 30


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Segments of small real programs, cut to what a fuzzer likes."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    shell = "echo text | cat; python3 -c 'import socket; s = socket.socketpair(); s[0].send(b\"x\"); s[1].recv(9)'"
    for name, command in {"ls": ["ls", "/"], "sh": ["sh", "-c", shell], "missing": ["cat", "/no/such"]}.items():
        stacks = ["--stacks", "close,read,alloc/50"]
        recorder = [sys.executable, "-m", "clew", "record", "-q", "-o", name, *stacks, "--", *command]
        subprocess.run(recorder, cwd=tmp_path, capture_output=True, check=False)
        (segment,) = (tmp_path / name / "raw" / "001").glob("seg-*")
        (folder / name).write_bytes(b"\0" + segment.read_bytes()[:20_000])
    return folder


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Small ELF files with CFI of every kind, behind the registers and the stack that the unwinder's target wants."""
    folder = tmp_path / "modules"
    folder.mkdir()
    source = folder.parent / "seed.c"
    source.write_text(
        "int g(int); int f(int n) { char *p = __builtin_alloca(n); p[0] = 1; return g(p[n - 1]) + n; }\n"
        "int g(int n) { return n ? f(n - 1) + 1 : 0; }\n"
    )
    kinds = {
        "table": "",
        "linear": "-Wl,--no-eh-frame-hdr",
        "debug": "-g -fno-asynchronous-unwind-tables",
    }
    for name, flags in kinds.items():
        module = folder.parent / f"{name}.so"
        always = ["-O2", "-shared", "-fPIC", "-nostdlib", "-Wl,-z,noseparate-code"]
        subprocess.run(["cc", *always, *flags.split(), source, "-o", module], check=True)
        (folder / name).write_bytes(bytes(1 + 8 * 33) + bytes(range(256)) * 2 + module.read_bytes()[:19_000])
    return folder


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Records of small real recordings by perf, behind the layouts that its target wants."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    kinds = {
        "fp": ["-e", "cpu-clock", "-g", "-F", "4999"],
        "many": ["-e", "cpu-clock,page-faults,task-clock", "-g", "--sample-cpu", "--switch-events", "-d"],
        "dwarf": ["-e", "page-faults", "-c", "4", "--call-graph", "dwarf,256", "--buildid-mmap"],
        "group": ["-e", "{cpu-clock,page-faults}:S", "-g", "-F", "4999"],
        "plain": ["-e", "page-faults", "-c", "1", "--namespaces", "--no-timestamp"],
    }
    for name, options in kinds.items():
        path = tmp_path / f"{name}.data"
        subprocess.run(["perf", "record", "-q", "-o", path, *options, "ls", "/"], capture_output=True, check=True)
        file = open_perf(path)
        layouts = [
            struct.pack("<5Q", e.sample_type, e.read_format, e.branch_type, e.regs_user, e.ids[0] if e.ids else 0)
            for e in (file.events * 3)[:3]
        ]
        dwarf, alone = name == "dwarf", len(file.events) == 1
        flags = 2 | (1 | 4) * dwarf | 8 * alone | 16 * (name == "group")
        (folder / name).write_bytes(bytes([flags]) + b"".join(layouts) + file.records.tobytes()[:19_800])
    return folder


CONVERSATIONS = {
    "http1": [
        (1, b"GET /a?b HTTP/1.1\r\nX-Request-ID: 1\r\n\r\n"),
        (0, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
    ],
    "chunked": [
        (1, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nHEAD / HTTP/1.0\r\n\r\n"),
        (
            0,
            b"HTTP/1.1 100\r\n\r\nHTTP/1.1 500 no\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 204\r\n\r\n",
        ),
    ],
    "fastcgi": [
        (1, b"\1\1\0\1\0\10\0\0\0\1\1\0\0\0\0\0\1\4\0\1\0\x12\0\0\x0b\5REQUEST_URI/a/17\1\5\0\1\0\0\0\0"),
        (0, b"\1\6\0\1\0\x13\1\0Status: 404 x\r\n\r\nhi\0\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0\0"),
    ],
    "scgi": [(1, b"35:CONTENT_LENGTH\x001\0REQUEST_URI\0/a/1\0,x"), (0, b"Status: 200 OK\r\n\r\nx")],
    "uwsgi": [(1, b"\0\x14\0\0\x0b\0REQUEST_URI\5\0/a/17"), (0, b"HTTP/1.0 200 OK\r\n\r\nx")],
    "postgres": [
        (1, b"\0\0\0\x10\0\3\0\0user\0u\0\0"),
        (0, b"R\0\0\0\10\0\0\0\0Z\0\0\0\5I"),
        (1, b"Q\0\0\0\x0dSELECT 1\0"),
        (0, b"T\0\0\0\6\0\0D\0\0\0\6\0\0C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I"),
        (1, b"P\0\0\0\x11s\0SELECT $1\0\0\0B\0\0\0\x0b\0s\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\4"),
        (0, b"1\0\0\0\0042\0\0\0\4E\0\0\0\x0dSERROR\0C42P01\0\0Z\0\0\0\5E"),
    ],
    "mysql": [
        (0, b"\x0e\0\0\0\x0a8.0.1\0\1\0\0\0abc\0"),
        (1, b"\5\0\0\1\0\2\0\0\0"),
        (0, b"\7\0\0\2\0\0\0\2\0\0\0"),
        (1, b"\x09\0\0\0\3SELECT 1"),
        (0, b"\1\0\0\1\1\2\0\0\2aa\5\0\0\3\xfe\0\0\2\0\2\0\0\4\x011\5\0\0\5\xfe\0\0\2\0"),
    ],
    "redis": [
        (1, b"*2\r\n$3\r\nGET\r\n$6\r\nuser:1\r\n"),
        (0, b"$2\r\nhi\r\n"),
        (1, b"PING\r\n"),
        (0, b"+PONG\r\n-ERR x\r\n"),
    ],
    "memcached": [(1, b"get a b\r\nset a 0 0 1\r\nx\r\n"), (0, b"VALUE a 0 1\r\nx\r\nEND\r\nSTORED\r\n")],
    "dns": [
        (1, b"\0\x1d\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1"),
        (0, b"\0\x1d\x12\x34\x81\x83\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1"),
    ],
    "x11": [(1, b"l\0\x0b\0\0\0\0\0\0\0\0\0" + b"+\0\1\0"), (0, b"\1\0\x0b\0\0\0\0\0" + b"\1\0\1\0" + bytes(28))],
}


@pytest.fixture
def conversations(tmp_path: Path) -> Path:
    """The beginnings of conversations, as calls that their target reads: side and flags, size, hole, bytes."""
    folder = tmp_path / "conversations"
    folder.mkdir()
    for name, pieces in CONVERSATIONS.items():
        calls = b"".join(bytes([side, len(data), 0]) + data for side, data in pieces)
        (folder / name).write_bytes(b"\0\2" + calls)
        (folder / f"{name}.datagrams").write_bytes(b"\0\3" + calls)
    return folder


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Text of perf script, behind a byte of choices."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    head, frame = b"a 12/13 [001] 7.000001: 250 cycles:P: \n", b"\t  401000 main+0x1f (/usr/bin/a)\n"
    bare = b"b  14 7.000000002: cpu-clock:\n"
    texts = {"samples": 3 * (head + 2 * frame + b"\n" + bare + frame + b"\n"), "heads": 3 * (head + b"\n") + bare}
    for name, text in texts.items():
        for choice in (0x0F, 0x5F, 0xF5):
            (folder / f"{name}.{choice}").write_bytes(bytes([choice]) + text)
    return folder


@pytest.fixture
def seeds(request: pytest.FixtureRequest, target: str) -> Path:
    """Where fuzzing begins."""
    folder: Path = request.getfixturevalue(
        {"unwind": "modules", "perf": "recordings", "protocols": "conversations", "text": "scripts"}.get(
            target, "corpus"
        )
    )
    return folder


@pytest.mark.parametrize("target", ["decode", "arena", "unwind", "perf", "protocols", "text"])
def test_hostile_input_is_read_without_harm(tmp_path: Path, seeds: Path, target: str) -> None:
    compiler = shutil.which("clang") or shutil.which("clang-14")
    assert compiler, "clang is needed: apt-get install clang"
    program = tmp_path / target
    sources = [NATIVE / "fuzz" / f"{target}.c", *sorted((NATIVE / "reader").glob("*.c"))]
    if target == "protocols":
        sources += sorted((NATIVE / "protocols").glob("*.c"))
    checks = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    includes = [f"-I{NATIVE / 'include'}", f"-I{NATIVE / 'reader'}", f"-I{NATIVE / 'protocols'}"]
    build = [
        compiler,
        "-std=gnu11",
        "-D_GNU_SOURCE",
        "-g",
        "-O1",
        *checks,
        *includes,
        *sources,
        "-o",
        program,
        "-pthread",
    ]
    subprocess.run(build, check=True)
    limits = [f"-runs={RUNS}", f"-max_total_time={SECONDS}", "-max_len=20001", "-timeout=10", "-rss_limit_mb=1024"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    # by a shell that forks: a program that takes this one's place is charged with the most memory that this one had
    line = ["sh", "-c", '"$0" "$@"; exit $?', program, *limits, seeds]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done " in done.stderr
