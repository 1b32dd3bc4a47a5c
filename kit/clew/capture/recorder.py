"""The recorder: starts a program with the library in it, empties its rings until it ends, and stays out of its way.

The program keeps the terminal, the process group and its exit code. Ctrl-C reaches it from the terminal as it
would without us; the recorder goes on until the program has ended, and a second Ctrl-C stops the draining.
"""

from __future__ import annotations

import datetime
import itertools
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from clew import __version__
from clew.capture import preload
from clew.capture.meta import Meta, remove_arena
from clew.capture.pace import FULL_ENOUGH, LONGEST_S, SHORTEST_S, Pace
from clew.capture.place import Place, default_case, make_place
from clew.capture.program import REASONS, Unseen, find_program, why_unseen
from clew.errors import ClewError
from clew.native import Drain, DrainStats

GRACE_S = 1.0
"""How long children may outlive the command before recording ends, unless all are waited for."""

_TURNS = 8  # passes between two looks at every thread
_BIRTH_S = 0.05  # in which a child that was just forked makes itself known
_LONG_WAIT_S = 0.2


def _exit_code(status: int) -> int:
    return 128 - status if status < 0 else status


def _has_ended(pid: int, *, job: bool) -> bool:
    """Whether a child of ours has; it stays a zombie, whose /proc can still be read.

    ``job``: where it was stopped (Ctrl-Z), we stop as well, since we are what the shell has in its list of jobs.
    """
    try:
        seen = os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
        if seen is None or seen.si_code != os.CLD_STOPPED:
            return seen is not None
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
        if job:
            os.kill(os.getpid(), signal.SIGSTOP)
    except ChildProcessError:
        return True  # whoever started us ignores SIGCHLD: the kernel has reaped it
    return False


@dataclass
class Outcome:
    """How a recording ended."""

    exit_code: int | None  # of the command; 128 + signal if it was killed
    stats: DrainStats
    alive: list[int] = field(default_factory=list)  # recorded processes that were left running
    unseen: str | None = None  # why the command itself was not recorded
    error: str | None = None  # why recording stopped before the command did
    interrupted: bool = False  # by a second Ctrl-C


