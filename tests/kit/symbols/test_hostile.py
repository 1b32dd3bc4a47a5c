"""ELF files that are cut, damaged or made to harm: no names, or a ClewError; never anything else."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ClewError
from clew.symbols.annotate import disassemble
from clew.symbols.elf import elf_of_bytes, open_elf
from clew.symbols.resolve import resolve
from clew.symbols.symtab import read_table

Compile = Callable[..., Path]
Look = Any


def read_all(content: bytes) -> None:
    """Everything that is read of a file, of this one."""
    try:
        elf = elf_of_bytes("hostile", content)
    except ClewError:
        return
    with elf:
        table = read_table(elf)
        elf.build_id  # noqa: B018 -- it is read here
        for start in table.start[:: max(1, len(table.start) // 20)].tolist():
            row = table.lookup(table.start[table.start == start])[0]
            table.name(int(row))


def test_damage_anywhere(compiled: Compile) -> None:
    whole = compiled("pie", "-O1", "-pie").read_bytes()
    chance = random.Random(7)
    read_all(b"")
    for end in (1, 4, 16, 63, 64, 65, 1000, len(whole) // 2, len(whole) - 1):
        read_all(whole[:end])
    header = (struct.unpack_from("<Q", whole, 40)[0], len(whole))
    for _ in range(400):
        mutant = bytearray(whole)
        for _ in range(chance.choice([1, 2, 8])):
            place = chance.choice([chance.randrange(64), chance.randrange(*header), chance.randrange(len(whole))])
            mutant[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        read_all(bytes(mutant))


def test_damage_in_debug_information(look: Look, compiled: Compile, tmp_path: Path) -> None:
    whole = compiled("lines-pie", "-O2", "-g", "-pie")
    content, here, chance = whole.read_bytes(), tmp_path / "program", random.Random(11)
    start = next(row[0] for row in look.symbols(whole) if row[3] == "outer")
    with open_elf(whole) as elf:
        places = [(one.offset, one.size) for one in elf.sections if one.name.startswith(".debug") and one.size]
    for number in range(60):
        mutant = bytearray(content)
        for _ in range(4):
            offset, size = chance.choice(places)
            mutant[offset + chance.randrange(size)] = chance.choice([0, 0x7F, 0xFF, chance.randrange(256)])
        (tmp_path / str(number)).write_bytes(bytes(mutant))
        found = resolve(look.at(tmp_path / str(number), [start, start + 9]))
        assert found.frames["function"].to_pylist()[0] == "outer"
    assert not here.exists()


def test_names_of_the_symbol_table_are_any_bytes(look: Look, compiled: Compile, tmp_path: Path) -> None:
    whole = compiled("without-id", "-O0", "-g", "-Wl,--build-id=none")
    start = next(row[0] for row in look.symbols(whole) if row[3] == "__plain_function")
    content = whole.read_bytes()
    for name in (b"\xff\xfe;\n\r", b"\x1b[31m", b"(a)b ", b"'\"<&>;"):
        width = len(b"plain_function_alias")
        path = tmp_path / "program"
        path.write_bytes(content.replace(b"plain_function_alias", name.ljust(width, b"x")))
        shown = look.functions(path, [start])[0]
        assert shown.startswith(name.decode("utf-8", "backslashreplace"))


def test_what_is_no_elf_file(look: Look, tmp_path: Path) -> None:
    text, folder = tmp_path / "text", tmp_path / "folder"
    text.write_text("#!/bin/sh\n")
    folder.mkdir()
    for module in (str(text), str(folder), "/dev/zero", "//anon", "", "[heap]", "a\x01b", "x" * 5000):
        assert look.functions(module, [16]) == ["[unknown]"]
    for path in (text, folder, Path("/no/such/file")):
        with pytest.raises(ClewError):
            open_elf(path)
    with pytest.raises(ClewError, match="no instructions"):
        disassemble(str(text), None, 0, 16)
