"""gdb: where every thread of a process is, again and again; each look stops the process for a moment."""

from __future__ import annotations

import argparse
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.capture.engines import Engine, Target
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.capture.engines._gdb_run import Gdb

FILE = "gdb.txt"
_LOUD = 0.1
"""Share of a process's time that looking at it may take before people are told to look less often."""


def add_options(group: argparse._ArgumentGroup) -> None:
    """Options of the engine."""
    add = group.add_argument
    add("--every", dest="gdb_every", type=float, default=1.0, metavar="S", help="seconds between looks (default: 1)")
    add("--count", dest="gdb_count", type=int, metavar="N", help="looks at each process (default: until the end)")


def make(args: argparse.Namespace) -> GdbEngine:
    """The engine; raises ClewError for options that make no sense."""
    if not 0.01 <= args.gdb_every <= 86400:
        raise ClewError(f"--every {args.gdb_every:g}: seconds from 0.01 to 86400")
    if args.gdb_count is not None and args.gdb_count < 1:
        raise ClewError(f"--count {args.gdb_count}: at least 1")
    return GdbEngine(args.gdb_every, args.gdb_count)


class GdbEngine(Engine):
    """Looks every ``every_s`` seconds, ``count`` times or until the end, into gdb.txt.

    Looks are made in a thread of their own, since they take long and nobody is to wait for them.
    """

    name = "gdb"

    def __init__(self, every_s: float = 1.0, count: int | None = None) -> None:
        self.every_s, self.count = every_s, count
        self._target = Target()
        self._file = Path()
        self._thread: threading.Thread | None = None
        self._begun, self._enough = threading.Event(), threading.Event()
        self._pauses: list[float] = []  # s
        self._ended: str | None = None
        self._gdb: Gdb | None = None

    def check(self, target: Target) -> None:
        """gdb is there, and may look at every process."""
        from clew.capture.engines._gdb_run import refuse

        if shutil.which("gdb") is None:
            raise ClewError("gdb is not installed: apt-get install gdb")
        if target.system or target.cpus is not None:
            raise ClewError("gdb looks at processes: name them with --pid, or give a command")
        refuse(target.pids)

    def options(self) -> dict[str, Any]:
        """Options, and for how long the process stood still, in s."""
        pauses = {"looks": len(self._pauses), "longest_pause_s": round(max(self._pauses, default=0.0), 4)}
        return {"every_s": self.every_s, "count": self.count, **pauses}

    def start(self, target: Target, folder: Path) -> None:
        """Begin to look; at a command when it has begun."""
        from clew.capture.engines._gdb_run import Gdb

        self._target, self._file = target, folder / FILE
        self._file.touch(0o600)
        if not target.command:
            self._begun.set()
        self._gdb = Gdb()
        self._thread = threading.Thread(target=self._work, name="clew-gdb", daemon=True)
        self._thread.start()

    def began(self, pid: int) -> None:  # noqa: ARG002 -- start() was told
        """The command begins."""
        self._begun.set()

    def look(self) -> str | None:
        """Why there is nothing to look at any more."""
        return self._ended

    def progress(self) -> str:
        """How often it has looked."""
        return f"{len(self._pauses)} looks"

    def stop(self) -> Sequence[str]:
        """Let go of the process, and end gdb."""
        self._enough.set()
        self._begun.set()
        if self._thread is not None:
            self._thread.join()
        if self._gdb is not None:
            self._gdb.close()
        if self._pauses:
            return []
        return [f"gdb saw nothing: {self._ended or f'{self._target} ended before the first look'}"]

    def found(self) -> bool:
        """Whether it has looked at least once."""
        return bool(self._pauses)

    def _work(self) -> None:
        try:
            self._look_often()
        except ClewError as error:
            self._ended = str(error)
        except OSError as error:
            self._ended = f"{self._file.name}: {error.strerror}"

    def _look_often(self) -> None:
        from clew.capture.engines._gdb_run import has_program, threads_in

        assert self._gdb is not None
        self._begun.wait()
        pids = list(self._target.pids)
        while self._target.command and not has_program(pids[0]) and not self._enough.wait(0.002):
            pass  # the command is still a copy of ourselves
        done = 0
        while pids and not self._enough.is_set():
            began = time.monotonic()
            for pid in list(pids):
                seen = self._gdb.look(pid)
                if seen is None:
                    pids.remove(pid)
                    continue
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(f"# clew snapshot monotonic_ns={seen.monotonic_ns} pid={pid}\n{seen.text}\n")
                self._pauses.append(seen.pause_s)
                if len(self._pauses) == 1:
                    self._warn(pid, seen.pause_s, threads_in(seen.text))
            done += 1
            if done == self.count:
                self._ended = ""
                return
            self._enough.wait(max(self.every_s - (time.monotonic() - began), 0.0))
        self._ended = ""

    def _warn(self, pid: int, pause_s: float, threads: int) -> None:
        share = pause_s / max(self.every_s, pause_s)
        hint = f" or {share:.0%} of its time; a larger --every costs less" if share > _LOUD else ""
        self.tell(f"process {pid} ({threads} threads) stands still for {pause_s:.2f} s at each look{hint}")
