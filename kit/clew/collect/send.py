"""Sends the captures of a case to a collector: what was appended since its last answer, again after each loss."""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import flight

from clew.capture.meta import META, Meta, captures, is_alive
from clew.collect.protocol import SCHEMA, VERSION, command, is_name, uri
from clew.errors import ClewError

_CALL_S = 30.0  # after which a call that is not answered is given up
_LONGEST_CALL_S = 8.0  # of sending, before a call is ended and another begun
_SHORTEST_RANGE, _LONGEST_RANGE = 64 << 10, 4 << 20  # bytes: as the line and the collector's disk can bear
_QUICK_S, _SLOW_S = 0.25, 2.0  # for a range and its answer
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 10.0
_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),  # a new client tries at once, whatever became of the one before
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]


@dataclass(frozen=True)
class Target:
    """Where to send: address, secret (None: none is asked for), PEM of who signed the collector's certificate."""

    host: str
    port: int
    token: bytes | None = None
    tls_ca: bytes | None = None

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class RefusedError(ClewError):
    """The collector wants none of it, and will not want it later: wrong token, other version."""


class LostError(Exception):
    """The collector cannot be reached, or cannot write at the moment."""


@dataclass
class _Capture:
    """What is known of one capture here. ``acked``: what the collector said it has; None: not asked yet."""

    folder: Path
    name: str
    acked: dict[str, int] | None = None
    said: bytes = b""  # the last command that was answered
    whole: bool = False  # the collector has all of it


class Sender:
    """Sends captures of ``case`` that were recorded on this machine. ``say`` gets lines for people.

    ``acked_bytes`` is the total that the collector has answered for; ``over``: a recorder that adds nothing any more,
    whatever its meta.json says (it cannot be written on a full disk).
    """

    def __init__(self, case: Path, target: Target, say: Callable[[str], None]) -> None:
        self.case, self.target = case, target
        self._say = say
        self._captures: dict[Path, _Capture] = {}
        self._client: Any = None
        self._wait = _FIRST_WAIT_S
        self._next = 0.0
        self._trouble: str | None = None
        self._range = _SHORTEST_RANGE
        self.acked_bytes = 0
        self.over: int | None = None

    def turn(self) -> bool:
        """Send what there is to send; returns whether the collector answered, or there was nothing to ask it.

        After a loss it returns at once until it is time to try again. Raises RefusedError, and OSError where the case
        cannot be read.
        """
        if time.monotonic() < self._next:
            return False
        try:
            for capture in self._found():
                self._send(capture)
        except LostError as loss:
            self._lost(str(loss))
            return False
        self._wait, self._next = _FIRST_WAIT_S, 0.0
        return True

    @property
    def done(self) -> bool:
        """Whether the collector has all there is of captures that have ended."""
        return all(capture.whole for capture in self._found())

    @property
    def unsent(self) -> int:
        """Bytes that the collector has not answered for."""
        return sum(
            max(size - (capture.acked or {}).get(name, 0), 0)
            for capture in self._found()
            for name, size in _sizes(capture.folder).items()
        )

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            with suppress(pa.ArrowException):
                self._client.close()
            self._client = None

    def _found(self) -> list[_Capture]:
        for folder in captures(self.case):
            if folder not in self._captures:
                meta = Meta.read(folder)
                if meta.received is None:
                    self._captures[folder] = _Capture(folder, meta.id or _made_id(meta))
        first = {capture.name: capture for capture in reversed(self._captures.values())}
        return [capture for capture in self._captures.values() if first[capture.name] is capture]

    def _send(self, capture: _Capture) -> None:
        """Bring the collector's copy of one capture up to what is here."""
        for _ in range(1000):  # ends by itself: a file grows no faster than this
            meta = Meta.read(capture.folder)
            ended = _ended(meta) or meta.recorder_pid == self.over
            sizes = _sizes(capture.folder)
            known = capture.acked
            complete = known is not None and all(known.get(name, -1) >= size for name, size in sizes.items())
            said = command(capture.name, _told(meta), sizes if ended and complete else None)
            if known is not None and complete and said == capture.said:
                return
            self._call(capture, said, sizes)
            if capture.whole and ended:
                return

    def _call(self, capture: _Capture, said: bytes, sizes: dict[str, int]) -> None:
        """One DoPut: ask what is there, send what is not, for some seconds."""
        began = time.monotonic()
        options = flight.FlightCallOptions(timeout=_CALL_S, headers=self._headers())
        descriptor = flight.FlightDescriptor.for_command(said)
        try:
            writer, reader = self._connected().do_put(descriptor, SCHEMA, options)
            with closing(writer):
                answer = _read(reader)
                capture.acked = {str(name): int(size) for name, size in dict(answer["sizes"]).items()}
                capture.said, capture.whole = said, bool(answer["whole"])
                for name, size in sizes.items():
                    while capture.acked.get(name, -1) < size:
                        if not self._one_range(capture, name, size, writer, reader):
                            break
                        if time.monotonic() - began > _LONGEST_CALL_S:
                            return
                writer.done_writing()
        except (flight.FlightUnauthenticatedError, flight.FlightUnauthorizedError):
            raise RefusedError(f"{self.target} refused us: the token is wrong, or there was none", 1) from None
        except (pa.ArrowException, OSError) as error:  # Flight's own errors are of both kinds
            self.close()
            raise LostError(_reason(error)) from None
        except (ValueError, KeyError, TypeError):
            self.close()
            raise RefusedError(
                f"{self.target} is no collector that speaks version {VERSION} of the protocol", 1
            ) from None
        self._well()

    def _one_range(self, capture: _Capture, name: str, size: int, writer: Any, reader: Any) -> bool:
        """Send the next range of a file up to ``size`` and wait for the answer; False if there is no more of it."""
        acked = capture.acked if capture.acked is not None else {}
        at, began = acked.get(name, 0), time.monotonic()
        with (capture.folder / name).open("rb") as file:
            file.seek(at)
            data = file.read(min(self._range, size - at))
        if not data and at:
            return False  # a full disk took back a part of it
        row = zip((name, at, zlib.crc32(data), data), SCHEMA, strict=True)
        writer.write_batch(pa.record_batch([pa.array([value], kind.type) for value, kind in row], schema=SCHEMA))
        answer = _read(reader)
        took = time.monotonic() - began
        self.acked_bytes += max(int(answer["size"]) - at, 0)
        acked[name] = int(answer["size"])
        if took < _QUICK_S:
            self._range = min(self._range * 2, _LONGEST_RANGE)
        elif took > _SLOW_S:
            self._range = max(self._range // 2, _SHORTEST_RANGE)
        self._well()
        return bool(data) and acked[name] > at

    def _connected(self) -> Any:
        if self._client is None:
            tls = self.target.tls_ca is not None
            self._client = flight.FlightClient(
                uri(self.target.host, self.target.port, tls=tls),
                tls_root_certs=self.target.tls_ca,
                generic_options=_OPTIONS,
            )
        return self._client

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"authorization", b"Bearer " + self.target.token)] if self.target.token else []

    def _lost(self, reason: str) -> None:
        self._next = time.monotonic() + self._wait
        self._range = _SHORTEST_RANGE
        self._wait = min(self._wait * 2, _LONGEST_WAIT_S)
        if self._trouble is None:
            self._say(f"{self.target}: {reason}; what was recorded is kept here, sending goes on when it can")
        self._trouble = reason

    def _well(self) -> None:
        if self._trouble is not None:
            self._say(f"{self.target}: sending goes on")
        self._trouble = None


