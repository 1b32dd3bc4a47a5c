"""meta.json: what one capture says of itself, replaced as a whole so that a reader never sees half of it."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clew import __version__
from clew.errors import ClewError

META = "meta.json"
RAW = "raw"
UNFINISHED = ".part-"
"""Before the name of a file that can be read only when it is complete."""


@dataclass
class Meta:
    """One capture. Times in ns; ``None`` is not known (yet)."""

    engine: str
    command: list[str]
    host: str
    version: str
    started_ns: int  # CLOCK_MONOTONIC
    started_utc: str  # ISO 8601, the wall clock at started_ns
    options: dict[str, Any] = field(default_factory=dict)
    ended_ns: int | None = None
    exit_code: int | None = None  # of the command; 128 + signal if it was killed
    arena: str | None = None  # path of the shared memory while there is something in it
    recorder_pid: int | None = None
    error: str | None = None  # why recording stopped early
    id: str | None = None  # random, 32 hexadecimal digits: the same on every machine it is sent to
    boot: str | None = None  # which CLOCK_MONOTONIC its times are of: captures with the same share one clock
    wall_error_ns: int | None = None  # by which started_utc is off at most; None: nothing keeps that clock right
    received: bool | None = None  # recorded elsewhere: whether all of it is here; None: recorded here

    def write(self, directory: Path, *, sync: bool = False) -> None:
        """Replace meta.json in ``directory``; ``sync``: it is on the disk then. Raises OSError."""
        new = directory / f".{META}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(asdict(self), file, indent=1)
                file.write("\n")
                if sync:
                    file.flush()
                    os.fsync(descriptor)
            new.replace(directory / META)
        except OSError:
            with suppress(OSError):
                new.unlink()
            raise

    @staticmethod
    def read(directory: Path) -> Meta:
        """The meta.json in ``directory``; raises ClewError if there is none, or it is not one of ours."""
        path = directory / META
        try:
            values = json.loads(path.read_text("utf-8"))
            return Meta(**{name: value for name, value in values.items() if name in Meta.__dataclass_fields__})
        except OSError as error:
            raise ClewError(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise ClewError(f"{path} is damaged: {error}") from None


def new_meta(engine: str, command: Sequence[str], options: Mapping[str, Any]) -> Meta:
    """The meta.json of a capture that begins now, on this host, by this process."""
    from clew.native.wall import wall_error_ns

    return Meta(
        engine=engine,
        command=list(command),
        host=socket.gethostname(),
        version=__version__,
        started_ns=time.monotonic_ns(),
        started_utc=datetime.datetime.now(datetime.UTC).isoformat(),
        options=dict(options),
        recorder_pid=os.getpid(),
        id=uuid.uuid4().hex,
        boot=boot(),
        wall_error_ns=wall_error_ns(),
    )


def boot() -> str | None:
    """What tells this CLOCK_MONOTONIC from others: the kernel's boot id, and the time namespace's offset; or None.

    Containers of one machine have the same unless they are in a time namespace (time_namespaces(7)).
    """
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        offsets = Path("/proc/self/timens_offsets").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return None
    words = next((line.split() for line in offsets if line.startswith("monotonic")), [])
    return " ".join([name, *(words[1:] if any(word != "0" for word in words[1:]) else [])])


def recover(directory: Path) -> int:
    """Take what a recorder that died left in its arena into the segments of ``directory``; returns the records.

    Files of other engines that were not complete (.perf.data) get the names by which they are read. Nothing happens (0)
    where the capture ended in good order or its recorder is alive. Raises ClewError.
    """
    from clew import native

    meta = Meta.read(directory)
    if meta.received is not None:
        return 0
    if not meta.arena and meta.ended_ns is None and not is_alive(meta.recorder_pid):
        for path in directory.glob(f"{UNFINISHED}*"):
            path.rename(directory / path.name.removeprefix(UNFINISHED))
        return 0
    if not meta.arena or not Path(meta.arena).is_file():
        return 0
    stats = native.recover(meta.arena, directory)
    if stats is None:
        return 0
    remove_arena(Path(meta.arena))
    meta.arena = None
    meta.write(directory)
    return stats.records


def is_alive(pid: int | None) -> bool:
    """Whether process ``pid`` runs; False for None."""
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove_arena(arena: Path) -> None:
    """Remove an arena, and the private directory it is in."""
    with suppress(OSError):
        arena.unlink()
    if arena.parent.name.startswith("clew-arena-"):
        shutil.rmtree(arena.parent, ignore_errors=True)


def captures(case: Path) -> list[Path]:
    """The directories of the captures in a case, oldest first."""
    try:
        return sorted(entry for entry in (case / RAW).iterdir() if (entry / META).is_file())
    except OSError:
        return []
