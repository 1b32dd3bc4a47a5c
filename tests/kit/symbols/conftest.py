"""Programs that are compiled for the tests, and how places in them are asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from clew.symbols.resolve import Resolved, resolve

Compile = Callable[..., Path]

# Names that collide, aliases of every binding, labels without a size, templates, a lambda, functions inlined two deep.
PROGRAM = r"""
#include <functional>
#include <string>
#include <vector>
volatile unsigned long sink;
#define SPIN(n) for (unsigned long i = 0; i < n; i++) sink = sink + i
namespace first { static __attribute__((noinline)) void same() { SPIN(300000); } void run() { same(); } }
namespace second { static __attribute__((noinline)) void same() { SPIN(300001); } void run() { same(); } }
template <class T> struct Box {
    __attribute__((noinline)) void put(const std::vector<T> &of, int) const { SPIN(300002 + of.size()); }
};
static inline __attribute__((always_inline)) void inner(unsigned long n) {
    for (unsigned long i = 0; i < n; i++)
        sink = sink * 3 + i;
}
static inline __attribute__((always_inline)) void middle(unsigned long n) {
    inner(n + 1);
    sink++;
}
extern "C" __attribute__((noinline)) void outer(unsigned long n) {
    middle(n);
    sink--;
}
extern "C" __attribute__((noinline, used)) void __plain_function() { SPIN(300003); }
extern "C" void plain_function_alias() __attribute__((alias("__plain_function")));
extern "C" __attribute__((weak)) void weak_name_that_is_longest_of_all() __attribute__((alias("__plain_function")));
extern "C" void f() { SPIN(300004); }
asm(".text\n.globl label_without_size\nlabel_without_size:\n xor %eax, %eax\n mov $3000000, %ecx\n"
    "label_of_loop:\n add $1, %eax\n dec %ecx\n jnz label_of_loop\n ret\n");
extern "C" void label_without_size();
int main(int count, char **) {
    std::function<int(int)> lambda = [](int x) { SPIN(300005); return x; };
    for (int round = 0; round < count * 20; round++) {
        first::run();
        second::run();
        Box<std::string>().put({}, 1);
        outer(300000);
        plain_function_alias();
        f();
        label_without_size();
        lambda(round);
    }
}
"""


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """compiled(name, *options, source=...) -> a program of that source; the same one for the same options."""
    folder = tmp_path_factory.mktemp("programs")
    made: dict[tuple[str, ...], Path] = {}

    def build(name: str, *options: str, source: str = PROGRAM) -> Path:
        key = (name, *options, source)
        if key not in made:
            text = folder / f"{name}.cc"
            if not text.exists():
                text.write_text(source)
            command = ["g++", "-std=c++17", "-fno-omit-frame-pointer", *options, text, "-o", folder / name]
            subprocess.run(command, check=True)
            made[key] = folder / name
        return made[key]

    return build


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # perf keeps copies of what it records below ~/.debug


class Look:
    """Places of programs, and what is known of them."""

    @staticmethod
    def at(module: Path | str, addresses: Sequence[int], **columns: object) -> pa.Table:
        """Places in one module by addresses of its symbol table."""
        count = len(addresses)
        table = {"module": [str(module)] * count, "kind": ["user"] * count, "address": pa.array(addresses, pa.uint64())}
        return pa.table(table | {name: [value] * count for name, value in columns.items()})

    @staticmethod
    def chains(found: Resolved) -> list[list[tuple[str, str, str | None, int | None]]]:
        """(function, kind, file name, line) of each place, outermost first."""
        rows = [
            (row["function"], row["kind"], row["file"] and Path(row["file"]).name, row["line"])
            for row in found.frames.to_pylist()
        ]
        return [rows[low : low + count] for low, count in zip(found.first.tolist(), found.count.tolist(), strict=True)]

    @staticmethod
    def functions(
        module: Path | str, addresses: Sequence[int], keep: Path | None = None, **columns: object
    ) -> list[str]:
        """The outermost function at each address."""
        found = resolve(Look.at(module, addresses, **columns), keep, inlines=False)
        names: list[str] = found.frames["function"].to_pylist()
        return names

    @staticmethod
    def symbols(path: Path, *options: str) -> list[tuple[int, int, str, str]]:
        """(address, size, type, name) as nm tells."""
        said = subprocess.run(
            ["nm", "-S", "--defined-only", *options, path], check=True, capture_output=True, text=True
        )
        parts = [line.split() for line in said.stdout.splitlines()]
        return [(int(row[0], 16), int(row[1], 16) if len(row) == 4 else 0, row[-2], row[-1]) for row in parts]


@pytest.fixture(scope="session")
def look() -> type[Look]:
    return Look
