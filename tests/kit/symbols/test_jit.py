"""perf-PID.map files: of real programs, and such as nobody should write."""

from __future__ import annotations

import os
import struct
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
from clew.symbols.jitdump import functions
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
    assert "perf-PID.map" in missing.missing.notes()[0]


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


def dump(*records: tuple[int, bytes], order: str = "<", magic: bytes = b"DTiJ") -> bytes:
    """A jit-PID.dump by hand: header, then (kind, body) of each record."""
    header = magic + struct.pack(order + "IIIIIQQ", 1, 40, 62, 0, 7, 1, 0)
    return header + b"".join(struct.pack(order + "IIQ", kind, 16 + len(body), 2) + body for kind, body in records)


def load(order: str, start: int, size: int, index: int, name: bytes) -> tuple[int, bytes]:
    return 0, struct.pack(order + "IIQQQQ", 7, 7, start, start, size, index) + name + b"\0" + b"\xc3" * size


def move(order: str, old: int, new: int, size: int, index: int) -> tuple[int, bytes]:
    return 1, struct.pack(order + "IIQQQQQ", 7, 7, new, old, new, size, index)


@pytest.mark.parametrize(("order", "magic"), [("<", b"DTiJ"), (">", b"JiTD")])
def test_a_dump_says_what_was_made_and_where_it_went(order: str, magic: bytes) -> None:
    records = [
        load(order, 0x1000, 16, 1, b"one; (a)"),
        (2, b"lines"),
        load(order, 0x2000, 8, 2, b"two\xff"),
        (9, b"new"),
    ]
    records += [move(order, 0x1000, 0x3000, 16, 1), (3, b""), load(order, 0x2004, 4, 3, b"three")]
    content = dump(*records, order=order, magic=magic)
    assert [one[:3] for one in functions(content)] == [
        (0x1000, 16, b"one; (a)"),
        (0x2000, 8, b"two\xff"),
        (0x3000, 16, b"one; (a)"),
        (0x2004, 4, b"three"),
    ]
    assert functions(content[:-3]) == functions(content)[:-1], "what is cut ends it"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 150), st.binary(max_size=8))
def test_a_dump_that_is_none_never_crashes(anything: bytes, at: int, other: bytes) -> None:
    functions(b"DTiJ" + anything)
    content = dump(load("<", 0x1000, 16, 1, b"one"), move("<", 0x1000, 0x3000, 16, 1))
    functions(content[:at] + other + content[at + len(other) :])


def test_a_dump_is_read_where_there_is_no_map(tmp_path: Path) -> None:
    path = tmp_path / "jit-7.dump"
    path.write_bytes(dump(load("<", 0x1000, 16, 1, b"one")))
    found = read_map(2**22, tmp_path / "nowhere", path)
    assert found is not None
    assert [found.name(piece) for piece in found.lookup(np.array([0x1004], np.uint64)).tolist()] == ["one"]
