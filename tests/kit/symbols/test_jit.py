"""perf-PID.map files: of real programs, and such as nobody should write."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.symbols.jit import map_paths, parse, read_map
from clew.symbols.keep import keep_maps
from clew.symbols.resolve import resolve

Compile = Callable[..., Path]


def names(content: bytes, *addresses: int) -> list[str | None]:
    found = parse(content)
    return [
        found.name(piece) if piece >= 0 else None for piece in found.lookup(np.array(addresses, np.uint64)).tolist()
    ]


def test_names_are_all_that_follows_to_the_end_of_the_line() -> None:
    text = b"7f00 10 LazyCompile:~go /a b.js:1:2 ; (x)\n0x8000 0x20 \xff\xfe\nno line\n9000 0 no\n\n9100 zz x\na000 1 "
    assert names(text, 0x7EFF, 0x7F00, 0x7F0F, 0x7F10, 0x8010) == [
        None,
        "LazyCompile:~go /a b.js:1:2 ; (x)",
        "LazyCompile:~go /a b.js:1:2 ; (x)",
        None,
        "\\xff\\xfe",
    ]


def test_what_was_written_later_has_the_memory() -> None:
    text = b"100 100 old\n140 20 inside\n0f0 20 over the begin\n1f0 100 over the end\n"
    assert names(text, 0x10F, 0x110, 0x13F, 0x140, 0x15F, 0x160, 0x1EF, 0x1F0) == [
        "over the begin", "old", "old", "inside", "inside", "old", "old", "over the end",
    ]  # fmt: skip
    frames = parse(text)
    assert frames.begin[frames.lookup(np.array([0x160], np.uint64))[0]] == 0x100, "offsets count from the function"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=30))
def test_overlaps_are_those_of_painting_one_after_the_other(rows: list[tuple[int, int]]) -> None:
    painted: dict[int, str] = {}
    for number, (start, size) in enumerate(rows):
        painted |= dict.fromkeys(range(start, start + size), f"n{number}")
    text = b"".join(b"%x %x n%d\n" % (start, size, number) for number, (start, size) in enumerate(rows))
    assert names(text, *range(60)) == [painted.get(address) for address in range(60)]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read(content: bytes) -> None:
    parse(content + b"\n10 10 known\n")
    parse(b"ffffffffffffffff ffffffffffffffff x\n" + content)


def test_map_of_a_python_program_is_kept_after_it_has_gone(tmp_path: Path) -> None:
    code = "import sys\ndef deep():\n print('ready', flush=True); sys.stdin.read()\ndeep()"
    version = sys.version_info >= (3, 12)
    command = [sys.executable, *(["-X", "perf"] if version else []), "-c", code]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert program.stdout is not None and program.stdout.readline() == b"ready\n"
    own = map_paths(program.pid)[-1]
    if not version:  # this Python writes none: as if it had
        own.write_text("7f0000 100 py::deep:<string>\n")
    assert keep_maps(tmp_path / "symbols", [program.pid, 2**22 + 1]) == 1
    text = own.read_text()
    program.communicate(b"")
    own.unlink()
    line = next(line for line in text.splitlines() if "py::deep" in line)
    start = int(line.split()[0], 16)
    places = pa.table(
        {"kind": ["jit"], "pid": pa.array([program.pid], pa.int32()), "address": pa.array([start + 1], pa.uint64())}
    )
    row = resolve(places, tmp_path / "symbols").frames.to_pylist()[0]
    assert (row["function"], row["kind"], row["byte_offset"]) == (line.split(None, 2)[2], "jit", 1)
    assert row["module"] == f"/tmp/perf-{program.pid}.map"
    missing = resolve(places)
    assert missing.frames["function"].to_pylist() == ["[unknown]"]
    assert "perf-PID.map" in missing.notes[0]


def test_map_of_node(tmp_path: Path) -> None:
    code = "function hot(n) { let s = 0; while (n--) s += n % 7; return s } for (let i = 0; i < 300; i++) hot(20000)"
    program = subprocess.Popen(["node", "--perf-basic-prof", "-e", code], cwd=tmp_path)  # V8 leaves a log where it is
    program.wait()
    own = Path(f"/tmp/perf-{program.pid}.map")
    try:
        found = read_map(program.pid)
        assert found is not None
        assert any("hot" in name for name in found.names)
        assert (np.diff(found.start.astype(np.int64)) > 0).all() and (found.end > found.start).all()
    finally:
        own.unlink(missing_ok=True)
    assert read_map(os.getpid()) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="other namespaces need root")
def test_map_of_a_program_in_a_container_has_the_pid_it_knows(compiled: Compile, tmp_path: Path) -> None:
    source = "#include <unistd.h>\nint main() { return pause(); }"
    root = tmp_path / "root"
    (root / "tmp").mkdir(parents=True)
    (root / "program").write_bytes(compiled("waits", "-O0", "-static", source=source).read_bytes())
    (root / "program").chmod(0o755)
    (root / "tmp/perf-1.map").write_text("7000 10 made inside\n")
    outer = subprocess.Popen(["unshare", "--fork", "--pid", "--kill-child", "chroot", root, "/program"])
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    try:
        deadline = time.monotonic() + 30
        while not (pids := children.read_text().split()) or Path(f"/proc/{pids[0]}/root").readlink() != root:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        pid = int(pids[0])
        assert keep_maps(tmp_path / "symbols", [pid]) == 1
        found = read_map(pid)
        assert found is not None and found.names == ["made inside"]
    finally:
        outer.kill()
        outer.wait()
    assert (tmp_path / "symbols" / f"perf-{pid}.map").read_text() == "7000 10 made inside\n"