def _read(reader: Any) -> dict[str, Any]:
    """The next answer; raises RefusedError or LostError where it is one that says no."""
    said = reader.read()
    if said is None:
        raise LostError("it ended the call")
    answer = json.loads(said.to_pybytes())
    if not isinstance(answer, dict):
        raise ValueError
    if "error" in answer:
        text = f"it says: {answer['error']!s:.200}"
        raise LostError(text) if answer.get("again") else RefusedError(text, 1)
    return answer


def _reason(error: Exception) -> str:
    """One line of what gRPC says, in fewer words."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    for sign, meaning in (
        ("onnection refused", "nobody listens there"),
        ("imed out", "no answer"),
        ("Deadline", "no answer"),
        ("ertificate", "its certificate is not one that --tls-ca vouches for"),
        ("SSL", "no TLS connection"),
        ("DNS", "no such host"),
        ("ailed to connect", "no connection"),
        ("Stream removed", "the connection was lost"),
        ("ocket closed", "the connection was lost"),
        ("onnection reset", "the connection was lost"),
        ("roken pipe", "the connection was lost"),
    ):
        if sign in text:
            return meaning
    return f"no connection ({text:.120})"


def _sizes(folder: Path) -> dict[str, int]:
    """The files of a capture and how long they are now; what is not finished yet has a dot before its name."""
    found = {}
    for path in sorted([*folder.glob("*"), *folder.glob("symbols/*")]):
        name = str(path.relative_to(folder))
        if name != META and is_name(name) and path.is_file() and not path.is_symlink():
            found[name] = path.stat().st_size
    return found


def _told(meta: Meta) -> dict[str, Any]:
    """meta.json as others get it: no process and no path of this machine."""
    return asdict(meta) | {"arena": None, "recorder_pid": None, "received": None}


def _ended(meta: Meta) -> bool:
    """Whether nothing will be added, save by `clew rebuild` here, from what a dead recorder left in its arena."""
    return meta.ended_ns is not None or not is_alive(meta.recorder_pid)


def _made_id(meta: Meta) -> str:
    """Of a capture that has none, made by an older clew: the same whenever it is asked for."""
    text = json.dumps([meta.host, meta.engine, meta.command, meta.started_ns, meta.started_utc])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]
