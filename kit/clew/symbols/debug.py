"""Lines and inlined functions from debug information (DWARF), by the symbolic library; read once for each build."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.symbols import cache
from clew.symbols.demangle import demangle
from clew.symbols.elf import PT_LOAD, Elf, open_elf
from clew.symbols.find import debug_paths, open_binary
from clew.symbols.load import identity, kept_names

LINES = ".lines"
"""Ending of kept line tables."""
_SECTIONS = (".debug_line", ".zdebug_line")
_NONE = b""


@dataclass
class Chains:
    """Functions at places, those of one place together, outermost first.

    ``place`` says whose each row is; ``function`` and ``file`` are numbers of ``texts`` (file -1: not known), ``line``
    counts from 1 (0: not known).
    """

    place: list[int] = field(default_factory=list)
    function: list[int] = field(default_factory=list)
    file: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class Lines:
    """The line table of one build."""

    def __init__(self, content: bytes, base: int) -> None:
        self._table = _library().symcache.SymCache.from_bytes(content)
        self._base = base

    def chains(self, addresses: Sequence[int]) -> Chains:
        """What is known of each of ``addresses``, which are the places; nothing of one without a line.

        Asks below the library's Python classes, which make several objects for each of tens of thousands of addresses.
        """
        from symbolic._lowlevel import ffi, lib

        found, names, files, base = Chains(), dict[int, int](), dict[bytes, int](), self._base
        texts, number = dict[str, int](), ffi.typeof("uintptr_t")
        unpack, cast, addressof = ffi.unpack, ffi.cast, ffi.addressof
        table, lookup, free = self._table._get_objptr(), lib.symbolic_symcache_lookup, lib.symbolic_lookup_result_free
        for place, address in enumerate(addresses):
            if address < base:
                continue
            rows = lookup(table, address - base)
            items, count = rows.items, rows.len
            steps = [items[count - 1]] if count == 1 else [items[step] for step in range(count - 1, -1, -1)]
            if any(step.line for step in steps):
                for step in steps:
                    symbol, path = step.symbol, step.full_path
                    key = int(cast(number, symbol.data))  # texts of the table stay where they are
                    if key not in names:
                        name = demangle(unpack(symbol.data, symbol.len) if symbol.len else b"?")
                        names[key] = texts.setdefault(name, len(texts))
                    file = unpack(path.data, path.len) if path.len else b""
                    if file not in files:
                        text = file.decode("utf-8", "backslashreplace")
                        files[file] = texts.setdefault(text, len(texts)) if file else -1
                    found.place.append(place)
                    found.function.append(names[key])
                    found.file.append(files[file])
                    found.line.append(step.line)
            free(addressof(rows))
        lib.symbolic_err_clear()
        found.texts = list(texts)
        return found


def load_lines(module: str, build_id: str | None, keep: Path | None = None, pid: int | None = None) -> Lines | None:
    """The line table of a module; None without debug information."""
    for name in kept_names(module, build_id, keep):
        with contextlib.suppress(OSError):
            kept = ((keep or Path()) / (name + LINES)).read_bytes()
            if _is_whole(kept):
                return _opened(kept)
    binary = open_binary(module, build_id, pid)
    if binary is None:
        return None
    with binary:
        return _opened(_content(binary))


def keep_lines(binary: Elf, folder: Path, name: str) -> None:
    """Keep the line table of ``binary`` in ``folder``; an empty one says that there is no debug information."""
    cache.write(folder / (name + LINES), _content(binary))


def _is_whole(content: bytes) -> bool:
    return len(content) >= 12 and zlib.crc32(content[:-4]) == int.from_bytes(content[-4:], "little")


def _opened(content: bytes) -> Lines | None:
    """The table in what _content() made; None where there is none in it."""
    if len(content) <= 12:
        return None
    try:
        return Lines(content[:-12], int.from_bytes(content[-12:-4], "little"))
    except Exception:
        return None  # written by another version of the library: it has exceptions of its own for that


def _content(binary: Elf) -> bytes:
    """The line table as a file: that of the library (or nothing), the address where it is loaded, a checksum."""
    name = cache.key("lines", _version(), *identity(binary))
    stored = cache.load(name)
    if stored is not None and _is_whole(stored):
        return stored
    base = min((one.address for one in binary.segments if one.kind == PT_LOAD), default=0)
    body = _made(binary) + base.to_bytes(8, "little")
    whole = body + zlib.crc32(body).to_bytes(4, "little")
    cache.store(name, whole)
    return whole


def _library() -> Any:
    """The symbolic library; it is large, and most recordings have been seen before."""
    import symbolic.debuginfo

    return symbolic


def _version() -> int:
    return int(_library().symcache.SYMCACHE_LATEST_VERSION)


def _made(binary: Elf) -> bytes:
    """The library's table; empty without debug information that it can read."""
    source = _with_lines(binary)
    if source is None:
        return _NONE
    try:
        objects = _library().debuginfo.Archive.open(source).iter_objects()
        table: bytes = next(objects).make_symcache().open_stream().read()
    except Exception:  # the library has a class for each way in which a file can be damaged, panics among them
        return _NONE
    return table


def _with_lines(binary: Elf) -> str | None:
    """The file with the debug information of ``binary``."""
    if not binary.path.startswith("/"):
        return None  # the vdso: in memory only
    if any(binary.content(binary.section(name)) for name in _SECTIONS):
        return binary.path
    for path in debug_paths(binary):
        with contextlib.suppress(ClewError), open_elf(path) as found:
            same = binary.build_id is None or found.build_id == binary.build_id
            if same and any(found.content(found.section(name)) for name in _SECTIONS):
                return str(path)
    return None
