"""What a recording keeps beside itself, so that its addresses have the same names after programs are replaced."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from clew.errors import ClewError
from clew.symbols import debug
from clew.symbols.cache import write
from clew.symbols.find import open_binary
from clew.symbols.jit import map_name, map_paths
from clew.symbols.jitdump import dump_name, functions
from clew.symbols.kernel import KALLSYMS, read_kallsyms
from clew.symbols.load import TABLE, kept_name, table_of

FOLDER = "symbols"
"""Its name in the folder of a capture: raw/NNN/symbols/."""


def keep_kernel(folder: Path) -> str | None:
    """Copy the kernel's symbols to ``folder``; returns why that cannot be, for a note."""
    try:
        read_kallsyms()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(folder / KALLSYMS, Path("/proc/kallsyms").read_bytes())
    except (ClewError, OSError) as error:
        return str(error)
    return None


def keep_maps(folder: Path, pids: Iterable[int]) -> int:
    """Copy the perf-PID.map of each process that has one; returns how many there were.

    A process in a container has it there, under the pid it knows itself by; it is kept under the host's. Call it before
    the processes end: their file systems go with them.
    """
    count = 0
    for pid in sorted(set(pids)):
        for path in map_paths(pid):
            with contextlib.suppress(OSError):
                if path.is_file():
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    write(folder / map_name(pid), path.read_bytes())
                    count += 1
                    break
    return count


def keep_dumps(folder: Path, dumps: Mapping[int, Path]) -> int:
    """Keep the jit-PID.dump files of processes; returns of how many. Call it once they are written."""
    count = 0
    for pid, path in dumps.items():
        target = folder / dump_name(pid)
        with contextlib.suppress(OSError):
            if not target.exists() and path.is_file() and functions(content := path.read_bytes()):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                write(target, content)
                count += 1
    return count


def keep_binaries(folder: Path, modules: Iterable[tuple[str, str | None] | tuple[str, str | None, int | None]]) -> int:
    """Keep symbols and lines of modules: (path, build-id or None[, pid of a process that had it mapped]).

    What is kept already is left as it is. Returns of how many modules there is something now.
    """
    count = 0
    for module, build_id, *pid in dict.fromkeys(modules):
        target = folder / (kept_name(module, build_id) + TABLE)
        if not target.exists():
            binary = open_binary(module, build_id, pid[0] if pid else None)
            if binary is None:
                continue
            with binary, contextlib.suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                debug.keep_lines(binary, folder, kept_name(module, build_id))
                write(target, table_of(binary).to_bytes())
        count += 1
    return count
