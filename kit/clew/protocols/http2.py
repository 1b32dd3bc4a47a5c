"""HTTP/2 (RFC 9113) and gRPC: a stream's HEADERS and DATA are a request, the server's the reply.

Recordings may begin late or have holes: what header blocks refer to may then not be known, and is NULL.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar

from clew.native import normalise
from clew.protocols.base import KEEP, Message, Opening, Protocol, Side, Talk
from clew.protocols.hpack_reader import LONGEST, HeaderReader

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, PRIORITISED = 1, 4, 8, 32
ERRORS = (
    "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR "
    "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED"
).split()
IDS = (b"traceparent", b"x-request-id", b"b3", b"x-b3-traceid", b"x-b3-spanid", b"x-correlation-id")
_HEAD = 9
_STREAMS = 1024  # open at a time; of more, the oldest are cut
_LENGTHS = {PRIORITY: (5, 5), RST_STREAM: (4, 4), PING: (8, 8), WINDOW_UPDATE: (4, 4), GOAWAY: (8, 16384)}
_FLAGS = {DATA: 0x09, HEADERS: 0x2D, SETTINGS: 1, PUSH_PROMISE: 0x0C, PING: 1, CONTINUATION: 4}
_ON_CONNECTION = (SETTINGS, PING, GOAWAY)


@dataclass(frozen=True)
class Frame:
    """The head of a frame."""

    size: int
    kind: int
    flags: int
    stream: int

    @staticmethod
    def at(data: bytes, at: int = 0) -> Frame | None:
        """The frame whose head begins there; None: no frame does."""
        if len(data) < at + _HEAD:
            return None
        high, low, kind, flags, stream = struct.unpack_from(">BHBBI", data, at)
        size = high << 16 | low
        least, most = _LENGTHS.get(kind, (0, 1 << 24))
        well = kind <= CONTINUATION and least <= size <= most and not flags & ~_FLAGS.get(kind, 0) and stream >> 31 == 0
        if kind in _ON_CONNECTION:
            well = well and not stream and (kind != SETTINGS or size % 6 == 0)
        elif kind != WINDOW_UPDATE:
            well = well and stream > 0
        return Frame(size, kind, flags, stream) if well else None

    @property
    def end(self) -> int:
        """Bytes of head and content."""
        return _HEAD + self.size


def chained(data: bytes, at: int = 0) -> int:
    """How many frames follow each other from ``at``; 0 if something stands there that is none."""
    count = 0
    while at < len(data):
        if len(data) - at < _HEAD:
            return count
        frame = Frame.at(data, at)
        if frame is None:
            return 0
        count += 1
        at += frame.end
    return count


@dataclass
class Stream:
    """One exchange."""

    open: list[Message | None] = field(default_factory=lambda: [None, None])
    asked: bool = False
    grpc: bool = False


class Http2(Protocol):
    """Frames of both sides, told apart by their streams."""

    name: ClassVar[str] = "http2"
    aliases: ClassVar[tuple[str, ...]] = ("h2", "h2c", "grpc")

    @classmethod
    def recognise(cls, opening: Opening) -> int:
        """The preface; else settings that come first, or frames of both sides (a recording that began late)."""
        if opening.datagram:
            return 0
        if opening.client:
            if opening.client.startswith(PREFACE[: len(opening.client)]) and len(opening.client) > 3:
                return 99
            return 65 if chained(opening.client) + chained(opening.server) >= 4 and chained(opening.server) else 0
        first = Frame.at(opening.server)
        return (
            70 if first and first.kind == SETTINGS and not first.flags and first.size and chained(opening.server) else 0
        )

    def __init__(self, talk: Talk) -> None:
        super().__init__(talk)
        self._streams: dict[int, Stream] = {}
        self._headers = (HeaderReader(), HeaderReader())
        self._block: list[tuple[Frame, bytes] | None] = [None, None]  # of HEADERS that CONTINUATION frames go on with
        self._blind = [False, False]

    def feed(self, side: Side, data: bytes) -> int:
        """Whole frames; of DATA only the head is waited for."""
        at = 0
        while at < len(data):
            if self._blind[side]:
                found = self._look(side, data, at)
                if self._blind[side]:
                    return found
                at = found
            if side == Side.CLIENT and data[at : at + 3] == PREFACE[:3]:
                if len(data) - at < len(PREFACE):
                    return at
                at += len(PREFACE)
                continue
            if len(data) - at < _HEAD:
                return at
            frame = Frame.at(data, at)
            if frame is None:
                self._lose(side)
                at += 1
                continue
            wanted = frame.kind in (HEADERS, CONTINUATION, PUSH_PROMISE, RST_STREAM)
            if wanted and len(data) - at < frame.end and len(data) - at < KEEP:
                return at
            self._frame(side, frame, data, at, len(data) - at >= frame.end)
            at += frame.end
        return at

    def gap(self, side: Side, data: bytes, hole: int) -> int:
        """A frame of which a part was not kept; where its end is known, so is the next one's beginning."""
        frame = None if self._blind[side] else Frame.at(data)
        if frame is not None:
            self._frame(side, frame, data, 0, False)
            if frame.end >= len(data) + hole:
                return frame.end
        if hole:
            self._lose(side)
        return len(data)

    def end(self) -> None:
        """What is open is cut."""
        self._streams.clear()

    def _lose(self, side: Side) -> None:
        self._blind[side] = True
        self._block[side] = None
        self._headers[side].forget()

    def _look(self, side: Side, data: bytes, at: int) -> int:
        """Where frames begin again; up to where nothing was found if that is not here."""
        for place in range(at, len(data) - _HEAD + 1):
            frame = Frame.at(data, place)
            known = frame and (frame.stream in self._streams or frame.kind in (HEADERS, *_ON_CONNECTION, WINDOW_UPDATE))
            if frame and known and (chained(data, place) >= 3 or self._ends_here(data, place)):
                self._blind[side] = False
                return place
        return max(at, len(data) - _HEAD + 1)

    @staticmethod
    def _ends_here(data: bytes, at: int) -> bool:
        while at < len(data) and (frame := Frame.at(data, at)):
            at += frame.end
        return at == len(data)

    def _frame(self, side: Side, frame: Frame, data: bytes, at: int, whole: bool) -> None:
        content = data[at + _HEAD : at + frame.end]
        first: Frame | None = frame  # that tells whether the stream ends with this one
        if frame.kind == RST_STREAM:
            self._reset(side, frame, content, at)
        elif frame.kind in (HEADERS, PUSH_PROMISE):
            self._head(side, frame, _block_of(frame, content), at, whole)
        elif frame.kind == CONTINUATION:
            first = self._continue(side, frame, content, whole)
        ends = first is not None and first.kind in (DATA, HEADERS) and first.flags & END_STREAM
        if ends and self._block[side] is None and (stream := self._streams.get(frame.stream)):
            self._end(stream, side, at + frame.end, frame.stream)

    def _head(self, side: Side, frame: Frame, block: bytes, at: int, whole: bool) -> None:
        if frame.kind == HEADERS:
            stream = self._stream(frame.stream)
            if stream.open[side] is None and (side == Side.SERVER or not stream.asked):
                message = stream.open[side] = self.talk.begin(side, at)
                if side == Side.CLIENT:
                    stream.asked = True
                    message.ask_id(frame.stream)
                else:
                    message.answer_id(frame.stream)
        if frame.flags & END_HEADERS or not whole:
            self._fields(side, frame.stream, self._headers[side].read(block, whole), frame.kind)
        else:
            self._block[side] = (frame, block)

    def _continue(self, side: Side, frame: Frame, content: bytes, whole: bool) -> Frame | None:
        if (before := self._block[side]) is None:
            self._headers[side].forget()
            return None
        first, block = before[0], before[1] + content
        if frame.flags & END_HEADERS or not whole or len(block) > LONGEST:
            self._block[side] = None
            self._fields(side, first.stream, self._headers[side].read(block, whole), first.kind)
        else:
            self._block[side] = (first, block)
        return first

    def _fields(self, side: Side, number: int, fields: dict[bytes, bytes], kind: int) -> None:
        stream = self._streams.get(number)
        message = stream.open[side] if stream else None
        if stream is None or message is None or kind != HEADERS:
            return
        if side == Side.CLIENT:
            self._request(stream, message, fields)
            return
        status, code = fields.get(b":status", b""), fields.get(b"grpc-status")
        stream.grpc = stream.grpc or fields.get(b"content-type", b"").startswith(b"application/grpc")
        if code is not None and stream.grpc:
            message.status(code)
            message.error = code != b"0"
            message.summary(b"grpc-status " + code + b" " + fields.get(b"grpc-message", b""))
        elif status and not status.startswith(b"1"):
            message.error = status >= b"500"
            if not stream.grpc or message.error:
                message.status(status)

    @staticmethod
    def _request(stream: Stream, message: Message, fields: dict[bytes, bytes]) -> None:
        method, path = fields.get(b":method"), fields.get(b":path")
        stream.grpc = fields.get(b"content-type", b"").startswith(b"application/grpc")
        if method:
            message.kind("gRPC" if stream.grpc else method)
        if method and path:
            message.name(method + b" " + (path if stream.grpc else normalise.path(path).encode()))
            message.summary(method + b" " + path)
        found = [name + b"=" + fields[name].split()[0] for name in IDS if fields.get(name, b"").strip()]
        if found:
            message.correlation(b" ".join(found))

    def _reset(self, side: Side, frame: Frame, content: bytes, at: int) -> None:
        stream = self._streams.get(frame.stream)
        if stream is None:
            return
        code = int.from_bytes(content[:4], "big") if len(content) >= 4 else -1
        if side == Side.SERVER:
            if stream.open[side] is None:
                stream.open[side] = self.talk.begin(side, at)
                stream.open[side].answer_id(frame.stream)  # type: ignore[union-attr]
            message = stream.open[side]
            assert message is not None
            message.error = code != 0
            if 0 <= code < len(ERRORS):
                message.status(ERRORS[code])
            message.end(at + frame.end)
            stream.open[side] = None
        for message in stream.open:
            if message is not None and message.side == side:
                message.end(at + frame.end)
            elif message is not None:
                message.close()
        del self._streams[frame.stream]

    def _end(self, stream: Stream, side: Side, at: int, number: int) -> None:
        if (message := stream.open[side]) is not None:
            message.end(at)
            stream.open[side] = None
        if side == Side.SERVER:
            if (request := stream.open[Side.CLIENT]) is not None:
                request.close()
            del self._streams[number]

    def _stream(self, number: int) -> Stream:
        if number not in self._streams:
            if len(self._streams) >= _STREAMS:
                oldest = self._streams.pop(next(iter(self._streams)))
                for message in oldest.open:
                    if message is not None:
                        message.cut()
            self._streams[number] = Stream()
        return self._streams[number]


def _block_of(frame: Frame, content: bytes) -> bytes:
    """The header block fragment in the content of HEADERS or PUSH_PROMISE."""
    padding = 0
    if frame.flags & PADDED:
        padding, content = content[0] if content else 0, content[1:]
    if frame.kind == HEADERS and frame.flags & PRIORITISED:
        content = content[5:]
    elif frame.kind == PUSH_PROMISE:
        content = content[4:]
    return content[: len(content) - padding] if padding else content
