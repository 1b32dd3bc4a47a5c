"""perf that never stops: it changes to a new file on a signal, and the oldest files are removed.

perf record --switch-output=signal goes on sampling while it changes files, so no sample is missing between two of them
(its --overwrite mode, in memory, stops while it is read). What a change costs is the list of processes that perf puts
into each file; a change every ten seconds costs some 0.3 % of a processor with a hundred processes.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from clew.capture.engines import Target
from clew.capture.engines._perf_events import Wanted, aim, arguments, event_names, perf_path
from clew.capture.engines._perf_run import NO_BUILD_IDS
from clew.capture.engines._perf_said import explain
from clew.capture.engines._tool import Tool, wait_for
from clew.errors import ClewError

NAME = "perf.data"
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Piece:
    """One complete file, and the ns (CLOCK_MONOTONIC) between which its samples lie."""

    path: Path
    begin_ns: int
    end_ns: int


class Ring:
    """The files of one perf in ``folder``; `with` starts and ends it. Raises ClewError where perf cannot record."""

    def __init__(self, wanted: Wanted, target: Target, folder: Path) -> None:
        self._wanted, self._target, self._folder = wanted, target, folder
        self._tool: Tool | None = None
        self._begin_ns = 0
        self.pieces: list[Piece] = []

    def __enter__(self) -> Ring:
        perf = perf_path()
        for pid in self._target.pids:
            if not Path(f"/proc/{pid}").exists():
                raise ClewError(f"there is no process {pid}, or it has ended")
        names = event_names(self._wanted)
        command = [perf, "record", "-q", *NO_BUILD_IDS, "-k", "CLOCK_MONOTONIC", "--sample-cpu"]
        command += ["--switch-output=signal", *arguments(self._wanted, names, self._target), *aim(self._target)]
        self._begin_ns = time.monotonic_ns()
        self._tool = Tool([*command, "-o", str(self._folder / NAME)], self._folder / ".perf.txt")
        current = self._folder / NAME
        if not wait_for(lambda: current.is_file() and current.stat().st_size > 0, self._tool, _PATIENCE_S):
            said = self._tool.said()
            self._tool.stop()
            raise ClewError(f"perf: {explain(said, self._target)}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._tool is not None:
            self._tool.stop()

    @property
    def command(self) -> list[str]:
        """perf's command line."""
        return self._tool.command if self._tool is not None else []

    @property
    def size(self) -> int:
        """Bytes of all files there are now."""
        return sum(path.stat().st_size for path in self._folder.glob(f"{NAME}*") if path.is_file())

    def turn(self) -> Piece:
        """Begin a new file; the one that is complete with it. Raises ClewError if perf has ended."""
        assert self._tool is not None
        known = {piece.path for piece in self.pieces}
        if not self._tool.running():
            raise ClewError(f"perf has ended: {explain(self._tool.said(), self._target)}", exit_code=1)
        self._tool.process.send_signal(signal.SIGUSR2)
        asked = time.monotonic_ns()

        def fresh() -> list[Path]:
            return [path for path in self._folder.glob(f"{NAME}.*") if path not in known]

        if not wait_for(lambda: bool(fresh()) and (self._folder / NAME).is_file(), self._tool, _PATIENCE_S):
            raise ClewError("perf did not begin a new file", exit_code=1)
        now = time.monotonic_ns()
        # samples of the moment in which files change may be in either
        piece = Piece(fresh()[0], self._begin_ns, now)
        self._begin_ns = asked
        self.pieces.append(piece)
        return piece

    def prune(self, before_ns: int) -> None:
        """Remove the files whose samples were all taken before that."""
        for piece in self.pieces:
            if piece.end_ns < before_ns:
                piece.path.unlink(missing_ok=True)
        self.pieces = [piece for piece in self.pieces if piece.end_ns >= before_ns]
