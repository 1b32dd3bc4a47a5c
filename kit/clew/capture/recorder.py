"""The recorder: starts a program with the library in it, empties its rings until it ends, and stays out of its way.

The program keeps the terminal, the process group and its exit code. Ctrl-C reaches it from the terminal as it
would without us; the recorder goes on until the program has ended, and a second Ctrl-C stops the draining.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from clew.capture import preload
from clew.capture.engines import Target
from clew.capture.engines._perf_keep import keep
from clew.capture.launch import Signals, end_of, exit_code, has_ended, start
from clew.capture.meta import Meta, new_meta, remove_arena
from clew.capture.place import Place, default_case, make_place
from clew.capture.program import REASONS, Unseen, find_program, why_unseen
from clew.errors import ClewError
from clew.native import DiskFullError, Drain, DrainStats

GRACE_S = 1.0
"""How long children may outlive the command before recording ends, unless all are waited for."""

_TURN_S = 0.05  # of passes, between two looks at anything but the rings
_LAST_TURN_S = 0.02  # where only children are left
_BIRTH_S = 0.05  # in which a child that was just forked makes itself known
_LONG_WAIT_S = 0.2
_FULL_S = 0.5  # between two attempts to write to a full disk
_QUIET_S = 10.0  # between two times that a full disk is told


@dataclass
class Outcome:
    """How a recording ended."""

    exit_code: int | None  # of the command; 128 + signal if it was killed
    stats: DrainStats
    alive: list[int] = field(default_factory=list)  # recorded processes that were left running
    unseen: str | None = None  # why the command itself was not recorded
    error: str | None = None  # why recording stopped before the command did
    interrupted: bool = False  # by a second Ctrl-C


class Beside(Protocol):
    """What else records the same command: see clew.capture.engines."""

    def begin(self, pid: int) -> None:
        """Process ``pid`` is there and waits; the program in it begins when this returns."""
        ...

    def look(self) -> None:
        """Called often while it is recorded."""
        ...

    def end(self, interrupts: Callable[[], int]) -> None:
        """Recording is over; where ``interrupts()`` grows from now on, nobody wants to wait."""
        ...


class Recorder:
    """Records one command into one capture directory.

    ``progress`` is called about ten times a second with the totals so far, ``message`` with what the user should know
    at once. ``follow``: go on until every
    recorded process has ended, not only the command. ``job``: stop with the command, for a shell's job control.
    ``beside``: who records it as well. ``seconds``: end after so long, and let the command go on. ``engine``: in whose
    name, where another engine works inside the preload library. ``host``: what the machine is called in the case.
    """

    def __init__(
        self,
        command: Sequence[str],
        place: Place,
        options: preload.Options = preload.Options(),  # noqa: B008 -- frozen
        *,
        follow: bool = False,
        progress: Callable[[DrainStats], None] | None = None,
        message: Callable[[str], None] | None = None,
        job: bool = False,
        beside: Beside | None = None,
        seconds: float | None = None,
        engine: str = "preload",
        host: str | None = None,
    ) -> None:
        self.command = list(command)
        self.place = place
        self.options = options
        self.follow = follow
        self.progress = progress
        self.message = message
        self.job = job
        self.beside = beside
        self.seconds = seconds
        self.engine = engine
        self.host = host
        self._signals = Signals()
        self._shown = 0.0
        self._tried: float | None = None  # to write to a full disk, time.monotonic(); None: it is not full
        self._told = -_QUIET_S  # that it was full

    def run(self) -> Outcome:
        """Start the command, record until it ends, leave a readable capture. Raises ClewError if it cannot start.

        Where the command cannot be started (exit codes 126 and 127), or recording cannot, no case is left behind.
        """
        try:
            program = find_program(self.command[0])
            arena = preload.make_arena(self.options, self.place.directory)
        except ClewError:
            self.place.remove()
            raise
        meta = new_meta(self.engine, self.command, {**asdict(self.options), "follow": self.follow})
        meta.host = self.host or meta.host
        meta.arena = str(arena.path)
        try:
            drain = Drain(arena, self.place.directory)
            meta.write(self.place.directory)
            reason = why_unseen(Path(program))
            with self._signals.caught():
                child = self._start(program, preload.environment(arena, os.environ, program))
                if reason in REASONS:
                    drain.unseen(int(reason), child.pid, program)
                outcome = self._record(child, drain, meta)
        except (ClewError, OSError) as error:
            remove_arena(arena.path)
            self.place.remove()
            if isinstance(error, ClewError):
                raise
            raise ClewError(f"cannot record: {error}", exit_code=1) from None
        outcome.unseen = REASONS.get(reason) if isinstance(reason, Unseen) else None
        if outcome.error is None:
            remove_arena(arena.path)
        return outcome

    def _start(self, program: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        child = start(self.command, program, environment, self.beside.begin if self.beside else None)
        self._signals.started(child)
        return child

    def _record(self, child: subprocess.Popen[bytes], drain: Drain, meta: Meta) -> Outcome:
        """Drain until it is over, close the capture, reap the command. Never raises where the disk is full."""
        outcome = Outcome(None, drain.stats)
        began = time.time()
        ended = False
        try:
            ended = self._until_ended(child.pid, drain)
            outcome.interrupted = self._signals.interrupts > 1
            if ended:
                drain.settle()  # while the command is a zombie, /proc still tells its I/O
                outcome.exit_code = exit_code(child.wait())
                outcome.alive = self._children(drain)
            drain.close()
            meta.arena = None
            if self.options.stacks or self.options.sample_hz:
                keep(self.place.directory, Target(), began, kernel=False)
        except ClewError as error:
            outcome.error = str(error)
            with suppress(ClewError):
                drain.close(end=False)
            if ended and outcome.exit_code is None:
                outcome.exit_code = exit_code(child.wait())
            if ended and self.message is not None:
                why = "" if self._tried is not None else f"{error}; "
                self.message(f"{why}some of it is still in memory only: make room, then `clew rebuild` takes it")
        meta.ended_ns = time.monotonic_ns()
        if self.beside is not None:
            self.beside.end(self._signals.count)
        if outcome.exit_code is None:
            self._save(meta, outcome)
            self._say(outcome)
            outcome.exit_code = self._wait(child)
        self._save(meta, outcome)
        return outcome

    def _say(self, outcome: Outcome) -> None:
        """What happens to a command that is not recorded any more."""
        if self.message is not None:
            why = outcome.error or ("stopped by Ctrl-C" if outcome.interrupted else f"after {self.seconds:g} s")
            self.message(f"recording ended ({why}); the program goes on without it")

    def _save(self, meta: Meta, outcome: Outcome) -> None:
        meta.exit_code, meta.error = outcome.exit_code, outcome.error
        with suppress(OSError):  # a full disk: the first meta.json stays
            meta.write(self.place.directory)

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        """The exit code of a command that is not recorded any more; one more Ctrl-C ends the wait."""
        before = self._signals.interrupts
        while self._signals.interrupts == before or before < 2:
            with suppress(subprocess.TimeoutExpired):
                return exit_code(child.wait(timeout=_LONG_WAIT_S))
        return 128 + signal.SIGINT

    def _until_ended(self, pid: int, drain: Drain) -> bool:
        """Passes until the command has ended (true), the second Ctrl-C or its time."""
        until = time.monotonic() + self.seconds if self.seconds is not None else None
        with end_of(pid) as pidfd:
            while True:
                self._show(self._passes(drain, partial(drain.drain_for, _TURN_S, pidfd)))
                if self._signals.interrupts > 1 or (until is not None and time.monotonic() > until):
                    return False
                if has_ended(pid, job=self.job):
                    return True
                if self.beside is not None:
                    self.beside.look()

    def _passes(self, drain: Drain, take: Callable[[], DrainStats]) -> DrainStats:
        """What ``take`` does, or, while the disk is full, nothing: what buffers cannot hold is lost meanwhile.

        Programs that wait for us cannot wait for that: it ends their recording, as any other error does.
        """
        try:
            stats = take()
        except DiskFullError as full:
            if self.options.wait:
                raise
            now = time.monotonic()
            if self._tried is None:
                self._tried = now
                if self.message is not None and now - self._told > _QUIET_S:
                    self._told = now
                    self.message(f"{full}; what the buffers cannot hold is lost, and counted, until there is room")
            elif now - self._tried > _FULL_S:
                self._tried = now
                drain.again()
            time.sleep(_TURN_S)
            return drain.stats
        if self._tried is not None:
            self._tried = None
            if self.message is not None:
                self.message("there is room again: recording goes on")
        return stats

    def _children(self, drain: Drain) -> list[int]:
        """Goes on while children of the command live, for a moment or (follow) to their end; those that still do."""
        before = self._signals.interrupts
        began = time.monotonic()
        while True:
            self._passes(drain, partial(drain.drain_for, _LAST_TURN_S))
            stats = self._passes(drain, drain.settle)
            self._show(stats)
            since = time.monotonic() - began
            if self._signals.interrupts > before or (not self.follow and since > GRACE_S):
                break
            if stats.live_processes == 0 and since > _BIRTH_S:
                break
        return drain.pids()

    def _show(self, stats: DrainStats) -> None:
        now = time.monotonic()
        if self.progress is not None and now - self._shown > 0.1:
            self._shown = now
            self.progress(stats)


def record(
    command: Sequence[str],
    case: str | os.PathLike[str] | None = None,
    options: preload.Options = preload.Options(),  # noqa: B008 -- frozen
    *,
    follow: bool = False,
) -> Outcome:
    """Record ``command`` into ``case`` (made if need be), for notebooks and scripts; ClewError if it cannot start."""
    place = make_place(Path(case) if case is not None else default_case(command[0]))
    return Recorder(command, place, options, follow=follow).run()
