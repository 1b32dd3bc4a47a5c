"""One run of bpftrace: started, its output stamped with the time of arrival, ended so that it prints its maps."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from clew.capture.engines._bpftrace_said import lost_or_odd, why
from clew.capture.engines._tool import Tool
from clew.errors import ClewError
from clew.recipes import Bound

FOLDER = "bpftrace"
"""Beside the capture's file: the script as it ran, and what bpftrace said."""

_ATTACHED = b"__BPFTRACE_NOTIFY_PROBES_ATTACHED"
_PATIENCE_S = 300.0  # hundreds of probes can take half a minute
_END_S = 180.0  # to detach them, look up names for large maps and print these
_AGAIN_S = 0.3  # it looks for the signal each 0.1 s
_SLOW_S = 2.0  # after which people are told what they wait for
_READ = 1 << 16
_TURN_S = 0.05
_BIRTH_TURNS = 40  # in which the memory map of a program is looked at each turn, after that each _SETTLED turns
_SETTLED = 10
_MAP_KEYS = 4096  # bpftrace's own limit
_LIMITS = {"BPFTRACE_MAX_PROBES": "2048", "BPFTRACE_MAX_BPF_PROGS": "2048"}


def allowed() -> str:
    """The path of bpftrace; raises ClewError with the remedy if it is not there or we may not use it."""
    path = shutil.which("bpftrace")
    if path is None:
        raise ClewError("bpftrace is not installed: apt-get install bpftrace")
    if os.geteuid() != 0:
        raise ClewError("bpftrace is for root: run as root; `clew doctor` names engines that need no privilege")
    return path


