"""memcached, and a client of all its protocols: text, meta, binary."""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path

from common import free_port, listens, serving


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._link = socket.create_connection(("127.0.0.1", port))
        self._got = b""

    def ask(self, said: bytes, end: bytes) -> bytes:
        """What came back, up to ``end``."""
        self._link.sendall(said)
        got = b""
        while not got.endswith(end):
            got += self._link.recv(65536)
        return got

    def binary(self, opcode: int, key: bytes = b"", value: bytes = b"", extras: bytes = b"") -> None:
        """Send one command."""
        size = len(extras) + len(key) + len(value)
        head = struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, size, 7, 0)
        self._link.sendall(head + extras + key + value)

    def answer(self) -> int:
        """Read one binary response; its status."""
        head = self._read(24)
        self._read(struct.unpack(">I", head[8:12])[0])
        return int(struct.unpack(">H", head[6:8])[0])

    def _read(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            got += self._link.recv(size - len(got))
        return got


def main(folder: Path) -> None:
    port = free_port()
    server = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "root"]
    with serving(server, folder / "log", lambda: listens(port)):
        text, binary = Client(port), Client(port)
        for number in range(40):
            value = b"x" * 100 * number
            text.ask(b"set user:%d 0 0 %d\r\n%s\r\n" % (number, len(value), value), b"STORED\r\n")
            text.ask(b"get user:%d\r\n" % number, b"END\r\n")
        text.ask(b"set quiet 0 0 1 noreply\r\nx\r\nget nobody\r\n", b"END\r\n")
        text.ask(b"incr user:1 5\r\n", b"\r\n")
        text.ask(b"nonsense\r\n", b"ERROR\r\n")
        text.ask(b"ms k 2\r\nab\r\n", b"HD\r\n")
        text.ask(b"mg a v q\r\nmg k v q\r\nmn\r\n", b"MN\r\n")
        for number in range(20):
            binary.binary(1, b"bin:%d" % number, b"v" * 3000, bytes(8))
            assert binary.answer() == 0
            binary.binary(0, b"bin:%d" % number)
            assert binary.answer() == 0
        binary.binary(9, b"nobody")
        binary.binary(10)
        assert binary.answer() == 0
        print(text.ask(b"stats\r\n", b"END\r\n").decode())
        text.ask(b"version\r\n", b"\r\n")


main(Path(sys.argv[1]))
