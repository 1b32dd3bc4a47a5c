"""A thread pool behind a queue: one thread reads requests, ThreadPoolExecutor's workers ask PostgreSQL.

usage: pool.py PORT CONNINFO WORKERS writes|returns
writes:  a selectors loop; the worker writes the reply itself
returns: an asyncio loop; the worker hands the page back, the loop writes it
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg

PLAIN = "SELECT name, %s::text AS tag FROM item WHERE id = %s"
SLOW = "SELECT name, %s::text AS tag, pg_sleep(%s) FROM item WHERE id = %s"
kept = threading.local()


def row(item: int, tag: str, slow: bool) -> str:
    """One statement on the connection of this worker."""
    if not hasattr(kept, "database"):
        kept.database = psycopg.connect(sys.argv[2], autocommit=True)
    if slow:
        found = kept.database.execute(SLOW, (tag, 0.001 * (1 + item % 4), item)).fetchone()
    else:
        found = kept.database.execute(PLAIN, (tag, item)).fetchone()
    return f"{found[0]} {found[1]}\n"


def reply(head: bytes) -> bytes:
    """The reply to a request: what a worker does."""
    path, tag = head.split(b" ", 2)[1].decode().split("?tag=")
    _, kind, number = path.split("/")
    item = int(number)
    calls = {"one": 1, "two": 2, "some": 2 + item % 2, "many": 4}[kind]
    body = "".join(row(item, tag, calls > 1 and i == 0) for i in range(calls)).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def selecting(listening: socket.socket, pool: ThreadPoolExecutor) -> None:
    """Read requests on this thread, for ever; workers write the replies."""
    selector = selectors.DefaultSelector()
    listening.setblocking(False)
    selector.register(listening, selectors.EVENT_READ)

    def work(client: socket.socket, head: bytes) -> None:
        client.sendall(reply(head))

    while True:
        for key, _ in selector.select():
            if key.fileobj is listening:
                client = listening.accept()[0]
                selector.register(client, selectors.EVENT_READ)
                continue
            client = key.fileobj
            head = client.recv(4096)  # the customers send a request in one piece and wait for its reply
            if head:
                pool.submit(work, client, head)
            else:
                selector.unregister(client)
                client.close()


async def awaiting(listening: socket.socket, pool: ThreadPoolExecutor) -> None:
    """Read requests and write replies on this thread, for ever."""
    loop = asyncio.get_running_loop()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await loop.run_in_executor(pool, reply, head))
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(connection, sock=listening, backlog=511) as server:
        await server.serve_forever()


def main() -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    port, _, workers, mode = sys.argv[1:]
    listening = socket.create_server(("127.0.0.1", int(port)), backlog=511)
    pool = ThreadPoolExecutor(int(workers), thread_name_prefix="worker")
    if mode == "writes":
        selecting(listening, pool)
    else:
        asyncio.run(awaiting(listening, pool))


if __name__ == "__main__":
    main()
