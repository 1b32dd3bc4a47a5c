"""Draining and recovery with a real program that does exactly what it is asked to."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from clew import native
from clew.capture import preload
from clew.errors import ClewError
from clew.native import Arena, Batch, Drain, Mode
from clew.native.decode import NOTE
from clew.native.library import ABI, ArenaOptions, Columns, Decoded, DrainStats
from clew.ops import OP_ID

SOURCE = Path(__file__).parents[2] / "workloads" / "asked.c"


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program: lines of "COUNT [THREADS]" in, "done" out."""
    program = tmp_path_factory.mktemp("asked") / "asked"
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", SOURCE, "-o", program, "-pthread"], check=True)
    return program


class Asked:
    """The program, running under an arena."""

    def __init__(self, program: Path, arena: Arena, size: int = 1) -> None:
        environment = preload.environment(arena, os.environ, str(program))
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program, str(size)], env=environment, stdin=pipe, stdout=pipe, text=True)

    def do(self, line: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait()


@pytest.fixture
def start(asked: Path) -> Iterator[Callable[..., Asked]]:
    """start(arena, size=1) -> the running program; killed at the end of the test."""
    started: list[Asked] = []

    def start(arena: Arena, size: int = 1) -> Asked:
        started.append(Asked(asked, arena, size))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Where segments go."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def read(raw: Path) -> list[Batch]:
    """All batches of a capture."""
    batches = []
    for path in sorted(raw.glob("seg-*.clew")):
        offset = 0
        while True:
            batch = native.decode(path, offset)
            batches.append(batch)
            if batch.next_offset == offset:
                break
            offset = batch.next_offset
    return batches


def write_calls(raw: Path) -> int:
    """Calls of write to /dev/null that were recorded; checks that no thread's records come twice or out of order."""
    batches = read(raw)
    serial, seq, op, fd = (
        np.concatenate([getattr(b, name) for b in batches]) for name in ("serial", "seq", "op", "fd")
    )
    for thread in np.unique(serial):
        assert (np.diff(seq[serial == thread].astype(np.int64)) > 0).all()
    return int(((op == OP_ID["write"]) & (fd == 3)).sum())


def test_an_arena_is_private_and_its_file_must_not_exist(tmp_path: Path) -> None:
    arena = Arena.create(tmp_path / "arena")
    assert arena.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ClewError, match="File exists"):
        Arena.create(tmp_path / "arena")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ClewError):
        Arena.create(tmp_path / "link")


@pytest.mark.parametrize("options", [{"ring_size": 1000}, {"ring_size": 4096}, {"slots": 0}, {"conns": 0}])
def test_arenas_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(ClewError, match="Invalid argument"):
        Arena.create(tmp_path / "arena", **options)
    assert not (tmp_path / "arena").exists()


def test_what_is_no_arena_is_not_drained(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "other").write_bytes(b"x" * 10000)
    with pytest.raises(ClewError):
        Drain(Arena(tmp_path / "other"), raw)
    with pytest.raises(ClewError):
        Drain(Arena(tmp_path / "missing"), raw)


def test_every_call_is_drained_once_while_it_runs_and_after(
    tmp_path: Path, raw: Path, start: Callable[..., Asked]
) -> None:
    arena = Arena.create(tmp_path / "arena", ring_size=1 << 16)
    with Drain(arena, raw) as drain:
        program = start(arena)
        for count in (1, 10, 500, 700):  # 700 records of 72 bytes: most of the ring, and round its end
            program.do(str(count))
            drain.drain()
        assert write_calls(raw) == 1211
        assert program.end() == 0
        stats = drain.settle()
        assert (stats.live_threads, stats.lost, stats.broken) == (0, 0, 0)
    assert write_calls(raw) == 1211
    assert read(raw)[-2].complete
    assert sum(len(batch) for batch in read(raw)) == drain.stats.records


def test_passes_go_on_for_a_while_or_until_the_process_ends(
    tmp_path: Path, raw: Path, start: Callable[..., Asked]
) -> None:
    arena = Arena.create(tmp_path / "arena", ring_size=1 << 16, wait=True)
    with Drain(arena, raw) as drain:
        program = start(arena)
        pidfd = os.pidfd_open(program.process.pid)
        before = time.monotonic()
        drain.drain_for(0.05, pidfd)
        assert time.monotonic() - before >= 0.05
        with ThreadPoolExecutor(1) as pool:  # while it writes many times what its ring holds
            passes = pool.submit(drain.drain_for, 3600, pidfd)
            for _ in range(50):
                program.do("500")
            assert program.end() == 0
            passes.result()
        os.close(pidfd)
    assert write_calls(raw) == 25_000


