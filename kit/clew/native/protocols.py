"""Messages of protocols: batches of calls to libclew.so and rows back (native/include/clew_messages.h).

Processors in Python are called by it as those in C are: see clew.protocols.base for what they look like.
"""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clew.errors import ClewError
from clew.native.library import check, load

Array = npt.NDArray[Any]
NONE = 2**64 - 1
"""No exchange, no stream, no offset; and what feed() returns where nothing of this side is wanted any more."""
_U32, _U64, _ANY, _TEXT = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_char_p
ROLES = ("request", "reply", "other")
"""`enum role`, by number."""
TEXTS = ("kind", "name", "summary", "status", "correlation")
CONV = np.dtype([("hint", "i4"), ("flags", "u4")])
"""`struct clew_conv`."""
CALLS = pa.schema(
    [
        *(("conv", pa.uint32()), ("ts_ns", pa.int64()), ("dur_ns", pa.int64()), ("bytes", pa.uint64())),
        *(("byte_offset", pa.uint64()), ("sent", pa.uint8()), ("thread_id", pa.uint64())),
        *(("seq", pa.uint32()), ("pid", pa.int32()), ("tid", pa.int32())),
        *((name, pa.large_binary()) for name in ("head", "tail")),
    ]
)
"""`struct clew_calls`: none of the columns but head and tail has nulls."""
PLACED = np.dtype([("thread_id", "u8"), ("byte_offset", "u8"), ("at_ns", "i8"), ("seq", "u4"), ("conv", "u4")])
"""`struct clew_placed`."""
_NUMBERS = {
    **dict.fromkeys(("thread_id", "exchange", "stream", "byte_offset", "bytes"), "u8"),
    **dict.fromkeys(("first_ns", "last_ns"), "i8"),
    **dict.fromkeys(("conv", "seq"), "u4"),
    **dict.fromkeys(("pid", "tid"), "i4"),
    "role": "u1",
    "protocol": "u2",
}
_FLAGS = ("sent", "error", "whole", "held")
_MAY_LACK = ("exchange", "stream", "held")


class Side(enum.IntEnum):
    """Who sent the bytes."""

    CLIENT = 0
    SERVER = 1


class ConvFlag(enum.IntFlag):
    """`enum clew_conv_flag`."""

    DATAGRAM = 1
    CLIENT = 2
    SERVER = 4
    CLOSED = 8
    CONTINUED = 16
    CONTINUES = 32
    TOLD = 64


class End(enum.IntEnum):
    """`enum clew_message_end`."""

    AT = 0
    HERE = 1
    CUT = 2
    DROP = 3


class _Calls(ctypes.Structure):
    _fields_ = [
        *((name, _ANY) for name in (*CALLS.names[:-2], "head", "head_ends", "tail", "tail_ends")),
        ("count", _U64),
    ]


class _Messages(ctypes.Structure):
    """`struct clew_messages`."""

    _fields_ = [
        *((name, _ANY) for name in _NUMBERS),
        *((f"{name}_known", _ANY) for name in _MAY_LACK),
        *((name, _ANY) for name in _FLAGS),
        *((name, _ANY) for name in TEXTS),
        *((f"{name}_ends", _ANY) for name in TEXTS),
        *((f"{name}_known", _ANY) for name in TEXTS),
    ]


class TalkHead(ctypes.Structure):
    """`struct talk`: what a processor may see."""

    _fields_ = [
        ("datagram", ctypes.c_bool),
        ("received", ctypes.c_bool * 2),
        ("closed", ctypes.c_bool * 2),
        ("unit", _U64),
    ]


class _Opening(ctypes.Structure):
    _fields_ = [
        ("data", _ANY * 2),
        ("size", ctypes.c_size_t * 2),
        ("datagram", ctypes.c_bool),
        ("first", ctypes.c_int),
    ]


_RECOGNISE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Opening))
_FEED = ctypes.CFUNCTYPE(_U64, _ANY, _ANY, ctypes.c_int, _ANY, ctypes.c_size_t)
_GAP = ctypes.CFUNCTYPE(_U64, _ANY, _ANY, ctypes.c_int, _ANY, ctypes.c_size_t, _U64)
_END = ctypes.CFUNCTYPE(None, _ANY, _ANY)


class _Protocol(ctypes.Structure):
    _fields_ = [
        ("name", _TEXT),
        ("aliases", _TEXT),
        ("state_size", _U32),
        ("recognise", _RECOGNISE),
        ("feed", _FEED),
        ("gap", _GAP),
        ("end", _END),
    ]


