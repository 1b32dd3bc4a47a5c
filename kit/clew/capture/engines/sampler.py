"""sampler: what each thread computes, by a timer in the program itself; needs no privilege."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.capture.engines import Engine, Target
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.capture import preload

_OLDEST = (5, 11)
"""Linux that makes the signal of a CPU-time timer on the way back to user mode: no system call is cut short by it."""


def add_options(group: argparse._ArgumentGroup) -> None:
    """Options of the engine."""
    group.add_argument(
        "--hz",
        dest="sampler_hz",
        type=float,
        default=99.0,
        metavar="HZ",
        help="stacks for each second of CPU time of a thread (default: 99; the kernel may do fewer: 250 is usual)",
    )


def make(args: argparse.Namespace) -> SamplerEngine:
    """The engine; raises ClewError for options that make no sense."""
    if not 0.01 <= args.sampler_hz <= 10_000:
        raise ClewError(f"--hz {args.sampler_hz:g}: from 0.01 to 10000")
    return SamplerEngine(args.sampler_hz)


class SamplerEngine(Engine):
    """``hz`` stacks for each second of CPU time, taken by the preload library in every recorded thread."""

    name = "sampler"
    inside = True

    def __init__(self, hz: float = 99.0) -> None:
        self.hz = hz

    def check(self, target: Target) -> None:  # noqa: ARG002 -- a command it must be, which is checked for all of this kind
        """The kernel is one whose timers harm nobody."""
        found = re.match(r"(\d+)\.(\d+)", os.uname().release)
        if found and (int(found[1]), int(found[2])) < _OLDEST:
            raise ClewError(
                f"--engine sampler: Linux {os.uname().release:.40} would cut system calls short; it takes 5.11 or later"
            )

    def preload(self, options: preload.Options) -> preload.Options:
        """``options`` with a timer for each thread."""
        return replace(options, sample_hz=self.hz)

    def options(self) -> dict[str, Any]:
        """What meta.json keeps."""
        return {"hz": self.hz}

    def start(self, target: Target, folder: Path) -> None:
        """Nothing is to be done: the preload library does it."""

    def stop(self) -> Sequence[str]:
        """Nothing is left behind."""
        return ()
