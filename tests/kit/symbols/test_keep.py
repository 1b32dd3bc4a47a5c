"""What a recording keeps: the same names and lines after programs are replaced; a cache that may be damaged."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.symbols import cache
from clew.symbols.elf import build_id_of
from clew.symbols.keep import keep_binaries
from clew.symbols.load import load_table
from clew.symbols.resolve import resolve

Compile = Callable[..., Path]
Look = Any


@pytest.mark.parametrize("options", [(), ("-Wl,--build-id=none",)], ids=["build-id", "none"])
def test_answers_are_the_same_after_the_program_was_replaced(
    look: Look, compiled: Compile, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path, here, keep = (
        compiled("kept" + "-none" * len(options), "-O2", "-g", *options),
        tmp_path / "program",
        tmp_path / "keep",
    )
    here.write_bytes(path.read_bytes())
    build_id = build_id_of(here)
    assert (build_id is None) == bool(options)
    start = {name: start for start, _, _, name in look.symbols(here)}
    places = look.at(here, [start["outer"], start["outer"] + 9, start["main"]], build_id=build_id)
    before = resolve(places)
    assert keep_binaries(keep, [(str(here), build_id), ("/no/such/file", None), ("[vdso]", None)]) == 2
    here.unlink()
    here.write_bytes(compiled("fixed", "-O1", "-no-pie").read_bytes())
    cache_gone = tmp_path / "cache" / "clew"
    subprocess.run(["rm", "-r", cache_gone], check=True)
    after = resolve(places, keep)
    assert after.frames.equals(before.frames) and after.count.tolist() == before.count.tolist() == [3, 3, 1]
    here.unlink()
    assert resolve(places, keep).frames.equals(before.frames)
    assert resolve(places).frames["function"].to_pylist() == ["[unknown]"] * 3


def test_damaged_kept_files_are_as_none(look: Look, compiled: Compile, tmp_path: Path) -> None:
    path, keep = compiled("kept", "-O2", "-g"), tmp_path / "keep"
    start = next(row[0] for row in look.symbols(path) if row[3] == "outer")
    keep_binaries(keep, [(str(path), build_id_of(path))])
    wanted = resolve(look.at(path, [start])).frames
    for file in keep.iterdir():
        whole = file.read_bytes()
        for damaged in (b"", whole[:20], whole[:-3], bytes(len(whole)), whole[:50] + b"\xff" + whole[51:]):
            file.write_bytes(damaged)
            found = resolve(look.at(path, [start], build_id=build_id_of(path)), keep).frames
            assert found["function"].to_pylist()[0] == wanted["function"].to_pylist()[0]
        file.write_bytes(whole)


def test_the_cache_is_private_and_may_be_damaged_or_missing(
    look: Look, compiled: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compiled("kept", "-O2", "-g")
    start = next(row[0] for row in look.symbols(path) if row[3] == "outer")
    wanted = look.chains(resolve(look.at(path, [start])))
    assert cache.folder() == tmp_path / "cache" / "clew" / "symbols"
    assert cache.folder().stat().st_mode & 0o777 == 0o700
    files = list(cache.folder().iterdir())
    assert len(files) == 2 and all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    for file in files:
        whole = file.read_bytes()
        for damaged in (b"", whole[:-1], whole[: len(whole) // 2], whole[:9] + b"\0\1\2\3" + whole[13:]):
            file.write_bytes(damaged)
            assert look.chains(resolve(look.at(path, [start]))) == wanted
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert look.chains(resolve(look.at(path, [start]))) == wanted, "no cache can be written there"


def test_the_cache_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST", 2500)
    for number in range(5):
        cache.store(f"{number}", bytes(1000))
        os.utime(cache.folder() / f"{number}", (number, number))
    assert {path.name for path in cache.folder().iterdir()} == {"3", "4"}
    cache.store("large", bytes(5000))
    assert cache.load("large") == bytes(5000)


def test_a_cached_table_is_the_one_that_was_read(compiled: Compile) -> None:
    path = compiled("pie", "-O1", "-pie")
    first, second = load_table(str(path), None), load_table(str(path), None)
    assert first is not None and second is not None
    assert first.to_bytes() == second.to_bytes()
    assert first.build_id == build_id_of(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="another root needs root")
def test_a_program_in_a_container_is_read_from_its_own_files(look: Look, compiled: Compile, tmp_path: Path) -> None:
    """Paths are those that the process sees; on the outside another file may have that name."""
    root, source = (
        tmp_path / "root",
        "#include <unistd.h>\nint contained() { return pause(); }\nint main() { return contained(); }",
    )
    inside = compiled("contained", "-O0", "-static", "-Wl,--build-id=none", source=source)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/perf").write_bytes(inside.read_bytes())
    (root / "usr/bin/perf").chmod(0o755)
    program = subprocess.Popen(["/usr/bin/perf"], preexec_fn=lambda: os.chroot(root), cwd="/")
    try:
        while Path(f"/proc/{program.pid}/exe").readlink() != root / "usr/bin/perf":
            pass
        start = next(row[0] for row in look.symbols(inside) if row[3] == "_Z9containedv")
        assert look.functions("/usr/bin/perf", [start], pid=program.pid) == ["contained"]
        assert keep_binaries(tmp_path / "keep", [("/usr/bin/perf", None, program.pid)]) == 1
    finally:
        program.kill()
        program.wait()
    assert look.functions("/usr/bin/perf", [start], tmp_path / "keep") == ["contained"]