@cache
def library() -> ctypes.CDLL:
    """libclew.so with the functions of clew_messages.h typed."""
    found = load()
    for name, result, arguments in (
        ("clew_protocols", _U32, [ctypes.POINTER(_ANY)]),
        ("clew_protocol_name", _TEXT, [_ANY, ctypes.POINTER(_TEXT)]),
        ("clew_talks_new", _ANY, [_ANY, _U32]),
        ("clew_talks_feed", ctypes.c_int, [_ANY, ctypes.POINTER(_Calls), _U32, _ANY, _U32]),
        ("clew_calls_in_order", ctypes.c_int, [ctypes.POINTER(_Calls), _U32, _ANY]),
        ("clew_talks_rows", _U64, [_ANY]),
        ("clew_talks_text_size", _U64, [_ANY, _U32]),
        ("clew_talks_messages", None, [_ANY, ctypes.POINTER(_Messages)]),
        ("clew_talks_clear", None, [_ANY]),
        ("clew_talks_free", None, [_ANY]),
        ("clew_message_begin", _ANY, [_ANY, _U32, _U64]),
        ("clew_message_end", None, [_ANY, _ANY, _U32, _U64]),
        ("clew_message_text", None, [_ANY, _ANY, _U32, _TEXT, _U64]),
        ("clew_message_marks", None, [_ANY, _U32, _U32, _U32]),
        ("clew_message_stream", _U64, [_ANY, _U64]),
        ("clew_ask", None, [_ANY, _ANY, _U32, _U64, _U64]),
        ("clew_answer", _U64, [_ANY, _ANY, _U32, _U64]),
        ("clew_expected", ctypes.c_int32, [_ANY, ctypes.POINTER(_U64)]),
        ("clew_unanswered", None, [_ANY]),
        ("clew_lost", None, [_ANY, _U32]),
    ):
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


@dataclass(frozen=True)
class Opening:
    """The first bytes of a conversation, as far as they were kept in one piece: at most 512 of each side."""

    client: bytes
    server: bytes
    datagram: bool
    first: Side  # who sent first


class Conversation(Protocol):
    """What a processor in Python makes for each conversation."""

    def feed(self, side: Side, data: bytes) -> int:
        """How many bytes it is done with."""

    def gap(self, side: Side, data: bytes, hole: int) -> int:
        """The same where a hole follows."""

    def end(self) -> None:
        """The recording of the conversation ends."""


@dataclass(frozen=True)
class Processor:
    """A processor in Python as libclew.so is told of it: ``begin`` is called with the address of struct talk."""

    name: str
    aliases: tuple[str, ...]
    recognise: Callable[[Opening], int]
    begin: Callable[[int], Conversation]


