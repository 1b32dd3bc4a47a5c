"""Files that are cut, changed or empty: a profile of what can be read, or one line that says why there is none."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clew
from clew.errors import ClewError
from clew.ingest.imports import import_files
from clew.ingest.profile import Profile, insert_profile
from clew.ingest.profiles import perf_data, reader_of
from clew.questions import losses

Build = Callable[..., Path]
Record = Callable[..., Path]
Oracle = Any
KIT = Path(clew.__file__).parent
SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


class Recordings(list[bytes]):
    """Whole files, which nobody wants to see printed."""

    def __repr__(self) -> str:
        return f"{len(self)} files"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """A plain file, one with tracepoints and several events, a compressed one, a stream and one for DWARF."""
    folder = tmp_path_factory.mktemp("recordings")
    kinds: dict[str, list[str]] = {
        "plain": ["-e", "cpu-clock", "-F", "9999", "-g"],
        "many": ["-e", "page-faults,syscalls:sys_enter_close,sched:sched_switch", "-g", "--switch-events", "-c", "1"],
        "packed": ["-e", "cpu-clock,page-faults", "-g", "-z"],
        "dwarf": ["-e", "page-faults", "-c", "8", "--call-graph", "dwarf,256"],
    }
    found = []
    for name, options in kinds.items():
        path = folder / name
        subprocess.run(["perf", "record", "-q", "-o", path, *options, "ls", "/usr"], check=True, capture_output=True)
        found.append(path.read_bytes())
    path = folder / "stream"
    shell = f"perf record -q -e page-faults -e sched:sched_process_exec -g -o - ls / | cat > {path}"
    subprocess.run(shell, shell=True, check=True, capture_output=True)
    return Recordings([*found, path.read_bytes()])


def read_or_refuse(path: Path) -> Profile | None:
    """What must hold of any file: a profile whose numbers fit together and can be inserted, or ClewError."""
    try:
        profile = perf_data.read(path)
    except ClewError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert "\n" not in said and str(path) in said
        return None
    assert profile.samples.num_rows
    with duckdb.connect() as connection:
        connection.execute((KIT / "ingest" / "landing.sql").read_text())
        connection.execute((KIT / "schema.sql").read_text())
        insert_profile(connection, 1, "h", profile)
        (rows,) = connection.execute(
            """SELECT count(*) FROM sample s LEFT JOIN stack k USING (stack_id) LEFT JOIN frame f USING (frame_id)
               WHERE s.stack_id IS NULL OR f.function IS NOT NULL"""
        ).fetchall()[0]
    assert rows == profile.samples.num_rows
    return profile


@pytest.mark.parametrize("kind", range(5))
def test_a_file_that_is_cut_gives_what_stands_before(recordings: Recordings, tmp_path: Path, kind: int) -> None:
    content, path, before = recordings[kind], tmp_path / "cut.data", -1
    for part in (0.2, 0.5, 0.8, 0.97, 1):
        path.write_bytes(content[: int(len(content) * part)])
        profile = read_or_refuse(path)
        count = 0 if profile is None else profile.samples.num_rows
        assert count >= before
        before = count
        if profile is not None and 0.2 < part < 1:
            assert profile.notes
    assert before >= 1


def test_the_samples_before_a_cut_are_those_of_the_whole(
    oracle: Oracle, build: Build, record: Record, tmp_path: Path
) -> None:
    whole = record(build("profiled"), "names", options=("-F", "1999", "-e", "cpu-clock", "-g"))
    cut = tmp_path / "cut.data"
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    samples = oracle.ours(whole)
    found = {sample.ts_ns: sample for sample in oracle.ours(cut)}
    assert 100 < len(found) < len(samples)
    assert sum(found.get(sample.ts_ns) == sample for sample in samples) == len(found)
    assert any("did not complete" in note for note in perf_data.read(cut).notes)


def test_a_file_that_perf_did_not_complete(recordings: Recordings, tmp_path: Path) -> None:
    """Killed with SIGKILL, perf leaves a header without sizes."""
    path = tmp_path / "killed.data"
    content = bytearray(recordings[0])
    (size,) = struct.unpack_from("<Q", content, 48)
    struct.pack_into("<Q", content, 48, 0)
    (at,) = struct.unpack_from("<Q", content, 40)
    path.write_bytes(content[: at + size])
    profile = read_or_refuse(path)
    assert profile is not None
    assert profile.samples.num_rows == perf_data.read(_saved(tmp_path, recordings[0])).samples.num_rows
    assert any("did not complete" in note for note in profile.notes)


def _saved(folder: Path, content: bytes) -> Path:
    path = folder / "whole.data"
    path.write_bytes(content)
    return path


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_changed_bytes_never_crash(recordings: Recordings, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(recordings[data.draw(st.integers(0, len(recordings) - 1))])
    heads = st.integers(0, min(2000, len(content) - 9))
    anywhere = st.integers(0, len(content) - 9)
    for at in data.draw(st.lists(heads | anywhere, min_size=1, max_size=6)):
        value = data.draw(
            st.sampled_from([0, 1, 8, 0xFF, 0xFFFF, 2**32 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
        )
        content[at : at + 8] = struct.pack("<Q", value)
    path = tmp_path / "changed.data"
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    read_or_refuse(path)


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_pieces_moved_about_never_crash(recordings: Recordings, tmp_path: Path, data: st.DataObject) -> None:
    """Whole 8-byte steps from elsewhere: lengths, counts and types that are all but right."""
    words = np.frombuffer(recordings[data.draw(st.integers(0, len(recordings) - 1))], np.uint8)
    words = words[: len(words) // 8 * 8].copy().view("<u8")
    for _ in range(data.draw(st.integers(1, 5))):
        size = data.draw(st.integers(1, 12))
        to, source = (data.draw(st.integers(0, len(words) - size)) for _ in range(2))
        words[to : to + size] = words[source : source + size].copy()
    path = tmp_path / "moved.data"
    path.write_bytes(b"PERFILE2" + words.tobytes()[8:])
    read_or_refuse(path)


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(content=st.binary(max_size=400))
def test_any_bytes_behind_the_magic_never_crash(tmp_path: Path, content: bytes) -> None:
    for size in (b"", struct.pack("<Q", 16), struct.pack("<Q", 104)):
        path = tmp_path / "any.data"
        path.write_bytes(b"PERFILE2" + size + content)
        assert read_or_refuse(path) is None or size


def test_compressed_part_that_is_broken(recordings: Recordings, tmp_path: Path) -> None:
    content = bytearray(recordings[2])
    (at,) = struct.unpack_from("<Q", content, 40)
    place = next(place for place in range(at, len(content) - 8) if content[place : place + 4] == struct.pack("<I", 81))
    content[place + 40 : place + 60] = b"\xff" * 20
    path = tmp_path / "packed.data"
    path.write_bytes(content)
    read_or_refuse(path)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["-e", "page-faults:u", "-c", "100000000", "true"], "page-faults:u never happened"),
        (["-e", "cpu-clock", "-c", "10000000000", "true"], "cpu-clock never happened"),
    ],
)
def test_a_recording_without_samples_says_why(tmp_path: Path, command: list[str], words: str) -> None:
    """perf ends with 0 and a file that looks like any other."""
    path = tmp_path / "none.data"
    subprocess.run(["perf", "record", "-q", "-o", path, *command], check=True, capture_output=True)
    assert reader_of(path) is perf_data
    with pytest.raises(ClewError, match=words) as refused:
        perf_data.read(path)
    assert "perf_event_paranoid" in str(refused.value)
    case = tmp_path / "case"
    with pytest.raises(ClewError, match="no sample"):
        import_files(case, [path])
    assert not list((case / "raw").glob("*"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"2ELIFREP" + bytes(100), "other byte order"),
        (b"PERFFILE" + bytes(100), "older"),
        (b"PERFILE2", "cut or broken"),
        (b"PERFILE2" + struct.pack("<Q", 16), "no event"),
        (b"PERFILE2" + struct.pack("<Q", 104) + bytes(88), "cut or broken"),
    ],
)
def test_what_is_no_recording_of_ours(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "other.data"
    path.write_bytes(content)
    assert reader_of(path) is perf_data
    with pytest.raises(ClewError, match=words):
        perf_data.read(path)


def test_a_recording_becomes_a_case(build: Build, record: Record, tmp_path: Path) -> None:
    path = record(build("profiled"), "family", options=("-F", "1999", "-e", "cpu-clock", "-g", "-k", "CLOCK_MONOTONIC"))
    case = tmp_path / "case"
    import_files(case, [path])
    opened = clew.open(case)
    rows = opened.sql("SELECT command, kind, unit, count(*) AS n, sum(weight) AS ns FROM samples GROUP BY ALL")
    profile = perf_data.read(path)
    assert sum(rows["n"].to_pylist()) == profile.samples.num_rows
    assert set(rows["kind"].to_pylist()) == {"on-cpu"} and set(rows["unit"].to_pylist()) == {"ns"}
    assert not any("clock" in note for note in profile.notes)


def test_what_is_missing_in_several_files_is_said_once(build: Build, record: Record, tmp_path: Path) -> None:
    program = build("profiled")
    removed, options = tmp_path / "removed", ("-F", "1999", "-e", "cpu-clock", "-g")
    files = []
    for _ in range(2):
        shutil.copy(program, removed)
        files.append(record(removed, "gone", options=options))
    import_files(tmp_path / "case", files[:1])
    shutil.copy(files[1], tmp_path / "case/raw/001/perf-002.data")
    (notes,) = clew.open(tmp_path / "case").captures()["notes"].to_pylist()
    assert notes.count(str(removed)) == 1
    assert len(notes.split("; ")) == len(set(notes.split("; ")))


def test_a_kernel_that_does_not_run_here_has_no_names(record: Record, tmp_path: Path) -> None:
    path = record("ls", "-R", "/usr/include", options=("-F", "9999", "-e", "cpu-clock", "-g"))
    here = perf_data.read(path)
    build_id = bytes.fromhex(here.frames.filter(pc.equal(here.frames["kind"], "kernel"))["build_id"][0].as_py())
    content = path.read_bytes()
    assert content.count(build_id) == 1
    other = tmp_path / "other.data"
    other.write_bytes(content.replace(build_id, bytes(reversed(build_id))))
    there = perf_data.read(other)
    assert there.samples["ts_ns"].equals(here.samples["ts_ns"])
    kernel = there.frames.filter(pc.equal(there.frames["kind"], "kernel"))
    assert kernel["function"].unique().to_pylist() == ["[unknown]"]
    assert kernel["module"].unique().to_pylist() == ["[kernel.kallsyms]"]
    assert any("does not run here" in note for note in there.notes)
    assert "[unknown]" not in here.frames.filter(pc.equal(here.frames["kind"], "kernel"))["function"].to_pylist()


@pytest.mark.parametrize("cut", [0, 100])
def test_a_case_says_whether_its_recording_was_cut(recordings: Recordings, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "perf.data"
    whole = recordings[0]
    end = sum(int.from_bytes(whole[place : place + 8], "little") for place in (40, 48))  # of its records
    path.write_bytes(whole[: end - cut] if cut else whole)
    import_files(tmp_path / "case", [path])
    answer = losses(clew.open(tmp_path / "case"))
    (row,) = answer.table.to_pylist()
    assert row["complete"] is (not cut)
    assert (row["skipped_bytes"] > 0) is bool(cut)
    assert (answer.note == "nothing was lost") is (not cut)
