"""One recording by any set of engines into one case: of a command, of running processes, or of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from clew.capture import preload
from clew.capture.companions import Companions
from clew.capture.engines import Engine, Target
from clew.capture.launch import Signals, exit_code, has_ended, start
from clew.capture.place import Place, default_case, make_place
from clew.capture.program import find_program
from clew.capture.recorder import GRACE_S, Outcome, Recorder
from clew.errors import ClewError
from clew.native import DrainStats

_TURN_S = 0.02
"""How long the end of a program may go unnoticed."""


@dataclass
class Recorded:
    """How a recording by several engines ended."""

    case: Path
    exit_code: int | None = None  # of the command; None: there was none
    preload: Outcome | None = None  # None: the preload library was not used
    said: list[str] = field(default_factory=list)  # what people should know, a line each
    empty: bool = False  # no engine recorded anything
    progress: str = ""  # what each engine has, in a few words
    folders: list[Path] = field(default_factory=list)  # of the captures by engines besides the preload library


class Session:
    """Records ``target`` by ``engines``, and by the preload library if ``options`` are given.

    ``progress`` is told about ten times a second what there is (what the preload library has, if it is used),
    ``message`` what the user should know at once. ``follow`` and ``job`` are those of Recorder.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        target: Target,
        case: Path | None = None,
        options: preload.Options | None = None,
        *,
        follow: bool = False,
        progress: Callable[[DrainStats | str], None] | None = None,
        message: Callable[[str], None] | None = None,
        job: bool = False,
    ) -> None:
        self.target = target
        self.beside = [engine for engine in engines if not engine.inside]
        inside = [engine for engine in engines if engine.inside]
        self.name = "preload" if options is not None or not inside else inside[0].name
        self.options = options
        for engine in inside:
            self.options = engine.preload(self.options or preload.Options(trace=False))
        self.engines = [*inside, *self.beside]
        self.case = case
        self.follow, self.job = follow, job
        self.progress, self.message = progress, message
        self._signals = Signals()
        self._shown = 0.0

    def run(self) -> Recorded:
        """Record until the command has ended, the time is over, or Ctrl-C.

        Raises ClewError, and leaves nothing behind, if it cannot.
        """
        self._check()
        program = find_program(self.target.command[0]) if self.target.command else None
        name = self.target.command[0] if program else self.engines[0].name
        case = self.case if self.case is not None else default_case(name)
        places: list[Place] = []
        companions = None
        try:
            own = make_place(case) if self.options is not None else None
            places += [own] if own else []
            places += [make_place(case) for _ in self.beside]
            companions = Companions(self.beside, places[len(places) - len(self.beside) :], self.target, self.message)
            recorded = self._record(case, own, program, companions)
        except BaseException:
            if companions is not None:
                companions.abort()
            for place in reversed(places):
                place.remove()
            raise
        companions.note_exit(recorded.exit_code)
        recorded.said += [line for each in companions.running for line in each.said]
        recorded.progress = companions.progress()
        recorded.folders = [each.place.directory for each in companions.running]
        found = [each.engine.found() for each in companions.running]
        recorded.empty = recorded.preload is None and not any(found)
        return recorded

    def _check(self) -> None:
        """What can be told before anything is made."""
        if self.options is not None and not self.target.command:
            raise ClewError(
                f"--engine {self.name} needs a command: it is in a program from its start, or not at all; "
                "`--engine perf --pid N` samples one that runs"
            )
        if not self.beside and (self.target.system or self.target.cpus is not None):
            raise ClewError(f"--engine {self.name} records a command, not {self.target}; add an engine that does: perf")
        for pid in self.target.pids:
            if not Path(f"/proc/{pid}").is_dir():
                raise ClewError(f"--pid {pid}: there is no such process")
        for engine in self.engines:
            engine.check(self.target)

    def _record(self, case: Path, own: Place | None, program: str | None, companions: Companions) -> Recorded:
        if own is not None and self.options is not None:
            outcome = Recorder(
                self.target.command,
                own,
                self.options,
                follow=self.follow,
                progress=self.progress,
                message=self.message,
                job=self.job,
                beside=companions if self.beside else None,
                seconds=self.target.seconds,
                engine=self.name,
                host=self.target.host,
            ).run()
            return Recorded(case, outcome.exit_code, outcome)
        if program is None:
            self._attached(companions)
            return Recorded(case)
        with self._signals.caught():
            child = start(self.target.command, program, os.environ, companions.begin)
            self._signals.started(child)
            return Recorded(case, self._command(child, companions))

    def _command(self, child: subprocess.Popen[bytes], companions: Companions) -> int:
        """Until the command has ended; its exit code."""
        until = self._until()
        ended = False
        while not ended and self._signals.interrupts < 2 and time.monotonic() < until:
            ended = has_ended(child.pid, job=self.job)
            self._turn(companions)
        if ended and self.follow:
            self._others(companions)
        companions.end(self._signals.count)
        if not ended and self.message is not None:
            why = "stopped by Ctrl-C" if self._signals.interrupts > 1 else f"after {self.target.seconds:g} s"
            self.message(f"recording ended ({why}); the program goes on without it")
        before = self._signals.interrupts
        while self._signals.interrupts == before or before < 2:
            with suppress(subprocess.TimeoutExpired):
                return exit_code(child.wait(timeout=GRACE_S / 5))
        return 128 + signal.SIGINT

    def _others(self, companions: Companions) -> None:
        """Until the engines have nothing left to record: children that outlive the command have ended."""
        before = self._signals.interrupts
        while not companions.all_ended and self._signals.interrupts == before and not self._signals.early:
            self._turn(companions)

    def _attached(self, companions: Companions) -> None:
        """Until the time is over, Ctrl-C, or everything recorded has ended."""
        with _stopping(self._signals):
            companions.begin()
            until = self._until()
            while not self._signals.interrupts and time.monotonic() < until and not companions.all_ended:
                self._turn(companions)
            companions.end(self._signals.count)

    def _until(self) -> float:
        return time.monotonic() + self.target.seconds if self.target.seconds is not None else float("inf")

    def _turn(self, companions: Companions) -> None:
        companions.look()
        now = time.monotonic()
        if self.progress is not None and now - self._shown > 0.1:
            self._shown = now
            self.progress(companions.progress())
        time.sleep(_TURN_S)


@contextmanager
def _stopping(signals: Signals) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end a recording that has no command; they are not for anybody else."""
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, signals.interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
