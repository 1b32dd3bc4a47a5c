"""What the drivers share: they are run under `clew record`, start a server, make its clients work, and stop it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*command: str | Path, said: str | None = None, may_fail: bool = False, seconds: float = 120) -> str:
    """What a program printed; its errors are part of the exception if it failed."""
    done = subprocess.run(
        [*map(str, command)], input=said, capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode and not may_fail:
        raise SystemExit(f"{command[0]}: {done.stderr or done.stdout}")
    return done.stdout


def wait_for(ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit("the server did not start")
        time.sleep(0.02)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def unprivileged() -> list[str]:
    """What stands before a program that refuses to run as root."""
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def serving(
    command: Sequence[str | Path], log: Path, ready: Callable[[], bool], stop: int = signal.SIGTERM
) -> Iterator[None]:
    with log.open("ab") as out:
        server = subprocess.Popen([*map(str, command)], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_for(ready)
        yield
    finally:
        server.send_signal(stop)
        server.wait(60)


def certificate(folder: Path) -> None:
    """server.crt and server.key, signed by itself."""
    made = ["-out", folder / "server.crt", "-keyout", folder / "server.key"]
    run("openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost", *made)
    (folder / "server.key").chmod(0o600)
