"""Customers: a program that keeps N connections busy with requests, each with an id of its own in the URL.

usage: load.py URL CONCURRENCY FIRST REQUESTS KINDS    (KINDS: one,two,some,many)

Request n asks for /KIND/ITEM?tag=q-NNNNNN; the reply must have status 200 and name that id, and only that, in its
body. Connections are kept alive; one that the server closed between two requests is opened again. Prints one JSON
object: how many were served, what went wrong, and the seconds it took.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

ITEMS = 1000  # rows of the table that items are taken from, from 1
PATIENCE_S = 30
ID = re.compile(rb"q-\d{6}")


def path_of(n: int, kinds: list[str]) -> str:
    """What request `n` asks for."""
    return f"/{kinds[n * 7 % len(kinds)]}/{1 + n * 37 % ITEMS}?tag=q-{n:06d}"


async def read_reply(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection stays."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    stays = fields.get("connection", "") != "close"
    if "content-length" in fields:
        return status, await reader.readexactly(int(fields["content-length"])), stays
    if fields.get("transfer-encoding") != "chunked":
        return status, await reader.read(), False
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return status, body, stays


async def customer(url: str, paths: Iterator[str], wrong: list[str]) -> int:
    """One connection's requests, as long as there are any; gives how many were served."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    context = ssl._create_unverified_context() if url.startswith("https") else None
    served, writer = 0, None
    for path in paths:
        for _ in range(2):  # a server may close a kept connection just as it is used again
            fresh = writer is None
            if writer is None:
                reader, writer = await asyncio.open_connection(host, port, ssl=context)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                async with asyncio.timeout(PATIENCE_S):
                    status, body, stays = await read_reply(reader)
                break
            except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
                writer.close()
                writer = None
                if fresh or isinstance(error, TimeoutError):
                    wrong.append(f"{path}: no reply")
                    break
        else:
            continue
        if writer is None:
            continue
        if status != 200 or set(ID.findall(body)) != {path[-8:].encode()}:
            wrong.append(f"{path}: {status} {body[:200].decode('latin-1')}")
        served += 1
        if not stays:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()
    return served


async def run(url: str, concurrency: int, first: int, requests: int, kinds: list[str]) -> dict[str, object]:
    """All customers at once."""
    paths, wrong = (path_of(n, kinds) for n in range(first, first + requests)), list[str]()
    begin = time.monotonic()
    served = await asyncio.gather(*(customer(url, paths, wrong) for _ in range(concurrency)))
    return {"served": sum(served), "wrong": wrong, "seconds": time.monotonic() - begin}


if __name__ == "__main__":
    _, url_, concurrency_, first_, requests_, kinds_ = sys.argv
    print(json.dumps(asyncio.run(run(url_, int(concurrency_), int(first_), int(requests_), kinds_.split(",")))))
