"""PostgreSQL and psql over TLS."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from common import certificate, free_port, run, serving, unprivileged

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))


def main(folder: Path) -> None:
    data, port, user = folder / "data", free_port(), unprivileged()
    options = ["-D", data, "-A", "trust", "-U", "bench", "--no-sync", "-E", "UTF8", "--locale=C"]
    run(*user, BINARIES / "initdb", *options)
    certificate(data)
    (data / "postgresql.auto.conf").write_text("ssl = on\nunix_socket_directories = ''\nfsync = off\n")
    link = ["-h", "127.0.0.1", "-p", str(port), "-U", "bench"]

    def ready() -> bool:
        return "accepting" in run(BINARIES / "pg_isready", *link, may_fail=True)

    server = [*user, BINARIES / "postgres", "-D", data, "-p", str(port)]
    with serving(server, folder / "log", ready, signal.SIGINT):
        for _ in range(3):
            run("psql", *link, "-c", "SELECT 17", "-c", "SELECT repeat('x', 100000)", "sslmode=require dbname=postgres")


main(Path(sys.argv[1]))
