"""Before the collector: who does not even begin as a Flight client would is sent away, counted, and costs no more.

gRPC drops such peers without a word. Here the first bytes are looked at (HTTP/2's preface, RFC 9113, 3.4; a TLS
handshake record, RFC 8446, 5.1), and only then is the peer connected to the server, which listens on loopback.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from clew.errors import ClewError

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HANDSHAKE = b"\x16\x03"
_PATIENCE_S = 10.0  # in which a peer must have begun
_MOST = 512  # connections at a time
_PIECE = 256 << 10


class Door:
    """Listens at ``host``:``port`` (0: any) from its making on. ``note(kind, text)`` hears of who was refused.

    Raises ClewError if it cannot listen there.
    """

    def __init__(self, host: str, port: int, note: Callable[[str, str], None], *, tls: bool) -> None:
        self._note = note
        self._begins = _HANDSHAKE if tls else _PREFACE
        self._inside = ("127.0.0.1", 0)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self._listener = socket.create_server(found[4][:2], family=found[0], backlog=128)
        except (OSError, UnicodeError) as error:
            raise ClewError(f"--listen {host}:{port}: {getattr(error, 'strerror', None) or error}") from None
        self.port: int = self._listener.getsockname()[1]

    def open(self, port: int) -> None:
        """Let peers in, to the server at ``port`` of 127.0.0.1."""
        self._inside = ("127.0.0.1", port)
        threading.Thread(target=self._accept, name="clew-door", daemon=True).start()

    def close(self) -> None:
        """Cut all connections and listen no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._connections:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                peer, address = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                threading.Event().wait(0.1)  # too many open files: some will be closed
                continue
            with self._lock:
                full = len(self._connections) >= 2 * _MOST
            if full:
                self._note("busy", f"{address[0]} was refused: {_MOST} peers are connected")
                peer.close()
                continue
            threading.Thread(target=self._let_in, args=(peer, address[0]), name="clew-peer", daemon=True).start()

    def _let_in(self, peer: socket.socket, address: str) -> None:
        try:
            first = self._first_bytes(peer)
            if first != self._begins:
                if first:  # who says nothing only looked whether somebody listens
                    self._note("garbage", f"{address} was refused: it does not speak the protocol")
                peer.close()
                return
            inside = socket.create_connection(self._inside, timeout=_PATIENCE_S)
            inside.sendall(first)
        except OSError:
            peer.close()
            return
        with self._lock:
            self._connections |= {peer, inside}
        for each in (peer, inside):
            each.settimeout(None)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        back = threading.Thread(target=_relay, args=(inside, peer), name="clew-peer", daemon=True)
        back.start()
        _relay(peer, inside)
        back.join()
        with self._lock:
            self._connections -= {peer, inside}
        peer.close()
        inside.close()

    def _first_bytes(self, peer: socket.socket) -> bytes:
        """As many bytes as the beginning has; fewer if the peer sent others, went away or took too long."""
        until = time.monotonic() + _PATIENCE_S
        seen = b""
        while len(seen) < len(self._begins) and self._begins.startswith(seen):
            peer.settimeout(max(until - time.monotonic(), 0.001))
            try:
                got = peer.recv(len(self._begins) - len(seen))
            except OSError:
                break
            if not got:
                break
            seen += got
        return seen


def _relay(source: socket.socket, sink: socket.socket) -> None:
    """Everything that comes from ``source`` to ``sink``, then its end."""
    buffer = bytearray(_PIECE)
    view = memoryview(buffer)
    try:
        while got := source.recv_into(view):
            sink.sendall(view[:got])
    except OSError:
        pass
    for each, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            each.shutdown(how)
