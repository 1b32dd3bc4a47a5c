"""Conversations written by hand, and the messages that the processors tell in them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from clew.native.protocols import CALLS, CONV, NONE, ROLES, TEXTS, ConvFlag, Processor, Talks

C, S = 0, 1
"""Who sent a piece: client, server."""
Pieces = Sequence[tuple[int, bytes]]
FULL = 1 << 20

_AS_TOLD = (*TEXTS, "exchange", "stream", "error", "held", "whole", "first_ns", "last_ns")


@dataclass(frozen=True)
class Told:
    """A message as it came out; ``side`` sent it."""

    side: int
    role: str
    exchange: int | None
    stream: int | None
    at: int
    size: int
    kind: str | None
    name: str | None
    summary: str | None
    status: str | None
    error: bool
    held: bool | None
    correlation: str | None
    whole: bool
    protocol: str
    first_ns: int
    last_ns: int

    def where(self) -> tuple[Any, ...]:
        """All but the calls that moved it."""
        return tuple(getattr(replace(self, first_ns=0, last_ns=0), name) for name in self.__dataclass_fields__)


def tell(
    pieces: Pieces,
    *,
    client_end: bool = True,
    hint: str | None = None,
    keep: tuple[int, int] = (FULL, 0),
    start: tuple[int, int] = (0, 0),
    datagram: bool = False,
    sure: bool = True,
    closed: bool = False,
    processors: Sequence[Processor] = (),
) -> list[Told]:
    """The messages of a conversation, each piece one call at one end; call i takes 10 ns from 100 i.

    ``keep``: bytes of head and tail of each call that were recorded; ``start``: bytes each side sent before; ``sure``:
    whether it is known which end is which.
    """
    with Talks(processors) as talks:
        at, columns = list(start), {name: [] for name in ("bytes", "byte_offset", "sent")}
        heads, tails = [], []
        for side, data in pieces:
            columns["bytes"].append(len(data))
            columns["byte_offset"].append(NONE if datagram else at[side])
            columns["sent"].append((side == C) == client_end)
            at[side] += len(data)
            cut = len(data) > sum(keep)
            heads.append(data[: keep[0]] if cut else data)
            tails.append(data[len(data) - keep[1] :] if cut else b"")
        count = len(pieces)
        calls: dict[str, Any] = {name: np.array(values) for name, values in columns.items()}
        calls["byte_offset"] = np.array(columns["byte_offset"], np.uint64)
        calls |= {"ts_ns": np.arange(count) * 100, "dur_ns": np.full(count, 10), "seq": np.arange(count)}
        calls |= {name: np.ones(count) for name in ("thread_id", "pid", "tid")} | {"conv": np.zeros(count)}
        calls |= {"head": heads, "tail": tails}
        typed = [pa.array(calls[field.name]).cast(field.type) for field in CALLS]
        flags = ConvFlag.DATAGRAM if datagram else ConvFlag(0)
        flags |= ConvFlag.CLOSED if closed else ConvFlag(0)
        if sure:
            flags |= ConvFlag.CLIENT if client_end else ConvFlag.SERVER
        conv = np.array([(talks.names.index(hint) if hint else -1, int(flags))], CONV)
        talks.feed(pa.table(typed, schema=CALLS), conv)
        found = [
            Told(
                side=C if row["sent"] == client_end else S,
                role=ROLES[row["role"]],
                at=row["byte_offset"],
                size=row["bytes"],
                protocol=talks.names[row["protocol"]],
                **{name: row[name] for name in _AS_TOLD},
            )
            for row in talks.take().to_pylist()
        ]
    return sorted(found, key=lambda one: (one.first_ns, one.side, one.at))


def cut(pieces: Pieces, chance: random.Random, most: int = 40) -> list[tuple[int, bytes]]:
    """The same bytes in other calls: neighbours of one side joined or not, then cut anywhere."""
    joined: list[tuple[int, bytes]] = []
    for side, data in pieces:
        if joined and joined[-1][0] == side and chance.random() < 0.7:
            joined[-1] = (side, joined[-1][1] + data)
        else:
            joined.append((side, data))
    made = []
    for side, data in joined:
        rest = data
        while rest:
            size = chance.randint(1, most)
            made.append((side, rest[:size]))
            rest = rest[size:]
    return made


def same_however_cut(pieces: Pieces, *, times: int = 20, **options: Any) -> None:
    """The messages do not depend on how the bytes were cut into calls, nor on the end that was recorded."""
    wanted = sorted((one.where() for one in tell(pieces, **options)), key=repr)
    chance = random.Random(1)
    for turn in range(times):
        other = cut(pieces, chance, most=1 if not turn else 40)
        assert sorted((one.where() for one in tell(other, **options)), key=repr) == wanted
    assert sorted((one.where() for one in tell(pieces, client_end=False, **options)), key=repr) == wanted


def exchanges(told: Iterable[Told]) -> list[tuple[str | None, str | None, bool | None]]:
    """(name or kind of each request, status of its reply, held) in order."""
    replies = {one.exchange: one for one in told if one.role == "reply" and one.exchange is not None}
    found = []
    for one in sorted((one for one in told if one.role == "request"), key=lambda one: one.exchange or 0):
        reply = replies.get(one.exchange)
        found.append((one.name or one.kind, reply.status if reply else None, reply.held if reply else None))
    return found