def test_a_signal_ends_passes(tmp_path: Path, raw: Path) -> None:
    """So that Ctrl-C is heard at once."""
    came: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: came.append(number))
    try:
        with Drain(Arena.create(tmp_path / "arena"), raw) as drain:
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)  # again, where the first comes between two sleeps
            drain.drain_for(3600)
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert came


def test_losses_are_counted_to_the_last_record(tmp_path: Path, raw: Path, start: Callable[..., Asked]) -> None:
    arena = Arena.create(tmp_path / "arena", ring_size=1 << 16)
    drain = Drain(arena, raw)
    program = start(arena)
    program.do("5000")
    program.end()
    stats = drain.close()
    assert stats.lost > 3000
    assert write_calls(raw) + stats.lost >= 5000
    batches = read(raw)
    seq = max(int(batch.seq.max()) for batch in batches if len(batch))
    recorded = sum(len(batch) for batch in batches)
    assert recorded == stats.records
    losses = [row for batch in batches for row in native.losses(batch).to_pylist()]
    assert losses[-1]["records"] == stats.lost
    assert seq <= recorded + stats.lost  # what came after the last whole record was lost as well


def test_a_thread_without_a_slot_is_counted_and_goes_on(tmp_path: Path, raw: Path, start: Callable[..., Asked]) -> None:
    arena = Arena.create(tmp_path / "arena", slots=3)
    drain = Drain(arena, raw)
    program = start(arena)
    program.do("100 8")
    assert program.end() == 0
    stats = drain.close()
    assert stats.lost_threads >= 5
    assert write_calls(raw) + stats.lost_no_slot >= 800
    capture_loss = [row for batch in read(raw) for row in native.losses(batch).to_pylist() if row["serial"] == 0]
    assert capture_loss[-1]["threads"] == stats.lost_threads


def test_slots_of_ended_threads_are_used_again(tmp_path: Path, raw: Path, start: Callable[..., Asked]) -> None:
    arena = Arena.create(tmp_path / "arena", slots=4)
    drain = Drain(arena, raw)
    program = start(arena)
    for _ in range(20):
        program.do("7 3")
        while drain.settle().live_threads > 1:
            pass
    assert program.end() == 0
    stats = drain.close()
    assert (stats.lost_threads, stats.threads) == (0, 61)
    assert write_calls(raw) == 20 * 3 * 7


def test_count_only_keeps_totals_and_no_records(tmp_path: Path, raw: Path, start: Callable[..., Asked]) -> None:
    arena = Arena.create(tmp_path / "arena", mode=Mode.COUNT)
    with Drain(arena, raw):
        program = start(arena, 10)
        program.do("123")
        program.end()
    batches = read(raw)
    assert write_calls(raw) == 0
    totals = [row for batch in batches for row in native.counters(batch).to_pylist() if row["op"] == OP_ID["write"]]
    assert (totals[-1]["calls"], totals[-1]["bytes"]) == (124, 1230 + len("done\n"))


def test_pausing_stops_records_in_every_thread(tmp_path: Path, raw: Path, start: Callable[..., Asked]) -> None:
    arena = Arena.create(tmp_path / "arena")
    with Drain(arena, raw) as drain:
        program = start(arena)
        program.do("10")
        arena.mode = Mode.OFF
        drain.drain()
        program.do("1000")
        arena.mode = Mode.COUNT | Mode.TRACE
        drain.drain()
        program.do("5")
        program.end()
    assert write_calls(raw) == 15


def test_a_call_waits_for_room_if_it_is_to(tmp_path: Path, raw: Path, start: Callable[..., Asked]) -> None:
    arena = Arena.create(tmp_path / "arena", ring_size=1 << 16, wait=True)
    with Drain(arena, raw) as drain:
        program = start(arena)
        assert program.process.stdin
        program.process.stdin.write("20000\n")
        program.process.stdin.close()
        while program.process.returncode is None:
            drain.drain()
            with suppress(subprocess.TimeoutExpired):
                program.process.wait(0.005)  # in which it fills its ring many times over
        stats = drain.settle()
        assert stats.lost == 0
        assert stats.waits > 0
    assert write_calls(raw) == 20000


def test_a_recorder_has_the_arena_for_itself(tmp_path: Path, raw: Path) -> None:
    arena = Arena.create(tmp_path / "arena")
    with Drain(arena, raw):
        with pytest.raises(ClewError, match="busy"):
            Drain(arena, raw)
        assert native.recover(arena.path, raw) is None


