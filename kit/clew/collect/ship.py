"""Beside a recorder, in a process of its own: sends what is recorded while it is, and the rest when it is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from clew.collect.send import RefusedError, Sender, Target
from clew.units import size

_TURN_S = 0.2
_WHILE = "--while-open"


def ship(
    sender: Sender,
    recording: Callable[[], bool],
    patience_s: float,
    progress: Callable[[str], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    recorder: int = -1,
) -> bool:
    """Send while ``recording()`` (by process ``recorder``), and then until all is there; whether it is.

    Gives up when the collector took nothing for ``patience_s`` after recording, or when ``stopped()``. Raises
    RefusedError.
    """
    acked, since = sender.acked_bytes, time.monotonic()
    while not stopped():
        live = recording()
        if not live:
            sender.over = recorder
        answered = sender.turn()
        if not live and answered and sender.done:
            return True
        if live or sender.acked_bytes != acked:
            acked, since = sender.acked_bytes, time.monotonic()
        elif time.monotonic() - since > patience_s:
            return False
        if progress is not None and not live:
            progress(f"sending to {sender.target}: {size(sender.unsent)} to go")
        time.sleep(_TURN_S)
    return False


def rest(case: Path, target: Target, unsent: int, options: Sequence[str]) -> str:
    """What people should know where not all was sent."""
    words = " ".join(["clew send", str(case), "--to", str(target), *options])
    return f"{size(unsent)} were not sent; everything is in {case}, `{words}` sends the rest"


class Shipper:
    """`clew send` as a child that sends ``case`` while this object is open. ``options``: those of the address."""

    def __init__(self, case: Path, options: Sequence[str], *, quiet: bool) -> None:
        command = [sys.executable, "-m", "clew", "send", str(case), *options, _WHILE, *(["-q"] if quiet else [])]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def abort(self) -> None:
        """Nothing was recorded: end at once."""
        self._child.kill()
        self._close()

    def finish(self) -> None:
        """Recording is over: wait until all is sent, or the child gives up and says so; Ctrl-C makes it do so."""
        try:
            self._close()
        except KeyboardInterrupt:
            self._child.send_signal(signal.SIGTERM)
            self._child.wait()

    def _close(self) -> None:
        with suppress(OSError):
            if self._child.stdin is not None:
                self._child.stdin.close()
        self._child.wait()


class Parent:
    """The other side of Shipper: whether the recorder that started us still has our standard input open."""

    def __init__(self) -> None:
        self.pid = os.getppid()
        os.set_blocking(0, False)
        os.nice(5)  # the recorded program comes first

    def recording(self) -> bool:
        """Whether it does."""
        try:
            return os.read(0, 1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False


__all__ = ["Parent", "RefusedError", "Shipper", "rest", "ship"]
