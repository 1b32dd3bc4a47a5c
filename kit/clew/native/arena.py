"""The shared memory of a capture, and the hand that empties it into segment files."""

from __future__ import annotations

import ctypes
import enum
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from clew.errors import ClewError
from clew.native.library import OP_LIMIT, ArenaOptions, DrainStats, check, load

FULL_PAYLOAD = 0xFFFFFFFF
_MOST_PIDS = 1 << 16


class Mode(enum.IntFlag):
    """What is recorded: nothing, running totals per operation, one record per call."""

    OFF = 0
    COUNT = 1
    TRACE = 2


@dataclass
class Arena:
    """The file that recorder and recorded programs share (native/include/clew_arena.h)."""

    path: Path

    @staticmethod
    def create(
        path: str | os.PathLike[str],
        slots: int = 4096,
        ring_size: int = 1 << 20,
        *,
        conns: int = 1 << 16,
        payload_head: int = 256,
        payload_tail: int = 64,
        wait: bool = False,
        wakeups: bool = True,
        mode: Mode = Mode.COUNT | Mode.TRACE,
        stacks: Mapping[int, int] | None = None,
        sample_ns: int = 0,
    ) -> Arena:
        """Make the file (0600; it must not exist yet).

        ``slots``: threads at a time; ``ring_size``: bytes for each, a power of two from 64 KiB to 1 GiB;
        ``conns``: open files and sockets at a time; ``wait``: calls wait where a ring is full, instead of
        losing records; ``wakeups``: condition variables, semaphores and futexes are recorded, too;
        ``stacks``: by number of an operation, the number of its calls of which one gets its stack; ``sample_ns``:
        CPU time of a thread between two samples of its stack, 0: none. Raises ClewError.
        """
        tail = 0 if payload_head == FULL_PAYLOAD else payload_tail
        every = (ctypes.c_uint32 * OP_LIMIT)()
        for op, calls in (stacks or {}).items():
            every[op] = calls
        sizes = (slots, conns, ring_size, payload_head, tail)
        options = ArenaOptions(*sizes, int(wait), int(mode), int(wakeups), sample_ns, every)
        check(load().clew_arena_create(os.fsencode(path), ctypes.byref(options)), f"cannot make the arena {path}")
        return Arena(Path(path))

    @property
    def mode(self) -> Mode:
        """What is being recorded now; raises ClewError if this is no arena (any more)."""
        return Mode(check(load().clew_arena_mode(os.fsencode(self.path)), f"cannot read the arena {self.path}"))

    @mode.setter
    def mode(self, mode: Mode) -> None:
        result = load().clew_arena_set_mode(os.fsencode(self.path), int(mode))
        check(result, f"cannot switch the arena {self.path}")


class Drain:
    """Empties an arena into the segments of one directory; there is one at a time.

    Calls let other Python threads run. A failed write raises ClewError (DiskFullError) from then on, and what was not
    written stays in the arena, for ``again`` or for ``recover``.
    """

    def __init__(self, arena: Arena, directory: str | os.PathLike[str]) -> None:
        self.stats = DrainStats()
        self._library = load()
        self._handle: ctypes.c_void_p | None = ctypes.c_void_p()
        result = self._library.clew_drain_open(
            os.fsencode(arena.path), os.fsencode(directory), ctypes.byref(self._handle)
        )
        if result < 0:
            self._handle = None
        check(result, f"cannot record into {directory}")

    def __enter__(self) -> Drain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self.close(end=kind is None)

    def drain(self, max_bytes: int = 64 << 20) -> DrainStats:
        """One pass over all threads; stops early after ``max_bytes``. Returns totals so far."""
        result = self._library.clew_drain(self._handle, max_bytes, ctypes.byref(self.stats))
        check(result, "writing the capture failed")
        return self.stats

    def drain_for(self, seconds: float, pidfd: int = -1) -> DrainStats:
        """Passes over all threads for so long, as seldom as their rings can bear. Returns totals so far.

        Ends before that when the process behind ``pidfd`` has ended, or a signal came for this thread.
        """
        result = self._library.clew_drain_for(self._handle, round(seconds * 1000), pidfd, ctypes.byref(self.stats))
        check(result, "writing the capture failed")
        return self.stats

    def settle(self) -> DrainStats:
        """A pass that looks at every thread at once, and forgets those that have ended."""
        check(self._library.clew_drain_settle(self._handle, ctypes.byref(self.stats)), "writing the capture failed")
        return self.stats

    def again(self) -> None:
        """After a failed write: the next pass takes from the rings what was not written, if there is room now."""
        self._library.clew_drain_again(self._handle)

    def pids(self) -> list[int]:
        """Recorded processes that are alive, as of the last pass."""
        pids = np.empty(_MOST_PIDS, np.uint32)
        count: int = self._library.clew_drain_pids(self._handle, pids.ctypes.data, len(pids))
        return [int(pid) for pid in pids[:count]]

    def unseen(self, reason: int, pid: int, text: str) -> None:
        """Say that a program is not (wholly) recorded, and why (enum clew_unseen)."""
        result = self._library.clew_drain_unseen(self._handle, reason, pid, os.fsencode(text))
        check(result, "writing the capture failed")

    def close(self, *, end: bool = True) -> DrainStats:
        """Switch recording off, take what is left and, if ``end``, say that the capture ended in good order."""
        handle, self._handle = self._handle, None
        if handle is None:
            raise ClewError("the drain is closed", exit_code=1)
        result = self._library.clew_drain_close(handle, int(end), ctypes.byref(self.stats))
        check(result, "writing the capture failed")
        return self.stats


def recover(arena: str | os.PathLike[str], directory: str | os.PathLike[str]) -> DrainStats | None:
    """Take what a dead recorder left in an arena into a new segment; nothing is written twice.

    Returns None where the recorder is alive. Programs that still run are not recorded any more afterwards.
    """
    stats = DrainStats()
    result = load().clew_recover(os.fsencode(arena), os.fsencode(directory), ctypes.byref(stats))
    if result == -16:  # EBUSY
        return None
    check(result, f"cannot recover {arena}")
    return stats
