"""Starts the program that is recorded, with our terminal, descriptors and process group, and hands it its signals."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from clew.errors import ClewError


def exit_code(status: int) -> int:
    """``status`` as subprocess has it, as a shell tells it: 128 + signal."""
    return 128 - status if status < 0 else status


def has_ended(pid: int, *, job: bool) -> bool:
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


def _is_over(pid: int) -> bool:
    """Whether a child of ours has ended, without taking note of anything else that happened to it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


@contextmanager
def end_of(pid: int) -> Iterator[int]:
    """A descriptor that becomes readable when our child ``pid`` ends; -1: there is none (before Linux 5.3)."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        yield -1
        return
    try:
        yield pidfd
    finally:
        os.close(pidfd)


CAUGHT = (
    *(signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP),
    *(signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2),
)
"""Signals that are ours while we record."""


class Signals:
    """Notes Ctrl-C and hands SIGTERM on; the program gets what the terminal sends by itself."""

    def __init__(self) -> None:
        self.interrupts = 0
        self.early: list[int] = []  # came while the program was being started
        self.child: subprocess.Popen[bytes] | None = None

    def count(self) -> int:
        """How often Ctrl-C came."""
        return self.interrupts

    def interrupt(self, *_: object) -> None:
        """Ctrl-C: the terminal sends it to the program by itself."""
        self.interrupts += 1

    def forward(self, number: int, _: object) -> None:
        """For the program, or about the recording where the program has ended."""
        if self.child is None:
            self.early.append(number)
            return
        with suppress(ProcessLookupError):
            self.child.send_signal(number)
        if number == signal.SIGTERM and _is_over(self.child.pid):
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


def start(
    command: Sequence[str],
    program: str,
    environment: Mapping[str, str],
    hold: Callable[[int], None] | None = None,
) -> subprocess.Popen[bytes]:
    """``command``, found at ``program``; a text file without #! is given to sh as execvp(3) does.

    ``hold(pid)`` is called while the process is there, but not yet the program in it; if it raises, the program never
    begins. Raises ClewError (exit codes 126 and 127) if it cannot be started.
    """
    # posix_spawn of glibc leaves signals 32 and 33 ignored in the program, where exec leaves them alone
    setattr(subprocess, "_USE_POSIX_SPAWN", False)  # noqa: B010 -- typeshed has it Final, the manual says to set it
    shell = ["/bin/sh", program, *command[1:]]
    try:
        if hold is not None:
            held = _Held(shell if _is_text(program) else command, shell[0] if _is_text(program) else program)
            return held.start(environment, hold)
        try:
            return subprocess.Popen(command, executable=program, env=environment, close_fds=False)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return subprocess.Popen(shell, env=environment, close_fds=False)
    except FileNotFoundError:
        raise ClewError(f"{command[0]}: its interpreter was not found", exit_code=127) from None
    except OSError as error:
        raise ClewError(f"{command[0]}: {error.strerror}", exit_code=126) from None


def _is_text(program: str) -> bool:
    """Whether exec(2) would refuse it, and a shell run it as a script of its own."""
    try:
        with Path(program).open("rb") as file:
            head = file.read(128)
    except OSError:
        return False
    return not head.startswith((b"\x7fELF", b"#!")) and b"\0" not in head


class _Held:
    """A process that waits for a word before it becomes the program. Popen waits for it in a thread."""

    def __init__(self, command: Sequence[str], program: str) -> None:
        self._command, self._program = command, program
        self._pid, self._tell_pid = os.pipe()
        self._go, self._say_go = os.pipe()
        self._child: subprocess.Popen[bytes] | None = None
        self._error: BaseException | None = None

    def start(self, environment: Mapping[str, str], hold: Callable[[int], None]) -> subprocess.Popen[bytes]:
        """The program, begun; raises what ``hold`` or subprocess.Popen raises."""
        thread = threading.Thread(target=self._open, args=(environment,), name="clew-start")
        thread.start()
        try:
            pid = int.from_bytes(os.read(self._pid, 8), "little")  # 0: it ended before that, Popen knows why
            if pid:
                hold(pid)
                os.write(self._say_go, b"!")
        finally:
            os.close(self._say_go)
            thread.join()
            for end in (self._pid, self._go):
                os.close(end)
            if self._child is not None and sys.exc_info()[0] is not None:
                self._child.wait()  # it has left without a word
        if self._error is not None:
            raise self._error
        assert self._child is not None
        return self._child

    def _open(self, environment: Mapping[str, str]) -> None:
        try:
            self._child = subprocess.Popen(
                self._command,
                executable=self._program,
                env=environment,
                close_fds=False,
                preexec_fn=self._wait,
            )
        except BaseException as error:  # raised again where it was asked for
            self._error = error
        finally:
            os.close(self._tell_pid)

    def _wait(self) -> None:
        """In the process: signals do what they would do to a program that has just begun."""
        for number in CAUGHT:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        os.write(self._tell_pid, os.getpid().to_bytes(8, "little"))
        os.close(self._tell_pid)
        os.close(self._say_go)  # else its end would never be seen
        if os.read(self._go, 1) != b"!":
            os._exit(0)
