"""One perf at work: started with a line to it, by which it says that it records."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from clew.capture.engines import Target
from clew.capture.engines._perf_said import explain
from clew.capture.engines._tool import Tool
from clew.errors import ClewError

NO_BUILD_IDS = ("-N", "-B")
"""perf is not to look for build-ids when it ends: it would read its whole file again, and each binary that was hit.

Nor with each mapping (--buildid-mmap): Linux then leaves the mark of a build-id on the records of every other perf that
runs at the time, which makes perf 6.1 abort. Symbols are kept beside the recording instead (clew.symbols.keep).
"""
_PATIENCE_S = 60.0  # until it records: it reads /proc of every process first
_TURN_S = 0.05


class Perf:
    """perf record or perf stat of ``command``; ``log`` is a file for what it says, which is removed at the end."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        ours, theirs, answer, asked = 0, 0, 0, 0
        theirs, ours = os.pipe()
        answer, asked = os.pipe()
        try:
            self._tool = Tool([*command, "--control", f"fd:{theirs},{asked}"], log, keep=(theirs, asked))
        except BaseException:
            os.close(ours)
            os.close(answer)
            raise
        finally:
            os.close(theirs)
            os.close(asked)
        self._ours, self._answer = ours, answer
        self._said: str | None = None
        self.exit_code: int | None = None

    def wait(self, target: Target) -> None:
        """Return when it records: it answers what it is told (perf 5.9 and newer) only then. Raises ClewError."""
        until = time.monotonic() + _PATIENCE_S
        with suppress(BrokenPipeError):
            os.write(self._ours, b"enable\n")
        while self.running() and time.monotonic() < until:
            if select.select([self._answer], [], [], _TURN_S)[0] and os.read(self._answer, 16):
                return
        if self.running():
            self.stop()
            raise ClewError("perf did not begin to record in time", exit_code=1)
        said = self.said()
        self.stop()
        raise ClewError(f"perf: {explain(said, target)}")

    def running(self) -> bool:
        """Whether it has not ended."""
        if self._tool.running():
            return True
        self.exit_code = self._tool.process.returncode
        return False

    def said(self) -> str:
        """What it has said so far."""
        return self._said if self._said is not None else self._tool.said()

    def described(self) -> dict[str, Any]:
        """For meta.json."""
        return {"command": self._tool.command, "said": self.said(), "exit_code": self.exit_code}

    def interrupt(self) -> None:
        """Ask it to end, and do not wait."""
        if self._tool.running():
            self._tool.process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Wait until it has completed its file and ended."""
        if self._said is None:
            self.exit_code = self._tool.stop()
            self._said = self._tool.said()
            os.close(self._ours)  # not before: perf 6.1 ends when the line is cut
            os.close(self._answer)
            self._tool.log.unlink(missing_ok=True)
