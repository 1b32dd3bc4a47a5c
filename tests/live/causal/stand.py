"""A test stand: servers started under `clew record`, put under load, ended; a case and what was asked are left."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from clew.demo.database import as_ordinary_user

HERE = Path(__file__).parent
PORTS = (12000, 32000)  # below those that Linux gives to outgoing connections
CLEW = (sys.executable, "-m", "clew")


@dataclass(frozen=True)
class Server:
    """One program of a system, and how it is known to be ready: it accepts on 127.0.0.1:`port`, or makes `socket`."""

    name: str
    argv: Sequence[str | Path]
    port: int | None = None
    socket: Path | None = None
    stop: int = signal.SIGTERM
    env: Mapping[str, str] = field(default_factory=dict)
    as_root: bool = True  # False: it refuses root
    host: str = "a"  # where there are two: a, the front's, or b
    address: str = "127.0.0.1"


class System(Protocol):
    """Several programs that answer HTTP together: what a module of `systems` provides."""

    name: str
    kinds: Sequence[str]  # of the pages it serves
    bar: float  # share of requests, in percent, whose path must be right
    reached: tuple[float, float] = (100.0, 0.0)  # right at least, wrong at most, with 8 clients and more
    https: bool = True  # its front can speak it; False: nginx is put before it

    def prepare(self, folder: Path) -> None:
        """Make in `folder`, once, what is not worth recording: data, compiled programs."""

    def servers(self, folder: Path, concurrency: int, tls: bool) -> list[Server]:
        """The programs, in the order in which they are started; the last is the front, which speaks HTTPS if `tls`."""

    def calls(self, kind: str, item: int) -> Mapping[str, int]:
        """How many messages of each protocol behind the front a page of this kind costs."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now, and that no outgoing connection is given by the kernel."""
    while True:
        port = random.randrange(*PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


CONNECT = "import socket, sys; sys.exit(socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))))"


def accepts(server: Server, place: Sequence[str]) -> bool:
    """Whether `server` is ready, seen from its own host."""
    if server.socket is not None:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(server.socket)) == 0
    if place:
        command = [*place, sys.executable, "-S", "-c", CONNECT, server.address, str(server.port)]
        return subprocess.run(command, check=False).returncode == 0
    with socket.socket() as client:
        return client.connect_ex((server.address, server.port or 0)) == 0


class Stand:
    """What runs on each host, and how to tell it to start and run more."""

    def __init__(self, folder: Path, places: Mapping[str, Sequence[str]]) -> None:
        self.folder, self.places = folder, places
        self.launchers: dict[str, subprocess.Popen[str]] = {}

    def launch(self, host: str, case: Path | None) -> None:
        """Start the launcher of `host`, recorded into `case` (None: bare)."""
        command = [sys.executable, "-S", str(HERE / "launch.py")]
        if case is not None:
            named = ["--host", host] if len(self.places) > 1 else []
            command = [*CLEW, "record", "-q", "-o", str(case), *named, "--", *command]
        with (self.folder / f"record-{host}.out").open("w") as said:
            self.launchers[host] = subprocess.Popen(
                [*self.places[host], *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                cwd=self.folder,
            )

    def tell(self, host: str, order: Mapping[str, object]) -> int:
        """Give a launcher an order; its answer."""
        launcher = self.launchers[host]
        assert launcher.stdin is not None
        assert launcher.stdout is not None
        launcher.stdin.write(json.dumps(order) + "\n")
        launcher.stdin.flush()
        said = launcher.stdout.readline()
        assert said, f"the launcher ended: {launcher.wait()} {self.said(host)}"
        return int(said)

    def said(self, host: str) -> str:
        """What the recorder of `host` complained of."""
        return (self.folder / f"record-{host}.out").read_text()

    def order(self, name: str, argv: Sequence[object], env: Mapping[str, str], stop: int) -> dict[str, object]:
        """What to tell a launcher to start a program."""
        return {"name": name, "argv": [*map(str, argv)], "env": dict(env), "cwd": str(self.folder), "stop": stop}

    def start(self, server: Server) -> None:
        """Start `server`; returns when it is ready."""
        user = [] if server.as_root else as_ordinary_user()
        pid = self.tell(server.host, self.order(server.name, [*user, *server.argv], server.env, int(server.stop)))
        end = time.monotonic() + 60
        while not accepts(server, self.places[server.host]):
            status = Path(f"/proc/{pid}/status")
            said = (self.folder / f"{server.name}.out").read_text()[-2000:]
            assert status.exists() and "Z (zombie)" not in status.read_text(), f"{server.name} ended:\n{said}"
            assert time.monotonic() < end, f"{server.name} does not answer:\n{said}"
            time.sleep(0.02)

    def run(self, name: str, argv: Sequence[str | Path]) -> str:
        """Run a program to its end beside the servers of host a; what it wrote."""
        output = self.folder / f"{name}.out"
        output.unlink(missing_ok=True)
        self.tell("a", self.order(name, argv, {}, 15))
        code, said = self.tell("a", {"wait": name}), output.read_text()
        assert code == 0, said
        return said

    def end(self) -> None:
        """Tell all servers to end, the front's host first; all must, in good order."""
        for host, launcher in self.launchers.items():
            assert launcher.stdin is not None
            launcher.stdin.close()
            assert launcher.wait(timeout=120) == 0, self.said(host)

    def kill(self) -> None:
        """Let nothing be left behind, whatever happened."""
        for launcher in self.launchers.values():
            assert launcher.stdin is not None
            launcher.stdin.close()
            try:
                launcher.wait(timeout=60)
            except subprocess.TimeoutExpired:
                launcher.kill()
                launcher.wait()


@contextmanager
def standing(
    folder: Path, servers: Sequence[Server], case: Path | None, places: Mapping[str, Sequence[str]]
) -> Iterator[Stand]:
    """The servers, running, recorded into `case` (None: bare); ended in good order when the block is left.

    `places` has, for each host, what to put before a command line to run it there. The case of host b is
    `case` with -b after its name.
    """
    folder.chmod(0o755)
    stand = Stand(folder, places)
    try:
        for host in places:
            stand.launch(host, case if case is None or host == "a" else case.with_name(f"{case.name}-{host}"))
        for server in servers:
            stand.start(server)
        yield stand
        stand.end()
    finally:
        stand.kill()
