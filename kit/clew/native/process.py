"""What Python does not offer of prctl(2): a tool that ends with the program that started it."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> Callable[[], None]:
    """For ``preexec_fn`` of subprocess.Popen: SIGINT for the program when the thread that starts it has ended."""
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)

    return ask
