"""Profiles that other tools wrote, and those that clew writes for them: real files where the tool is here."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clew
from clew import questions
from clew.case import Case
from clew.errors import ClewError
from clew.export.stack_files import write_stacks
from clew.ingest.imports import import_files
from clew.ingest.profile import Profile
from clew.ingest.profiles import Reader, firefox, reader_of, speedscope
from clew.ingest.profiles._pprof import profile_class
from clew.lens import Lens

SPIN = """
import threading, time
def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(100))
def outer():
    spin(0.6)
thread = threading.Thread(target=spin, args=(0.3,), name="helper")
thread.start()
outer()
thread.join()
"""
SPIN_JS = """
function hot(n) { let sum = 0; for (let i = 0; i < n; i++) sum += Math.sqrt(i); return sum; }
function outer() { const end = Date.now() + 400; let x = 0; while (Date.now() < end) x += hot(1000); return x; }
outer();
"""


def case_of(source: Path, folder: Path) -> Case:
    import_files(folder, [source])
    return clew.open(folder)


def totals(case: Case) -> dict[str, float]:
    table = questions.functions(case, Lens()).table
    return dict(zip(table["function"].to_pylist(), table["total"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("form", "reader"),
    [("raw", "folded stacks"), ("speedscope", "speedscope"), ("chrometrace", "Chrome profile or trace")],
)
def test_py_spy(tmp_path: Path, form: str, reader: str) -> None:
    program, out = tmp_path / "spin.py", tmp_path / "out"
    program.write_text(SPIN)
    py_spy = Path(sys.executable).with_name("py-spy")
    command = [str(py_spy), "record", "-r", "200", "-f", form, "-o", str(out), "--", sys.executable, str(program)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    found = reader_of(out)
    assert found is not None
    assert reader == found.FORMAT
    case = case_of(out, tmp_path / "case")
    weight = totals(case)
    spin = next(value for name, value in weight.items() if name.startswith("spin"))
    outer = next(value for name, value in weight.items() if name.startswith("outer"))
    assert 0 < outer < spin
    if form == "speedscope":  # times and threads are known
        threads = questions.samples_by(case, Lens(), "thread").table.to_pylist()
        assert len(threads) == 2
        assert all(row["tid"] > 0 and not row["name"].startswith("Thread ") for row in threads)
        assert 0.3e9 < outer < 3e9


def test_node_cpu_profile(tmp_path: Path) -> None:
    program = tmp_path / "spin.js"
    program.write_text(SPIN_JS)
    subprocess.run(["node", "--cpu-prof", f"--cpu-prof-dir={tmp_path}", str(program)], check=True, timeout=60)
    source = next(tmp_path.glob("*.cpuprofile"))
    case = case_of(source, tmp_path / "case")
    known = json.loads(source.read_text())
    weight = totals(case)
    assert weight["outer"] > 0.2e9
    whole = (known["endTime"] - known["startTime"]) * 1000
    assert 0 < questions.functions(case, Lens()).summary["total"] <= whole * 1.01
    frame = case.sql("SELECT line, file FROM frame WHERE function = 'outer'").to_pylist()[0]
    assert frame["line"] == 3
    assert frame["file"].endswith("spin.js")


PROCESSED = {
    "meta": {"interval": 2, "preprocessedProfileVersion": 50},
    "threads": [
        {
            "name": "GeckoMain",
            "pid": "10",
            "tid": 11,
            "processName": "web",
            "samples": {"stack": [1, 1, 0, None], "time": [0, 2, 4, 6], "length": 4},
            "stackTable": {"prefix": [None, 0], "frame": [0, 1], "length": 2},
            "frameTable": {"func": [0, 1], "line": [7, None], "length": 2},
            "funcTable": {"name": [0, 1], "fileName": [2, None], "resource": [-1, 0], "isJS": [True, False]},
            "resourceTable": {"name": [3]},
            "stringArray": ["main", "paint", "app.js", "libxul.so"],
        }
    ],
}
RAW = {
    "meta": {"interval": 1, "processType": 0, "stackwalk": 1},
    "threads": [
        {
            "name": "GeckoMain",
            "pid": 10,
            "tid": 11,
            "samples": {"schema": {"stack": 0, "time": 1}, "data": [[1, 0], [0, 1]]},
            "stackTable": {"schema": {"prefix": 0, "frame": 1}, "data": [[None, 0], [0, 1]]},
            "frameTable": {"schema": {"location": 0, "line": 1}, "data": [[0], [1, 5]]},
            "stringTable": ["main", "paint"],
        }
    ],
    "processes": [],
}


@pytest.mark.parametrize(
    ("document", "main", "paint"), [(PROCESSED, 6e6, 4e6), (RAW, 2e6, 1e6)], ids=["processed", "raw"]
)
def test_firefox(tmp_path: Path, document: dict[str, Any], main: float, paint: float) -> None:
    source = tmp_path / "profile.json.gz"
    source.write_bytes(gzip.compress(json.dumps(document).encode()))
    case = case_of(source, tmp_path / "case")
    assert totals(case) == {"main": main, "paint": paint}
    assert questions.samples_by(case, Lens(), "thread").table.to_pylist()[0]["tid"] == 11


def test_firefox_tables_that_threads_share(tmp_path: Path) -> None:
    thread = {name: value for name, value in PROCESSED["threads"][0].items() if name in ("name", "pid", "tid")}  # type: ignore[index]
    shared = {name: value for name, value in PROCESSED["threads"][0].items() if name not in thread}  # type: ignore[index]
    samples = {"stack": [1, 0], "timeDeltas": [0, 2], "length": 2}
    document = {"meta": PROCESSED["meta"], "shared": shared, "threads": [thread | {"samples": samples}]}
    source = tmp_path / "profile.json"
    source.write_text(json.dumps(document))
    assert totals(case_of(source, tmp_path / "case")) == {"main": 4e6, "paint": 2e6}


def test_firefox_since_version_58_and_weights_that_are_no_samples(
    read_as: Callable[[Reader, str], Profile], sums: Callable[[Profile], dict[tuple[object, ...], float]]
) -> None:
    shared = {
        "stringArray": ["main", "inner", "app.js"],
        "sources": {"length": 1, "id": [None], "filename": [2]},
        "funcTable": {"name": [0, 1], "source": [0, None], "resource": [-1, -1], "isJS": [True, False]},
        "frameTable": {"func": [0, 1], "line": [7, None], "inlineDepth": [0, 1]},
        "stackTable": {"prefix": [None, 0], "frame": [0, 1]},
    }
    threads = [
        {"pid": "1", "tid": 2, "samples": {"stack": [1], "time": [0], "weight": [3], "weightType": kind}}
        for kind in ("samples", "tracing-ms", "bytes")
    ]
    meta = {"interval": 2, "preprocessedProfileVersion": 58}
    found = read_as(firefox, json.dumps({"meta": meta, "shared": shared, "threads": threads}))
    weights = {"samples": 6e6, "traced": 3e6, "bytes": 3.0}
    assert sums(found) == {(event, 1, 2, "main;inner"): weight for event, weight in weights.items()}
    places = [(frame["function"], frame["kind"], frame["file"]) for frame in found.frames.to_pylist()]
    assert places == [("main", "jit", "app.js"), ("inner", "inlined", None)]


def test_speedscope_frames_stay_open_until_the_end(
    read_as: Callable[[Reader, str], Profile], sums: Callable[[Profile], dict[tuple[object, ...], float]]
) -> None:
    opened = [{"type": "O", "frame": number, "at": at} for number, at in enumerate((0, 2))]
    one = {"type": "evented", "name": "x", "unit": "none", "startValue": 0, "endValue": 10, "events": opened}
    document = {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "shared": {"frames": [{"name": "a"}, {"name": "b"}]},
        "profiles": [one],
    }
    found = read_as(speedscope, json.dumps(document))
    assert sums(found) == {("samples", None, None, "a"): 2, ("samples", None, None, "a;b"): 8}


def test_pprof_has_an_event_for_each_value(tmp_path: Path) -> None:
    message = profile_class()()
    message.string_table.extend(
        ["", "samples", "count", "cpu", "nanoseconds", "main", "leaf", "inlined", "/bin/app", "main.go"]
    )
    message.sample_type.add(type=1, unit=2)
    message.sample_type.add(type=3, unit=4)
    message.mapping.add(id=1, memory_start=0x1000, file_offset=0, filename=8)
    for number, name in enumerate((5, 6, 7), 1):
        message.function.add(id=number, name=name, filename=9)
    message.location.add(id=1, mapping_id=1, address=0x1010).line.add(function_id=1, line=10)
    leaf = message.location.add(id=2, mapping_id=1, address=0x1020)
    leaf.line.add(function_id=3, line=30)
    leaf.line.add(function_id=2, line=20)
    message.sample.add(location_id=[2, 1], value=[3, 30_000_000])
    message.sample.add(location_id=[1], value=[1, 10_000_000])
    source = tmp_path / "cpu.pb.gz"
    source.write_bytes(gzip.compress(message.SerializeToString()))
    case = case_of(source, tmp_path / "case")
    assert totals(case) == {"inlined": 30e6, "main": 40e6, "leaf": 30e6}
    answer = questions.flame(case, Lens(), "samples")
    assert answer.table["name"].to_pylist() == ["all", "main", "leaf", "inlined"]
    assert answer.summary["total"] == 4
    kinds = case.sql("SELECT function, kind, line, address FROM frame ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in kinds] == [
        ("inlined", "inlined", 30, 0x20),
        ("leaf", "user", 20, 0x20),
        ("main", "user", 10, 0x10),
    ]


@pytest.mark.parametrize("begin", ["shared", "profiles"])
def test_speedscope_that_names_its_schema_at_the_end(tmp_path: Path, begin: str) -> None:
    frames = [{"name": f"f{number}" * 9} for number in range(4000)]
    one = {"type": "sampled", "name": "x", "unit": "none", "startValue": 0, "endValue": 4000}
    one |= {"samples": [[number] for number in range(4000)], "weights": [1] * 4000}
    document: dict[str, Any] = {"name": "x", "shared": {"frames": frames}, "profiles": [one]}
    document = {begin: document[begin]} | document | {"$schema": "https://www.speedscope.app/file-format-schema.json"}
    source = tmp_path / "x.json"
    source.write_text(json.dumps(document))
    assert reader_of(source) is speedscope
    assert speedscope.read(source).samples.num_rows == 4000


@pytest.mark.parametrize(("address", "offset", "expected"), [(16, 0, None), (4112, 0, 16), (2**64 - 1, 8192, None)])
def test_pprof_with_addresses_outside_of_their_file(
    tmp_path: Path, address: int, offset: int, expected: int | None
) -> None:
    message = profile_class()()
    message.string_table.extend(["", "samples", "count", "main"])
    message.sample_type.add(type=1, unit=2)
    message.mapping.add(id=1, memory_start=0x1000, file_offset=offset)
    message.function.add(id=1, name=3)
    message.location.add(id=1, mapping_id=1, address=address).line.add(function_id=1)
    message.sample.add(location_id=[1], value=[1])
    source = tmp_path / "cpu.pb"
    source.write_bytes(message.SerializeToString())
    reader = reader_of(source)
    assert reader is not None
    (frame,) = reader.read(source).frames.to_pylist()
    assert (frame["function"], frame["address"]) == ("main", expected)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_pprof_of_go_begins_with_the_period(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    first, rest = profile_class()(), profile_class()()
    first.period_type.type, first.period_type.unit, first.period = 3, 4, 10_000
    rest.time_nanos = 1_700_000_000 * 10**9  # before the types of samples where there is no period
    rest.sample_type.add(type=1, unit=2)
    rest.sample_type.add(type=3, unit=4)
    rest.sample.add(location_id=[1], value=[2, 20_000])
    rest.location.add(id=1).line.add(function_id=1)
    rest.function.add(id=1, name=5)
    rest.string_table.extend(["", "samples", "count", "CPU time", "\u03bcs", "main.fib"])
    for parts in ((first, rest), (rest, first)):
        source = tmp_path / "cpu"
        source.write_bytes(pack(b"".join(part.SerializeToString() for part in parts)))
        reader = reader_of(source)
        assert reader is not None
        found = reader.read(source)
        assert found.samples["weight"].to_pylist() == [2, 20e6]
        assert [(event.kind, event.unit) for event in found.events] == [("other", "samples"), ("on-cpu", "ns")]
    rest.string_table[0] = "not empty"  # the format wants it so
    source.write_bytes(pack(rest.SerializeToString()))
    assert reader_of(source) is None


AUSTIN = {
    "3": "# austin: 3.6.0\n# interval: 100\n\n"
    "P10;T0x1f:11;/app/a.py:<module>:3;/app/a.py:work:7 2000\nP10;T0x1f:11;/app/a.py:<module>:4 500\n",
    "3, lines apart": "P10;T11;/app/a.py:<module>;L3;/app/a.py:work;L7 2000\nP10;T11;/app/a.py:<module>;L4 500\n\n",
    "1": "Thread 11;<module> (/app/a.py);L3;work (/app/a.py);L7; 2000\nThread 11;<module> (/app/a.py);L4; 500\n\n",
}


@pytest.mark.parametrize("version", AUSTIN)
def test_austin(tmp_path: Path, version: str) -> None:
    source = tmp_path / "austin.txt"
    source.write_text(AUSTIN[version])
    case = case_of(source, tmp_path / "case")
    assert totals(case) == {"work": 2e6, "<module>": 2.5e6}
    lines = case.sql("SELECT DISTINCT line FROM frame WHERE function = '<module>' ORDER BY ALL")["line"].to_pylist()
    assert lines == [3, 4]


FOLDED = "main;a;b 10\nmain;a;c 5\nmain;<script>x</script> 2\n"


@pytest.mark.parametrize("ending", ["folded", "speedscope.json", "pb.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    source = tmp_path / "x.folded"
    source.write_text(FOLDED)
    case = case_of(source, tmp_path / "case")
    out = write_stacks(case, Lens(), tmp_path / f"out.{ending}", edits=[("hide", "^a$")])
    assert out.stat().st_mode & 0o777 == 0o600
    again = case_of(out, tmp_path / "again")
    assert totals(again) == {"main": 17, "b": 10, "c": 5, "<script>x</script>": 2}


def test_fractions_are_folded_as_such(tmp_path: Path) -> None:
    text = "main 0.25\nmain;a 2.5\nmain;a;b 3\n"
    source = tmp_path / "x.folded"
    source.write_text(text)
    out = write_stacks(case_of(source, tmp_path / "case"), Lens(), tmp_path / "out.folded")
    assert sorted(out.read_text().splitlines()) == text.splitlines()


def test_what_pprof_cannot_hold_is_a_mistake(tmp_path: Path) -> None:
    source = tmp_path / "x.folded"
    source.write_text(f"main;a {2**64}\n")
    case = case_of(source, tmp_path / "case")
    with pytest.raises(ClewError, match="too large for pprof"):
        write_stacks(case, Lens(), tmp_path / "x.pb.gz")
    assert not (tmp_path / "x.pb.gz").exists()


def test_svg_is_escaped_and_says_what_it_shows(tmp_path: Path) -> None:
    source = tmp_path / "x.folded"
    source.write_text(FOLDED)
    text = write_stacks(case_of(source, tmp_path / "case"), Lens(), tmp_path / "x.svg").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;x" in text
    assert "<title>a (15 samples, 88.24%)</title>" in text


def test_an_ending_that_says_nothing_is_a_mistake(tmp_path: Path) -> None:
    source = tmp_path / "x.folded"
    source.write_text(FOLDED)
    with pytest.raises(ClewError, match="ends in"):
        write_stacks(case_of(source, tmp_path / "case"), Lens(), tmp_path / "x.doc")


SEEDS = [
    json.dumps(PROCESSED),
    json.dumps(RAW),
    *AUSTIN.values(),
    FOLDED,
    json.dumps(
        {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "shared": {"frames": [{"name": "a"}]},
            "profiles": [
                {"type": "sampled", "unit": "seconds", "samples": [[0]], "weights": [1]},
                {
                    "type": "evented",
                    "unit": "none",
                    "events": [{"type": "O", "frame": 0, "at": 0}, {"type": "C", "frame": 0, "at": 3}],
                },
            ],
        }
    ),
    json.dumps(
        {
            "nodes": [
                {"id": 1, "callFrame": {"functionName": "f", "url": "", "lineNumber": 1}, "children": [2]},
                {"id": 2, "callFrame": {"functionName": "g"}},
            ],
            "samples": [1, 2],
            "timeDeltas": [1, 2],
        }
    ),
    json.dumps(
        {
            "traceEvents": [
                {"ph": "X", "ts": 1, "dur": 5, "name": "s", "pid": 1, "tid": 1},
                {"ph": "B", "ts": 2, "name": "t", "pid": 1, "tid": 1},
                {"ph": "E", "ts": 3, "pid": 1, "tid": 1},
            ]
        }
    ),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), st.data())
def test_broken_files_are_one_line(seed: str, data: st.DataObject) -> None:
    text = bytearray(seed.encode())
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 8))
        text[at : at + length] = data.draw(
            st.one_of(st.binary(max_size=6), st.sampled_from([b"null", b"-1", b"[]", b"{}", b"1e999", b'"x"']))
        )
        if not text:
            return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile"
        path.write_bytes(text)
        reader = reader_of(path)
        if reader is None:
            return
        try:
            profile = reader.read(path)
        except ClewError as error:
            said = str(error)
        else:
            said = "" if profile.samples.num_rows else "no sample\n"
        assert "\n" not in said
