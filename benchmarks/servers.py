"""What nginx and PostgreSQL lose of their throughput under each tracer, all tracers taking turns in one run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.postgres import Cluster
from benchmarks.run import TRACERS, traced
from benchmarks.table import Table

SECONDS = 4
TURNS = 5
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; keepalive_requests 1000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def traced_pid(tracer: str, pid: int) -> int:
    """The server's own pid: the first child of its tracer's process, or `pid` itself if it runs bare."""
    if tracer == "bare":
        return pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


@contextmanager
def serving(tracer: str, command: list[str], port: int) -> Iterator[None]:
    """The server `command` under `tracer` until the block ends; RuntimeError if it does not listen in 30 s."""
    with traced(tracer, command) as line:
        server = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start under {tracer}")
                time.sleep(0.05)
            yield
        finally:
            os.kill(traced_pid(tracer, server.pid), signal.SIGTERM)
            server.wait(timeout=60)


def nginx_rates() -> dict[str, list[float]]:
    """Requests a second of a 1 KiB file, 16 connections kept alive, for each tracer and turn."""
    rates: dict[str, list[float]] = {tracer: [] for tracer in TRACERS}
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx"
    with TemporaryDirectory(prefix="clew-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "file").write_bytes(b"x" * 1024)
        for _ in range(TURNS):
            for tracer, found in rates.items():
                port = free_port()
                (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
                command = [nginx, "-p", str(folder), "-c", "nginx.conf", "-e", str(folder / "error.log")]
                with serving(tracer, command, port):
                    url = f"http://127.0.0.1:{port}/file"
                    said = subprocess.run(
                        ["wrk", "-t1", "-c16", f"-d{SECONDS}s", url], check=True, capture_output=True, text=True
                    ).stdout
                found.append(float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]))
    return rates


def pgbench_rates() -> dict[str, list[float]]:
    """Transactions a second of pgbench's select-only script, 4 clients, for each tracer and turn."""
    rates: dict[str, list[float]] = {tracer: [] for tracer in TRACERS}
    with Cluster() as cluster:
        for _ in range(TURNS):
            for tracer, found in rates.items():
                port = free_port()
                with serving(tracer, cluster.command(port), port):
                    found.append(cluster.select_rate(port, SECONDS))
    return rates


def measure() -> Table:
    """Median throughput of each tracer, and its share of the bare server's in the same turns."""
    table = Table("Servers under load", ("server", "tracer", "per second", "of bare"))
    for server, rates in (("nginx + wrk", nginx_rates()), ("PostgreSQL + pgbench -S", pgbench_rates())):
        for tracer, found in rates.items():
            shares = [rate / bare for rate, bare in zip(found, rates["bare"], strict=True)]
            table.rows.append((server, tracer, f"{statistics.median(found):,.0f}", f"{statistics.median(shares):.1%}"))
    return table
