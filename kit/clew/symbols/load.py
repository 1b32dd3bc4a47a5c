"""The symbol table of a module: what was kept with the recording, else the cache, else the file."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from clew.symbols import cache
from clew.symbols.elf import Elf
from clew.symbols.find import DELETED, debug_paths, open_binary, open_debug, same_build
from clew.symbols.symtab import has_symtab, read_table
from clew.symbols.table import SymbolTable

TABLE = ".table"
"""Ending of kept symbol tables."""


def kept_name(module: str, build_id: str | None) -> str:
    """Under which name (without ending) what belongs to a module is kept with a recording."""
    if build_id:
        return build_id.lower()
    path = module.removesuffix(DELETED)
    return "path-" + hashlib.sha256(path.encode("utf-8", "backslashreplace")).hexdigest()[:40]


def kept_names(module: str, build_id: str | None, keep: Path | None) -> list[str]:
    """Names (without ending) under which what belongs to a module may be kept; the first that is there is right."""
    if keep is None:
        return []
    by_path = kept_name(module, None)
    if build_id is None:
        return [by_path]
    names = [kept_name(module, build_id)]
    if not (keep / (names[0] + TABLE)).exists():  # who kept it may not have known the build
        table = _kept_table(keep, by_path)
        if table is not None and same_build(table.build_id, build_id):
            names.append(by_path)
    return names


def _kept_table(keep: Path | None, name: str) -> SymbolTable | None:
    with contextlib.suppress(OSError, ValueError):
        return SymbolTable.from_bytes(((keep or Path()) / (name + TABLE)).read_bytes())
    return None


def load_table(
    module: str, build_id: str | None, keep: Path | None = None, pid: int | None = None
) -> SymbolTable | None:
    """The symbols of a module (path, ``[vdso]``); None where neither they nor its file can be found.

    ``keep``: the folder that symbols.keep filled; ``pid``: a process that had it mapped.
    """
    for name in kept_names(module, build_id, keep):
        table = _kept_table(keep, name)
        if table is not None:
            return table
    binary = open_binary(module, build_id, pid)
    if binary is None:
        return None
    with binary:
        return table_of(binary)


def table_of(binary: Elf) -> SymbolTable:
    """The symbols of an open file, from the cache if they were read before."""
    name = cache.key("table", *identity(binary))
    stored = cache.load(name)
    if stored is not None:
        with contextlib.suppress(ValueError):
            return SymbolTable.from_bytes(stored)
    debug = None if has_symtab(binary) else open_debug(binary)
    try:
        table = read_table(binary, debug)
    finally:
        if debug is not None:
            debug.close()
    cache.store(name, table.to_bytes())
    return table


def identity(binary: Elf) -> tuple[object, ...]:
    """What its symbols and lines depend on: the build (path, time and size without a build-id) and its debug files."""
    own: list[object] = [binary.build_id or (binary.path, *_stamp(Path(binary.path)))]
    for path in debug_paths(binary):
        with contextlib.suppress(OSError):
            own.append((str(path), *_stamp(path)))
    return (*own, has_symtab(binary))


def _stamp(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size
