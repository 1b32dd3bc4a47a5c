"""The preload engine: where the arena goes, and the environment that brings libclew.so into a program."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clew.capture.grant import grant
from clew.errors import ClewError, one_of
from clew.native import Arena, Mode, library_path, runtime_of
from clew.ops import OP_ID, OPS

ROOM = 256 << 20
"""Bytes that must be free where the arena is put; rings of a few hundred busy threads."""


@dataclass(frozen=True)
class Options:
    """What to record, and how much of it may be in flight."""

    trace: bool = True  # one record per call; else running totals only
    payload_head: int = 256  # bytes kept of what a call moved, from its start; arena.FULL_PAYLOAD: all
    payload_tail: int = 64  # and from its end
    wait: bool = False  # a call waits where its ring is full, instead of losing its record
    wakeups: bool = True  # condition variables, semaphores and futexes, too
    ring_size: int = 1 << 20  # bytes for each thread, a power of two
    threads: int = 4096  # at a time
    users: tuple[int, ...] = ()  # uids that programs may change to and still be recorded after an exec
    stacks: Mapping[str, int] = field(default_factory=dict)  # by operation: one of so many calls has its stack taken
    sample_hz: float = 0.0  # stacks of what computes, for each second of CPU time of a thread; 0: none

    @property
    def mode(self) -> Mode:
        """What threads start with."""
        return Mode.COUNT | Mode.TRACE if self.trace else Mode.COUNT


ALLOCATIONS = ("malloc", "calloc", "realloc", "memalign")
"""What ``alloc`` stands for in ``--stacks``."""


def parse_stacks(texts: Iterable[str]) -> dict[str, int]:
    """Values of ``--stacks``, ``op[,op][/N]`` each: by operation, the number of calls of which one gets its stack.

    ``/N`` holds for the names before it; ``alloc`` stands for whatever allocates. Raises ClewError for a name that is
    no operation, and for an N that is no number from 1 to 2^31.
    """
    calls = [name for _, name, kind in OPS if kind != "note"]
    found: dict[str, int] = {}
    for text in texts:
        waiting: list[str] = []
        for part in text.split(","):
            name, _, number = part.strip().partition("/")
            if name != "alloc" and name not in calls:
                raise ClewError(f"--stacks {name!r:.40}: there is no such operation; {one_of(name, ['alloc', *calls])}")
            if "/" in part and not (number.isdecimal() and 1 <= int(number) < 1 << 31):
                raise ClewError(f"--stacks {part!r:.40}: behind / write of how many calls one gets its stack")
            waiting += ALLOCATIONS if name == "alloc" else (name,)
            if "/" in part:
                found |= dict.fromkeys(waiting, int(number))
                waiting = []
        found |= dict.fromkeys(waiting, 1)
    return found


def make_arena(options: Options, fallback: Path) -> Arena:
    """An arena in a new private directory: in memory where there is room, else on the disk of ``fallback``."""
    directory = Path(tempfile.mkdtemp(prefix="clew-arena-", dir=_place(fallback)))
    try:
        arena = Arena.create(
            directory / "arena",
            options.threads,
            options.ring_size,
            payload_head=options.payload_head,
            payload_tail=options.payload_tail,
            wait=options.wait,
            wakeups=options.wakeups,
            mode=options.mode,
            stacks={OP_ID[name]: every for name, every in options.stacks.items()},
            sample_ns=round(1e9 / options.sample_hz) if options.sample_hz else 0,
        )
        if options.users:
            grant(arena.path, library_path(), options.users)
        return arena
    except ClewError:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _place(fallback: Path) -> Path:
    for candidate in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR", "")):  # noqa: S108 -- a private directory in it
        if candidate and os.access(candidate, os.W_OK | os.X_OK) and shutil.disk_usage(candidate).free >= ROOM:
            return Path(candidate)
    return fallback


def environment(arena: Arena, base: Mapping[str, str], program: str) -> dict[str, str]:
    """``base`` with libclew.so preloaded before whatever is preloaded already, and the arena named.

    A sanitizer's runtime that ``program`` needs insists on standing first; native/preload/exec_env.c hides it again.
    """
    granted = arena.path.parent / "libclew.so"  # where other users may read it
    library = granted if granted.exists() else library_path()
    if any(char in " :\t\n" for char in str(library)):  # ld.so(8) separates the list by these
        link = arena.path.parent / "libclew.so"
        link.symlink_to(library)
        library = link
    others = [name for name in base.get("LD_PRELOAD", "").replace(":", " ").split() if name != str(library)]
    runtime = runtime_of(program)
    first = [runtime] if runtime else []
    hide = {"CLEW_HIDE": "2"} if runtime else {}
    return {**base, "LD_PRELOAD": ":".join([*first, str(library), *others]), "CLEW_ARENA": str(arena.path), **hide}
