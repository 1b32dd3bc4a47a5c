"""What engines have in common: found by their files, options of their own, all started or none."""

from __future__ import annotations

import argparse
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clew.capture.companions import Companions
from clew.capture.engines import Engine, Target, engine_names, engines, parse_names
from clew.capture.engines._perf_file import first_sample
from clew.capture.engines._perf_said import explain, warnings
from clew.capture.launch import start
from clew.capture.meta import Meta
from clew.capture.place import make_place
from clew.commands import build_parser
from clew.errors import ClewError


class Recording(Engine):
    """Notes what it is told to do; fails where it is to."""

    def __init__(self, name: str, told: list[str], *, fails: bool = False) -> None:
        self.name = name  # type: ignore[misc]
        self.told, self.fails = told, fails

    def options(self) -> dict[str, Any]:
        return {"fails": self.fails}

    def start(self, target: Target, folder: Path) -> None:
        self.told.append(f"{self.name} starts on {target.pids}")
        if self.fails:
            raise ClewError(f"{self.name} cannot")
        (folder / "file").touch()

    def began(self, pid: int) -> None:
        self.told.append(f"{self.name} began {pid}")

    def stop(self) -> Sequence[str]:
        self.told.append(f"{self.name} stops")
        return [f"{self.name} is well"]


def test_every_engine_keeps_to_the_contract() -> None:
    assert set(engines()) >= {"perf", "gdb"}
    assert engine_names()[0] == "preload"
    for name, module in engines().items():
        assert (module.__doc__ or "").startswith(f"{name}: "), name
        parser = argparse.ArgumentParser()
        module.add_options(parser.add_argument_group())
        args = parser.parse_args([])
        assert all(dest.startswith(f"{name}_") for dest in vars(args)), name
        engine = module.make(args)
        assert engine.name == name
        assert isinstance(engine.options(), dict)


@pytest.mark.parametrize(("text", "names"), [("perf", ["perf"]), (" gdb, preload,gdb", ["preload", "gdb"])])
def test_engines_are_named_with_commas(text: str, names: list[str]) -> None:
    assert parse_names(text) == names


@pytest.mark.parametrize("text", ["", ",", "perv", "perf;gdb"])
def test_an_engine_that_is_not_there(text: str) -> None:
    with pytest.raises(ClewError, match="perf"):
        parse_names(text)


def test_the_tab_key_knows_engines_and_their_options() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clew", "completion", "bash"], capture_output=True, text=True, check=True
    )
    assert f"record___engine_choices=({' '.join(engine_names())})" in done.stdout
    for option in ("--off-cpu", "--every", "--payload"):
        assert option in done.stdout
    assert build_parser().parse_args(["record", "--engine", "perf,gdb", "--", "x"]).engine == "perf,gdb"


def test_all_record_or_none(tmp_path: Path) -> None:
    told: list[str] = []
    pair = [Recording("one", told), Recording("two", told, fails=True)]
    companions = Companions(pair, [make_place(tmp_path / "case") for _ in pair], Target(command=("x",)))
    with pytest.raises(ClewError, match="two cannot"):
        companions.begin(17)
    assert told == ["one starts on (17,)", "two starts on (17,)", "one stops", "two stops"]


def test_each_capture_says_who_made_it(tmp_path: Path) -> None:
    told: list[str] = []
    pair = [Recording("one", told), Recording("two", told)]
    places = [make_place(tmp_path / "case") for _ in pair]
    companions = Companions(pair, places, Target(command=("x", "y")))
    companions.begin(17)
    companions.end()
    companions.end()
    companions.note_exit(3)
    assert told[2:] == ["one began 17", "two began 17", "one stops", "two stops"]
    for place, name in zip(places, ("one", "two"), strict=True):
        meta = Meta.read(place.directory)
        assert (meta.engine, meta.command, meta.exit_code) == (name, ["x", "y"], 3)
        assert meta.options == {"fails": False, "said": [f"{name} is well"]}
        assert meta.ended_ns is not None
        assert meta.started_ns <= meta.ended_ns


