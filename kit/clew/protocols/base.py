"""What a protocol processor in Python looks like: one class, one instance for each conversation.

The rules are those of native/protocols/protocol.h, where the processors in C live; docs/protocols.md has an example.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from clew.native.protocols import NONE, Opening, Processor, Side
from clew.native.talk import Message, Talk

__all__ = ["EVERYTHING", "KEEP", "WAIT_FOR", "Message", "Opening", "Protocol", "Side", "Talk", "processor_of"]

EVERYTHING = NONE
"""feed(): done with all that will ever come from this side."""
KEEP = 16384
"""Bytes of a side that are kept for feed() at most."""
WAIT_FOR = 4096
"""Bytes of one unit that a processor may wait for, whatever length it claims."""


class Protocol(ABC):
    """A processor: tells messages in what client and server of one connection sent, in the order of time."""

    name: ClassVar[str]
    """As in message.protocol."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names of its services, as in /etc/services."""

    @classmethod
    def recognise(cls, opening: Opening) -> int:  # noqa: ARG003
        """How sure it is that this is its protocol, 0 (it is not) to 100; below 50 never wins."""
        return 0

    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    @abstractmethod
    def feed(self, side: Side, data: bytes) -> int:
        """All bytes of ``side`` that it was not done with yet; returns how many it is done with.

        Fewer than all: the rest comes again in front of the next bytes (at most KEEP). More: those to come are passed
        over, also where they were not kept. What messages come out must not depend on how the bytes were cut.
        """

    def gap(self, side: Side, data: bytes, hole: int) -> int:  # noqa: ARG002
        """As feed(), where no more bytes come in one piece with ``data``.

        ``hole`` bytes were not kept, or (0) the stream ends here, or KEEP bytes were not enough. What it returns counts
        from ``data``, the hole included; all up to the hole's end is dropped in any case.
        """
        self.talk.lost(side)
        return len(data)

    def end(self) -> None:  # noqa: B027
        """The recording of the conversation ends; messages that are still open are cut after it."""


class _Told:
    """A Protocol's conversation, with its open messages cut at the end."""

    def __init__(self, kind: type[Protocol], address: int) -> None:
        self._talk = Talk(address)
        self._protocol = kind(self._talk)
        self.feed, self.gap = self._protocol.feed, self._protocol.gap

    def end(self) -> None:
        self._protocol.end()
        self._talk.finish()


def processor_of(kind: type[Protocol]) -> Processor:
    """``kind`` as libclew.so calls it."""
    return Processor(kind.name, kind.aliases, kind.recognise, lambda address: _Told(kind, address))
