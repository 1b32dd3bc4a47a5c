"""CPython's own tests of the operating system interface give the same results, test by test, under `clew record`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

MODULES = [
    "test_asyncio",
    "test_context",
    "test_io",
    "test_mmap",
    "test_multiprocessing_main_handling",
    "test_os",
    "test_posix",
    "test_select",
    "test_signal",
    "test_socket",
    "test_ssl",
    "test_subprocess",
    "test_threading",
]
HANGS_IN_SOME_MACHINES = "*VSOCK*"  # bare: accept on a virtual socket that nothing connects to
REPEATS = 5
Results = dict[str, str]


@pytest.fixture(scope="session")
def python() -> str:
    """An interpreter whose tests are installed (Debian: libpython3-testsuite)."""
    for candidate in (sys._base_executable, "/usr/bin/python3"):  # type: ignore[attr-defined]
        if subprocess.run([candidate, "-c", "import test.test_os"], capture_output=True, check=False).returncode == 0:
            return str(candidate)
    raise AssertionError("no Python here has its tests installed: apt-get install libpython3-testsuite")


def results(command: Sequence[str], folder: Path, name: str) -> Results:
    """Outcome of each test that `command` (regrtest) ran, by its name."""
    report = folder / f"{name}.xml"
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        subprocess.run(
            [*command, f"--junit-xml={report}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=900,
            check=False,
        )
    assert report.exists(), log.read_text(errors="replace")[-3000:]
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[case.attrib["name"]] = ",".join(sorted(kinds)) or case.attrib.get("result", "completed")
    assert found
    return found


@pytest.mark.parametrize("module", MODULES)
def test_cpython(module: str, python: str, tmp_path: Path, record: Callable[..., list[str]]) -> None:
    def command(recorded: bool, number: int, *chosen: str) -> list[str]:
        bare = [python, "-m", "test", "-u", "none", "-i", HANGS_IN_SOME_MACHINES, *chosen, module]
        return record(bare, case=tmp_path / f"case-{number}") if recorded else bare

    with ThreadPoolExecutor() as pool:  # both at once: the same load on both
        jobs = [
            pool.submit(results, command(recorded, 0), tmp_path, f"recorded-{recorded}") for recorded in (False, True)
        ]
        bare, recorded = (job.result() for job in jobs)
    assert bare.keys() == recorded.keys()
    different = [name for name in bare if bare[name] != recorded[name]]
    repeatable = []
    for name in different:  # some tests depend on the time they get: a difference must show again when run alone
        chosen = ("-m", name)
        for number in range(1, REPEATS + 1):
            alone_bare = results(command(False, number, *chosen), tmp_path, f"alone-bare-{number}")
            alone_recorded = results(command(True, number, *chosen), tmp_path, f"alone-recorded-{number}")
            if alone_bare != alone_recorded:
                repeatable.append(f"{name}: bare {alone_bare[name]}, recorded {alone_recorded[name]}")
                break
    assert not repeatable