def test_recovery_takes_what_was_left_and_nothing_twice(tmp_path: Path, raw: Path, start: Callable[..., Asked]) -> None:
    arena = Arena.create(tmp_path / "arena", slots=8)
    drain = Drain(arena, raw)
    program = start(arena)
    program.do("300")
    drain.drain()
    program.do("200")
    program.do("150 2")
    shutil.copyfile(arena.path, tmp_path / "before")  # a recorder that dies between writing and giving back
    drain.drain()
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()
    drain.close(end=False)
    assert write_calls(raw) == 800
    recovered = native.recover(tmp_path / "before", raw)
    assert recovered is not None
    assert recovered.records == 0
    assert write_calls(raw) == 800
    assert (tmp_path / "before").exists()


def test_recovery_after_a_torn_write(tmp_path: Path, raw: Path, start: Callable[..., Asked]) -> None:
    arena = Arena.create(tmp_path / "arena", slots=8)
    drain = Drain(arena, raw)
    program = start(arena)
    program.do("400")
    shutil.copyfile(arena.path, tmp_path / "before")
    drain.drain()
    drain.close(end=False)
    segment = raw / "seg-000001.clew"
    whole = segment.read_bytes()
    for size in (len(whole) - 100, 3000, 64, 0):
        for path in raw.iterdir():
            path.unlink()
        segment.write_bytes(whole[:size])
        shutil.copyfile(tmp_path / "before", tmp_path / "arena-again")
        recovered = native.recover(tmp_path / "arena-again", raw)
        assert recovered is not None
        assert recovered.records == len(native.decode(sorted(raw.iterdir())[-1]))
        if size:
            assert segment.read_bytes() == whole[:size]  # raw files are never edited
            assert write_calls(raw) == 400, size


def test_a_full_disk_leaves_a_readable_segment_and_the_rest_in_the_arena(
    tmp_path: Path, raw: Path, start: Callable[..., Asked]
) -> None:
    arena = Arena.create(tmp_path / "arena")
    drain = Drain(arena, raw)
    program = start(arena)
    program.do("500")
    drain.drain()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (raw / "seg-000001.clew").stat().st_size
    program.do("600")
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10_000, hard))  # Python ignores SIGXFSZ: the write fails instead
    try:
        with pytest.raises(ClewError, match="File too large"):
            drain.drain()
        with pytest.raises(ClewError, match="File too large"):
            drain.drain()
        program.do("50")  # it goes on, whatever becomes of us
        with pytest.raises(ClewError):
            drain.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert write_calls(raw) == 500
    assert all(batch.pending_bytes == 0 for batch in read(raw))
    program.end()
    native.recover(arena.path, raw)
    assert write_calls(raw) == 1150


def test_a_program_that_writes_over_its_arena_harms_itself_alone(
    tmp_path: Path, raw: Path, start: Callable[..., Asked]
) -> None:
    arena = Arena.create(tmp_path / "arena", slots=8)
    drain = Drain(arena, raw)
    program = start(arena)
    program.do("10")  # so that it has the first slot
    other = start(arena)
    other.do("20")
    drain.drain()
    with arena.path.open("r+b") as file:
        header = np.frombuffer(file.read(64), "<u8")
        file.seek(int(header[5]) + 64 + 16)  # slots_at; write, read_cache
        file.write(b"\xff" * 16)
    other.do("30")
    stats = drain.settle()
    assert stats.broken > 0
    drain.close()
    assert write_calls(raw) == 60


def test_the_structs_here_are_those_of_the_headers(tmp_path: Path) -> None:
    include = SOURCE.parents[2] / "native"
    program = tmp_path / "sizes"
    names = ("arena_options", "drain_stats", "columns", "decoded", "block_note")
    sizes = ", ".join(f"(int)sizeof(struct clew_{name})" for name in names)
    code = f'#include "reader.h"\n#include <stdio.h>\nint main(void){{int s[]={{{sizes},(int)CLEW_ABI}};'
    (tmp_path / "sizes.c").write_text(code + 'for(int i=0;i<6;i++)printf("%d ",s[i]);}')
    command = ["gcc", f"-I{include}/include", f"-I{include}/reader", tmp_path / "sizes.c", "-o", program]
    subprocess.run(command, check=True)
    out = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    mine = [*(ctypes.sizeof(each) for each in (ArenaOptions, DrainStats, Columns, Decoded)), NOTE.itemsize, ABI]
    assert [int(each) for each in out] == mine


def test_a_library_that_was_not_built_is_said_in_one_line(tmp_path: Path) -> None:
    code = "from clew import errors, native\ntry: native.load()\nexcept errors.ClewError as error: print(error)"
    environment = {**os.environ, "CLEW_LIBRARY": str(tmp_path / "none.so")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "none.so" in done.stdout
    assert "make native" in done.stdout
    assert done.stdout.count("\n") == 1
