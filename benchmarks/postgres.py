"""A throw-away PostgreSQL cluster with pgbench's tables, on the loopback interface."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

USER = "postgres"  # in the database; to the kernel, root in a user namespace where it is somebody else
SCALE = "5"


def binary(name: str) -> str:
    """Path of a PostgreSQL program: Debian keeps the server's out of PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1]) if versions else shutil.which(name) or name


class Cluster:
    """Made with initdb on entering, removed on leaving; `command` starts its server."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="clew-bench-")
        self.data = Path(self._folder.name) / "data"
        self._drop = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []

    def __enter__(self) -> Cluster:
        self._run([binary("initdb"), "-D", str(self.data), "-A", "trust", "-U", USER, "-N"])
        socket_folder = ["-k", str(self.data), "-c", "listen_addresses="]
        self._run([binary("pg_ctl"), "-D", str(self.data), "-w", "-o", " ".join(socket_folder), "start"])
        try:
            self._run([binary("createdb"), "-h", str(self.data), "-U", USER, "bench"])
            self._run([binary("pgbench"), "-h", str(self.data), "-U", USER, "-q", "-i", "-s", SCALE, "bench"])
        finally:
            self._run([binary("pg_ctl"), "-D", str(self.data), "-w", "stop"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def _run(self, command: list[str]) -> None:
        subprocess.run(
            [*self._drop, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        )

    def command(self, port: int) -> list[str]:
        """The command line of a server with data of its own, listening on 127.0.0.1:`port`."""
        data = self.data.with_name(f"data-{port}")
        shutil.copytree(self.data, data)
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "unix_socket_directories="]
        return [*self._drop, binary("postgres"), "-D", str(data), "-p", str(port), *settings]

    def select_rate(self, port: int, seconds: int) -> float:
        """Transactions a second of pgbench's select-only script with 4 clients."""
        server = ["-h", "127.0.0.1", "-p", str(port), "-U", USER]
        while subprocess.run([binary("pg_isready"), "-q", *server], check=False).returncode:
            time.sleep(0.05)  # it listens before it lets anybody in
        line = [binary("pgbench"), *server, "-n", "-S", "-c4", "-j1", f"-T{seconds}", "bench"]
        said = subprocess.run(line, check=True, capture_output=True, text=True).stdout
        found = re.search(r"tps = ([\d.]+)", said)
        if not found:
            raise RuntimeError(f"pgbench printed no rate: {said}")
        return float(found[1])