class _Signals:
    """Notes Ctrl-C and hands SIGTERM on; the program gets what the terminal sends by itself."""

    def __init__(self) -> None:
        self.interrupts = 0
        self.early: list[int] = []  # came while the program was being started
        self.child: subprocess.Popen[bytes] | None = None

    def interrupt(self, *_: object) -> None:
        self.interrupts += 1

    def forward(self, number: int, _: object) -> None:
        if self.child is None:
            self.early.append(number)
            return
        with suppress(ProcessLookupError):
            self.child.send_signal(number)
        if self.child.returncode is not None and number == signal.SIGTERM:
            self.interrupts += 2  # nobody is left to hand it to: it is about the recording

    def started(self, child: subprocess.Popen[bytes]) -> None:
        """The program runs, and may have run for a while: hand it what came for it."""
        self.child = child
        while self.early:
            self.forward(self.early.pop(0), None)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Signals are ours inside; one that was ignored stays ignored, here and in the program."""
        handlers: Mapping[int, Callable[..., None]] = {
            signal.SIGINT: self.interrupt,
            **dict.fromkeys((signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP), lambda *_: None),
            **dict.fromkeys((signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2), self.forward),
        }
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's matter (a notebook's cell that records in the background)
            return
        before = {number: signal.getsignal(number) for number in handlers}
        try:
            for number, handler in handlers.items():
                if before[number] is not signal.SIG_IGN:
                    signal.signal(number, handler)
            yield
        finally:
            for number, handler_before in before.items():
                signal.signal(number, handler_before)


class Recorder:
    """Records one command into one capture directory.

    ``progress`` is called about ten times a second with the totals so far, ``message`` with what the user should know
    at once. ``follow``: go on until every
    recorded process has ended, not only the command. ``job``: stop with the command, for a shell's job control.
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
    ) -> None:
        self.command = list(command)
        self.place = place
        self.options = options
        self.follow = follow
        self.progress = progress
        self.message = message
        self.job = job
        self._signals = _Signals()
        self._shown = 0.0

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
        meta = Meta(
            engine="preload",
            command=self.command,
            host=socket.gethostname(),
            version=__version__,
            started_ns=time.monotonic_ns(),
            started_utc=datetime.datetime.now(datetime.UTC).isoformat(),
            options={**asdict(self.options), "follow": self.follow},
            arena=str(arena.path),
            recorder_pid=os.getpid(),
        )
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
        """The command with our terminal, descriptors and process group; a text file without #! as execvp(3) does it."""
        # posix_spawn of glibc leaves signals 32 and 33 ignored in the program, where exec leaves them alone
        setattr(subprocess, "_USE_POSIX_SPAWN", False)  # noqa: B010 -- typeshed has it Final, the manual says to set it
        try:
            try:
                child = subprocess.Popen(self.command, executable=program, env=environment, close_fds=False)
            except OSError as error:
                if error.errno != 8:  # ENOEXEC
                    raise
                shell = ["/bin/sh", program, *self.command[1:]]
                child = subprocess.Popen(shell, env=environment, close_fds=False)
        except FileNotFoundError:
            raise ClewError(f"{self.command[0]}: its interpreter was not found", exit_code=127) from None
        except OSError as error:
            raise ClewError(f"{self.command[0]}: {error.strerror}", exit_code=126) from None
        self._signals.started(child)
        return child

    def _record(self, child: subprocess.Popen[bytes], drain: Drain, meta: Meta) -> Outcome:
        """Drain until it is over, close the capture, reap the command. Never raises where the disk is full."""
        outcome = Outcome(None, drain.stats)
        try:
            self._until_ended(child.pid, drain)
            outcome.interrupted = self._signals.interrupts > 1
            if not outcome.interrupted:
                drain.settle()  # while the command is a zombie, /proc still tells its I/O
                outcome.exit_code = _exit_code(child.wait())
                outcome.alive = self._children(drain)
            drain.close()
            meta.arena = None
        except ClewError as error:
            outcome.error = str(error)
            with suppress(ClewError):
                drain.close(end=False)
        meta.ended_ns = time.monotonic_ns()
        if outcome.exit_code is None:
            self._save(meta, outcome)
            self._say(outcome)
            outcome.exit_code = self._wait(child)
        self._save(meta, outcome)
        return outcome

    def _say(self, outcome: Outcome) -> None:
        """What happens to a command that is not recorded any more."""
        if self.message is not None:
            why = outcome.error or "stopped by Ctrl-C"
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
                return _exit_code(child.wait(timeout=_LONG_WAIT_S))
        return 128 + signal.SIGINT

    def _until_ended(self, pid: int, drain: Drain) -> None:
        """Passes until the command has ended or the second Ctrl-C; as seldom as the rings can bear."""
        pace = Pace()
        while True:
            stats = drain.drain()
            self._show(stats)
            if self._signals.interrupts > 1 or _has_ended(pid, job=self.job):
                return
            time.sleep(pace.delay(stats.fill))

    def _children(self, drain: Drain) -> list[int]:
        """Goes on while children of the command live, for a moment or (follow) to their end; those that still do."""
        before = self._signals.interrupts
        began = time.monotonic()
        for turn in itertools.count():
            stats = drain.drain() if turn % _TURNS else drain.settle()
            self._show(stats)
            since = time.monotonic() - began
            if self._signals.interrupts > before or (not self.follow and since > GRACE_S):
                break
            if stats.live_processes == 0 and since > _BIRTH_S:
                break
            time.sleep(SHORTEST_S if stats.fill > FULL_ENOUGH else LONGEST_S)
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
