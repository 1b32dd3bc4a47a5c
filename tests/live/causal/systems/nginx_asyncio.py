"""nginx -> an asyncio application -> PostgreSQL and Redis: many requests on one thread, on shared connections."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.live.causal import servers
from tests.live.causal.hosts import ADDRESS
from tests.live.causal.stand import Server, System, free_port


class NginxAsyncio(System):
    """As many connections to database and cache as there are requests: an event loop without queueing."""

    name = "nginx, asyncio, PostgreSQL and Redis"
    kinds = ("one", "two", "some", "many")
    bar = 100.0
    reached = (98.0, 1.0)
    host, address = "a", "127.0.0.1"  # of what is behind the front

    def prepare(self, folder: Path) -> None:
        """PostgreSQL's data and the application."""
        servers.make_postgres(folder)
        servers.python_program(folder, "shop.py", "shop")

    def pool(self, concurrency: int) -> int:
        """Connections to each: a page asks the database twice at a time at most."""
        return 2 * concurrency

    def servers(self, folder: Path, concurrency: int, tls: bool) -> list[Server]:
        """Database, cache, application, front."""
        database, cache, port = servers.postgres(folder), servers.redis(folder), free_port()
        size = min(self.pool(concurrency), 390)
        argv = [sys.executable, folder / "shop", *map(str, (self.address, port, database.port, cache.port, size))]
        upstream = f"upstream shop {{ server {self.address}:{port}; keepalive 128; keepalive_requests 100000; }}"
        location = 'proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection "";'
        behind = [database, cache, Server("shop", argv, port, address=self.address)]
        front = servers.nginx(folder, location, tls=tls, upstream=upstream)
        return [*(replace(server, host=self.host) for server in behind), front]

    def calls(self, kind: str, item: int) -> Mapping[str, int]:
        """As programs/shop.py has it."""
        database, cache = {"one": (1, 0), "two": (1, 1), "some": (1 + item % 2, 1), "many": (2, 2)}[kind]
        return {"http1": 1, "postgres": database, "redis": cache}


class NginxAsyncioQueued(NginxAsyncio):
    """Fewer connections than requests: coroutines wait for one another."""

    name = "the same, pools of 4 connections"
    bar = 99.0
    reached = (98.0, 1.0)

    def pool(self, concurrency: int) -> int:  # noqa: ARG002
        """Four, whatever the load."""
        return 4


class TwoHosts(NginxAsyncio):
    """nginx on one host, all else on another, whose clock is 1000 s ahead; two recordings in one case."""

    name = "the same on two hosts"
    hosts = 2
    reached = (98.0, 1.0)
    host, address = "b", ADDRESS["b"]


SYSTEMS = [NginxAsyncio(), NginxAsyncioQueued(), TwoHosts()]
