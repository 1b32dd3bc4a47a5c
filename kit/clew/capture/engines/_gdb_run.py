"""One gdb that attaches, prints every thread's stack, and lets go, as often as asked.

A gdb that is started anew for each look reads the symbols while the process stands still: more than a second for
Python with some extensions. This one reads them before, into a second, empty inferior; when it attaches it finds them
read, and the process stands still for a tenth of that.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clew.errors import ClewError
from clew.native.process import end_with_parent

_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
_PATIENCE_S = 120.0  # for one look, then gdb is killed; the kernel lets the process go
_DEEPEST = 1000  # frames of a stack that is broken, or recursive beyond use
_SETTINGS = (
    "set confirm off",
    "set pagination off",
    "set width 0",
    "set height 0",
    "set debuginfod enabled off",  # asks nobody on the network
    "set auto-load off",  # runs no script that lies beside a program
    "set print thread-events off",
    "set print inferior-events off",
    f"set backtrace limit {_DEEPEST}",
)
_THREAD = re.compile(r"^Thread (?:\d+\.)?(\d+) \(", re.MULTILINE)  # 1.7: with the number of the inferior
_DENIED = re.compile(r"Operation not permitted|Permission denied", re.IGNORECASE)


@dataclass(frozen=True)
class Look:
    """What gdb printed of a process that it saw at ``monotonic_ns``, and for how long the process stood still."""

    text: str
    monotonic_ns: int
    pause_s: float


def refuse(pids: Sequence[int]) -> None:
    """Raise ClewError, with the remedy, if one of ``pids`` may not be attached to."""
    scope = _read(_SCOPE).strip()
    for pid in pids:
        if pid == os.getpid():
            raise ClewError(f"--pid {pid} is this clew itself; gdb would stop it for ever")
        status = dict(line.split(":", 1) for line in _read(Path(f"/proc/{pid}/status")).splitlines() if ":" in line)
        if tracer := int(status.get("TracerPid", "0")):
            raise ClewError(f"process {pid} is being traced by process {tracer} (a debugger, strace) already")
        owner = status.get("Uid", "").split()[:1]
        if os.geteuid() != 0 and owner and int(owner[0]) != os.geteuid():
            raise ClewError(f"process {pid} belongs to another user: run as root")
    if scope in ("1", "2") and os.geteuid() != 0:
        raise ClewError(
            f"gdb may attach to nothing (ptrace_scope {scope}): run as root, or: sysctl kernel.yama.ptrace_scope=0"
        )
    if scope == "3":
        raise ClewError("gdb may attach to nothing until the next boot (ptrace_scope 3)")


def has_program(pid: int) -> bool:
    """Whether a process that we have forked has become a program of its own; also true if it is gone."""
    return _read(Path(f"/proc/{pid}/cmdline")) != _read(Path("/proc/self/cmdline"))


def threads_in(text: str) -> int:
    """Threads in what gdb printed."""
    return len(_THREAD.findall(text))


class Gdb:
    """A gdb that waits for what it is told, and leaves the process alone when it or we end."""

    def __init__(self) -> None:
        self._turn = 0
        self._files: set[str] = set()
        self._process = subprocess.Popen(
            ["gdb", "-nx", "-q", "-iex", "set prompt", "-iex", "set style enabled off"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8", "DEBUGINFOD_URLS": ""},
            process_group=0,
            preexec_fn=end_with_parent(),
        )
        self._say(*_SETTINGS, "add-inferior")

    def look(self, pid: int) -> Look | None:
        """Stacks of every thread of ``pid``; None if it has ended. Raises ClewError if gdb may not, or has died."""
        self._read_symbols(pid)
        if not Path(f"/proc/{pid}").is_dir():
            return None
        began = time.monotonic()
        head = self._say(f"attach {pid}")
        at_ns = time.monotonic_ns()
        text = self._say("thread apply all backtrace")
        self._say("detach")
        pause = time.monotonic() - began
        if not _THREAD.search(text):
            if not _is_alive(pid):
                return None
            if _DENIED.search(head):
                raise ClewError(f"gdb may not attach to process {pid}: run as root, or allow ptrace (CAP_SYS_PTRACE)")
            raise ClewError(f"gdb cannot attach to process {pid}: {_said(head)}")
        return Look(_THREAD.sub(r"Thread \1 (", text).strip("\n"), at_ns, pause)

    def close(self) -> None:
        """End it; what it is attached to goes on."""
        if self._process.poll() is None:
            with suppress(OSError):
                assert self._process.stdin is not None
                self._process.stdin.write(b"quit\n")
                self._process.stdin.flush()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _read_symbols(self, pid: int) -> None:
        """Have symbols of what ``pid`` has mapped read into the empty inferior, before it is stopped."""
        commands = []
        for name in _binaries(pid):
            if name not in self._files:
                self._files.add(name)
                commands.append(f'add-symbol-file "{name}" -o 0')
        if commands:
            self._say("inferior 2", *commands, "inferior 1", f"file /proc/{pid}/exe")

    def _say(self, *commands: str) -> str:
        """What gdb prints in answer to ``commands``. A mark after them tells where the answer ends."""
        self._turn += 1
        mark = f"clew-mark-{os.getpid()}-{self._turn}\n"
        text = "".join(f"{command}\n" for command in commands) + f"echo {mark[:-1]}\\n\n"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        until, answer, end = time.monotonic() + _PATIENCE_S, b"", mark.encode()
        try:
            self._process.stdin.write(text.encode("utf-8", "surrogateescape"))
            self._process.stdin.flush()
            while not answer.endswith(end):
                if not select.select([self._process.stdout], [], [], max(until - time.monotonic(), 0.0))[0]:
                    self._process.send_signal(signal.SIGKILL)
                    raise ClewError(f"gdb did not answer for {_PATIENCE_S:.0f} s and was ended")
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                if not piece:
                    raise ClewError(f"gdb has died: {_said(answer.decode('utf-8', 'replace'))}")
                answer += piece
        except OSError as error:
            raise ClewError(f"gdb has died: {error.strerror}") from None
        return answer[: -len(end)].decode("utf-8", "replace")


def _binaries(pid: int) -> list[str]:
    """Files that ``pid`` executes code of, with names that gdb's command line can take."""
    found = dict[str, None]()
    for line in _read(Path(f"/proc/{pid}/maps")).splitlines():
        parts = line.split(None, 5)
        if len(parts) == 6 and "x" in parts[1] and parts[5].startswith("/") and not re.search(r'["\\\n]', parts[5]):
            found[parts[5]] = None
    return [name for name in found if Path(name).is_file()]


def _is_alive(pid: int) -> bool:
    """Whether it runs, and is no zombie."""
    return not re.search(r"^\d+ \(.*\) [ZX] ", _read(Path(f"/proc/{pid}/stat")) or "0 () X ", re.DOTALL)


def _said(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it says nothing"


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return ""
