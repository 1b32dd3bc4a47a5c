"""Run one program bare and under `clew record`, and say exactly where the two differ."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

WORKLOADS = Path(__file__).parent.parent / "workloads"
CLEW = (sys.executable, "-m", "clew")
Normalise = Callable[[str], str]


@dataclass(frozen=True)
class Outcome:
    """What a run of a program left behind; files as sha256 by path, relative to its directory."""

    exit_code: int  # as a shell tells it: 128 + signal
    stdout: str
    stderr: str
    said: tuple[str, ...] = ()  # what clew itself wrote to stderr
    files: Mapping[str, str] = field(default_factory=dict)


def numbers_hidden(text: str) -> str:
    """`text` with the numbers that no two runs share (addresses, pids) replaced."""
    text = re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", text)
    text = re.sub(r"==\d+==", "==PID==", text)
    return re.sub(r"\b\d+ (Killed|Segmentation fault) +", r"PID \1 ", text)


def files_below(folder: Path) -> dict[str, str]:
    """sha256 of each regular file, target of each link, below `folder`."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """build("name", *flags, compiler="gcc") -> the program made of tests/workloads/name.c (or .cc)."""
    folder = tmp_path_factory.mktemp("workloads")
    made: dict[tuple[str, ...], Path] = {}

    def build(name: str, *flags: str, compiler: str = "gcc") -> Path:
        key = (name, compiler, *flags)
        if key not in made:
            source = next(iter(WORKLOADS.glob(f"{name}.c*")))
            program = folder / f"{name}-{len(made)}"
            warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-result"]
            subprocess.run(
                [compiler, "-O1", "-g", *warnings, str(source), "-o", str(program), "-pthread", *flags], check=True
            )
            made[key] = program
        return made[key]

    return build


@pytest.fixture
def case_path(tmp_path: Path) -> Path:
    """Where the case of this test goes."""
    return tmp_path / "case"


@pytest.fixture
def record(case_path: Path) -> Callable[..., list[str]]:
    """record(command, *options) -> the command line that records `command` into case_path."""

    def record(command: Sequence[str | Path], *options: str, case: Path = case_path) -> list[str]:
        return [*CLEW, "record", "-q", "-o", str(case), *options, "--", *map(str, command)]

    return record


def run(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None, given: str | None, limit: float
) -> Outcome:
    """Run `command` in `folder`."""
    stdin = {"input": given} if given is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limit,
        check=False,
        **stdin,
    )  # type: ignore[call-overload]
    lines = done.stderr.splitlines(keepends=True)
    said = tuple(line for line in lines if line.startswith("clew: "))
    exit_code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    stderr = "".join(line for line in lines if line not in said)
    return Outcome(exit_code, done.stdout, stderr, said, files_below(folder))


@pytest.fixture
def both(tmp_path: Path, record: Callable[..., list[str]]) -> Callable[..., tuple[Outcome, Outcome]]:
    """both(command) -> how it went bare and how it went recorded, each in a fresh directory of the same name.

    `env` replaces the environment, `given` is its standard input, `limit` its time in seconds.
    """

    def both(
        command: Sequence[str | Path],
        *options: str,
        env: Mapping[str, str] | None = None,
        given: str | None = None,
        limit: float = 300,
        prepare: Callable[[Path], None] | None = None,
    ) -> tuple[Outcome, Outcome]:
        outcomes = []
        for how in ([str(part) for part in command], record(command, *options)):
            folder = tmp_path / "work"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            if prepare:
                prepare(folder)
            outcomes.append(run(how, folder, env, given, limit))
        return outcomes[0], outcomes[1]

    return both


@pytest.fixture
def same(both: Callable[..., tuple[Outcome, Outcome]]) -> Callable[..., Outcome]:
    """same(command, ...) runs it both ways, demands the same outcome and returns the recorded one."""

    def same(
        command: Sequence[str | Path],
        *options: str,
        normalise: Normalise = numbers_hidden,
        files: Callable[[Mapping[str, str]], Mapping[str, str]] = dict,
        **how: object,
    ) -> Outcome:
        bare, recorded = both(command, *options, **how)
        assert recorded.exit_code == bare.exit_code, recorded.stderr + "".join(recorded.said)
        assert normalise(recorded.stdout) == normalise(bare.stdout)
        assert normalise(recorded.stderr) == normalise(bare.stderr)
        assert not [line for line in recorded.said if "not recorded" in line or "no process was recorded" in line]
        assert files(recorded.files) == files(bare.files)
        return recorded

    return same
