"""A Java ExecutorService behind a selector thread -> Redis."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.live.causal import servers
from tests.live.causal.stand import HERE, Server, System, free_port

WORKERS = 6


class JavaPool(System):
    """One thread reads requests, six ask the cache and reply."""

    name = "Java thread pool, Redis"
    kinds = ("one", "two", "some", "many")
    bar = 99.0
    reached = (99.0, 0.5)
    https = False

    def prepare(self, folder: Path) -> None:
        """The program's classes."""
        subprocess.run(["javac", "-d", str(folder), str(HERE / "programs" / "Pool.java")], check=True)

    def servers(self, folder: Path, concurrency: int, tls: bool) -> list[Server]:  # noqa: ARG002
        """Cache, application."""
        cache, port = servers.redis(folder), free_port()
        java = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-cp", folder]
        # the JVM ends with 143 on SIGTERM, in good order
        return [cache, Server("java", [*java, "Pool", *map(str, (port, cache.port, WORKERS))], port)]

    def calls(self, kind: str, item: int) -> Mapping[str, int]:
        """As programs/Pool.java has it."""
        return {"redis": {"one": 1, "two": 2, "some": 2 + item % 2, "many": 4}[kind]}


SYSTEMS = [JavaPool()]
