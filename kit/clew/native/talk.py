"""One conversation and its messages, as a processor in Python handles them: struct talk of protocol.h."""

from __future__ import annotations

import ctypes

from clew.native.protocols import NONE, TEXTS, End, Side, TalkHead, library

_KIND, _NAME, _SUMMARY, _STATUS, _CORRELATION = range(len(TEXTS))


class Message:
    """A message that has begun. It is handed on by end(), close() or cut(), and gone then."""

    def __init__(self, talk: Talk, side: Side, at: int) -> None:
        self._talk = talk
        self._address: int | None = library().clew_message_begin(talk.address, side, at)
        if self._address is None:
            raise MemoryError
        self.side = side
        self.error = False
        self.held: bool | None = None
        self.broken = False
        """Bytes of it that matter were not kept: it will not be whole."""

    def kind(self, text: str | bytes) -> None:
        """What it is in the protocol's own words: GET."""
        self._text(_KIND, text)

    def name(self, text: str | bytes) -> None:
        """To group by, literals out: GET /page/?"""
        self._text(_NAME, text)

    def summary(self, text: str | bytes) -> None:
        """As it was said; what is longer than 1000 bytes is cut."""
        self._text(_SUMMARY, text)

    def status(self, text: str | bytes) -> None:
        """Of replies: 200, NXDOMAIN."""
        self._text(_STATUS, text)

    def correlation(self, text: str | bytes) -> None:
        """Ids found in the bytes: traceparent=00-... x-request-id=..., by blanks."""
        self._text(_CORRELATION, text)

    def stream(self, number: int) -> None:
        """The id by which the protocol tells exchanges apart."""
        library().clew_message_stream(self._address, number)

    def ask(self, tag: int = 0) -> None:
        """It is a request; replies come in the order of requests. ``tag`` is what the reply's answer() returns."""
        library().clew_ask(self._talk.address, self._address, 0, 0, tag)

    def answer(self) -> int:
        """It is the reply to the oldest request without one; returns that request's tag, 0 if there is none."""
        return int(library().clew_answer(self._talk.address, self._address, 0, 0))

    def ask_id(self, number: int, tag: int = 0) -> None:
        """It is a request; its reply is the one of that id, which also is its stream."""
        library().clew_ask(self._talk.address, self._address, 1, number, tag)

    def answer_id(self, number: int) -> int:
        """It is the reply to the request of that id; returns its tag, 0 if there is none."""
        return int(library().clew_answer(self._talk.address, self._address, 1, number))

    def end(self, at: int) -> None:
        """It ends before byte ``at`` of the data being fed, which may be still to come."""
        self._end(End.AT, at)

    def close(self) -> None:
        """It ends with the last byte that its side has sent."""
        self._end(End.HERE)

    def cut(self) -> None:
        """As close(), but its end was not seen."""
        self._end(End.CUT)

    def drop(self) -> None:
        """It was none."""
        self._end(End.DROP)

    def _text(self, which: int, text: str | bytes) -> None:
        data = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
        library().clew_message_text(self._talk.address, self._address, which, data, len(data))

    def _end(self, how: End, at: int = 0) -> None:
        if self._address is None:
            return
        held = 0 if self.held is None else 1 + self.held
        library().clew_message_marks(self._address, self.error, held, self.broken)
        library().clew_message_end(self._talk.address, self._address, how, min(at, NONE))
        self._address = None
        self._talk.open.discard(self)


class Talk:
    """The conversation that is being told."""

    def __init__(self, address: int) -> None:
        self.address = address
        self.open: set[Message] = set()
        self._head = TalkHead.from_address(address)

    @property
    def datagram(self) -> bool:
        """Whether each call of feed() holds one datagram from its first byte."""
        return bool(self._head.datagram)

    @property
    def unit(self) -> int:
        """In feed() of a datagram: its length in bytes; the data is what was kept of it."""
        return int(self._head.unit)

    def closed(self, side: Side) -> bool:
        """In end(): whether the side's stream is known to have ended, not only the recording."""
        return bool(self._head.closed[side])

    def begin(self, side: Side, at: int = 0) -> Message:
        """A message of ``side``, which is being fed, begins at byte ``at`` of its data."""
        message = Message(self, side, at)
        self.open.add(message)
        return message

    def expected(self) -> int | None:
        """The tag of the request that answer() would take; None: no request waits."""
        tag = ctypes.c_uint64()
        return tag.value if library().clew_expected(self.address, ctypes.byref(tag)) else None

    def unanswered(self) -> None:
        """The oldest request without a reply gets none."""
        library().clew_unanswered(self.address)

    def lost(self, side: Side) -> None:
        """How many messages ``side`` sent is not known: what replies to what is told again only without doubt."""
        library().clew_lost(self.address, side)

    def finish(self) -> None:
        """What is still open is cut: called when the conversation ends."""
        for message in tuple(self.open):
            message.cut()
