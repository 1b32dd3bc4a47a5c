"""Names of functions in ELF files, against nm; whatever was stripped away, wherever it is linked to."""

from __future__ import annotations

import lzma
import os
import subprocess
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew.symbols.elf import build_id_of, open_elf
from clew.symbols.load import load_table

Compile = Callable[..., Path]
Look = Any
BUILDS = [("pie", "-O1", "-pie"), ("fixed", "-O1", "-no-pie"), ("static", "-O1", "-static"), ("debug", "-O0", "-g")]


def hidden_function(look: Look, path: Path) -> int:
    """Where a function is that only the full symbol table knows."""
    return next(start for start, _, _, name in look.symbols(path) if name == "_ZN5firstL4sameEv")


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build[0])
def test_each_function_is_found_from_its_first_to_its_last_byte(
    look: Look, compiled: Compile, build: tuple[str, ...]
) -> None:
    """The last byte is looked up, too, where no other symbol begins inside."""
    path = compiled(*build)
    rows = [row for row in look.symbols(path) if row[2] in "tTi" and row[1]]
    assert len(rows) > 10
    names = "\n".join(row[3] for row in rows)
    shown = subprocess.run(["c++filt", "-p"], input=names, check=True, capture_output=True, text=True).stdout
    named: dict[int, set[str]] = {}
    for row, name in zip(rows, shown.splitlines(), strict=True):
        named.setdefault(row[0], set()).add(name.partition("@")[0])
    starts = sorted(row[0] for row in look.symbols(path))
    whole = [row for row in rows if bisect_right(starts, row[0]) == bisect_left(starts, row[0] + row[1])]
    for asked in ([row[0] for row in rows], [row[0] + row[1] - 1 for row in whole]):
        found = look.functions(path, asked)
        of = [row[0] for row in (rows if len(asked) == len(rows) else whole)]
        differ = [
            (one, named[start])
            for one, start in zip(found, of, strict=True)
            if one.partition("@")[0] not in named[start]
        ]
        assert not differ


def test_of_aliases_the_global_one_with_fewest_underscores_is_named(look: Look, compiled: Compile) -> None:
    path = compiled("pie", "-O1", "-pie")
    start = {name: start for start, _, _, name in look.symbols(path)}
    assert start["__plain_function"] == start["plain_function_alias"] == start["weak_name_that_is_longest_of_all"]
    assert look.functions(path, [start["__plain_function"]]) == ["plain_function_alias"]


def test_labels_without_a_size_reach_to_the_next_symbol(look: Look, compiled: Compile) -> None:
    path = compiled("pie", "-O1", "-pie")
    start = {name: start for start, _, _, name in look.symbols(path)}
    asked = [
        start["label_without_size"],
        start["label_of_loop"] - 1,
        start["label_of_loop"],
        start["label_of_loop"] + 3,
    ]
    assert look.functions(path, asked) == ["label_without_size"] * 2 + ["label_of_loop"] * 2


def test_static_functions_of_one_name_are_told_apart_by_address(look: Look, compiled: Compile) -> None:
    path = compiled("pie", "-O1", "-pie")
    rows = [row for row in look.symbols(path) if row[3].endswith("4sameEv")]
    assert look.functions(path, [row[0] for row in rows]) == [
        "first::same" if "first" in row[3] else "second::same" for row in rows
    ]


def test_offsets_in_the_file_become_addresses(compiled: Compile) -> None:
    for build in BUILDS[:2]:
        path = compiled(*build)
        table = load_table(str(path), None)
        assert table is not None
        with open_elf(path) as elf:
            text = elf.section(".text")
        assert text is not None
        address, known = table.addresses(np.array([text.offset, text.offset + 5, 1 << 40], np.uint64))
        assert address[:2].tolist() == [text.address, text.address + 5]
        assert known.tolist() == [True, True, False]


def stripped(path: Path, target: Path, *options: str) -> Path:
    subprocess.run(["strip", *options, path, "-o", target], check=True)
    return target


def test_a_stripped_program_has_what_it_exports(look: Look, compiled: Compile, tmp_path: Path) -> None:
    whole = compiled("exports", "-O1", "-rdynamic")
    bare = stripped(whole, tmp_path / "bare")
    start = {name: start for start, _, _, name in look.symbols(whole)}
    assert look.functions(bare, [start["outer"], start["main"]]) == ["outer", "main"]
    hidden = hidden_function(look, whole)
    assert look.functions(bare, [hidden]) != look.functions(whole, [hidden]) == ["first::same"]


def test_symbols_only_in_the_dynamic_table_are_found_beside_the_full_one(
    look: Look, compiled: Compile, tmp_path: Path
) -> None:
    whole = compiled("exports", "-O1", "-rdynamic")
    part = tmp_path / "part"
    subprocess.run(["objcopy", "--strip-symbol=outer", whole, part], check=True)
    start = {name: start for start, _, _, name in look.symbols(whole)}
    assert "outer" not in {row[3] for row in look.symbols(part)}
    assert look.functions(part, [start["outer"]]) == ["outer"]


def separate(path: Path, folder: Path) -> tuple[Path, Path]:
    """(program without symbols, its debug file), linked by name."""
    debug, bare = folder / "program.debug", folder / "program"
    subprocess.run(["objcopy", "--only-keep-debug", path, debug], check=True)
    stripped(path, bare)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", bare], check=True)
    return bare, debug


