"""ELF files: headers, sections, program headers and build-ids, read piece by piece; what is damaged is not there.

The format is that of the System V ABI (gabi, chapters 4 and 5). 32 and 64 bit, both byte orders.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from clew.errors import ClewError

Array = NDArray[Any]

EM_ARM, EM_AARCH64, EM_RISCV = 40, 183, 243
SHT_SYMTAB, SHT_RELA, SHT_NOBITS, SHT_REL, SHT_DYNSYM = 2, 4, 8, 9, 11
PT_LOAD, PT_NOTE = 1, 4
PF_X = 1
_NT_GNU_BUILD_ID = 3
_MOST = 1 << 30  # bytes of one section: more is damage
_MOST_HEADERS = 1 << 16


class Section(NamedTuple):
    """One section header, its name as text."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    entry: int


class Segment(NamedTuple):
    """One program header."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int  # in the file
    memory: int


@dataclass(frozen=True)
class Elf:
    """An open ELF file, or one in memory. Close it, or use it as a context."""

    path: str
    size: int
    machine: int
    wide: bool  # 64 bit
    order: str  # < or >
    sections: tuple[Section, ...]
    segments: tuple[Segment, ...]
    _descriptor: int = -1
    _bytes: bytes = field(default=b"", repr=False)

    def __enter__(self) -> Elf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            object.__setattr__(self, "_descriptor", -1)

    def read(self, offset: int, size: int) -> bytes:
        """That piece of the file; shorter where the file ends before."""
        return _read(self._descriptor, self._bytes, self.size, offset, size)

    def section(self, name: str, kind: int | None = None) -> Section | None:
        """The first section of that name, if it is of ``kind``."""
        found = next((section for section in self.sections if section.name == name), None)
        return found if found is None or kind is None or found.kind == kind else None

    def content(self, section: Section | None) -> bytes:
        """The bytes of a section; b"" where it has none in this file."""
        if section is None or section.kind == SHT_NOBITS:
            return b""
        return self.read(section.offset, min(section.size, _MOST))

    @cached_property
    def build_id(self) -> str | None:
        """The GNU build-id in hexadecimal; None where the file has none."""
        pieces = [
            (s.offset, s.size)
            for s in self.sections
            if s.name in (".note.gnu.build-id", ".notes", ".note") and s.kind != SHT_NOBITS
        ]
        pieces += [(s.offset, s.size) for s in self.segments if s.kind == PT_NOTE]
        for offset, size in pieces:
            found = build_id_of_notes(self.read(offset, min(size, 1 << 16)), self.order)
            if found:
                return found
        return None


def open_elf(path: Path | str) -> Elf:
    """Open an ELF file; raises ClewError if it is none, or damaged where it says what it holds, or not readable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise ClewError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        return _parsed(str(path), descriptor, b"", os.fstat(descriptor).st_size)
    except (struct.error, ValueError, OverflowError, OSError):
        os.close(descriptor)
        raise ClewError(f"{path} is no ELF file, or damaged") from None


def elf_of_bytes(name: str, content: bytes) -> Elf:
    """The same for a file in memory."""
    try:
        return _parsed(name, -1, content, len(content))
    except (struct.error, ValueError, OverflowError):
        raise ClewError(f"{name} is no ELF file, or damaged") from None


def build_id_of_notes(notes: bytes, order: str = "<") -> str | None:
    """The GNU build-id among ELF notes, in hexadecimal."""
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from(order + "3I", notes, at)
        name = notes[at + 12 : at + 12 + name_size]
        begin = at + 12 + (name_size + 3) // 4 * 4
        if kind == _NT_GNU_BUILD_ID and name == b"GNU\0" and 0 < size <= 64 and begin + size <= len(notes):
            return notes[begin : begin + size].hex()
        at = begin + (size + 3) // 4 * 4
    return None


def build_id_of(path: Path | str) -> str | None:
    """The build-id of a file; None where it has none, or is no ELF file."""
    try:
        with open_elf(path) as elf:
            return elf.build_id
    except ClewError:
        return None


def _read(descriptor: int, content: bytes, whole: int, offset: int, size: int) -> bytes:
    size = min(size, whole - offset)
    if size <= 0 or offset < 0:
        return b""
    return content[offset : offset + size] if descriptor < 0 else os.pread(descriptor, size, offset)


def _parsed(path: str, descriptor: int, content: bytes, whole: int) -> Elf:
    ident = _read(descriptor, content, whole, 0, 64)
    if len(ident) < 52 or ident[:4] != b"\x7fELF" or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        raise ValueError("no ELF")
    wide, order = ident[4] == 2, "<" if ident[5] == 1 else ">"
    head = order + ("2HIQQQI6H" if wide else "2H5I6H")
    fields = struct.unpack_from(head, ident, 16)
    machine, segments_at, sections_at = fields[1], fields[4], fields[5]
    segment_size, segment_count, section_size, section_count, names = fields[8:13]
    form = order + ("2I4Q2I2Q" if wide else "10I")

    def table(at: int, size: int, count: int, form: str) -> list[tuple[int, ...]]:
        least = struct.calcsize(form)
        if not at or not count or size < least:
            return []
        data = _read(descriptor, content, whole, at, min(count, _MOST_HEADERS) * size)
        return [struct.unpack_from(form, data, place) for place in range(0, len(data) - least + 1, size)]

    if sections_at and not section_count:  # more than fit into 16 bits: the first header tells
        section_count = (table(sections_at, section_size, 1, form) or [(0,) * 10])[0][5]
    raw = table(sections_at, section_size, section_count, form)
    if names == 0xFFFF and raw:
        names = raw[0][6]
    texts = b""
    if names < len(raw):
        texts = _read(descriptor, content, whole, raw[names][4], min(raw[names][5], _MOST))
    sections = tuple(
        Section(_text(texts, one[0]), one[1], one[2], one[3], one[4], one[5], one[6], one[9]) for one in raw
    )
    if wide:
        found = table(segments_at, segment_size, segment_count, order + "2I6Q")
        segments = tuple(Segment(one[0], one[1], one[2], one[3], one[5], one[6]) for one in found)
    else:
        found = table(segments_at, segment_size, segment_count, order + "8I")
        segments = tuple(Segment(one[0], one[6], one[1], one[2], one[4], one[5]) for one in found)
    return Elf(path, whole, machine, wide, order, sections, segments, descriptor, content)


def _text(texts: bytes, at: int) -> str:
    end = texts.find(b"\0", at)
    return texts[at : end if end >= 0 else len(texts)].decode("utf-8", "backslashreplace")
