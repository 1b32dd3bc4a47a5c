"""Programs that do one awkward thing each behave under `clew record` as they do without it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WORKLOADS = Path(__file__).parent.parent / "workloads"

AWKWARD = [
    "calls",
    "bad_memory",
    "leaves",
    "signal_storm",
    "stacks",
    "children",
    "threads_io",
    "tree",
    "own_state",
    "allocate",
    "jailed_workers",
    "limits",
    "uring",
]


@pytest.mark.parametrize("options", [(), ("--count-only",), ("--payload", "full")], ids=["trace", "count", "full"])
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_program(
    name: str, options: tuple[str, ...], build: Callable[..., Path], same: Callable[..., object]
) -> None:
    same([build(name)], *options)


def test_memory_that_another_thread_unmaps_while_it_is_written(
    build: Callable[..., Path], same: Callable[..., object]
) -> None:
    library = build("plain_ssl", "-shared", "-fPIC")
    same([build("handed_on", str(library))])


def test_stacks_that_just_suffice_to_start_a_program(build: Callable[..., Path], same: Callable[..., object]) -> None:
    same([build("small_stacks")])


def test_it_lists_descriptors_given_to_it(build: Callable[..., Path], same: Callable[..., object]) -> None:
    program = build("own_state")
    same(["/bin/sh", "-c", f"exec {program} 7</etc/passwd 9>nine 15<>/dev/null"])


def test_cpp_exceptions_and_static_constructors(build: Callable[..., Path], same: Callable[..., object]) -> None:
    assert "bad_alloc" in same([build("exceptions", compiler="g++")]).stdout  # type: ignore[attr-defined]


def test_plugins_in_their_own_namespace(build: Callable[..., Path], same: Callable[..., object]) -> None:
    plugin = build("plugin", "-shared", "-fPIC")
    assert "direct" in same([build("loader"), plugin]).stdout  # type: ignore[attr-defined]


def test_users_own_preload_library(build: Callable[..., Path], same: Callable[..., object]) -> None:
    own = build("own_preload", "-shared", "-fPIC")
    for program in (build("ordinary"), build("threads_io")):
        command = ["/usr/bin/env", f"LD_PRELOAD={own}", str(program)]
        assert "own preload" in same(command).stderr  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("script", "exit_code"),
    [
        ("exit 3", 3),
        ("kill -9 $$", 137),
        ("kill -SEGV $$", 139),
        ("exec /bin/false", 1),
        ("trap '' TERM; kill $$; exit 4", 4),
    ],
)
def test_exit_code(script: str, exit_code: int, same: Callable[..., object]) -> None:
    assert same(["/bin/sh", "-c", script]).exit_code == exit_code  # type: ignore[attr-defined]


def test_command_that_does_not_exist(both: Callable[..., tuple[object, object]]) -> None:
    _, recorded = both([sys.executable, "-c", "pass"], "--no-such-option")
    assert recorded.exit_code == 2  # type: ignore[attr-defined]


def test_environment_of_what_is_started_without_one(same: Callable[..., object]) -> None:
    same(["/bin/sh", "-c", "env -i /bin/sh -c 'env; env -i A=1 env'; env -u LD_PRELOAD env | grep -c LD_PRE"])


def test_standard_input_is_the_programs(same: Callable[..., object]) -> None:
    text = "".join(f"line {number}\n" for number in range(50_000))
    assert same(["/bin/sh", "-c", "head -n 3; sort -r | head -n 2; wc -c"], given=text).stdout  # type: ignore[attr-defined]
