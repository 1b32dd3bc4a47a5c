"""Recordings of perf: each address has the name and the offset that `perf script` prints."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from clew.symbols.resolve import resolve

Compile = Callable[..., Path]
_LINE = re.compile(r"\s+([0-9a-f]+) (.*) \((/.*|\[.*\])\)")


def record(folder: Path, *command: str | Path, graph: str = "fp") -> Path:
    data = folder / "perf.data"
    subprocess.run(
        [
            "perf",
            "record",
            "--buildid-mmap",
            "-q",
            "-e",
            "cpu-clock",
            "-F",
            "1999",
            "--call-graph",
            graph,
            "-o",
            data,
            *command,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return data


def places_of(data: Path) -> tuple[pa.Table, list[str]]:
    """(distinct places, name+offset of each) as perf prints them: offsets in files, addresses in the kernel."""
    command = ["perf", "script", "-i", data, "--no-inline", "-F", "ip,sym,symoff,dso"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout
    rows = sorted({found.groups() for line in said.splitlines() if (found := _LINE.fullmatch(line))})
    kernel = [module.startswith("[kernel") for *_, module in rows]
    at = [int(address, 16) for address, *_ in rows]
    table = pa.table(
        {
            "module": [module for *_, module in rows],
            "kind": ["kernel" if one else "user" for one in kernel],
            "address": pa.array([one if mine else None for one, mine in zip(at, kernel, strict=True)], pa.uint64()),
            "file_offset": pa.array([None if mine else one for one, mine in zip(at, kernel, strict=True)], pa.uint64()),
        }
    )
    return table, [name for _, name, _ in rows]


def named(table: pa.Table, keep: Path | None = None) -> list[str]:
    frames = resolve(table, keep, inlines=False).frames.to_pylist()
    return [row["function"] + ("" if row["byte_offset"] is None else f"+{row['byte_offset']:#x}") for row in frames]


@pytest.mark.parametrize(
    "build",
    [("pie", "-O1", "-pie"), ("fixed", "-O1", "-no-pie"), ("static", "-O1", "-static"), ("debug", "-O0", "-g")],
    ids=lambda build: build[0],
)
def test_a_program_of_every_build(compiled: Compile, tmp_path: Path, build: tuple[str, ...]) -> None:
    table, wanted = places_of(record(tmp_path, compiled(*build)))
    assert len(wanted) > 15
    assert named(table) == wanted
    said = {name.partition("+")[0] for name in wanted}
    assert {"first::same", "second::same", "plain_function_alias", "label_of_loop", "outer"} <= said


def test_stripped_programs_and_debug_files(compiled: Compile, tmp_path: Path) -> None:
    whole, bare, debug = compiled("debug", "-O0", "-g"), tmp_path / "bare", tmp_path / "bare.debug"
    subprocess.run(["objcopy", "--only-keep-debug", whole, debug], check=True)
    subprocess.run(["strip", whole, "-o", bare], check=True)
    table, wanted = places_of(record(tmp_path, bare))
    assert named(table) == wanted
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", bare], check=True)
    table, wanted = places_of(record(tmp_path, bare))
    assert named(table) == wanted
    assert "first::same" in {name.partition("+")[0] for name in wanted}


def test_a_whole_system_of_programs(tmp_path: Path) -> None:
    """Compiler, shell, perl, python, gzip: large and stripped modules, the kernel."""
    work = """
        echo 'template <class T> T f(T x) { return x; } int main() { return f(1); }' >a.cc; g++ -O2 -c a.cc
        perl -e 'my %h; $h{$_ % 1000} .= "x" for 1..300000; print length join "", values %h'
        python3 -c 'import json; [json.loads(json.dumps([list(range(1000))] * 5)) for _ in range(60)]'
        gzip -c /usr/bin/perf >/dev/null; find /usr/share -name '*.zz'
    """
    data = record(tmp_path, "bash", "-c", f"cd '{tmp_path}'; {work}")
    table, wanted = places_of(data)
    assert len(wanted) > 500
    found = named(table)
    differ = [row for row in zip(table["module"].to_pylist(), wanted, found, strict=True) if row[1] != row[2]]
    # where code has no name perf may say that of a neighbour that overlaps it, by the shape of its tree
    assert len(differ) <= len(wanted) / 200, differ


INLINED = """
volatile double sink;
struct Deep {
    static inline __attribute__((always_inline)) double step(double x) {
        for (int i = 0; i < 100; i++)
            x = x * 1.0000001 + i;
        return x;
    }
    inline __attribute__((always_inline)) double walk(double x) const { return step(x) + 1; }
};
__attribute__((noinline)) double work(double x) {
    double sum = 0;
    for (int i = 0; i < 3000; i++)
        sum += Deep().walk(x + i);
    return sum;
}
int main() {
    for (int i = 0; i < 200; i++)
        sink = work(i);
}
"""


def test_inlined_functions_are_those_that_perf_unwinds(compiled: Compile, tmp_path: Path) -> None:
    path = compiled("inlined", "-O2", "-g", source=INLINED)
    data = record(tmp_path, path, graph="dwarf,4096")
    command = ["perf", "script", "-i", data, "-F", "ip,sym,dso"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    stacks = [[line.split(None, 1) for line in block.strip().splitlines()] for block in said.split("\n\n")]
    inside = {
        int(stack[0][0], 16): [name.rpartition(" (")[0] for _, name in stack[:3]]
        for stack in stacks
        if len(stack) > 2 and stack[1][1:] == ["Deep::walk (inlined)"]
    }
    assert inside
    module, kind = [str(path)] * len(inside), ["user"] * len(inside)
    offset = pa.array(list(inside), pa.uint64())
    found = resolve(pa.table({"module": module, "kind": kind, "file_offset": offset}))
    names = found.frames["function"].to_pylist()
    chains = [names[first : first + count] for first, count in zip(found.first, found.count, strict=True)]
    assert chains == [list(reversed(chain)) for chain in inside.values()]
