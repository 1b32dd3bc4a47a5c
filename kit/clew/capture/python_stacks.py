"""Stacks of this Python process, taken by a timer: what a notebook's cell does, without any privilege.

Every interval the frames of the watched threads are copied: where they are by the wall clock, running or waiting. The
timer is a signal to the main thread (SIGALRM), which Python handles between two instructions: a thread that waited for
the interpreter's lock instead would find the others mostly where they give it up. While the main thread is in C and has
let go of that lock (to join another thread), it handles nothing, and a thread takes the samples for as long; a call
into C that keeps the lock is seen at its return to Python, as one sample that weighs as long. Where the program uses
the signal itself, or another thread than the main one is watched, a thread takes all of them. `notes` says how.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_BIASED = (
    "taken by a thread: gathers where code gives up the interpreter's lock (SIGALRM was in use, or no main thread)"
)
_STANDING_IN = "{} of {} looks were taken by a thread, while the main one was in C: gather where code gives up the lock"
_LATE_S = 0.02  # without a signal handled, until a thread stands in; looked at as seldom, which costs nothing
NAME = "python-stacks.json"
MARK = "clew python stacks"


class PythonSampler:
    """Watches the thread that made it, and threads started while it runs; a context manager.

    ``below``: of the thread that made it, only what this code calls anew (IPython's ``run_code``, which runs a cell),
    and nothing while it is not running; else whole stacks.
    """

    def __init__(self, interval_s: float = 0.005, below: CodeType | None = None) -> None:
        self._interval = interval_s
        self._below = below
        self._owner = threading.get_ident()
        self._already = sum(code is below for code in _codes(sys._getframe()))
        self._stop = threading.Event()
        self._before = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
        self._frames: dict[tuple[str, str, int], int] = {}
        self._samples: list[tuple[int, int, int, list[int]]] = []
        self._names: dict[int, str] = {}
        self._last = 0
        self._looking = threading.Lock()
        self._ticks = self._looks = self._stood_in = 0
        self._by_signal = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGALRM) in (signal.SIG_DFL, signal.SIG_IGN)
            and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        )
        self._thread = threading.Thread(target=self._run, name="clew-sampler", daemon=True)
        self.notes = [] if self._by_signal else [_BIASED]

    def __enter__(self) -> PythonSampler:
        self._last = time.monotonic_ns()
        self._thread.start()
        self._before.add(self._thread.ident)
        if self._by_signal:
            self._handler = signal.signal(signal.SIGALRM, self._tick)
            signal.siginterrupt(signal.SIGALRM, False)  # calls of C code go on, as Python's own do
            signal.setitimer(signal.ITIMER_REAL, self._interval, self._interval)
        return self

    def __exit__(self, *_: object) -> None:
        if self._by_signal:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._handler)
        self._stop.set()
        self._thread.join()
        if self._by_signal and self._stood_in:
            self.notes.append(_STANDING_IN.format(self._stood_in, self._looks))

    @property
    def samples(self) -> int:
        """Stacks taken so far."""
        return len(self._samples)

    def write(self, folder: Path) -> Path:
        """Write what was taken to ``folder`` (0600); returns the file's path."""
        known: dict[str, Any] = {
            "clew": MARK,
            "pid": os.getpid(),
            "command": Path(sys.argv[0] or sys.executable).name,
            "interval_ns": round(self._interval * 1e9),
            "threads": self._names,
            "notes": self.notes,
            "frames": list(self._frames),
            "samples": self._samples,
        }
        path = folder / NAME
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(known, file, separators=(",", ":"))
        return path

    def _run(self) -> None:
        seen, standing_in = 0, not self._by_signal
        while not self._stop.wait(self._interval if standing_in else max(_LATE_S, 2 * self._interval)):
            standing_in, seen = self._ticks == seen, self._ticks
            if standing_in:
                self._stood_in += self._look(None)

    def _tick(self, _number: int, frame: FrameType | None) -> None:
        self._ticks += 1
        self._look(frame)

    def _look(self, interrupted: FrameType | None) -> bool:
        """One sample of every watched thread, or False in the middle of another look (a signal comes at any time).

        ``interrupted`` is the frame of this thread, below our own.
        """
        if not self._looking.acquire(blocking=False):
            return False
        try:
            now = time.monotonic_ns()
            here = threading.get_ident()
            for ident, frame in sys._current_frames().items():
                if ident not in self._before:
                    self._take(ident, interrupted if ident == here else frame, self._last, now - self._last)
            self._last = now
            self._looks += 1
            return True
        finally:
            self._looking.release()

    def _take(self, ident: int, frame: FrameType | None, at: int, weight: int) -> None:
        stack: list[int] = []
        depth: list[int] = []  # of the stack, from its innermost frame, above which each ``below`` stands
        while frame is not None:
            code = frame.f_code
            if code is self._below:
                depth.append(len(stack))
            key = (getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno)
            stack.append(self._frames.setdefault(key, len(self._frames)))
            frame = frame.f_back
        if self._below is not None and ident == self._owner:
            if len(depth) <= self._already:
                return  # before or after the cell's own code
            stack = stack[: depth[len(depth) - 1 - self._already]]
        tid = self._tid(ident)
        self._samples.append((at, tid, weight, stack[::-1]))

    def _tid(self, ident: int) -> int:
        thread = next((thread for thread in threading.enumerate() if thread.ident == ident), None)
        tid = thread.native_id if thread is not None and thread.native_id else ident & 0x7FFFFFFF
        self._names.setdefault(tid, thread.name if thread is not None else f"thread {tid}")
        return tid


def _codes(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back
