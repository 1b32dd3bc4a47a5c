"""A Python thread pool behind a queue -> PostgreSQL: who reads a request is not who works for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.live.causal import servers
from tests.live.causal.stand import Server, System, free_port

WORKERS = 6


class PoolWrites(System):
    """A selectors loop reads; the worker writes the reply itself."""

    name = "Python thread pool, the worker replies"
    kinds = ("one", "two", "some", "many")
    bar = 99.0
    reached = (98.0, 2.0)
    https = False
    mode = "writes"

    def prepare(self, folder: Path) -> None:
        """PostgreSQL's data and the application."""
        servers.make_postgres(folder)
        servers.python_program(folder, "pool.py", "pool")

    def servers(self, folder: Path, concurrency: int, tls: bool) -> list[Server]:  # noqa: ARG002
        """Database, application."""
        database, port = servers.postgres(folder), free_port()
        conninfo = f"host=127.0.0.1 port={database.port} user=web dbname=postgres sslmode=disable gssencmode=disable"
        argv = [sys.executable, folder / "pool", str(port), conninfo, str(WORKERS), self.mode]
        return [database, Server("pool", argv, port)]

    def calls(self, kind: str, item: int) -> Mapping[str, int]:
        """As programs/pool.py has it."""
        return {"postgres": {"one": 1, "two": 2, "some": 2 + item % 2, "many": 4}[kind]}


class PoolReturns(PoolWrites):
    """An asyncio loop reads; the worker hands the page back to it (run_in_executor)."""

    name = "Python thread pool, the loop replies"
    reached = (0.0, 3.0)  # where the order of hand-backs is not believed, all is left open
    mode = "returns"


SYSTEMS = [PoolWrites(), PoolReturns()]