def test_a_held_program_begins_when_it_may(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    seen: list[int] = []

    def hold(pid: int) -> None:
        seen.append(pid)
        assert Path(f"/proc/{pid}").is_dir()
        assert not begun.exists()

    child = start(["touch", str(begun)], "/usr/bin/touch", {}, hold)
    assert child.wait() == 0
    assert (seen, begun.exists()) == ([child.pid], True)


def test_a_held_program_that_may_not_never_begins(tmp_path: Path) -> None:
    seen: list[int] = []

    def hold(pid: int) -> None:
        seen.append(pid)
        raise ClewError("no")

    with pytest.raises(ClewError, match="no"):
        start(["touch", str(tmp_path / "begun")], "/usr/bin/touch", {}, hold)
    assert not (tmp_path / "begun").exists()
    assert not Path(f"/proc/{seen[0]}").exists(), "reaped"


def test_a_held_program_has_its_signals_its_descriptors_and_its_environment(tmp_path: Path) -> None:
    """As if it had been started by a shell: nothing of ours is open, blocked or ignored."""
    program = "grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status; ls /proc/$$/fd; env | sort"
    found = []
    for hold in ("None", "lambda _: None"):
        script = f"""
import sys
from clew.capture.launch import Signals, start
with Signals().caught():
    child = start(["sh", "-c", {program!r}], "/bin/sh", {{"A": "b", "PATH": "/usr/bin:/bin"}}, {hold})
sys.exit(child.wait())
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
        found.append(done.stdout)
    assert found[0] == found[1]
    # what whoever started the tests ignores stays ignored (make leaves signal 32 so), but for what Python itself resets
    mine = int(re.search(r"^SigIgn:\t([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)[1], 16)
    own = sum(1 << (number - 1) for number in (signal.SIGPIPE, signal.SIGXFSZ))
    assert f"SigIgn:\t{mine & ~own:016x}\n" in found[0]
    assert "A=b\n" in found[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_held_program_can_be_interrupted(number: signal.Signals) -> None:
    import os

    child = start(["sleep", "60"], "/bin/sleep", {}, lambda pid: os.kill(pid, number))
    assert child.wait() == -number


def test_a_text_file_is_a_script_of_the_shell_also_when_held(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("exit 5\n")
    script.chmod(0o755)
    assert start([str(script)], str(script), {}, lambda _: None).wait() == 5


def test_a_program_that_cannot_be_started_when_held(tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    lost.write_text("#!/no/such/thing\n")
    lost.chmod(0o755)
    with pytest.raises(ClewError, match="interpreter was not found") as caught:
        start([str(lost)], str(lost), {}, lambda _: None)
    assert caught.value.exit_code == 127


def _perf_data(*records: bytes, size: int | None = None) -> bytes:
    body = b"".join(records)
    head = struct.pack("<8sQQQQQQ", b"PERFILE2", 104, 144, 104, 0, 104, len(body) if size is None else size)
    return head.ljust(104, b"\0") + body


_MMAP, _SAMPLE = struct.pack("<IHHQ", 10, 2, 16, 0), struct.pack("<IHHQ", 9, 2, 16, 0)


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (b"", None),
        (b"PERFILE2", None),
        (b"something else that is long enough to be a header, but is none" * 3, None),
        (_perf_data(), None),
        (_perf_data(_MMAP, _MMAP), None),
        (_perf_data(_MMAP, _SAMPLE), 120),
        (_perf_data(_MMAP, _SAMPLE, size=0), 120),  # perf was killed
        (_perf_data(_MMAP, _SAMPLE, size=1 << 40), 120),
        (_perf_data(_MMAP, _SAMPLE[:4]), None),
        (_perf_data(struct.pack("<IHH", 10, 2, 0), _SAMPLE), 112),  # a size of 0 does not stop it for ever
        (_perf_data(struct.pack("<IHHQ", 81, 0, 16, 0)), 104),
    ],
)
def test_the_first_sample_of_perf_data(tmp_path: Path, data: bytes, at: int | None) -> None:
    path = tmp_path / "perf.data"
    path.write_bytes(data)
    assert first_sample(path) == at
    assert first_sample(path, kernel=True) == (at if at == 104 else None)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Error:\nfailed to mmap with 1 (Operation not permitted)\n", "perf may not lock more memory: run as root"),
        ("Too many events are opened.\n", "too many open files for perf: ulimit -n 65536"),
        ("failed to write perf data, error: No space left on device\n", "the disk is full"),
        ("", "perf ended without saying why"),
        ("[ perf record: Woken up 1 times ]\n\nsomething new\n", "something new"),
        ("Error:\nThe cycles event is not supported.\n", "this machine cannot count cycles"),
    ],
)
def test_what_perf_says_is_one_line(said: str, told: str) -> None:
    assert str(explain(said, Target(command=("x",)))).startswith(told)


def test_what_is_forbidden_is_told_with_what_would_allow_it() -> None:
    level = Path("/proc/sys/kernel/perf_event_paranoid").read_text().strip()
    said, remedy = (
        "Error:\nNo permission to enable {} event.\n\n",
        "run as root, or: sysctl kernel.perf_event_paranoid=",
    )
    found = str(explain(said.format("sched:sched_switchu"), Target(command=("x",))))
    assert found == f"it may not use tracepoints (kernel.perf_event_paranoid is {level}): {remedy}-1"
    found = str(explain(said.format("cycles:u"), Target(command=("x",))))
    assert found == f"it may not look at x (kernel.perf_event_paranoid is {level}): {remedy}1"


def test_what_perf_warns_of() -> None:
    said = "WARNING: Kernel address maps (/proc/{kallsyms,modules}) are restricted,\ncheck ...\n"
    said += "warning: Maximum frequency rate (50000 Hz) exceeded, throttling from 99999 Hz to 50000 Hz.\n"
    assert [line.split(":")[0] for line in warnings(said)] == [
        "kernel functions have no names",
        "the kernel allows 50000 samples a second, not 99999",
    ]
