"""Engines beside the preload library: one engine, one module, found by its file name as subcommands are.

A module of this package is an engine of its own name if it has a docstring (its first line is what ``--help`` says of
it), ``add_options(group)`` and ``make(args) -> Engine``. ``add_options`` gets an argparse group; each ``dest`` begins
with the engine's name and ``_``, so that engines do not take each other's; an option that differs from its default
while its engine is not used is an error. ``make`` raises ClewError for options that make no sense. Modules are imported
for every ``clew --help``, so what is heavy is imported where it is used. Names that begin with ``_`` are helpers.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from clew.errors import ClewError, one_of

if TYPE_CHECKING:
    from clew.capture import preload


@dataclass(frozen=True)
class Target:
    """What is to be recorded: a command or processes, else what runs on processors or the whole machine."""

    command: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()  # --pid; while it is recorded also the command's own, which has no program in it yet
    cpus: str | None = None  # as perf and taskset write it: 0,2-3
    system: bool = False  # every process
    seconds: float | None = None  # at most; None: until the command ends, or Ctrl-C
    host: str | None = None  # what the machine is called in the case; None: by its own name

    def __str__(self) -> str:
        """For messages: 'process 17'."""
        if self.system:
            return "the whole machine"
        if self.cpus is not None:
            return f"processor {self.cpus}"
        return " ".join(self.command) or "process " + ", ".join(map(str, self.pids))


class Engine(ABC):
    """One way of recording, set up by its options. Calls come in the order in which they stand here, from one thread.

    A command is recorded from its first instruction: it is there, with a pid, before ``start``, and begins after it.
    """

    name: ClassVar[str]
    inside: ClassVar[bool] = False  # works inside the preload library: only ``check`` and ``preload`` are called
    tell: Callable[[str], None] = staticmethod(lambda _: None)  # says something to people at once, while it records
    hurried: Callable[[], bool] = staticmethod(lambda: False)  # whether people gave up waiting for ``stop``

    def check(self, target: Target) -> None:  # noqa: B027 -- most find out when they start
        """Raise ClewError, with the remedy, if ``target`` cannot be recorded in this way; nothing was made yet."""

    def preload(self, options: preload.Options) -> preload.Options:
        """``options`` of the preload library as this engine needs them."""
        return options

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """What meta.json keeps: options, the command lines of tools and what they said; asked at start and at end."""

    @abstractmethod
    def start(self, target: Target, folder: Path) -> None:
        """Return when everything from now on is recorded into files of ``folder``; ClewError if that cannot be.

        A file that readers cannot read before it is complete has a name with a dot before it until then.
        """

    def began(self, pid: int) -> None:  # noqa: B027 -- few care
        """The command, process ``pid``, is about to begin."""

    def look(self) -> str | None:
        """Called some times a second: why it has ended before it was stopped, else None."""
        return None

    def progress(self) -> str:
        """A few words on what there is so far: '1.2 MB'."""
        return ""

    @abstractmethod
    def stop(self) -> Sequence[str]:
        """End at once, complete the files and let go of what was recorded, also after a failure.

        Returns what people should know: one line each, why nothing was recorded among them. Never raises.
        """

    def found(self) -> bool:
        """Whether there is anything in the files, after ``stop``."""
        return True


class EngineModule(Protocol):
    """What a module of this package has."""

    __name__: str
    __doc__: str | None

    def add_options(self, group: argparse._ArgumentGroup) -> None:
        """Declare the engine's options."""
        ...

    def make(self, args: argparse.Namespace) -> Engine:
        """The engine as the options want it; raises ClewError if they make no sense."""
        ...


@cache
def engines() -> dict[str, EngineModule]:
    """Every engine's module by its name."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))
    return {name: cast(EngineModule, importlib.import_module(f"{__name__}.{name}")) for name in names}


def engine_names() -> list[str]:
    """What ``--engine`` takes: the preload library first, which the recorder itself owns."""
    return ["preload", *engines()]


def parse_names(text: str) -> list[str]:
    """The engines of ``--engine``, in the order of engine_names(); raises ClewError for one that is not there."""
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in engine_names():
            raise ClewError(f"--engine {name!r:.40}: {one_of(name, engine_names())}")
    if not wanted:
        raise ClewError(f"--engine: name one or more of {', '.join(engine_names())}")
    return [name for name in engine_names() if name in wanted]
