"""Programs that bring an allocator, or AddressSanitizer, behave and are diagnosed as without clew."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

JEMALLOC = next(iter(Path("/usr/lib").glob("*/libjemalloc.so.2")))
TCMALLOC = next(iter(Path("/usr/lib").glob("*/libtcmalloc_minimal.so.4")))
CLANG_RUNTIME = Path(
    subprocess.run(
        ["clang", "-print-file-name=libclang_rt.asan-x86_64.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
).parent
SANITIZERS = {
    "gcc": ("gcc", "-fsanitize=address"),
    "gcc-static-runtime": ("gcc", "-fsanitize=address", "-static-libasan"),
    "clang": ("clang", "-fsanitize=address"),
    "clang-shared-runtime": ("clang", "-fsanitize=address", "-shared-libasan", f"-Wl,-rpath,{CLANG_RUNTIME}"),
    "gcc-thread": ("gcc", "-fsanitize=thread"),
    "gcc-undefined": ("gcc", "-fsanitize=undefined"),
    "gcc-leak": ("gcc", "-fsanitize=leak"),
}
PROGRAMS = ["allocate", "threads_io", "children", "calls"]
ERRORS = ["overflow", "use-after-free", "write-too-much", "leak", "none"]


def report_only(text: str) -> str:
    """A sanitizer's report without addresses, process ids, shadow bytes and frames of clew's wrappers."""
    text = re.sub(r"0x[0-9a-f]+", "ADDRESS", text)
    text = re.sub(r"==\d+==|\(pid=\d+\)", "==PID==", text)
    text = re.sub(r"\(BuildId: \w+\)|\+ADDRESS", "", text)
    lines = [line for line in text.splitlines() if not re.match(r"^(=>|  )ADDRESS:", line) and "libclew" not in line]
    return "\n".join(re.sub(r"^ +#\d+ ADDRESS ", "    #n ", line) for line in lines)


@pytest.mark.parametrize(
    ("name", "kind"),
    # ThreadSanitizer hangs, bare too, in a fork from a thread: `children` and `allocate` do that
    [
        (name, kind)
        for kind in SANITIZERS
        for name in PROGRAMS
        if kind != "gcc-thread" or name in ("threads_io", "calls")
    ],
)
def test_sanitized_program(name: str, kind: str, build: Callable[..., Path], same: Callable[..., object]) -> None:
    compiler, *flags = SANITIZERS[kind]
    same([build(name, *flags, "-w", "-DMODEST", compiler=compiler)], normalise=report_only)


@pytest.mark.parametrize("kind", ["gcc", "gcc-static-runtime", "clang", "clang-shared-runtime"])
@pytest.mark.parametrize("error", ERRORS)
def test_memory_error_is_found(error: str, kind: str, build: Callable[..., Path], same: Callable[..., object]) -> None:
    compiler, *flags = SANITIZERS[kind]
    outcome = same([build("memory_error", *flags, "-w", compiler=compiler), error], normalise=report_only)
    assert (outcome.exit_code == 0) == (error == "none")  # type: ignore[attr-defined]


@pytest.mark.parametrize("allocator", [JEMALLOC, TCMALLOC], ids=["jemalloc", "tcmalloc"])
@pytest.mark.parametrize("name", ["allocate", "threads_io", "children"])
def test_linked_allocator(allocator: Path, name: str, build: Callable[..., Path], same: Callable[..., object]) -> None:
    same([build(name, "-Wl,--no-as-needed", str(allocator))])


@pytest.mark.parametrize("allocator", [JEMALLOC, TCMALLOC], ids=["jemalloc", "tcmalloc"])
@pytest.mark.parametrize("name", ["allocate", "threads_io"])
def test_preloaded_allocator(
    allocator: Path, name: str, build: Callable[..., Path], same: Callable[..., object]
) -> None:
    same(["/usr/bin/env", f"LD_PRELOAD={allocator}", build(name)])
    same([build("exceptions", "-Wl,--no-as-needed", str(allocator), compiler="g++")])
