"""Where the file of a module is, and where its debug information: never another file that has its name by now."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from clew.errors import ClewError
from clew.symbols.elf import Elf, elf_of_bytes, open_elf
from clew.symbols.symtab import has_symtab

DELETED = " (deleted)"
VDSO = "[vdso]"
_DEBUG = Path("/usr/lib/debug")
_MEMORY = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$", re.MULTILINE)


def open_binary(module: str, build_id: str | None, pid: int | None = None) -> Elf | None:
    """The file that ``module`` was; None where it cannot be found any more, or has another build-id.

    ``pid``: a process that had it mapped, in whose file system (a container's) it is looked for, too.
    """
    if module == VDSO:
        return _checked(_own_vdso(), build_id)
    deleted = module.endswith(DELETED)
    path = module.removesuffix(DELETED)
    places: list[Path] = []
    if path.startswith("/") and (build_id is not None or not deleted):
        if pid is not None and is_elsewhere(pid):
            places.append(Path(f"/proc/{pid}/root{path}"))
        if build_id is not None or not places:
            places.append(Path(path))
    if build_id is not None:
        places += _of_perf(build_id, "elf")
    for place in places:
        with contextlib.suppress(ClewError):
            found = _checked(open_elf(place), build_id)
            if found is not None:
                return found
    return None


def is_elsewhere(pid: int) -> bool:
    """Whether a process has another root than this one: paths mean other files to it."""
    try:
        return pid > 0 and not Path(f"/proc/{pid}/root").samefile("/")
    except OSError:
        return False


def moved(build_ids: Mapping[str, str]) -> dict[str, str | None]:
    """Where the files of modules (path to build-id) are that are not where they were any more; None: nowhere."""
    found: dict[str, str | None] = {}
    for module, build_id in build_ids.items():
        if module.startswith("/"):
            with open_binary(module, build_id) or contextlib.nullcontext() as binary:
                if binary is None or binary.path != module:
                    found[module] = binary.path if binary else None
    return found


def open_debug(binary: Elf) -> Elf | None:
    """The file with the full symbol table and the debug information of ``binary``, where that is another one."""
    for path in debug_paths(binary):
        with contextlib.suppress(ClewError):
            found = open_elf(path)
            if (binary.build_id is None or found.build_id == binary.build_id) and has_symtab(found):
                return found
            found.close()
    return None


def debug_paths(binary: Elf) -> Iterator[Path]:
    """Files that may hold the debug information of ``binary``: by the link in it, then by its build-id."""
    link, crc = debug_link(binary)
    if link and binary.path.startswith("/"):
        here = Path(binary.path).parent
        below = here.relative_to("/")
        for path in (here / link, here / ".debug" / link, _DEBUG / below / link):
            if path != Path(binary.path) and (binary.build_id is not None or _checksum(path) == crc):
                yield path
    if binary.build_id:
        name = binary.build_id
        yield _DEBUG / ".build-id" / name[:2] / f"{name[2:]}.debug"
        yield from (*_of_perf(name, "debug"), *_of_perf(name, "elf"))


def debug_link(binary: Elf) -> tuple[str, int]:
    """(name of the file, its CRC-32) of .gnu_debuglink; ("", 0) without one."""
    content = binary.content(binary.section(".gnu_debuglink"))
    name = content.partition(b"\0")[0].decode("utf-8", "backslashreplace")
    if not name or "/" in name or name in (".", "..") or len(content) < 4:
        return "", 0
    return name, int.from_bytes(content[-4:], "little" if binary.order == "<" else "big")


def _of_perf(build_id: str, kind: str) -> list[Path]:
    """Where perf keeps copies of what it recorded."""
    return [Path("~/.debug/.build-id").expanduser() / build_id[:2] / build_id[2:] / kind]


def _checksum(path: Path) -> int | None:
    try:
        return zlib.crc32(path.read_bytes())
    except OSError:
        return None


def _checked(elf: Elf | None, build_id: str | None) -> Elf | None:
    if elf is not None and build_id is not None and not same_build(elf.build_id, build_id):
        elf.close()
        return None
    return elf


def same_build(one: str | None, other: str) -> bool:
    """Whether two build-ids are the same; records of perf may have cut or filled one up with zeros."""
    if one is None:
        return False
    short, long = sorted((one.lower(), other.lower()), key=len)
    return len(short) >= 16 and long.startswith(short) and not long[len(short) :].strip("0")


def _own_vdso() -> Elf | None:
    """The code that the kernel maps into every process, as it is in this one."""
    try:
        found = _MEMORY.search(Path("/proc/self/maps").read_bytes())
        if found is None:
            return None
        begin, end = int(found[1], 16), int(found[2], 16)
        with Path("/proc/self/mem").open("rb", buffering=0) as memory:
            memory.seek(begin)
            return elf_of_bytes(VDSO, memory.read(end - begin))
    except (OSError, ClewError):
        return None
