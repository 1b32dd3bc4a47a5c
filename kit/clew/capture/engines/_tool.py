"""A program of somebody else that records for us: kept away from the terminal, ended with us, its words kept."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from clew.errors import ClewError
from clew.native.process import end_with_parent

_SAID = 1 << 16  # bytes kept of what a tool says


class Tool:
    """Runs ``command`` in a process group of its own, so that a Ctrl-C on the terminal is not for it.

    Standard input is empty, output and error go to ``log`` (output to ``output`` if it is given). It gets SIGINT when
    we end, however that happens. Raises ClewError if it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        output: Path | None = None,
        environment: Mapping[str, str] | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        self.command = list(command)
        self.log = log
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        files = [os.open(path, flags, 0o600) for path in (log, output) if path is not None]
        try:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=files[-1],
                stderr=files[0],
                env={**os.environ, "LC_ALL": "C", **(environment or {})},
                pass_fds=keep,
                process_group=0,
                preexec_fn=end_with_parent(),  # one system call
            )
        except OSError as error:
            raise ClewError(f"{self.command[0]}: {error.strerror}", exit_code=1) from None
        finally:
            for file in files:
                os.close(file)

    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def said(self) -> str:
        """What it has said so far: the first and the last 64 KiB."""
        try:
            with self.log.open("rb") as file:
                text = file.read(_SAID)
                size = os.fstat(file.fileno()).st_size
                if size > _SAID:
                    file.seek(max(size - _SAID, _SAID))
                    text += (b"\n...\n" if size > 2 * _SAID else b"") + file.read(_SAID)
        except OSError:
            return ""
        return text.decode("utf-8", "replace")

    def stop(self, *signals: int, patience_s: float = 60.0) -> int:
        """Send each of ``signals`` (SIGINT if none is named), then SIGKILL, until it has ended; its exit code.

        ``patience_s`` is waited after each. The code is negative if a signal ended it, as with subprocess.
        """
        for number in (*(signals or (signal.SIGINT,)), signal.SIGKILL):
            if not self.running():
                break
            with suppress(ProcessLookupError):
                self.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience_s)
        return self.process.wait()


def wait_for(condition: Callable[[], bool], tool: Tool, patience_s: float) -> bool:
    """Wait until ``condition()`` is true; False if the tool has ended, or time is over, before that."""
    until = time.monotonic() + patience_s
    while not condition():
        if not tool.running() or time.monotonic() > until:
            return condition()
        time.sleep(0.002)
    return True
