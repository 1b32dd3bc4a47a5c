"""Names of C++ as the C++ run-time library of this machine spells them.

A mangled name can say "what stood there before" again and again, so that a few hundred bytes stand for gigabytes. Where
a name says so often enough to be such a one, a process with little memory reads it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import re
import subprocess
import sys
from functools import cache

_ANY = ctypes.c_void_p
_AGAIN = re.compile(rb"S[0-9A-Z]*_|T[0-9]*_")
_TRUSTED = 24  # times: at most some 6,000 times the length of the name, three for each of eight steps
_MEMORY, _SECONDS = 1 << 28, 1  # of each life
_HELPER = f"""
import resource, sys
sys.path[:] = {sys.path!r}
from clew.native.demangle import spelled
resource.setrlimit(resource.RLIMIT_AS, ({_MEMORY}, {_MEMORY}))
resource.setrlimit(resource.RLIMIT_CPU, ({_SECONDS}, {_SECONDS}))
for line in sys.stdin.buffer:
    name = spelled(bytes.fromhex(line.decode())) or ""
    print(name.encode().hex() if len(name) < 1 << 20 else "", flush=True)
"""


@cache
def _functions() -> tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer] | None:
    """(__cxa_demangle, free); None where there is no C++ library: Arrow and DuckDB need one, too."""
    for name in ("libstdc++.so.6", "libc++abi.so.1"):
        try:
            spell = ctypes.CDLL(name).__cxa_demangle
        except (OSError, AttributeError):
            continue
        spell.restype, spell.argtypes = _ANY, [ctypes.c_char_p, _ANY, _ANY, ctypes.POINTER(ctypes.c_int)]
        free = ctypes.CDLL(None).free
        free.restype, free.argtypes = None, [_ANY]
        return spell, free
    return None


def cxx(mangled: bytes) -> str | None:
    """The declaration that an Itanium-mangled name stands for, parameters included; None if it is none or too large."""
    if not mangled.startswith(b"_Z") or b"\0" in mangled:
        return None
    return spelled(mangled) if len(_AGAIN.findall(mangled)) <= _TRUSTED else _helper.ask(mangled)


def spelled(mangled: bytes) -> str | None:
    """The same in this process, however large it gets."""
    functions = _functions()
    if functions is None:
        return None
    spell, free = functions
    status = ctypes.c_int()
    made = spell(mangled, None, None, ctypes.byref(status))
    if not made:
        return None
    try:
        return ctypes.string_at(made).decode("utf-8", "backslashreplace")
    finally:
        free(made)


class _Helper:
    """The process that reads names which may be too large; started when the first comes, and again if one kills it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._left = 8  # lives: a file that is full of such names is not worth more

    def ask(self, mangled: bytes) -> str | None:
        if self._left <= 0:
            return None
        if self._process is None:
            command = [sys.executable, "-I", "-S", "-c", _HELPER]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            atexit.register(self.end)
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        answer = b""
        with contextlib.suppress(OSError):
            process.stdin.write(mangled.hex().encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        if not answer.endswith(b"\n"):
            self.end()
            self._left -= 1
            return None
        return bytes.fromhex(answer.decode()).decode() or None

    def end(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        atexit.unregister(self.end)
        if process is not None:
            process.kill()
            process.communicate()


_helper = _Helper()