def test_a_debug_file_is_found_by_its_link(look: Look, compiled: Compile, tmp_path: Path) -> None:
    whole = compiled("debug", "-O0", "-g")
    bare, debug = separate(whole, tmp_path)
    rows = [row for row in look.symbols(whole) if row[2] in "tT" and row[1]]
    assert look.functions(bare, [row[0] for row in rows]) == look.functions(whole, [row[0] for row in rows])
    (tmp_path / ".debug").mkdir()
    debug.rename(tmp_path / ".debug" / debug.name)
    assert look.functions(bare, [row[0] for row in rows]) == look.functions(whole, [row[0] for row in rows])


def test_a_debug_file_of_another_build_is_not_taken(look: Look, compiled: Compile, tmp_path: Path) -> None:
    whole, other = (
        compiled("debug", "-O0", "-g"),
        compiled("other", "-O0", "-g", "-DX", "-Wl,--build-id=0x" + "ab" * 20),
    )
    bare, debug = separate(whole, tmp_path)
    subprocess.run(["objcopy", "--only-keep-debug", other, debug], check=True)
    hidden = hidden_function(look, whole)
    assert look.functions(bare, [hidden]) == ["[unknown]"]


def test_a_debug_file_without_build_id_must_have_the_checksum(look: Look, compiled: Compile, tmp_path: Path) -> None:
    whole = compiled("without-id", "-O0", "-g", "-Wl,--build-id=none")
    assert build_id_of(whole) is None
    bare, debug = separate(whole, tmp_path)
    hidden = hidden_function(look, whole)
    assert look.functions(bare, [hidden]) == ["first::same"]
    with debug.open("ab") as file:
        file.write(b"changed")
    assert look.functions(bare, [hidden]) == ["[unknown]"]


def test_packed_symbols_of_a_distribution_are_read(look: Look, compiled: Compile, tmp_path: Path) -> None:
    whole = compiled("pie", "-O1", "-pie")
    mini, bare = tmp_path / "mini", stripped(whole, tmp_path / "bare")
    subprocess.run(["objcopy", "--only-keep-debug", whole, mini], check=True)
    packed = tmp_path / "packed"
    packed.write_bytes(lzma.compress(mini.read_bytes()))
    subprocess.run(["objcopy", f"--add-section=.gnu_debugdata={packed}", bare], check=True)
    hidden = hidden_function(look, whole)
    assert look.functions(bare, [hidden]) == ["first::same"]


def test_linkage_entries_are_named_by_where_they_lead(look: Look, compiled: Compile) -> None:
    source = "#include <cstdio>\n#include <cstdlib>\nint main() { puts(0); qsort(0, 0, 1, 0); }\n"
    path = compiled("calls", "-O1", "-Wl,-z,lazy", source=source)
    shown = subprocess.run(["objdump", "-d", "-j", ".plt", path], check=True, capture_output=True, text=True).stdout
    entries = [line.split() for line in shown.splitlines() if line.endswith("@plt>:")]
    wanted = {int(address, 16): name.strip("<>:") for address, name in entries}
    assert {"puts@plt", "qsort@plt"} <= set(wanted.values())
    assert look.functions(path, list(wanted)) == list(wanted.values())
    assert look.functions(path, [address + 15 for address in wanted]) == list(wanted.values())


def test_a_path_is_not_enough_where_the_build_is_known(look: Look, compiled: Compile, tmp_path: Path) -> None:
    path, other = compiled("pie", "-O1", "-pie"), compiled("fixed", "-O1", "-no-pie")
    start = next(start for start, _, _, name in look.symbols(path) if name == "outer")
    here = tmp_path / "program"
    here.write_bytes(path.read_bytes())
    assert look.functions(here, [start], build_id=build_id_of(path)) == ["outer"]
    assert look.functions(f"{here} (deleted)", [start], build_id=build_id_of(path)) == ["outer"]
    assert look.functions(f"{here} (deleted)", [start]) == ["[unknown]"], "another file may have that name by now"
    here.unlink()
    here.write_bytes(other.read_bytes())
    assert look.functions(here, [start], build_id=build_id_of(path)) == ["[unknown]"]


def test_build_id_is_what_readelf_says(compiled: Compile) -> None:
    path = compiled("with-id", "-O1", "-Wl,--build-id=sha1")
    said = subprocess.run(["readelf", "-n", path], check=True, capture_output=True, text=True).stdout
    assert said.split("Build ID: ")[1].split()[0] == build_id_of(path)


def test_vdso_is_that_of_the_running_kernel() -> None:
    table = load_table("[vdso]", None)
    assert table is not None
    names = {table.name(row) for row in range(len(table.start))}
    assert any(name.endswith("clock_gettime") for name in names)
    assert load_table("[vdso]", "ab" * 20) is None, "of another kernel"


def test_a_new_file_of_the_same_name_is_read_again(look: Look, compiled: Compile, tmp_path: Path) -> None:
    path, other = (
        compiled("without-id", "-O0", "-g", "-Wl,--build-id=none"),
        compiled("none", "-O2", "-Wl,--build-id=none"),
    )
    here = tmp_path / "program"
    for one in (path, other):
        here.write_bytes(one.read_bytes())
        os.utime(here, ns=(one.stat().st_mtime_ns, one.stat().st_mtime_ns))
        start = next(start for start, _, _, name in look.symbols(one) if name == "outer")
        assert look.functions(here, [start]) == ["outer"]