class Run:
    """bpftrace running ``bound`` into ``folder / file``; ``pid``: the process recorded, $1 of the script."""

    def __init__(self, bound: Bound, folder: Path, file: str, pid: int | None) -> None:
        self.bound, self.folder, self.file, self.pid = bound, folder, file, pid
        self.records = 0  # objects that the script printed
        self._tool: Tool | None = None
        self._attached = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed: str | None = None  # why the output could not be kept
        self._maps = _Maps(pid) if pid is not None and "ustack" in bound.text else None
        self._left = b""
        self._ending = False  # events are over: an empty line stands before the maps

    def described(self) -> dict[str, Any]:
        """What meta.json keeps of it."""
        tool = self._tool
        return {"tools": [{"command": tool.command, "said": tool.said()}]} if tool else {}

    def start(self, tell: Callable[[str], None]) -> None:
        """Return when the probes are attached, or the script has already ended; raises ClewError where it is wrong."""
        beside = self.folder / FOLDER
        script = beside / "script.bt"
        try:
            beside.mkdir(mode=0o700)
            script.write_text(self.bound.text, "utf-8")
            script.chmod(0o600)
            descriptor = os.open(self.folder / self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ClewError(f"cannot record into {self.folder}: {error.strerror}", exit_code=1) from None
        room = os.environ.get("BPFTRACE_MAP_KEYS_MAX", "")
        head = {"clew": "bpftrace", "ns": time.monotonic_ns(), "pid": self.pid, "recipe": self.bound.name}
        head |= {"map_keys_max": int(room) if room.isdecimal() else _MAP_KEYS}
        os.write(descriptor, _line({**head, "script": self.bound.text, "samples": self.bound.samples}))
        reading, writing = os.pipe2(os.O_CLOEXEC)
        environment = {name: value for name, value in _LIMITS.items() if name not in os.environ}
        command = [allowed(), "-f", "json", str(script), *([str(self.pid)] if self.pid is not None else [])]
        try:
            self._tool = Tool(
                command,
                beside / "stderr",
                output=Path(f"/proc/self/fd/{writing}"),
                environment={**environment, _ATTACHED.decode(): "1"},
            )
        except ClewError:
            os.close(reading)
            os.close(descriptor)
            raise
        finally:
            os.close(writing)
        self._thread = threading.Thread(
            target=self._pump, args=(reading, descriptor), name="clew-bpftrace", daemon=True
        )
        self._thread.start()
        self._wait(tell)

    def _wait(self, tell: Callable[[str], None]) -> None:
        assert self._tool is not None
        began, told = time.monotonic(), False
        while not self._attached.wait(0.02) and _ATTACHED.decode() not in self._tool.said():  # 0.17: standard error
            waited = time.monotonic() - began
            if not self._tool.running():
                code = self._tool.process.wait()
                if code == 0:  # exit() before all probes were attached
                    return
                raise ClewError(why(self._tool.said(), self.bound.text, code))
            if waited > _PATIENCE_S:
                self._tool.stop()
                raise ClewError(f"bpftrace has not attached its probes in {_PATIENCE_S:.0f} s", exit_code=1)
            if waited > _SLOW_S and not told:
                told = True
                tell("attaching probes; many of them take a while")

    def ended(self) -> str | None:
        """Why bpftrace is not there any more, "" for a script that ended by itself; None: it is."""
        if self._failed:
            return self._failed
        if self._tool is None or self._tool.running():
            return None
        code = self._tool.process.wait()
        return "" if code == 0 else why(self._tool.said(), self.bound.text, code)

    def stop(self, tell: Callable[[str], None], hurried: Callable[[], bool]) -> Sequence[str]:
        """SIGINT, so that END runs and maps are printed; returns what people should know.

        ``tell`` is told what takes long; once ``hurried()``, it is waited for no more.
        """
        if self._tool is None:
            return ()
        cut = self._interrupt(self._tool, tell, hurried)
        code = self._tool.stop(signal.SIGKILL)
        if self._thread is not None:
            self._thread.join()
        said = self._tool.said()
        notes = lost_or_odd(said)
        if self._failed:
            notes.append(self._failed)
        elif cut:
            notes.append(f"bpftrace: {cut}, and was killed: what it had not printed is lost")
        elif code not in (0, -signal.SIGINT):
            notes.append(why(said, self.bound.text, code))
        elif not self.records:
            notes.append("bpftrace: the script printed nothing: no probe was met, or its maps were empty")
        return notes

    def _interrupt(self, tool: Tool, tell: Callable[[str], None], hurried: Callable[[], bool]) -> str | None:
        """SIGINT, again where it still waits for events or prints them: one that comes between two waits is forgotten.

        Not while it detaches probes and prints maps (after an empty line): there it would end at once. None: it has
        ended; else why it is waited for no more.
        """
        began, told = time.monotonic(), False
        again, before = True, self.records
        while tool.running():
            waited = time.monotonic() - began
            if hurried() or waited > _END_S:
                return f"it was still looking up names for its maps {waited:.0f} s after the recording"
            if waited > _SLOW_S and not told:
                told = True
                tell(f"looking up names for its maps, for {_END_S:.0f} s at most; Ctrl-C gives up what is not printed")
            if again:
                with suppress(ProcessLookupError):
                    tool.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                tool.process.wait(_AGAIN_S)
            busy = self.records > before and not self._ending
            before = self.records
            again = tool.running() and (busy or _waits_for_events(tool.process.pid))
        return None

    def _pump(self, reading: int, descriptor: int) -> None:
        """Everything that bpftrace prints, each line with the time at which it came."""
        try:
            turn = 0
            while True:
                ready, _, _ = select.select([reading], [], [], _TURN_S if self._maps else None)
                if self._maps and (turn < _BIRTH_TURNS or turn % _SETTLED == 0):
                    self._keep(descriptor, b"".join(self._maps.news()))
                turn += 1
                if ready:
                    data = os.read(reading, _READ)
                    self._keep(descriptor, self._stamped(data))
                    if not data:
                        return
        finally:
            os.close(reading)
            os.close(descriptor)

    def _stamped(self, data: bytes) -> bytes:
        """The complete lines of what has come so far; at the end (no data) what is left, too."""
        lines = (self._left + data).split(b"\n")
        self._left = lines.pop() if data else b""
        now = b'{"ns": %d, "line": ' % time.monotonic_ns()
        kept = []
        for line in lines:
            if line.startswith(_ATTACHED):
                self._attached.set()
            elif line.strip():
                kept.append(now + line + b"}\n")
                self.records += not line.startswith(b'{"type": "attached_probes"')
            else:
                self._ending = True
        return b"".join(kept)

    def _keep(self, descriptor: int, data: bytes) -> None:
        while data and self._failed is None:
            try:
                data = data[os.write(descriptor, data) :]
            except OSError as error:
                self._failed = f"what bpftrace prints cannot be kept: {error.strerror}"


def _waits_for_events(pid: int) -> bool:
    """Whether a process sleeps in epoll_wait(2); the kernel's function has had two names."""
    try:
        return Path(f"/proc/{pid}/wchan").read_text().strip() in ("do_epoll_wait", "ep_poll")
    except OSError:
        return False


class _Maps:
    """Where the files of a process lie in its memory, kept while it lives.

    bpftrace looks for symbols when it prints, and that may be after the process has ended.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._before = b""

    def news(self) -> list[bytes]:
        """A line if the executable mappings have changed since the last look."""
        text = b""
        with suppress(OSError):
            text = Path(f"/proc/{self.pid}/maps").read_bytes()
        executable = b"\n".join(line for line in text.splitlines() if re.match(rb"\S+ ..x. .*/", line))
        if not executable or executable == self._before:
            return []
        self._before = executable
        rows = [line.split(None, 5) for line in executable.splitlines()]
        files = [
            [*(int(end, 16) for end in row[0].split(b"-")), int(row[2], 16), os.fsdecode(row[5])]
            for row in rows
            if len(row) == 6
        ]
        return [_line({"ns": time.monotonic_ns(), "maps": {"pid": self.pid, "files": files}})]


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
