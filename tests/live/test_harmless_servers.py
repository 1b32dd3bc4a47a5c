"""nginx, PostgreSQL and Redis under load answer the same and stop in good order under `clew record`."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

NGINX = """
daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log notice;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    sendfile on; tcp_nopush on; gzip on; gzip_min_length 100; aio threads;
    server {{
        listen 127.0.0.1:{port} reuseport backlog=511; root {folder}/site;
        location /proxied/ {{ proxy_pass http://127.0.0.1:{port}/; }}
        location /moved {{ return 302 /index.html; }}
        client_max_body_size 10m; client_body_buffer_size 1k;
        location /upload {{ proxy_pass http://127.0.0.1:{port}/echo; }}
        location /echo {{ return 200 "$request_method $content_length\\n"; }}
    }}
}}
"""
REQUESTS = [
    ("GET", "/index.html", {}, None),
    ("GET", "/index.html", {"Accept-Encoding": "gzip"}, None),
    ("GET", "/large", {"Range": "bytes=100000-300000"}, None),
    ("GET", "/large", {}, None),
    ("HEAD", "/large", {}, None),
    ("GET", "/proxied/large", {}, None),
    ("GET", "/no/such/page", {}, None),
    ("GET", "/moved", {}, None),
    ("POST", "/upload", {}, b"body" * 500_000),
]


class Answer(NamedTuple):
    """What a client sees of one request."""

    status: int
    headers: dict[str, str]
    body: str  # its sha256


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], object], server: subprocess.Popen[bytes], limit: float = 60) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert server.poll() is None, f"the server ended with {server.returncode}"
        assert time.monotonic() < end, "the server does not answer"
        time.sleep(0.02)


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(
    command: Sequence[str], port: int, folder: Path, stop: int = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """The server, listening; at the end it is told to stop, and must end with 0 in good time."""
    with (folder / "output").open("ab") as output:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder)
    try:
        wait_for(lambda: accepts(port), server)
        yield server
        os.kill(main_process(server), stop)
        assert server.wait(timeout=60) == 0, (folder / "output").read_text()
    finally:
        if server.poll() is None:
            os.kill(main_process(server), signal.SIGKILL)
            server.wait(timeout=60)


def main_process(started: subprocess.Popen[bytes]) -> int:
    """The program itself: where it is recorded, the recorder's child."""
    if b"record" not in Path(f"/proc/{started.pid}/cmdline").read_bytes().split(b"\0"):
        return started.pid
    return int(Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()[0])


def ask(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.request(method, path, body, dict(headers))
    reply = client.getresponse()
    kept = {
        name: value for name, value in reply.getheaders() if name not in ("Date", "Last-Modified", "ETag", "Location")
    }
    return Answer(reply.status, kept, hashlib.sha256(reply.read()).hexdigest())


def wrk(port: int, path: str) -> dict[str, object]:
    done = subprocess.run(
        ["wrk", "-t1", "-c16", "-d3s", f"http://127.0.0.1:{port}{path}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    trouble = [line for line in done.stdout.splitlines() if "Non-2xx" in line or "Socket errors" in line]
    requests = re.search(r"(\d+) requests in", done.stdout)
    assert requests
    return {"trouble": trouble, "served": int(requests[1]) > 100}


def wrk_past_reload(port: int, path: str) -> dict[str, object]:
    """`wrk` on a server just told to reload: how many of the 16 connections its old workers close is a race."""
    seen = wrk(port, path)
    lost = re.findall(r"read (\d+)", str(seen["trouble"]))
    return {**seen, "trouble": "one a connection" if all(int(n) <= 16 for n in lost) else seen["trouble"]}


def nginx_run(folder: Path, wrap: Callable[[list[str]], list[str]]) -> object:
    (folder / "site").mkdir(parents=True)
    (folder / "site" / "index.html").write_text("hello " * 500)
    (folder / "site" / "large").write_bytes(bytes(range(256)) * 8000)
    folder.chmod(0o755)
    port = free_port()
    (folder / "conf").write_text(NGINX.format(folder=folder, port=port))
    seen: list[object] = []
    with serving(
        wrap(["nginx", "-p", str(folder), "-c", str(folder / "conf")]), port, folder, signal.SIGQUIT
    ) as server:
        seen += [ask(port, *request) for request in REQUESTS]
        seen += [wrk(port, "/index.html"), wrk(port, "/proxied/large")]
        os.kill(main_process(server), signal.SIGHUP)  # new workers, while there is load
        seen += [wrk_past_reload(port, "/large"), *(ask(port, *request) for request in REQUESTS)]
    levels = re.findall(r"\[(warn|error|crit|alert|emerg)\]", (folder / "error.log").read_text())
    return [*seen, sorted(set(levels))]


PGBENCH_CHECK = """
SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history), count(*) > 100
FROM pgbench_history
"""


def postgres_run(folder: Path, wrap: Callable[[list[str]], list[str]]) -> object:
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    # PostgreSQL refuses to run as root; in a user namespace root is somebody else
    user = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []
    data, port = folder / "data", free_port()
    folder.mkdir()

    def program(*words: str) -> str:
        command = [*user, str(binaries / words[0]), *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def client(*words: str) -> str:
        return program(words[0], "-h", "127.0.0.1", "-p", str(port), "-U", "bench", *words[1:])

    program("initdb", "-D", str(data), "-A", "trust", "-U", "bench", "--no-sync", "-E", "UTF8", "--locale=C")
    (data / "postgresql.auto.conf").write_text(
        "autovacuum_naptime = 1s\nmax_parallel_workers_per_gather = 2\nunix_socket_directories = ''\n"
    )
    seen: list[object] = []
    server = [*user, str(binaries / "postgres"), "-D", str(data), "-p", str(port)]
    with serving(wrap(server), port, folder, signal.SIGINT) as started:
        # it listens before it is ready, and then refuses whoever comes
        ready = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_for(lambda: subprocess.run(ready, check=False, timeout=60).returncode == 0, started)
        client("createdb", "bench")
        client("pgbench", "-i", "-q", "-s", "2", "bench")
        for options in (["-c8", "-j2"], ["-S", "-c8", "-j2", "-M", "prepared"], ["-C", "-c4", "-j1"]):
            said = client("pgbench", "-n", "-T", "3", *options, "bench")
            seen.append(re.findall(r"number of failed transactions: \d+", said))
        seen.append(client("psql", "-At", "-c", PGBENCH_CHECK, "bench"))
        parallel = "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;"
        seen.append(client("psql", "-At", "-c", parallel + "SELECT count(*), sum(aid) FROM pgbench_accounts", "bench"))
        seen.append(
            client("psql", "-At", "-c", "COPY (SELECT generate_series(1, 100000)) TO PROGRAM 'md5sum >&2'", "bench")
        )
    log = (folder / "output").read_text()
    trouble = set(re.findall(r"(?:ERROR|FATAL|PANIC|WARNING|was terminated).*", log))
    # said to the waiting above, and to a backend that has yet to notice that its client is gone when we end it
    timing = {"the database system is starting up", "terminating connection due to administrator command"}
    return [*seen, sorted(trouble - {f"FATAL:  {words}" for words in timing})]


def redis_run(folder: Path, wrap: Callable[[list[str]], list[str]]) -> object:
    folder.mkdir()
    port = free_port()

    def client(*words: str) -> str:
        command = ["redis-cli", "-p", str(port), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    server = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--io-threads", "2"]
    seen: list[object] = []
    with serving(wrap([*server, "--dir", str(folder), "--save", "1 1"]), port, folder):
        command = [
            "redis-benchmark",
            "-p",
            str(port),
            "-n",
            "20000",
            "-c",
            "20",
            "-P",
            "4",
            "--csv",
            "-t",
            "set,get,lpush,lrange_100,incr",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        seen += [re.findall(r'^"([A-Z_ ]+)', done.stdout, re.MULTILINE), done.stderr]
        seen += [
            client("SET", "key", "value"),
            client("GET", "key"),
            client("LLEN", "mylist"),
            client("GET", "counter:__rand_int__"),
        ]
        client("BGREWRITEAOF")
        deadline = time.monotonic() + 60
        while "aof_rewrite_in_progress:1" in client("INFO", "persistence") and time.monotonic() < deadline:
            time.sleep(0.05)
        seen += re.findall(r"aof_last_\w+status:\w+|rdb_last_bgsave_status:\w+", client("INFO", "persistence"))
        seen.append(client("DBSIZE"))
    log = (folder / "output").read_text()
    return [*seen, sorted(set(re.findall(r" # .*(?:rror|rash|ailed).*", log)))]


@pytest.mark.parametrize("run", [nginx_run, postgres_run, redis_run], ids=["nginx", "postgres", "redis"])
def test_server(
    run: Callable[[Path, Callable[[list[str]], list[str]]], object], tmp_path: Path, record: Callable[..., list[str]]
) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # nginx's workers are another user
    bare = run(tmp_path / "bare", lambda command: command)
    recorded = run(tmp_path / "recorded", lambda command: record(command))
    assert json.dumps(recorded, default=repr, indent=1) == json.dumps(bare, default=repr, indent=1)
