"""A test stand: servers started under `clew record`, put under load, ended; a case and what was asked are left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from clew.demo.database import as_ordinary_user

HERE = Path(__file__).parent
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
    host: str = "a"  # where there are two


class System(Protocol):
    """Several programs that answer HTTP together: what a module of `systems` provides."""

    name: str
    kinds: Sequence[str]  # of the pages it serves
    bar: float  # share of requests, in percent, whose path must be right
    https: bool = True  # its front can speak it; False: nginx is put before it

    def prepare(self, folder: Path) -> None:
        """Make in `folder`, once, what is not worth recording: data, compiled programs."""

    def servers(self, folder: Path, concurrency: int, tls: bool) -> list[Server]:
        """The programs, in the order in which they are started; the last is the front, which speaks HTTPS if `tls`."""

    def calls(self, kind: str, item: int) -> Mapping[str, int]:
        """How many messages of each protocol behind the front a page of this kind costs."""


@dataclass(frozen=True)
class Asked:
    """What the customers asked for: requests by id, with the calls each should have caused."""

    calls: Mapping[str, Mapping[str, int]]
    seconds: float


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def accepts(server: Server) -> bool:
    """Whether `server` is ready."""
    if server.socket is not None:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(server.socket)) == 0
    if server.port is None:
        return True
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", server.port)) == 0


class Stand:
    """What runs, and how to tell it to start and run more."""

    def __init__(self, folder: Path, launcher: subprocess.Popen[str]) -> None:
        self.folder, self.launcher = folder, launcher

    def tell(self, order: Mapping[str, object]) -> int:
        """Give the launcher an order; its answer."""
        assert self.launcher.stdin is not None
        assert self.launcher.stdout is not None
        self.launcher.stdin.write(json.dumps(order) + "\n")
        self.launcher.stdin.flush()
        said = self.launcher.stdout.readline()
        assert said, f"the launcher ended: {self.launcher.wait()}"
        return int(said)

    def start(self, server: Server) -> None:
        """Start `server`; returns when it is ready."""
        user = [] if server.as_root else as_ordinary_user()
        pid = self.tell(
            {
                "name": server.name,
                "argv": [*user, *map(str, server.argv)],
                "env": dict(server.env),
                "cwd": str(self.folder),
                "stop": int(server.stop),
            }
        )
        end = time.monotonic() + 60
        while not accepts(server):
            alive = Path(f"/proc/{pid}/status").exists() and "Z (zombie)" not in Path(f"/proc/{pid}/status").read_text()
            said = (self.folder / f"{server.name}.out").read_text()[-2000:]
            assert alive, f"{server.name} ended:\n{said}"
            assert time.monotonic() < end, f"{server.name} does not answer:\n{said}"
            time.sleep(0.02)

    def run(self, name: str, argv: Sequence[str | Path]) -> str:
        """Run a program to its end beside the servers; what it wrote."""
        self.tell({"name": name, "argv": [*map(str, argv)], "env": {}, "cwd": str(self.folder), "stop": 15})
        code, said = self.tell({"wait": name}), (self.folder / f"{name}.out").read_text()
        assert code == 0, said
        return said


def recorder(case: Path, *options: str) -> Callable[[Sequence[str]], list[str]]:
    """What to put before a command line to record it into `case`."""
    return lambda command: [*CLEW, "record", "-q", "-o", str(case), *options, "--", *command]


@contextmanager
def standing(folder: Path, servers: Sequence[Server], case: Path | None, *options: str) -> Iterator[Stand]:
    """The servers, running, recorded into `case` (None: bare); ended in good order when the block is left."""
    command = [sys.executable, "-S", str(HERE / "launch.py")]
    wrapped = recorder(case, *options)(command) if case is not None else command
    folder.chmod(0o755)
    with (folder / "record.out").open("w") as said:
        launcher = subprocess.Popen(
            wrapped, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, cwd=folder
        )
    assert launcher.stdin is not None
    try:
        stand = Stand(folder, launcher)
        for server in servers:
            stand.start(server)
        yield stand
        launcher.stdin.close()
        assert launcher.wait(timeout=120) == 0, (folder / "record.out").read_text()
    finally:
        launcher.stdin.close()
        if launcher.poll() is None:
            try:
                launcher.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.kill(launcher.pid, signal.SIGKILL)
                launcher.wait()


def customers(url: str, concurrency: int, requests: int, kinds: Sequence[str], first: int = 0) -> list[str]:
    """Command line of the load."""
    return [
        sys.executable,
        "-S",
        str(HERE / "load.py"),
        url,
        *map(str, (concurrency, first, requests)),
        ",".join(kinds),
    ]


def ask(
    system: System, folder: Path, url: str, concurrency: int, requests: int, recorded: Stand | None = None
) -> Asked:
    """Put the system under load, from inside the recording or from outside; every reply must be right."""
    from tests.live.causal.load import path_of

    command = customers(url, concurrency, requests, system.kinds)
    if recorded is not None:
        said = recorded.run("load", command)
    else:
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, cwd=folder).stdout
    result = json.loads(said)
    assert result["wrong"] == [], result["wrong"][:3]
    assert result["served"] == requests
    calls = {}
    for n in range(requests):
        _, kind, item = path_of(n, list(system.kinds)).split("?")[0].split("/")
        behind = url.startswith("https") and not system.https
        calls[f"q-{n:06d}"] = Counter(system.calls(kind, int(item))) + Counter({"http1": int(behind)})
    return Asked(calls, result["seconds"])


def measure(
    system: System,
    folder: Path,
    case: Path | None,
    concurrency: int,
    requests: int,
    *,
    tls: bool = False,
    load_recorded: bool = False,
) -> Asked:
    """Start `system` in `folder` (made ready there once), ask it, end it; recorded into `case`."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "ready").exists():
        system.prepare(folder)
        (folder / "ready").touch()
    servers = system.servers(folder, concurrency, tls)
    if tls and not system.https:
        from tests.live.causal.servers import proxy

        servers.append(proxy(folder, servers[-1]))
    url = f"{'https' if tls else 'http'}://127.0.0.1:{servers[-1].port}"
    with standing(folder, servers, case) as stand:
        return ask(system, folder, url, concurrency, requests, stand if load_recorded else None)
