"""The examples of docs/protocols.md work, and tell the same: in Python, and compiled into a library of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from clew.protocols.base import processor_of

from .conversation import C, S, exchanges, same_however_cut, tell

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/protocols.md").read_text()


def example(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


def counted(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


PIECES = [
    (C, counted(b"get user 17")),
    (S, counted(b"\0" + b"x" * 9000)),
    (C, counted(b"put") + counted(b"del " + b"k" * 500)),
    (S, counted(b"\1no") + counted(b"")),
]
TOLD = [("get", "0", None), ("put", "1", None), ("del", None, None)]


def test_python() -> None:
    names: dict[str, Any] = {}
    exec(compile(example("python"), "counted.py", "exec"), names)
    options = {"processors": [processor_of(names["Counted"])]}
    told = tell(PIECES, **options)
    assert exchanges(told) == TOLD and all(one.whole and one.protocol == "counted" for one in told)
    assert exchanges(tell(PIECES, keep=(300, 20), **options)) == TOLD
    same_however_cut(PIECES, hint="counted", times=5, **options)


def test_c(tmp_path: Path) -> None:
    """Compiled with everything else, as it would be in the tree; asked in a process of its own."""
    native = tmp_path / "native"
    shutil.copytree(ROOT / "native", native)
    (native / "protocols/counted.c").write_text(example("c"))
    with (native / "protocols/protocols.def").open("a") as file:
        file.write("X(counted)\n")
    library = tmp_path / "libmessages.so"
    sources = [*native.glob("protocols/*.c"), native / "reader/output.c", native / "reader/address.c"]
    flags = [
        "-std=gnu11",
        "-D_GNU_SOURCE",
        '-DCLEW_VERSION="0"',
        "-O0",
        "-shared",
        "-fPIC",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]
    includes = [f"-I{native / name}" for name in ("include", "reader", "protocols", "preload")]
    subprocess.run(["cc", *flags, *includes, *sources, "-o", library, "-pthread", "-ldl"], check=True)
    code = (
        "import ctypes, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from clew.native import library, protocols\n"
        f"found = ctypes.CDLL({str(library)!r})\n"
        "protocols.load = lambda: found\n"
        "from conversation import C, S, exchanges, tell\n"
        f"told = tell({PIECES!r})\n"
        "assert {one.protocol for one in told} == {'counted'}\n"
        "print(exchanges(told))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "error"}
    )
    assert done.stdout.strip() == repr(TOLD), done.stderr
