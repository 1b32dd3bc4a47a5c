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
        flags = 2 | (1 | 4) * dwarf | 8 * alone
        (folder / name).write_bytes(bytes([flags]) + b"".join(layouts) + file.records.tobytes()[:19_800])
    return folder


@pytest.fixture
def seeds(request: pytest.FixtureRequest, target: str) -> Path:
    """Where fuzzing begins."""
    folder: Path = request.getfixturevalue({"unwind": "modules", "perf": "recordings"}.get(target, "corpus"))
    return folder


@pytest.mark.parametrize("target", ["decode", "arena", "unwind", "perf"])
def test_hostile_input_is_read_without_harm(tmp_path: Path, seeds: Path, target: str) -> None:
    compiler = shutil.which("clang") or shutil.which("clang-14")
    assert compiler, "clang is needed: apt-get install clang"
    program = tmp_path / target
    sources = [NATIVE / "fuzz" / f"{target}.c", *sorted((NATIVE / "reader").glob("*.c"))]
    checks = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    includes = [f"-I{NATIVE / 'include'}", f"-I{NATIVE / 'reader'}"]
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
    done = subprocess.run(
        [program, *limits, seeds], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done " in done.stderr
