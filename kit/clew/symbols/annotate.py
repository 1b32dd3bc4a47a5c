"""What stands at an address: instructions from the binary, lines from its source."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clew.errors import ClewError
from clew.symbols.elf import PT_LOAD, Elf, open_elf
from clew.symbols.find import open_binary
from clew.symbols.kernel import KERNEL
from clew.symbols.load import load_table, table_of

MOST = 1 << 20  # bytes of one function
_LARGEST = 1 << 23  # bytes of a source file
_KCORE = Path("/proc/kcore")
_TARGET = re.compile(r"\b0x([0-9a-f]{3,16})$")
_SUFFIXES = frozenset(
    ".c .h .cc .hh .cpp .hpp .cxx .hxx .c++ .h++ .ipp .inl .inc .tcc .def .s .asm .rs .go .d .zig .nim .swift .m .mm "
    ".f .for .f77 .f90 .f95 .f03 .f08 .pas .adb .ads .hs .ml .java .kt .scala .py .pyx .js .ts .cu .cl .v .y .l".split()
)


class Instruction(NamedTuple):
    """One instruction; addresses count as in the symbol table."""

    address: int
    size: int
    text: str


@dataclass(frozen=True)
class Code:
    """The instructions of a piece of a module, and when its file was written (ns since 1970; None: not a file)."""

    instructions: Sequence[Instruction]
    written_ns: int | None


def disassemble(module: str, build_id: str | None, start: int, end: int, keep: Path | None = None) -> Code:
    """The instructions from ``start`` to before ``end``; raises ClewError, saying why, where they cannot be had."""
    is_kernel = module.startswith("[") and module != "[vdso]"
    binary = _running_kernel() if is_kernel else open_binary(module, build_id)
    if binary is None:
        raise ClewError(f"the file of {module} is gone, or another by now: no instructions")
    with binary:
        code = code_at(binary, start, min(end - start, MOST))
        if not code:
            raise ClewError(f"{module} holds no code at {start:#x}: no instructions")
        machine = _disassembler(binary.machine, binary.wide)
        table = None if is_kernel else (load_table(module, build_id, keep) or table_of(binary))
    found = [(one[0], one[1], f"{one[2]} {one[3]}".rstrip()) for one in machine.disasm_lite(code, start)]
    if table is not None:
        found = [(at, size, _named(text, table)) for at, size, text in found]
    written = None if is_kernel or not binary.path.startswith("/") else Path(binary.path).stat().st_mtime_ns
    return Code([Instruction(*one) for one in found], written)


def code_at(binary: Elf, address: int, size: int) -> bytes:
    """Bytes of the program at ``address``; fewer where the segment ends before."""
    for one in binary.segments:
        if one.kind == PT_LOAD and one.address <= address < one.address + one.size:
            into = address - one.address
            return binary.read(one.offset + into, min(size, one.size - into))
    return b""


def source_lines(path: str, written_ns: int | None) -> list[str]:
    """The lines of a source file; raises ClewError, saying why, where they are not those that were compiled.

    Names of files come from debug information, which anybody may have written: only what is named like a source file,
    and is a plain file of a usual size, is opened.
    """
    file = Path(path)
    try:
        if not path.startswith("/") or file.suffix.lower() not in _SUFFIXES:
            raise ClewError(f"the source file {path} cannot be found")
        state = file.stat()
        if not stat.S_ISREG(state.st_mode) or state.st_size > _LARGEST:
            raise ClewError(f"the source file {path} is too large, or no file")
        if written_ns is not None and state.st_mtime_ns > written_ns:
            raise ClewError(f"the source file {path} is newer than the program: its lines are not shown")
        return file.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
    except (OSError, ValueError):
        raise ClewError(f"the source file {path} cannot be read") from None


def _named(text: str, table: Any) -> str:
    """With the name of the function that a jump or call leads to."""
    found = _TARGET.search(text)
    if found is None:
        return text
    address = int(found[1], 16)
    row = int(table.lookup(np.array([address], np.uint64))[0]) if address < 2**64 else -1
    if row < 0:
        return text
    within = address - int(table.start[row])
    return f"{text} <{table.name(row)}{f'+{within:#x}' if within else ''}>"


def _running_kernel() -> Elf:
    try:
        return open_elf(_KCORE)
    except ClewError:
        raise ClewError(f"the code of {KERNEL} cannot be read here ({_KCORE}): no instructions") from None


def _disassembler(machine: int, wide: bool) -> Any:
    """A capstone disassembler for an ELF machine; x86 in the syntax of objdump."""
    import capstone

    kinds = {
        3: (capstone.CS_ARCH_X86, capstone.CS_MODE_32),
        62: (capstone.CS_ARCH_X86, capstone.CS_MODE_64 if wide else capstone.CS_MODE_32),
        183: (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
        40: (capstone.CS_ARCH_ARM, capstone.CS_MODE_ARM),
        243: (capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC),
    }
    if machine not in kinds:
        raise ClewError(f"clew cannot disassemble code of ELF machine {machine}")
    made = capstone.Cs(*kinds[machine])
    made.skipdata = True
    if machine in (3, 62):
        made.syntax = capstone.CS_OPT_SYNTAX_ATT
    return made
