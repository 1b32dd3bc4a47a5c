"""What nginx and PostgreSQL lose of their throughput under each tracer.

A bare server and two that clew records run side by side and are asked in turns, short ones, since the machine's speed
changes; the peers come afterwards, one at a time: while system calls are traced, those of all programs are slower.
Throughput needs an idle machine; the CPU time of a request, of the server and of its tracer, does not.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.postgres import Cluster
from benchmarks.run import TRACERS, traced
from benchmarks.table import Table

SECONDS = 2
TURNS = 15
PEER_TURNS = 3
BESIDE = ("bare", "clew, counting", "clew, tracing")
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/{port}.pid; error_log {folder}/error.log;
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


def cpu_s(pid: int, *, children: bool) -> float:
    """CPU seconds that the process has used so far, with those of its `children` that it has waited for."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(word) for word in words[11 : 15 if children else 13]) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Running:
    """A server under its tracer."""

    server: int
    tracer: int

    def cpu(self) -> tuple[float, float]:
        """CPU seconds of server and tracer so far."""
        alone = self.tracer == self.server
        return cpu_s(self.server, children=True), 0.0 if alone else cpu_s(self.tracer, children=False)


@dataclass(frozen=True)
class Turn:
    """What a load generator got out of a server."""

    rate: float  # requests a second
    server_us: float  # CPU time a request
    tracer_us: float


@contextmanager
def serving(tracer: str, command: list[str], port: int) -> Iterator[Running]:
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
            yield Running(traced_pid(tracer, server.pid), server.pid)
        finally:
            os.kill(traced_pid(tracer, server.pid), signal.SIGTERM)
            server.wait(timeout=60)


def ask(running: Running, load: Callable[[], float]) -> Turn:
    """One turn: what `load()` gives, in requests a second, and the CPU time it took."""
    before = running.cpu()
    rate = load()
    time.sleep(0.2)  # a process counts its children's time when they have ended
    each = [(now - then) / (rate * SECONDS) * 1e6 for now, then in zip(running.cpu(), before, strict=True)]
    return Turn(rate, *each)


def take_turns(command: Callable[[int], list[str]], load: Callable[[int], float]) -> dict[str, list[Turn]]:
    """Every tracer's turns: `command(port)` serves, `load(port)` gives requests a second."""
    found: dict[str, list[Turn]] = {tracer: [] for tracer in TRACERS}
    ports = {tracer: free_port() for tracer in TRACERS}
    order = random.Random(0)  # noqa: S311 -- an order of turns, no secret
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(name, command(ports[name]), ports[name])) for name in BESIDE}
        for _ in range(TURNS):
            for tracer in order.sample(BESIDE, len(BESIDE)):
                found[tracer].append(ask(servers[tracer], partial(load, ports[tracer])))
    for tracer in TRACERS.keys() - set(BESIDE):
        with serving(tracer, command(ports[tracer]), ports[tracer]) as running:
            found[tracer] += [ask(running, partial(load, ports[tracer])) for _ in range(PEER_TURNS)]
    return found


def nginx_turns() -> dict[str, list[Turn]]:
    """Requests of a 1 KiB file over 16 connections kept alive."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx"
    with TemporaryDirectory(prefix="clew-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "file").write_bytes(b"x" * 1024)

        def command(port: int) -> list[str]:
            (folder / f"{port}.conf").write_text(NGINX.format(folder=folder, port=port))
            return [nginx, "-p", str(folder), "-c", f"{port}.conf", "-e", str(folder / "error.log")]

        def load(port: int) -> float:
            url = f"http://127.0.0.1:{port}/file"
            line = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", url]
            said = subprocess.run(line, check=True, capture_output=True, text=True).stdout
            return float(said.split("Requests/sec:")[1].split()[0])

        return take_turns(command, load)


def pgbench_turns() -> dict[str, list[Turn]]:
    """Transactions of pgbench's select-only script, 4 clients."""
    with Cluster() as cluster:
        return take_turns(cluster.command, lambda port: cluster.select_rate(port, SECONDS))


def measure() -> Table:
    """Medians of each tracer's turns, and what they are of the bare server's."""
    columns = ("server", "tracer", "per second", "of bare", "its CPU us a request", "of bare's", "tracer's CPU us")
    table = Table("Servers under load", columns)
    for server, turns in (("nginx + wrk", nginx_turns()), ("PostgreSQL + pgbench -S", pgbench_turns())):
        rate, cpu, own = (
            {tracer: statistics.median(getattr(turn, name) for turn in found) for tracer, found in turns.items()}
            for name in ("rate", "server_us", "tracer_us")
        )
        for tracer in turns:
            of_bare, cpu_of_bare = (f"{each[tracer] / each['bare']:.1%}" for each in (rate, cpu))
            figures = f"{rate[tracer]:,.0f}", of_bare, f"{cpu[tracer]:.1f}", cpu_of_bare, f"{own[tracer]:.1f}"
            table.rows.append((server, tracer, *figures))
    return table
