"""Lines and inlined functions, against addr2line."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.symbols.resolve import resolve

Compile = Callable[..., Path]
Look = Any
Chain = list[tuple[str, str, int]]
BUILDS = [
    ("lines-pie", "-O2", "-g", "-pie"),
    ("lines-fixed", "-O2", "-g", "-no-pie"),
    ("lines-old", "-O2", "-gdwarf-4"),
    ("lines-zipped", "-O2", "-g", "-gz"),
]


def addr2line(path: Path, addresses: list[int]) -> list[Chain]:
    """(function, file name, line) of each address, outermost first."""
    asked = "\n".join(hex(address) for address in addresses)
    command = ["addr2line", "-a", "-i", "-f", "-e", str(path)]
    said = subprocess.run(command, input=asked, check=True, capture_output=True, text=True).stdout.splitlines()
    chains: list[Chain] = []
    rows = iter(said)
    for row in rows:
        if row.startswith("0x"):
            chains.append([])
            continue
        file, _, line = next(rows).partition(" ")[0].rpartition(":")
        number = int(line) if line.isdigit() else 0
        chains[-1].insert(0, (row, Path(file).name if number else "", number))
    return chains


def plain(name: str) -> str:
    """The last part of a name, mangled or not: what both sides agree on."""
    shown = subprocess.run(["c++filt", "-p", name], check=True, capture_output=True, text=True).stdout.strip()
    return re.sub(r"<.*", "", shown).rpartition("::")[2]


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build[0])
def test_every_instruction_has_the_line_and_the_inlined_functions_of_addr2line(
    look: Look, compiled: Compile, build: tuple[str, ...]
) -> None:
    path = compiled(*build)
    span = {name: (start, size) for start, size, _, name in look.symbols(path)}
    start, size = span["outer"]
    addresses = [*range(start, start + size), span["main"][0], span["f"][0]]
    wanted = addr2line(path, addresses)
    found = look.chains(resolve(look.at(path, addresses)))
    lines = [[(file or "", line or 0) for *_, file, line in chain] for chain in found]
    assert lines == [[step[1:] for step in chain] for chain in wanted]
    # addr2line may call the innermost one as the symbol table calls the place, whatever was inlined there
    steps = {
        (mine[0], theirs[0])
        for chain, other in zip(found, wanted, strict=True)
        for mine, theirs in zip(chain, other, strict=True)
        if len(other) == 1 or theirs[0] != other[0][0] or theirs is other[0]
    }
    assert {(name, plain(other)) for name, other in steps} == {(name, name) for name, _ in steps}
    assert {name for chain in found for name, *_ in chain} == {"outer", "middle", "inner", "main", "f"}
    assert max(map(len, found)) == 3, "middle and inner are in outer"
    assert {kind for chain in found for _, kind, *_ in chain[1:]} == {"inlined"}
    assert {chain[0][1] for chain in found} == {"user"}


def test_lines_come_from_the_separate_debug_file(look: Look, compiled: Compile, tmp_path: Path) -> None:
    whole = compiled("lines-pie", "-O2", "-g", "-pie")
    bare, debug = tmp_path / "bare", tmp_path / "bare.debug"
    subprocess.run(["objcopy", "--only-keep-debug", whole, debug], check=True)
    subprocess.run(["strip", whole, "-o", bare], check=True)
    start = next(row[0] for row in look.symbols(whole) if row[3] == "outer")
    assert look.chains(resolve(look.at(bare, [start])))[0][0][2:] == (None, None)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", bare], check=True)
    found, wanted = (look.chains(resolve(look.at(path, [start, start + 9]))) for path in (bare, whole))
    assert found == wanted
    assert wanted[0][0][2] == "lines-pie.cc"


def test_where_a_call_returns_to_is_the_line_of_the_call(look: Look, compiled: Compile) -> None:
    source = """
        __attribute__((noinline)) int callee(int x) { asm volatile(""); return x + 1; }
        int main(int count, char **) {
            int x = callee(count);
            x += callee(x);
            return x;
        }
    """
    path = compiled("returns", "-O0", "-g", source=source)
    shown = subprocess.run(["objdump", "-d", path], check=True, capture_output=True, text=True).stdout
    calls = re.findall(r"call +[0-9a-f]+ <_Z6calleei>\n +([0-9a-f]+):", shown)
    after = [int(address, 16) for address in calls]
    found = resolve(look.at(path, after, is_return=True)).frames["line"].to_pylist()
    assert found == [4, 5]


def test_without_debug_information_lines_are_not_known(look: Look, compiled: Compile) -> None:
    path = compiled("pie", "-O1", "-pie")
    start = next(row[0] for row in look.symbols(path) if row[3] == "outer")
    frames = resolve(look.at(path, [start])).frames.to_pylist()
    assert [(row["function"], row["file"], row["line"], row["byte_offset"]) for row in frames] == [
        ("outer", None, None, 0)
    ]


def test_places_without_a_name_keep_their_place(look: Look, compiled: Compile) -> None:
    path = compiled("pie", "-O1", "-pie")
    frames = resolve(look.at(path, [1 << 45])).frames.to_pylist()
    assert [(row["function"], row["module"], row["address"], row["byte_offset"]) for row in frames] == [
        ("[unknown]", str(path), 1 << 45, None)
    ]
    gone = resolve(look.at("/no/such/program", [16]))
    assert gone.frames["function"].to_pylist() == ["[unknown]"]
    assert "/no/such/program" in gone.missing.notes()[0]
