"""The collector: a Flight server that lets in who has the token, and writes what they send to one case."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import flight

from clew.collect.door import Door
from clew.collect.protocol import SCHEMA, is_loopback, parse_command, uri
from clew.collect.received import Received, Receiving
from clew.errors import ClewError
from clew.units import printable, size

_QUIET_S = 10.0  # between two lines of the same kind
_BEARER = b"Bearer "


class Log:
    """Lines for people, of each kind one in ten seconds at most, and how often each happened."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self.counts: Counter[str] = Counter()

    def note(self, kind: str, text: str) -> None:
        """Something of ``kind`` that may come often."""
        with self._lock:
            self.counts[kind] += 1
            now = time.monotonic()
            if now - self._last.get(kind, -_QUIET_S) < _QUIET_S:
                return
            self._last[kind] = now
            count = self.counts[kind]
        self._say(f"{printable(text)[:300]}{f' ({count} times so far)' if count > 1 else ''}")

    def tell(self, text: str) -> None:
        """Something that is said once."""
        self._say(printable(text)[:300])

    def over(self, kind: str) -> bool:
        """Whether there was something of ``kind`` since the last call of over(): it is told again at once."""
        with self._lock:
            return self._last.pop(kind, None) is not None


class _Entrance(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Nobody without the token reaches any method; the comparison takes as long for every wrong one."""

    def __init__(self, token: bytes | None, log: Log) -> None:
        super().__init__()
        self._token, self._log = token, log

    def start_call(self, _info: Any, headers: dict[str, list[str]]) -> None:
        if self._token is None:
            return
        given = next(iter(headers.get("authorization", [])), "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, _BEARER + self._token):
            self._log.note("token", "a peer without the right token was refused")
            raise flight.FlightUnauthenticatedError("the token is wrong, or there was none")


class Collector(flight.FlightServerBase):  # type: ignore[misc]
    """Serves from its making until shutdown(). ``port`` is the one that peers connect to.

    Without a token on loopback only. ``tls``: (certificate chain, key), PEM. ``say`` gets lines for people. Raises
    ClewError where the case or the address cannot be had.
    """

    def __init__(
        self,
        case: Path,
        host: str,
        port: int,
        token: bytes | None,
        tls: tuple[bytes, bytes] | None,
        say: Callable[[str], None],
    ) -> None:
        if token is None and not is_loopback(host):
            raise ClewError(f"--listen {host}: other machines can reach that, so --token-file is needed")
        self.log = Log(say)
        self._receiving = Receiving(case)
        self._door = Door(host, port, self.log.note, tls=tls is not None)
        try:
            super().__init__(
                uri("127.0.0.1", 0, tls=tls is not None),
                tls_certificates=[tls] if tls else None,
                middleware={"entrance": _Entrance(token, self.log)},
            )
        except (pa.ArrowException, OSError) as error:
            self._door.close()
            raise ClewError(f"cannot serve: {str(error).splitlines()[0]:.200}") from None
        self._door.open(super().port)

    @property
    def outer_port(self) -> int:
        """Where peers connect to."""
        return self._door.port

    @property
    def unfinished(self) -> list[Received]:
        """Captures of which more may come."""
        return self._receiving.unfinished

    def shutdown(self) -> None:
        """Let nobody in any more, and end what is under way."""
        self._door.close()
        super().shutdown()

    def do_put(self, _context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        """One call of a sender: see clew.collect.protocol."""
        try:
            self._put(descriptor, reader, writer)
        except ClewError as error:
            self.log.note("refused", f"refused: {error}")
            _answer(writer, error=str(error), again=False)
        except OSError as error:
            self.log.note("disk", f"cannot write to {self._receiving.case}: {error.strerror}; senders wait for room")
            _answer(writer, error=f"the collector cannot write: {error.strerror}", again=True)

    def _put(self, descriptor: Any, reader: Any, writer: Any) -> None:
        name, meta, final = parse_command(bytes(descriptor.command or b""))
        if not reader.schema.equals(SCHEMA):
            raise ClewError("columns that are not those of the protocol")
        capture, new = self._receiving.capture(name, meta)
        if new:
            self.log.tell(f"{meta.host}: capture {capture.folder.name} begins ({' '.join(meta.command)[:100]})")
        before = capture.meta.received
        whole = capture.describe(meta, final)
        if self.log.over("disk"):
            self.log.tell("there is room again")
        if whole and not before:
            total = sum(capture.sizes.values())
            self.log.tell(f"{meta.host}: capture {capture.folder.name} is complete ({size(total)})")
        _answer(writer, sizes=dict(capture.sizes), whole=whole)
        for chunk in reader:
            for row in range(chunk.data.num_rows):
                file, offset, crc, data = (chunk.data.column(each)[row] for each in range(4))
                if not (file.is_valid and offset.is_valid and crc.is_valid and data.is_valid):
                    raise ClewError("a range with something missing")
                name = file.as_py()
                safe = capture.append(name, offset.as_py(), crc.as_py(), memoryview(data.as_buffer()))
                _answer(writer, name=name, size=safe)

    def _no(self, *_: Any) -> Any:
        self.log.note("refused", "refused: a method that a collector does not have")
        raise flight.FlightServerError("a collector takes captures, nothing else")

    list_flights = get_flight_info = get_schema = do_get = do_exchange = list_actions = do_action = _no


def _answer(writer: Any, **said: object) -> None:
    writer.write(pa.py_buffer(json.dumps(said).encode()))
