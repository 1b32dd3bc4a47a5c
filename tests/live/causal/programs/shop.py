"""An asyncio application: HTTP with keep-alive, a pool of connections to PostgreSQL (asyncpg) and one to Redis.

usage: shop.py ADDRESS PORT POSTGRES_PORT REDIS_PORT POOL
"""

from __future__ import annotations

import asyncio
import signal
import sys

import asyncpg
from redis.asyncio import BlockingConnectionPool, Redis

PLAIN = "SELECT name, $2::text AS tag FROM item WHERE id = $1"
SLOW = "SELECT name, $2::text AS tag, pg_sleep($3) FROM item WHERE id = $1"


class Shop:
    """The pages: /KIND/ITEM?tag=TAG."""

    def __init__(self, database: asyncpg.Pool, cache: Redis) -> None:
        self.database, self.cache = database, cache

    async def row(self, item: int, tag: str, slow: bool = False) -> str:
        """One statement on whatever connection of the pool is free first."""
        if slow:
            found = await self.database.fetchrow(SLOW, item, tag, 0.001 * (1 + item % 4))
        else:
            found = await self.database.fetchrow(PLAIN, item, tag)
        return f"{found['name']} {found['tag']}\n"

    async def page(self, kind: str, item: int, tag: str) -> str:
        """What the page of this kind says."""
        if kind == "one":
            return await self.row(item, tag)
        if kind == "two":
            await self.cache.set(f"seen:{tag}", tag)
            return await self.row(item, tag, slow=True)
        if kind == "some":
            said = await self.row(item, tag, slow=True)
            if item % 2:
                said += await self.row(item, tag)
            await self.cache.set(f"seen:{tag}", tag)
            return said
        first, second, cached = await asyncio.gather(
            self.row(item, tag, slow=True), self.row(item, tag), self.cache.get(f"seen:{tag}")
        )
        await self.cache.set(f"seen:{tag}", tag)
        return f"{first}{second}{cached}\n"

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path, query = head.split(b" ", 2)[1].decode().split("?tag=")
                _, kind, item = path.split("/")
                body = (await self.page(kind, int(item), query)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main() -> None:
    """Serve until SIGTERM."""
    port, database_port, cache_port, size = map(int, sys.argv[2:])
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    dsn = f"postgres://web@127.0.0.1:{database_port}/postgres?sslmode=disable"
    pool = BlockingConnectionPool(host="127.0.0.1", port=cache_port, max_connections=size, timeout=60)
    async with asyncpg.create_pool(dsn, min_size=min(size, 8), max_size=size) as database:
        shop = Shop(database, Redis(connection_pool=pool))
        server = await asyncio.start_server(shop.connection, sys.argv[1], port, backlog=511)
        await end.wait()
        server.close()


asyncio.run(main())
