"""A collector in a process of its own, and a wire to it that can be cut."""

from __future__ import annotations

import filecmp
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

CLEW = (sys.executable, "-m", "clew")
# Writes the numbers 0, 1, ..., in parts of the sizes given; after each part it waits for a byte on its standard input.
COUNTS = """
import os, sys
n = 0
for size in map(int, sys.argv[1:]):
    for n in range(n, n + size):
        os.write(1, b"%d\\n" % n)
    n += 1
    os.read(0, 1)
"""


def counting(*parts: int) -> list[str]:
    """A program that writes numbers in parts, each when it gets a byte."""
    return [sys.executable, "-c", COUNTS, *map(str, parts)]


def start_recording(case: Path, command: Sequence[str], *options: str) -> subprocess.Popen[bytes]:
    """Record ``command`` into ``case``; go_on() sends it a byte."""
    return subprocess.Popen(
        record(case, command, *options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def go_on(child: subprocess.Popen[bytes]) -> None:
    """Let the program write its next part."""
    assert child.stdin is not None
    child.stdin.write(b".")
    child.stdin.flush()


def end(child: subprocess.Popen[bytes]) -> str:
    """Let the program end; what clew said."""
    said = child.communicate(timeout=100)[1].decode()
    assert child.returncode == 0, said
    return said


class CollectorProcess:
    """`clew collect` on loopback; can be killed and started again at the same address."""

    def __init__(self, case: Path, options: Sequence[str], log: Path) -> None:
        self.case, self.options, self.log = case, list(options), log
        self.port = 0
        self.child: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        command = [*CLEW, "collect", "--listen", f"127.0.0.1:{self.port}", "-o", str(self.case), *self.options]
        with self.log.open("a") as log:
            self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.child.stdout is not None
        said = self.child.stdout.readline()
        found = re.match(r"collecting at 127\.0\.0\.1:(\d+) into ", said)
        assert found, self.said
        self.port = int(found[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        assert self.child is not None
        self.child.kill()
        self.child.wait()

    def end(self) -> int:
        """Its exit code after SIGTERM."""
        assert self.child is not None
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(timeout=30)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A file with a secret in it."""
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(secrets.token_hex(32) + "\n")
    return path


@pytest.fixture
def collect(tmp_path: Path) -> Iterator[Callable[..., CollectorProcess]]:
    """collect(*options, case=...) -> a running collector."""
    made: list[CollectorProcess] = []

    def collect(*options: str, case: Path | None = None) -> CollectorProcess:
        made.append(CollectorProcess(case or tmp_path / "gathered", options, tmp_path / f"log{len(made)}"))
        return made[-1]

    yield collect
    for each in made:
        if each.child is not None and each.child.poll() is None:
            each.kill()


def record(case: Path, command: Sequence[str], *options: str) -> list[str]:
    """The command line that records ``command`` into ``case``."""
    return [*CLEW, "record", "-q", "-o", str(case), *options, "--", *command]


def clew_run(command: Sequence[str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run to the end, with what it says."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
    )


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Until ``true()``; fails when that takes too long."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def received(case: Path, capture: str = "001") -> int:
    """Bytes of the first segment that a collector's case has."""
    path = case / "raw" / capture / "seg-000001.clew"
    return path.stat().st_size if path.exists() else 0


def same_files(sent: Path, got: Path) -> bool:
    """Whether two folders of captures hold the same files, meta.json left out."""
    names = sorted(str(path.relative_to(sent)) for path in sent.rglob("*") if path.is_file())
    there = sorted(str(path.relative_to(got)) for path in got.rglob("*") if path.is_file() and path.name != ".received")
    same, different, missing = filecmp.cmpfiles(
        sent, got, [name for name in names if not name.endswith("meta.json")], shallow=False
    )
    return names == there and not different and not missing and bool(same)


class Wire:
    """A TCP relay to ``port`` that can be cut: all connections break, and nobody gets through until it is mended."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.is_cut = False
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        self.is_cut = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.is_cut = False

    def close(self) -> None:
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer = self._listener.accept()[0]
            except OSError:
                return
            if self.is_cut:
                peer.close()
                continue
            with suppress(OSError):
                there = socket.create_connection(self._to)
                self._open += [peer, there]
                for source, sink in ((peer, there), (there, peer)):
                    threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire() -> Iterator[Callable[[int], Wire]]:
    """wire(port) -> a relay to that port."""
    made: list[Wire] = []

    def wire(port: int) -> Wire:
        made.append(Wire(port))
        return made[-1]

    yield wire
    for each in made:
        each.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; make_room() makes it larger."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "clew-test", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def make_room(disk: Path) -> None:
    """Make a small disk larger."""
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
