"""What stands behind the records of a batch: connections, processes, threads, payloads, counters, losses, clock.

Every function takes a Batch and returns a pyarrow.Table with one row per record or block of its kind; text
is valid UTF-8 whatever the bytes were (those that are none become \\xNN). No loop per row: numpy and C.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.native.decode import Array, Batch, BlockType, Flag
from clew.native.library import load

OP_PROCESS_START, OP_PROCESS_END, OP_THREAD_START, OP_THREAD_END, OP_CONN = 120, 121, 122, 123, 124
OP_CONNECT = 55
OP_MESSAGES = (8, 17)  # recvmmsg, sendmmsg
KINDS = ("unknown", "file", "dir", "device", "pipe", "tcp", "udp", "unix", "socket", "anon", "listen")
HOWS = ("first", "fork", "exec", "clone")
UNSEEN = (None, "static", "setuid", "abi", "loader", "io_uring", "no_arena", "unreadable", "sampler", "deepbind")

_CONN = np.dtype(
    [
        *(("kind", "u4"), ("text", "u4"), ("device", "u8"), ("inode", "u8"), ("peer_id", "u8")),
        *(("local_len", "u2"), ("remote_len", "u2"), ("flags", "u4"), ("peer_pid", "u4"), ("zero", "u4")),
    ]
)
_PROCESS = np.dtype(
    [
        *((name, "u4") for name in ("pid", "ppid", "uid", "how", "exe_len", "cmdline_len", "allocator", "parent_tid")),
        ("comm", "V16"),
    ]
)
_MOVED = np.dtype([("bytes", "u8"), ("kept", "u4"), ("zero", "u4")])
_IO = np.dtype([(name, "u8") for name in ("rchar", "wchar", "syscr", "syscw")])
_THREAD = np.dtype([("tid", "u4"), ("creator_tid", "u4"), ("name", "V16")])
_COUNTER = np.dtype([("op", "u4"), ("zero", "u4"), *((name, "u8") for name in ("calls", "errors", "bytes", "ticks"))])
_CLOCK = np.dtype([(name, "u8") for name in ("ticks", "monotonic_ns", "realtime_ns", "uncertainty_ticks")])
_LOSS = np.dtype([(name, "u8") for name in ("records", "bytes", "no_slot", "threads", "waits", "wait_ticks")])
_ROW = np.dtype(
    [
        *((name, "u4") for name in ("pid", "tid", "ppid", "state")),
        *((name, "u8") for name in ("rchar", "wchar", "syscr", "syscw")),
        ("comm", "V16"),
        ("exe_len", "u4"),
        ("cmdline_len", "u4"),
    ]
)
_UNSEEN = np.dtype([("reason", "u4"), ("pid", "u4")])


def _gather(name: str, batch: Batch, at: Array, lengths: Array, growth: int) -> tuple[Array, Array]:
    """The byte strings at ``at``, one after the other, and the n + 1 offsets of their ends."""
    at, lengths = np.ascontiguousarray(at, np.uint64), np.ascontiguousarray(lengths, np.uint64)
    out = np.empty(int(lengths.sum()) * growth + 1, np.uint8)
    ends = np.zeros(len(at) + 1, np.int64)
    gather: Callable[..., int] = getattr(load(), name)
    result = gather(
        batch.data.ctypes.data,
        len(batch.data),
        at.ctypes.data,
        lengths.ctypes.data,
        len(at),
        out.ctypes.data,
        len(out),
        ends[1:].ctypes.data,
    )
    if result < 0:
        raise ValueError(f"{name}: {result}")  # the decoder checked every length: this cannot come from a file
    return out, ends


def _structs(batch: Batch, at: Array, kind: np.dtype[np.void]) -> Array:
    """One struct from each place of the file."""
    out, _ = _gather("clew_gather", batch, at, np.full(len(at), kind.itemsize), 1)
    return out[: len(at) * kind.itemsize].view(kind)


def _binary(batch: Batch, at: Array, lengths: Array, *, null: Array | None = None) -> pa.Array:
    out, ends = _gather("clew_gather", batch, at, lengths, 1)
    return _arrow(pa.large_binary(), out, ends, null)


def _text(batch: Batch, at: Array, lengths: Array, *, address: bool = False) -> pa.Array:
    """Text; NULL where there is none."""
    name, growth = ("clew_gather_addresses", 4) if address else ("clew_gather_text", 4)
    # An IPv6 address of 28 bytes takes at most 54 characters, a unix path four times its bytes.
    out, ends = _gather(name, batch, at, lengths, growth)
    return _arrow(pa.large_string(), out, ends, ends[1:] == ends[:-1])


def _arrow(kind: pa.DataType, out: Array, ends: Array, null: Array | None) -> pa.Array:
    bitmap = None
    if null is not None:
        bitmap = pa.py_buffer(np.packbits(~null, bitorder="little"))
    size = len(ends) - 1
    return pa.Array.from_buffers(kind, size, [bitmap, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]])])


def _fixed_text(values: Array) -> pa.Array:
    """Names of 16 bytes, ended by NUL, as text."""
    raw = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), 16)
    lengths = np.where((raw == 0).any(axis=1), (raw == 0).argmax(axis=1), 16)
    out = np.empty(raw.size * 4 + 1, np.uint8)
    ends = np.zeros(len(values) + 1, np.int64)
    at = np.arange(len(values), dtype=np.uint64) * np.uint64(16)
    lengths = lengths.astype(np.uint64)
    load().clew_gather_text(
        raw.ctypes.data,
        raw.size,
        at.ctypes.data,
        lengths.ctypes.data,
        len(at),
        out.ctypes.data,
        len(out),
        ends[1:].ctypes.data,
    )
    return _arrow(pa.large_string(), out, ends, ends[1:] == ends[:-1])


def _arguments(batch: Batch, at: Array, lengths: Array) -> pa.Array:
    """Command lines: arguments end in NUL, blanks are put between them."""
    text = pc.replace_substring(_text(batch, at, lengths), "\\x00", " ")
    return pc.utf8_rtrim_whitespace(text)


def _named(codes: Array, names: tuple[str | None, ...]) -> pa.Array:
    """Names of codes; NULL for one that is not known."""
    known = codes < len(names)
    return pa.array(names, pa.string()).take(pa.array(np.where(known, codes, 0), mask=~known))


def _known(values: Array, unknown: int) -> pa.Array:
    """Numbers; NULL where they are ``unknown``."""
    return pa.array(values, mask=values == values.dtype.type(unknown))


def _records(batch: Batch, op: int, kind: np.dtype[np.void] | None) -> tuple[Array, Array]:
    """Indices of the records of one op that hold the struct, and the structs."""
    wanted = batch.op == op
    if kind is None:
        return np.flatnonzero(wanted), np.empty(0)
    index = np.flatnonzero(wanted & (batch.head >= kind.itemsize) & ((batch.flags & Flag.STRUCT) != 0))
    return index, _structs(batch, batch.data_at[index], kind)


def _who(batch: Batch, index: Array) -> dict[str, Array]:
    return {name: getattr(batch, name)[index] for name in ("serial", "pid", "tid", "seq", "begin")}


def _table(columns: Mapping[str, pa.Array | Array]) -> pa.Table:
    return pa.table({name: np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for name, v in columns.items()})


def conns(batch: Batch) -> pa.Table:
    """What descriptors are: conn_id, who saw it, fd, kind, flags (enum of clew_record.h), path, addresses.

    A connect that failed, or has only begun, tells where it went: a row of kind "unknown" with that as ``remote``. An
    open whose file is described later gives a row of kind "unknown" with the ``path``, which the later row has not.
    """
    return pa.concat_tables([_opened(batch), _described(batch), _refused(batch)], promote_options="default")


def _opened(batch: Batch) -> pa.Table:
    index = np.flatnonzero((batch.flags & Flag.NAMES) != 0)
    text = _text(batch, batch.data_at[index], batch.head[index].astype(np.uint64))
    return _undescribed(batch, index, {"path": text})


def _refused(batch: Batch) -> pa.Table:
    index = np.flatnonzero((batch.op == OP_CONNECT) & (batch.error != 0) & (batch.head > 0))
    text = _text(batch, batch.data_at[index], np.minimum(batch.head[index], 112), address=True)
    return _undescribed(batch, index, {"remote": text})


def _undescribed(batch: Batch, index: Array, known: Mapping[str, pa.Array]) -> pa.Table:
    """Connections of which records of calls say one thing, and no record of their own says what they are."""
    return _table(
        {
            "conn_id": batch.conn_id[index],
            **_who(batch, index),
            "fd": _known(batch.fd[index], -1),
            "kind": _named(np.zeros(len(index), np.uint32), KINDS),
            "flags": np.zeros(len(index), np.uint32),
            "inherited": np.zeros(len(index), bool),
            **known,
        }
    )


def _described(batch: Batch) -> pa.Table:
    index, info = _records(batch, OP_CONN, _CONN)
    at: Array = batch.data_at[index] + np.uint64(_CONN.itemsize)
    room = (batch.head[index] - _CONN.itemsize).astype(np.uint64)
    behind = []  # one after the other, as far as there are bytes
    for name in ("local_len", "remote_len", "text"):
        length = np.minimum(info[name], room)
        behind.append((at, length))
        at, room = at + length, room - length
    local, remote = (_text(batch, *part, address=True) for part in behind[:2])
    pipe = pa.array((info["kind"] == KINDS.index("pipe")) & (info["text"] == 0))
    inode = pa.array(np.ascontiguousarray(info["inode"]))
    text = pa.large_string()
    parts = (pa.scalar("pipe:[", text), inode.cast(text), pa.scalar("]", text), pa.scalar("", text))
    named = pc.binary_join_element_wise(*parts)
    return _table(
        {
            "conn_id": batch.conn_id[index],
            **_who(batch, index),
            "fd": _known(batch.fd[index], -1),
            "kind": _named(info["kind"], KINDS),
            "flags": info["flags"],
            "inherited": (batch.flags[index] & Flag.INHERITED) != 0,
            "peer_id": _known(info["peer_id"], 0),
            "peer_pid": _known(info["peer_pid"], 0),
            "inode": inode,
            "device": info["device"],
            "path": _text(batch, *behind[2]),
            "local": pc.if_else(pipe, named, local),
            "remote": remote,
        }
    )


def processes(batch: Batch) -> pa.Table:
    """Program images that began: how (first, fork, exec, clone), their parent, program and arguments."""
    index, info = _records(batch, OP_PROCESS_START, _PROCESS)
    at: Array = batch.data_at[index] + np.uint64(_PROCESS.itemsize)
    room = (batch.head[index] - _PROCESS.itemsize).astype(np.uint64)
    exe = np.minimum(info["exe_len"], room)
    cmdline = np.minimum(info["cmdline_len"], room - exe)
    return _table(
        {
            **_who(batch, index),
            "ppid": _known(info["ppid"], 0),
            "uid": info["uid"],
            "how": _named(info["how"], HOWS),
            "parent_tid": _known(info["parent_tid"], 0),
            "comm": _fixed_text(info["comm"]),
            "exe": _text(batch, at, exe),
            "cmdline": _arguments(batch, at + exe, cmdline),
            "own_allocator": info["allocator"] == 1,
        }
    )


def _io(info: Array) -> dict[str, pa.Array]:
    return {name: _known(info[name], 0xFFFFFFFFFFFFFFFF) for name in ("rchar", "wchar", "syscr", "syscw")}


def process_ends(batch: Batch) -> pa.Table:
    """Program images that ended, with what the kernel had counted for the process; NULL where not readable."""
    index, info = _records(batch, OP_PROCESS_END, _IO)
    return _table({**_who(batch, index), **_io(info)})


def threads(batch: Batch) -> pa.Table:
    """Threads that began, their name then, and who made them."""
    index, info = _records(batch, OP_THREAD_START, _THREAD)
    return _table(
        {
            **_who(batch, index),
            "creator_tid": _known(info["creator_tid"], 0),
            "name": _fixed_text(info["name"]),
        }
    )


def thread_ends(batch: Batch) -> pa.Table:
    """Threads that ended."""
    return _table(_who(batch, _records(batch, OP_THREAD_END, None)[0]))


def payload_records(batch: Batch) -> Array:
    """Which records hold bytes that the call moved: indices into the columns of ``batch``."""
    plain = (batch.head > 0) & ((batch.flags & (Flag.TEXT | Flag.STRUCT)) == 0)
    messages = np.isin(batch.op, OP_MESSAGES) & ((batch.flags & Flag.STRUCT) != 0)
    return np.flatnonzero(plain | (messages & (batch.head > _MOVED.itemsize)))


def payload(batch: Batch) -> pa.Table:
    """What calls moved, a row for each of payload_records(): serial, seq, head, tail (NULL: head is all), cut.

    Of several messages (recvmmsg, sendmmsg) the first is kept; cut: bytes are missing.
    """
    index = payload_records(batch)
    several = (batch.flags[index] & Flag.STRUCT) != 0
    lead = np.where(several, _MOVED.itemsize, 0).astype(np.uint64)
    at, head = batch.data_at[index] + lead, batch.head[index].astype(np.uint64) - lead
    tail = batch.tail[index].astype(np.uint64)
    cut = (batch.flags[index] & Flag.CUT) != 0
    cut[several] = _structs(batch, at[several] - lead[several], _MOVED)["bytes"] > head[several]
    return _table(
        {
            "serial": batch.serial[index],
            "seq": batch.seq[index],
            "head": _binary(batch, at, head),
            "tail": _binary(batch, at + head, tail, null=tail == 0),
            "cut": cut,
        }
    )


def texts(batch: Batch) -> pa.Table:
    """Text of records that carry one (paths; unseen programs, their pid in fd): serial, seq, op, fd, result, text."""
    index = np.flatnonzero((batch.flags & Flag.TEXT) != 0)
    text = _text(batch, batch.data_at[index], batch.head[index])
    values = {"op": batch.op[index], "fd": batch.fd[index], "result": batch.result[index]}
    return _table({**_who(batch, index), **values, "text": text})


def _notes(batch: Batch, kind: BlockType, struct: np.dtype[np.void]) -> tuple[Array, Array]:
    notes = batch.notes_of(kind)
    notes = notes[notes["size"] >= struct.itemsize]
    return notes, _structs(batch, notes["data_at"], struct)


def _note_who(notes: Array) -> dict[str, Array]:
    return {name: notes[name] for name in ("serial", "pid", "tid", "ticks")}


def clocks(batch: Batch) -> pa.Table:
    """Moments at which the capture's clock (ticks) and the kernel's were read together."""
    _, info = _notes(batch, BlockType.CLOCK, _CLOCK)
    return _table({name: info[name] for name in _CLOCK.names or ()})


def counters(batch: Batch) -> pa.Table:
    """Running totals of threads per operation, as of ``ticks``; busy_ticks is time inside the calls."""
    notes = batch.notes_of(BlockType.COUNTERS)
    rows = (notes["size"] // _COUNTER.itemsize).astype(np.int64)
    first = np.repeat(np.cumsum(rows) - rows, rows)
    within = (np.arange(len(first)) - first).astype(np.uint64)
    info = _structs(batch, np.repeat(notes["data_at"], rows) + within * np.uint64(_COUNTER.itemsize), _COUNTER)
    return _table(
        {
            **{name: np.repeat(values, rows) for name, values in _note_who(notes).items()},
            **{name: info[name] for name in ("op", "calls", "errors", "bytes")},
            "busy_ticks": info["ticks"],
        }
    )


def losses(batch: Batch) -> pa.Table:
    """Totals so far of what was dropped: per thread, or (serial 0) by threads without a ring."""
    notes, info = _notes(batch, BlockType.LOSS, _LOSS)
    return _table({**_note_who(notes), **{name: info[name] for name in _LOSS.names or ()}})


def thread_rows(batch: Batch) -> pa.Table:
    """What /proc said of a thread at ``ticks``; exe, cmdline and I/O totals for the main thread of a process only."""
    notes, info = _notes(batch, BlockType.THREAD, _ROW)
    at = notes["data_at"] + np.uint64(_ROW.itemsize)
    room = (notes["size"] - _ROW.itemsize).astype(np.uint64)
    exe = np.minimum(info["exe_len"], room)
    return _table(
        {
            **_note_who(notes),
            "ppid": _known(info["ppid"], 0),
            "ended": info["state"] == 1,
            **_io(info),
            "comm": _fixed_text(info["comm"]),
            "exe": _text(batch, at, exe),
            "cmdline": _arguments(batch, at + exe, np.minimum(info["cmdline_len"], room - exe)),
        }
    )


def unseen(batch: Batch) -> pa.Table:
    """Programs that the recorder itself found to be not, or not wholly, recorded: pid, reason, path."""
    notes, info = _notes(batch, BlockType.UNSEEN, _UNSEEN)
    text = _text(batch, notes["data_at"] + np.uint64(_UNSEEN.itemsize), notes["size"] - _UNSEEN.itemsize)
    return _table({"ticks": notes["ticks"], "pid": info["pid"], "reason": _named(info["reason"], UNSEEN), "path": text})