class _Bridge:
    """Calls a Processor where C calls a protocol; its first exception ends its work."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._current: Conversation | None = None
        self.name = processor.name
        self.error: Exception | None = None
        self.protocol = _Protocol(
            processor.name.encode(),
            " ".join(processor.aliases).encode(),
            8,
            _RECOGNISE(self._recognise),
            _FEED(self._feed),
            _GAP(self._gap),
            _END(self._end),
        )

    def _recognise(self, pointer: Any) -> int:
        opening = pointer.contents
        client, server = (
            ctypes.string_at(at, size) if size else b"" for at, size in zip(opening.data, opening.size, strict=True)
        )
        try:
            return int(self._processor.recognise(Opening(client, server, opening.datagram, Side(opening.first))))
        except Exception as error:
            self.error = self.error or error
            return 0

    def _conversation(self, talk: int, state: int) -> Conversation:
        begun = _U64.from_address(state)
        if not begun.value or self._current is None:
            begun.value = 1
            self._current = self._processor.begin(talk)
        return self._current

    def _feed(self, talk: int, state: int, side: int, data: int, size: int) -> int:
        if self.error:
            return NONE
        try:
            done = self._conversation(talk, state).feed(Side(side), ctypes.string_at(data, size))
            return min(max(done, 0), NONE)
        except Exception as error:
            self.error = error
            return NONE

    def _gap(self, talk: int, state: int, side: int, data: int, size: int, hole: int) -> int:
        if self.error:
            return NONE
        try:
            done = self._conversation(talk, state).gap(Side(side), ctypes.string_at(data, size), hole)
            return min(max(done, 0), NONE)
        except Exception as error:
            self.error = error
            return NONE

    def _end(self, talk: int, state: int) -> None:
        if self.error:
            return
        try:
            self._conversation(talk, state).end()
        except Exception as error:
            self.error = error
        self._current = None


def _built_in() -> list[int]:
    pointer = _ANY()
    count = library().clew_protocols(ctypes.byref(pointer))
    assert pointer.value is not None
    return list((_ANY * count).from_address(pointer.value))


def built_in() -> dict[str, tuple[str, ...]]:
    """Names of the processors in C, in their order, and the other names of their services."""
    found = {}
    for protocol in _built_in():
        aliases = _TEXT()
        name = library().clew_protocol_name(protocol, ctypes.byref(aliases))
        found[name.decode()] = tuple((aliases.value or b"").decode().split())
    return found


class Talks:
    """Tells the messages of conversations, batch by batch, with the processors in C and ``processors`` in Python.

    ``names`` are the protocols by the numbers that rows and hints use.
    """

    def __init__(self, processors: Sequence[Processor] = ()) -> None:
        in_c = built_in()
        self._bridges = [_Bridge(processor) for processor in processors]
        ours = [ctypes.addressof(bridge.protocol) for bridge in self._bridges]
        everything = [*_built_in(), *ours]
        self.names = [*in_c, *(processor.name for processor in processors)]
        self._list = (_ANY * len(everything))(*everything)
        self._talks = library().clew_talks_new(self._list, len(everything))
        if not self._talks:
            raise MemoryError

    def feed(self, calls: pa.Table, convs: Array) -> None:
        """Tell the messages of ``calls``, in any order.

        The columns are those of CALLS: conv (index into ``convs``, of CONV), ts_ns, dur_ns (ns), bytes, byte_offset
        (NONE: not known), sent (0 or 1), thread_id, seq, pid, tid; head and tail, the bytes that were kept. Raises
        ClewError where a processor in Python raised something, or memory was not enough.
        """
        assert calls.schema.equals(CALLS)
        convs = np.ascontiguousarray(convs, CONV)
        pieces = [piece for piece in calls.to_batches() if piece.num_rows]
        given = (_Calls * max(len(pieces), 1))(*(_calls(piece) for piece in pieces))
        result = library().clew_talks_feed(self._talks, given, len(pieces), convs.ctypes.data, len(convs))
        for bridge in self._bridges:
            if bridge.error:
                why = f"{type(bridge.error).__name__}: {bridge.error}"
                raise ClewError(f"protocol {bridge.name}: {why}", exit_code=1) from bridge.error
        check(result, "cannot tell messages")

    def take(self) -> pa.Table:
        """The messages since the last call, in the order in which they ended; those that have not are not among them.

        The columns are those of table message, but for ``conv`` in place of what it says of the connection, and
        numbers in ``role`` (ROLES) and ``protocol`` (``names``).
        """
        found = library()
        count = found.clew_talks_rows(self._talks)
        numbers = {name: np.empty(count, kind) for name, kind in _NUMBERS.items()}
        bits = {
            name: np.empty(-(-count // 8), np.uint8)
            for name in (*_FLAGS, *(f"{name}_known" for name in (*_MAY_LACK, *TEXTS)))
        }
        sizes = [found.clew_talks_text_size(self._talks, number) for number in range(len(TEXTS))]
        texts = {name: np.empty(size, np.uint8) for name, size in zip(TEXTS, sizes, strict=True)}
        ends = {name: np.zeros(count + 1, np.int64) for name in TEXTS}
        places = {name: array.ctypes.data for name, array in (numbers | bits | texts).items()}
        places |= {f"{name}_ends": array[1:].ctypes.data for name, array in ends.items()}
        found.clew_talks_messages(self._talks, ctypes.byref(_Messages(**places)))
        found.clew_talks_clear(self._talks)

        def known(name: str) -> Any:
            return pa.py_buffer(bits[f"{name}_known"]) if f"{name}_known" in bits else None

        def column(kind: pa.DataType, name: str, *buffers: Array) -> pa.Array:
            return pa.Array.from_buffers(kind, count, [known(name), *map(pa.py_buffer, buffers)])

        return pa.table(
            {
                **{name: column(pa.from_numpy_dtype(array.dtype), name, array) for name, array in numbers.items()},
                **{name: column(pa.bool_(), name, bits[name]) for name in _FLAGS},
                **{name: column(pa.large_string(), name, ends[name], texts[name]) for name in TEXTS},
            }
        )

    def __enter__(self) -> Talks:
        return self

    def __exit__(self, *_: object) -> None:
        library().clew_talks_free(self._talks)
        self._talks = None


def in_order(calls: pa.Table, convs: int) -> Array:
    """``calls`` (of CALLS; their bytes are not looked at) by conversation, in the order in which bytes were moved.

    An array of PLACED: which call, when its bytes were moved (ns; what was written counts from when its call was
    entered, what was read from when it returned, and nothing before what stands in front of it), and their offset in
    their direction, also where a write returned so late that others were counted first. ``convs``: conv is below.
    """
    assert calls.schema.equals(CALLS)
    found = np.empty(calls.num_rows, PLACED)
    if calls.num_rows:
        (piece,) = calls.combine_chunks().to_batches()
        check(library().clew_calls_in_order(ctypes.byref(_calls(piece)), convs, found.ctypes.data), "cannot sort calls")
    return found


def _calls(piece: pa.RecordBatch) -> _Calls:
    """Where the columns of ``piece`` (of CALLS, not empty) are."""
    *numbers, head, tail = piece.columns
    at = [values.buffers()[1].address + values.offset * values.type.byte_width for values in numbers]
    for values in (head, tail):
        _, ends, data = values.buffers()
        at += [(data or ends).address, ends.address + values.offset * 8]
    return _Calls(*at, piece.num_rows)
