"""Two servers on event loops: front asks back three times for every page, over two connections for all its customers.

usage: tasks.py STYLE [CERTIFICATE KEY]: says its port, serves until SIGTERM
streams    a task for each connection
protocol   a task for each request
callbacks  no tasks at all
threads    a task for each connection, which lets threads ask
With a certificate it speaks HTTPS.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import queue
import signal
import ssl
import sys
from collections.abc import Callable

CONNECTIONS = 2
HEAD_END = b"\r\n\r\n"
back_port = 0


def reply(body: bytes) -> bytes:
    """An HTTP reply."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def question(path: str) -> bytes:
    """An HTTP request."""
    return f"GET {path} HTTP/1.1\r\nHost: back\r\n\r\n".encode()


def path_of(head: bytes) -> str:
    """What is asked for."""
    return head.split(b" ", 2)[1].decode()


async def back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer after a while that differs from one question to the next."""
    try:
        while True:
            path = path_of(await reader.readuntil(HEAD_END))
            await asyncio.sleep(hash(path) % 4 / 1000)
            writer.write(reply(path.encode()))
    except asyncio.IncompleteReadError:
        writer.close()


class Tasks:
    """Pages made by tasks that wait for one of the connections."""

    def __init__(self) -> None:
        self.free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def open(self) -> None:
        """Connect to back."""
        for _ in range(CONNECTIONS):
            self.free.put_nowait(await asyncio.open_connection("127.0.0.1", back_port))

    async def ask(self, path: str) -> bytes:
        """What back says."""
        reader, writer = connection = await self.free.get()
        writer.write(question(path))
        head = await reader.readuntil(HEAD_END)
        body = await reader.readexactly(int(head.split(b"Content-Length: ")[1].split()[0]))
        self.free.put_nowait(connection)
        return body

    async def page(self, path: str) -> bytes:
        """One question, then two at once."""
        first = await self.ask("/a" + path)
        return b" ".join([first, *await asyncio.gather(self.ask("/b" + path), self.ask("/c" + path))])

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one customer, one request after the other."""
        try:
            while True:
                path = path_of(await reader.readuntil(HEAD_END))
                writer.write(reply(await self.page(path)))
        except asyncio.IncompleteReadError:
            writer.close()


class Threads(Tasks):
    """Pages whose questions are asked by threads."""

    async def open(self) -> None:
        """Connect to back."""
        self.plain: queue.Queue[http.client.HTTPConnection] = queue.Queue()
        for _ in range(CONNECTIONS):
            self.plain.put(http.client.HTTPConnection("127.0.0.1", back_port))

    def ask_here(self, path: str) -> bytes:
        """What back says to this thread."""
        connection = self.plain.get()
        connection.request("GET", path)
        body = connection.getresponse().read()
        self.plain.put(connection)
        return body

    async def ask(self, path: str) -> bytes:
        """What back says."""
        return await asyncio.to_thread(self.ask_here, path)


class TaskEach(asyncio.Protocol):
    """A connection whose requests become tasks."""

    def __init__(self, pages: Tasks) -> None:
        self.pages, self.running = pages, set[asyncio.Task[None]]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where replies go."""
        self.transport = transport

    async def answer(self, path: str) -> None:
        """Make the page and send it."""
        body = await self.pages.page(path)
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(reply(body))

    def data_received(self, data: bytes) -> None:
        """A customer sends a request in one piece and waits for its reply."""
        task = asyncio.get_running_loop().create_task(self.answer(path_of(data)))
        self.running.add(task)
        task.add_done_callback(self.running.discard)


class Asking(asyncio.Protocol):
    """A connection to back, on which one question is asked at a time."""

    def __init__(self, pool: Callbacks) -> None:
        self.pool = pool
        self.then: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for the first question."""
        self.transport = transport
        self.pool.give(self)

    def ask(self, path: str) -> asyncio.Future[bytes]:
        """What back will say."""
        self.then = asyncio.get_running_loop().create_future()
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(question(path))
        return self.then

    def data_received(self, data: bytes) -> None:
        """Replies are small: they come in one piece."""
        assert self.then
        self.then.set_result(data.split(HEAD_END)[1])
        self.pool.give(self)


class Callbacks:
    """The connections to back, and who waits for one."""

    def __init__(self) -> None:
        self.free: list[Asking] = []
        self.waiting: list[asyncio.Future[Asking]] = []

    async def open(self) -> None:
        """Connect to back."""
        for _ in range(CONNECTIONS):
            await asyncio.get_running_loop().create_connection(lambda: Asking(self), "127.0.0.1", back_port)

    def give(self, connection: Asking) -> None:
        """To whoever waits longest, or to nobody."""
        if self.waiting:
            self.waiting.pop(0).set_result(connection)
        else:
            self.free.append(connection)

    def take(self) -> asyncio.Future[Asking]:
        """The next that is free."""
        future = asyncio.get_running_loop().create_future()
        if self.free:
            future.set_result(self.free.pop())
        else:
            self.waiting.append(future)
        return future

    def ask(self, path: str, then: Callable[[bytes], None]) -> None:
        """Tell `then` what back says."""
        self.take().add_done_callback(
            lambda taken: taken.result().ask(path).add_done_callback(lambda said: then(said.result()))
        )


class CallbackEach(asyncio.Protocol):
    """A connection whose requests are answered without a task."""

    def __init__(self, pages: Callbacks) -> None:
        self.pages = pages

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where replies go."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """One question, then two at once."""
        path, said = path_of(data), list[bytes]()

        def last(body: bytes) -> None:
            said.append(body)
            if len(said) == 3:
                assert isinstance(self.transport, asyncio.Transport)
                self.transport.write(reply(b" ".join(said)))

        def first(body: bytes) -> None:
            said.append(body)
            self.pages.ask("/b" + path, last)
            self.pages.ask("/c" + path, last)

        self.pages.ask("/a" + path, first)


async def front(style: str, certificate: list[str]) -> None:
    """Say the port and serve."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    loop = asyncio.get_running_loop()
    pages = {"threads": Threads, "callbacks": Callbacks}.get(style, Tasks)()
    await pages.open()
    if isinstance(pages, Callbacks):
        server = await loop.create_server(lambda: CallbackEach(pages), "127.0.0.1", 0, ssl=context)
    elif style == "protocol":
        server = await loop.create_server(lambda: TaskEach(pages), "127.0.0.1", 0, ssl=context)
    else:
        server = await asyncio.start_server(pages.connection, "127.0.0.1", 0, ssl=context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    end = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    await end.wait()


async def serve_back(told: int) -> None:
    """Tell the port over a pipe and serve."""
    server = await asyncio.start_server(back, "127.0.0.1", 0)
    os.write(told, b"%d" % server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main() -> None:
    """Start back as a child, be front, end back."""
    global back_port
    tells, told = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        asyncio.run(serve_back(told))
    back_port = int(os.read(tells, 16))
    try:
        asyncio.run(front(sys.argv[1], sys.argv[2:]))
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
