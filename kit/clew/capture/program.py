"""The command to be recorded, before it runs: where it is, and whether the loader will preload anything into it."""

from __future__ import annotations

import enum
import os
import shutil
import stat
import struct
from pathlib import Path

from clew.errors import ClewError

_PT_INTERP = 3
_INTERPRETERS = 4  # a script may name a script: the kernel follows as many


class Unseen(enum.IntEnum):
    """enum clew_unseen of native/include/clew_record.h: why a program is not recorded."""

    STATIC = 1
    SETUID = 2
    ABI = 3
    LOADER = 4
    IO_URING = 5
    NO_ARENA = 6
    UNREADABLE = 7


REASONS = {
    Unseen.STATIC: "it is linked statically",
    Unseen.SETUID: "it is setuid, setgid or has capabilities",
    Unseen.ABI: "it is for another machine or word size",
    Unseen.LOADER: "it brings a libc of another kind",
}


def find_program(name: str) -> str:
    """Where PATH finds ``name``; raises ClewError with the exit code of a shell: 127 not found, 126 not executable."""
    found = shutil.which(name)
    if found:
        return found  # as it stands: Path would make `load` of `./load`
    places = [name] if "/" in name else [os.path.join(place, name) for place in os.get_exec_path()]  # noqa: PTH118
    if any(os.path.exists(place) for place in places):  # noqa: PTH110 -- what exec would look at, as it stands
        raise ClewError(f"{name}: not executable", exit_code=126)
    raise ClewError(f"{name}: command not found", exit_code=127)


def why_unseen(path: Path) -> Unseen | None:
    """Why a program started from ``path`` would not be recorded; None if it will be."""
    for _ in range(_INTERPRETERS):
        try:
            with path.open("rb") as file:
                head = file.read(4096)
            reason = _privileged(path) or _elf(path, head)
        except OSError:
            return Unseen.UNREADABLE
        if not head.startswith(b"#!"):
            return reason
        words = head[2:].split(b"\n", 1)[0].split()
        if not words:
            return None
        path = Path(os.fsdecode(words[0]))
    return None


def _privileged(path: Path) -> Unseen | None:
    """ld.so(8), secure-execution mode: ids that change, or capabilities gained by someone who is not root."""
    status = path.stat()
    changes = (status.st_mode & stat.S_ISUID and status.st_uid != os.getuid()) or (
        status.st_mode & stat.S_ISGID and status.st_gid != os.getgid()
    )
    try:
        capable = os.getuid() != 0 and bool(os.getxattr(path, "security.capability"))
    except OSError:
        capable = False
    return Unseen.SETUID if changes or capable else None


def _elf(path: Path, head: bytes) -> Unseen | None:
    """elf(5): the machine, and which loader the program asks for. None also for what is no ELF file."""
    if head[:4] != b"\x7fELF" or len(head) < 64:
        return None
    own = Path("/proc/self/exe").resolve().open("rb")
    with own:
        mine = own.read(64)
    if head[4:6] != mine[4:6] or head[18:20] != mine[18:20]:
        return Unseen.ABI
    table, entry_size, entries = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
    with path.open("rb") as file:
        file.seek(table)
        headers = file.read(min(entry_size * entries, 1 << 16))
        for at in range(0, len(headers) - 55, max(entry_size, 56)):
            if struct.unpack_from("<I", headers, at)[0] == _PT_INTERP:
                file.seek(struct.unpack_from("<Q", headers, at + 8)[0])
                loader = file.read(min(struct.unpack_from("<Q", headers, at + 32)[0], 4096)).rstrip(b"\0")
                return None if os.path.basename(loader).startswith(b"ld-linux") else Unseen.LOADER  # noqa: PTH119
    # the loader itself may be run as a program
    return None if path.resolve().name.startswith("ld-linux") else Unseen.STATIC
