"""Servers that several systems share: PostgreSQL, Redis, MariaDB, nginx, each in a folder of its own, on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.live.causal.load import ITEMS
from tests.live.causal.stand import HERE, Server, free_port

from clew.demo.database import as_ordinary_user

ROWS = ITEMS + 10  # a page asks for the items after its own, too
TABLE = f"""
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO item SELECT i, 'thing ' || i FROM generate_series(1, {ROWS}) i;
ANALYZE item;
"""
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = 16MB
fsync = off
autovacuum = off
max_parallel_workers_per_gather = 0
log_min_messages = fatal
"""
NGINX = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log error;
events {{ worker_connections 2048; }}
http {{
    access_log off; keepalive_requests 100000; keepalive_timeout 75s;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    {upstream}
    server {{ listen 127.0.0.1:{port}{tls}; location / {{ {location} }} }}
}}
"""


def as_user(command: list[str | Path], **how: object) -> None:
    """Run a program that refuses root; its output is an error's explanation."""
    done = subprocess.run(
        [*as_ordinary_user(), *map(str, command)], capture_output=True, text=True, check=False, timeout=120, **how
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr


def postgres_programs() -> Path:
    """Folder of `initdb` and `postgres`: Debian keeps them out of PATH."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))


def make_postgres(folder: Path) -> None:
    """Data directory `folder`/postgres with the table of items."""
    data, programs = folder / "postgres", postgres_programs()
    env = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    as_user([programs / "initdb", "-D", data, "-A", "trust", "-U", "web", "-E", "UTF8", "--no-sync"], env=env)
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(SETTINGS)
    for statement in filter(str.strip, TABLE.split(";\n")):
        single = [programs / "postgres", "--single", "-j", "-D", data, "postgres"]
        as_user(single, input=" ".join(statement.split()) + ";\n", env=env)


def postgres(folder: Path) -> Server:
    """PostgreSQL over the data that `make_postgres` made."""
    port = free_port()
    argv = [postgres_programs() / "postgres", "-D", folder / "postgres", "-p", str(port)]
    return Server("postgres", argv, port, stop=signal.SIGINT, as_root=False, env={"TZ": "UTC", "LC_ALL": "C.UTF-8"})


def redis(folder: Path) -> Server:
    """Redis that keeps nothing on disk."""
    port = free_port()
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--hz", "500", "--dir", folder]
    return Server("redis", argv, port)


def make_mariadb(folder: Path) -> None:
    """Data directory `folder`/mariadb with the table of items and a user `web` without a password."""
    data = folder / "mariadb"
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
    as_user([*install, "--skip-test-db"])
    rows = ",".join(f"({i},'thing {i}')" for i in range(1, ROWS + 1))
    statements = (
        "CREATE DATABASE shop;\n"
        "CREATE TABLE shop.item (id int PRIMARY KEY, name text NOT NULL) ENGINE=InnoDB;\n"
        f"INSERT INTO shop.item VALUES {rows};\n"
    )
    as_user(["mariadbd", "--no-defaults", f"--datadir={data}", "--bootstrap"], input=statements)


def mariadb(folder: Path) -> Server:
    """MariaDB over the data that `make_mariadb` made."""
    port = free_port()
    argv = [
        "mariadbd",
        "--no-defaults",
        f"--datadir={folder / 'mariadb'}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder / 'mariadb.sock'}",
        f"--pid-file={folder / 'mariadb.pid'}",
        "--skip-grant-tables",
        "--skip-networking=0",
        "--max-connections=400",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=16M",
    ]
    return Server("mariadb", argv, port, as_root=False)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-made certificate for 127.0.0.1 and its key, made in `folder` if they are not there."""
    paths = folder / "tls.crt", folder / "tls.key"
    if not paths[0].exists():
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
        command = ["openssl", "req", "-x509", *kind, "-subj", "/CN=127.0.0.1", "-keyout", paths[1], "-out", paths[0]]
        subprocess.run(command, check=True, capture_output=True)
        paths[1].chmod(0o644)
    return paths


def nginx(folder: Path, location: str, *, tls: bool, upstream: str = "") -> Server:
    """nginx with two workers and one `location`."""
    port = free_port()
    secure = " ssl; ssl_certificate {}; ssl_certificate_key {}".format(*certificate(folder)) if tls else ""
    (folder / "nginx.conf").write_text(
        NGINX.format(folder=folder, port=port, location=location, upstream=upstream, tls=secure)
    )
    argv = ["nginx", "-e", folder / "nginx.log", "-p", folder, "-c", folder / "nginx.conf"]
    return Server("nginx", argv, port, stop=signal.SIGQUIT, as_root=False)


def proxy(folder: Path, behind: Server) -> Server:
    """nginx that speaks HTTPS to customers and HTTP with keep-alive to the server behind it."""
    upstream = f"upstream behind {{ server 127.0.0.1:{behind.port}; keepalive 128; keepalive_requests 100000; }}"
    location = 'proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";'
    return nginx(folder, location, tls=True, upstream=upstream)


def compiled(folder: Path, source: str, name: str, *flags: str) -> Path:
    """The program made of programs/`source`."""
    program = folder / name
    command = ["gcc", "-O1", "-g", "-Wall", "-Wextra", "-Werror", str(HERE / "programs" / source), "-o", str(program)]
    subprocess.run([*command, *flags], check=True)
    return program


def python_program(folder: Path, source: str, name: str) -> Path:
    """programs/`source` under another name: the kernel names a script's process after the script."""
    program = folder / name
    shutil.copyfile(HERE / "programs" / source, program)
    return program
