"""Programs behave under `clew record --stacks` and under the sampler as they do without."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from clew.ops import OPS

EVERY_CALL = ("--stacks", ",".join(name for _, name, kind in OPS if kind != "note"))
SAMPLER = ("--engine", "sampler,preload", "--hz", "5000", *EVERY_CALL)
AWKWARD = [
    *("calls", "bad_memory", "leaves", "signal_storm", "stacks", "children", "threads_io", "tree", "own_state"),
    *(
        "allocate",
        "jailed_workers",
        "limits",
        "uring",
        "seccomp_strict",
        "seccomp_filter",
        "odd_stacks",
        "takes_sigprof",
    ),
]


@pytest.mark.parametrize("options", [EVERY_CALL, SAMPLER], ids=["stacks", "sampler"])
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_program(
    name: str, options: tuple[str, ...], build: Callable[..., Path], same: Callable[..., object]
) -> None:
    same([build(name)], *options, normalise=but_for_the_kernels_list)


def but_for_the_kernels_list(text: str) -> str:
    """`text` without what the kernel tells of the sampler: SIGPROF is caught (SigCgt in /proc/self/status)."""
    text = re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", text)
    return text.replace(f"{1 << signal.SIGPROF - 1:016x}", "0" * 16)


@pytest.mark.parametrize("options", [EVERY_CALL, SAMPLER], ids=["stacks", "sampler"])
def test_exceptions(options: tuple[str, ...], build: Callable[..., Path], same: Callable[..., object]) -> None:
    assert "bad_alloc" in same([build("exceptions", compiler="g++")], *options).stdout  # type: ignore[attr-defined]


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
@pytest.mark.parametrize("options", [EVERY_CALL, SAMPLER], ids=["stacks", "sampler"])
def test_under_a_sanitizer(
    sanitizer: str, options: tuple[str, ...], build: Callable[..., Path], same: Callable[..., object]
) -> None:
    same([build("threads_io", f"-fsanitize={sanitizer}")], *options)


@pytest.mark.parametrize("number", [signal.SIGPROF, signal.SIGTERM])
@pytest.mark.parametrize("options", [EVERY_CALL, SAMPLER], ids=["stacks", "sampler"])
def test_a_signal_from_elsewhere_ends_it_as_ever(
    number: int, options: tuple[str, ...], same: Callable[..., object]
) -> None:
    code = f"import os; print('before', flush=True); os.kill(os.getpid(), {int(number)}); print('after')"
    assert same([sys.executable, "-c", code], *options).exit_code == 128 + number  # type: ignore[attr-defined]


@pytest.mark.parametrize("options", [EVERY_CALL, SAMPLER], ids=["stacks", "sampler"])
@pytest.mark.parametrize(
    "command",
    [
        ["/bin/sh", "-c", "for i in 1 2 3; do ls / | sort | head -n 3; done; trap 'echo got' USR1; kill -USR1 $$"],
        ["node", "-e", "const c = require('crypto'); let h; for (let i = 0; i < 99; i++) h = c.createHash('sha256')"
         ".update(String(i)).digest('hex'); console.log(h); require('fs').readdirSync('/etc')"],
        ["/usr/bin/python3", "-c", "import json, sqlite3, threading; print(json.dumps(list(range(99)))); "
         "t = [threading.Thread(target=sorted, args=(range(99999),)) for _ in range(5)]; "
         "[each.start() for each in t]; [each.join() for each in t]"],
        ["/usr/bin/perl", "-e", "print join ',', map { $_ ** 2 } 1 .. 50; system 'true'; print `echo hi`"],
    ],
    ids=["sh", "node", "python", "perl"],
)  # fmt: skip
def test_interpreters(command: Sequence[str], options: tuple[str, ...], same: Callable[..., object]) -> None:
    same(command, *options)


def outcomes(command: Sequence[str], folder: Path) -> dict[str, str]:
    """Outcome of each test that `command` (regrtest) runs, by its name."""
    report = folder / "report.xml"
    done = subprocess.run(
        [*command, f"--junit-xml={report}"], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert report.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[case.attrib["name"]] = ",".join(sorted(kinds)) or case.attrib.get("result", "completed")
    return found


@pytest.mark.parametrize("options", [EVERY_CALL, SAMPLER], ids=["stacks", "sampler"])
def test_cpython_tests_of_signals(options: tuple[str, ...], tmp_path: Path, record: Callable[..., list[str]]) -> None:
    """It asks for every signal, its timers (ITIMER_PROF among them), masks, sigwait, signalfd and wake-up pipes."""
    python = next(
        candidate
        for candidate in (sys._base_executable, "/usr/bin/python3")  # type: ignore[attr-defined]
        if subprocess.run([candidate, "-c", "import test.test_signal"], capture_output=True, check=False).returncode
        == 0
    )
    command = [python, "-m", "test", "-u", "none", "test_signal"]
    bare = outcomes(command, tmp_path)
    assert bare
    assert outcomes(record(command, *options), tmp_path) == bare
