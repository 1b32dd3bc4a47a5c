"""From an ELF file to its table of functions, by the rules by which perf reads them."""

from __future__ import annotations

import lzma
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.errors import ClewError
from clew.symbols.elf import (
    EM_AARCH64,
    EM_ARM,
    EM_RISCV,
    PF_X,
    PT_LOAD,
    SHT_DYNSYM,
    SHT_REL,
    SHT_RELA,
    SHT_SYMTAB,
    Elf,
    Section,
    elf_of_bytes,
)
from clew.symbols.table import GLOBAL, PLT, SymbolTable, joined, ordered

Array = NDArray[Any]
_NOTYPE, _OBJECT, _FUNC, _IFUNC = 0, 1, 2, 10
_UNDEFINED, _ABSOLUTE = 0, 0xFFF1
_INTERNAL, _HIDDEN = 1, 2
_HEADS = {183: (32, 16), 40: (20, 12), 243: (32, 16)}  # machine: bytes before the first entry, of each


def has_symtab(elf: Elf) -> bool:
    """Whether the file has a full symbol table, not only what it exports."""
    return elf.section(".symtab", SHT_SYMTAB) is not None and bool(elf.content(elf.section(".symtab", SHT_SYMTAB)))


def read_table(binary: Elf, full: Elf | None = None) -> SymbolTable:
    """The functions of ``binary``; its names from ``full`` where that is another file (debug information)."""
    source = full if full is not None else binary
    found = _symbols(source, ".symtab", SHT_SYMTAB)
    table = _symbols(binary, ".dynsym", SHT_DYNSYM) if found is None else found
    if found is not None:
        exported = _symbols(binary, ".dynsym", SHT_DYNSYM)
        table = joined(found, exported) if exported is not None else found
    elif binary.section(".gnu_debugdata"):
        table = _with_minidebug(binary, table)
    if table is None:
        nothing = np.empty(0, "u8")
        table = ordered(nothing, nothing, nothing, nothing, nothing, b"")
    table = _with_plt(binary, table)
    return replace(table, segments=segments_of(binary), build_id=binary.build_id)


def segments_of(elf: Elf) -> Array:
    """What of the file is loaded where, code first: rows of offset, size, address; last what has only memory (.bss)."""
    loads = sorted((s for s in elf.segments if s.kind == PT_LOAD), key=lambda one: not one.flags & PF_X)
    rows = [(one.offset, one.size, one.address) for one in loads]
    rows += [(one.offset, one.memory, one.address) for one in loads if one.memory > one.size]
    return np.array(rows, "<u8").reshape(-1, 3)


def _columns(elf: Elf, data: bytes) -> Array:
    """A symbol table section as a structured array."""
    if elf.wide:
        fields = [("name", "u4"), ("info", "u1"), ("other", "u1"), ("section", "u2"), ("value", "u8"), ("size", "u8")]
    else:
        fields = [("name", "u4"), ("value", "u4"), ("size", "u4"), ("info", "u1"), ("other", "u1"), ("section", "u2")]
    form = np.dtype([(name, elf.order + kind) for name, kind in fields])
    return np.frombuffer(data, form, len(data) // form.itemsize)


def _linked(elf: Elf, section: Section) -> Section | None:
    return elf.sections[section.link] if section.link < len(elf.sections) else None


def _symbols(elf: Elf, name: str, kind: int) -> SymbolTable | None:
    """Functions, labels in code and data objects of one symbol table; None where there is none."""
    section = elf.section(name, kind)
    if section is None:
        return None
    rows, names = _columns(elf, elf.content(section)), elf.content(_linked(elf, section))
    if not len(rows):
        return None
    sort, binding = rows["info"] & 15, rows["info"] >> 4
    defined = (rows["name"] != 0) & (rows["name"] < len(names)) & (rows["section"] != _UNDEFINED)
    defined &= rows["section"] != _ABSOLUTE
    seen = (rows["other"] & 3 != _HIDDEN) & (rows["other"] & 3 != _INTERNAL)
    text = np.zeros(1 << 16, bool)
    for number, one in enumerate(elf.sections[: 1 << 16]):
        text[number] = "text" in one.name or "data" in one.name
    keep = defined & ((sort == _FUNC) | (sort == _IFUNC) | (sort == _OBJECT))
    keep |= defined & (sort == _NOTYPE) & seen & text[rows["section"]]
    rows, binding = rows[keep], binding[keep]
    value = rows["value"].astype("u8")
    if elf.machine == EM_ARM:  # the lowest bit says Thumb
        value = value & ~np.uint64(1)
    start, size, at = value, rows["size"].astype("u8"), rows["name"].astype("u4")
    if elf.machine in (EM_ARM, EM_AARCH64, EM_RISCV):
        real = np.array([not _is_mapping(names, int(place)) for place in at], bool)
        start, size, at, binding = start[real], size[real], at[real], binding[real]
    return ordered(start, size, binding, at, np.zeros(len(start), "u1"), names)


def _is_mapping(names: bytes, at: int) -> bool:
    """Whether a name only marks code or data: $a, $d, $t, $x."""
    return names[at : at + 1] == b"$" and names[at + 1 : at + 2] in (b"a", b"d", b"t", b"x")


def _with_minidebug(binary: Elf, table: SymbolTable | None) -> SymbolTable | None:
    """With the symbols that a distribution packed into .gnu_debugdata (an ELF file, compressed)."""
    packed = binary.content(binary.section(".gnu_debugdata"))
    try:
        content = lzma.LZMADecompressor(memlimit=1 << 28).decompress(packed, max_length=1 << 28)
        with elf_of_bytes(binary.path, content) as inner:
            more = _symbols(inner, ".symtab", SHT_SYMTAB)
    except (lzma.LZMAError, ClewError, MemoryError):
        return table
    return joined(table, more) if table is not None and more is not None else table or more


def _with_plt(elf: Elf, table: SymbolTable) -> SymbolTable:
    """With the entries of the procedure linkage tables, named by what they lead to."""
    relocations = elf.section(".rela.plt", SHT_RELA) or elf.section(".rel.plt", SHT_REL)
    plt, dynamic = elf.section(".plt"), elf.section(".dynsym", SHT_DYNSYM)
    if relocations is None or plt is None or dynamic is None:
        return table
    info = _relocations(elf, relocations)
    symbols, names = _columns(elf, elf.content(dynamic)), elf.content(_linked(elf, dynamic))
    index = info >> np.uint64(32) if elf.wide else info >> np.uint64(8)
    head, each = _HEADS.get(elf.machine, (plt.entry, plt.entry))
    if not each or not len(symbols):
        return table
    start = np.uint64(plt.address + head) + np.arange(len(index), dtype="u8") * np.uint64(each)
    known = (index < len(symbols)) & (start < np.uint64(plt.address) + np.uint64(plt.size))
    start, at = start[known], symbols["name"][index[known].astype("i8")]
    named = at < len(names)  # 0: a function that is chosen when the program starts, without a name
    start, at = start[named], at[named]
    size = np.full(len(start), each, "u8")
    ones = np.full(len(start), GLOBAL, "u1")
    return joined(table, ordered(start, size, ones, at, np.full(len(start), PLT, "u1"), names))


def _relocations(elf: Elf, section: Section) -> Array:
    """r_info of each relocation."""
    word = elf.order + ("u8" if elf.wide else "u4")
    width = 3 if section.kind == SHT_RELA else 2
    data = elf.content(section)
    step = np.dtype(word).itemsize * width
    return np.frombuffer(data, word, len(data) // step * width).reshape(-1, width)[:, 1].astype("u8")
