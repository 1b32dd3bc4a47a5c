"""bpftrace's JSON with its traps: keys joined by commas, bytes as U+FFFF, stacks within keys, edges of histograms."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clew
from clew.errors import ClewError
from clew.ingest import bpftrace_json
from clew.ingest.imports import import_files
from clew.ingest.profiles import reader_of
from clew.recipes.script import maps_of

STACK = "\\n    open64+25\\n    std::map<int, char>::find(int)+7\\n    0x55e279ffba60\\n"
OURS = "\\n\\t7f40d111f829 close+25 (/opt/my (lib) v2 [x].so)\\n\\t7ffc21c8a048 0x7ffc21c8a048 ([unknown])\\n"
KERNEL = "\\n\\tffffffff821ecc51 do_syscall_64+113\\n\\tffffffff81000130 entry_SYSCALL_64_after_hwframe+118\\n"


def file_of(folder: Path, *lines: str, script: str | None = None, **head: Any) -> Path:
    """As bpftrace 0.17 prints it; with a script, as clew records it."""
    path = folder / "given.json"
    if script is None:
        path.write_text("\n\n".join(['{"type": "attached_probes", "data": {"probes": 2}}', *lines]) + "\n")
        return path
    first = json.dumps({"clew": "bpftrace", "ns": 5, "pid": None, "script": script, "samples": {}} | head)
    path.write_text(
        "\n".join([first, *(f'{{"ns": {n * 100}, "line": {line}}}' for n, line in enumerate(lines, 1))]) + "\n"
    )
    return path


def table(path: Path, name: str) -> list[dict[str, Any]]:
    return bpftrace_json.read(path).tables[name].to_pylist()


def keys(path: Path) -> list[list[str]]:
    return [row["keys"] for row in table(path, "map_value")]


def map_line(name: str, entries: str) -> str:
    return f'{{"type": "map", "data": {{"{name}": {entries}}}}}'


def test_values_of_every_kind(tmp_path: Path) -> None:
    script = "p { @c[1] = count(); @s = stats(3); @a[1] = avg(2); @n = 1; @big = sum(1); @text = comm; @t = (1, 2); }"
    path = file_of(
        tmp_path,
        map_line("@c", '{"1": 3, "2": 4}'),
        '{"type": "stats", "data": {"@s": {"count": 2, "average": 5, "total": 11}}}',
        '{"type": "stats", "data": {"@a": {"1": 4, "2": 5}}}',
        map_line("@n", "-1"),
        map_line("@big", '"18446744073709551615"'),
        map_line("@text", '"v,w"'),
        map_line("@t", '[1,"two",3]'),
        map_line("@n", "7"),
        script=script,
    )
    rows = table(path, "map_value")
    assert [(r["name"], r["keys"], r["kind"], r["value"], r["reading"], r["ts_ns"]) for r in rows] == [
        ("@c", ["1"], "count", 3, 1, 100),
        ("@c", ["2"], "count", 4, 1, 100),
        ("@s", [], "count", 2, 1, 200),
        ("@s", [], "avg", 5, 1, 200),
        ("@s", [], "total", 11, 1, 200),
        ("@a", ["1"], "avg", 4, 1, 300),
        ("@a", ["2"], "avg", 5, 1, 300),
        ("@n", [], "value", -1, 1, 400),
        ("@big", [], "sum", 2.0**64, 1, 500),
        ("@n", [], "value", 7, 2, 800),
    ]
    assert [row["text"] for row in table(path, "printed")] == ["@text: v,w", '@t: [1, "two", 3]']
    assert [(row["name"], row["value"]) for row in table(path, "series") if row["name"] == "@n"] == [
        ("@n", -1),
        ("@n", 7),
    ]


def test_a_map_with_the_keys_of_stats_is_a_map(tmp_path: Path) -> None:
    entries = '{"type": "stats", "data": {"@a": {"count": 1, "average": 5, "total": 5}}}'
    path = file_of(tmp_path, entries, script="p { @a[str($1)] = avg(1); }")
    assert keys(path) == [["count"], ["average"], ["total"]]


@pytest.mark.parametrize(
    ("form", "joined", "expected"),
    [
        ("pid, tid, comm", "1,2,a,b", ["1", "2", "a,b"]),
        ("comm, pid", "a,b,7", ["a,b", "7"]),
        ("comm, pid, cpu", "a,5,b,7,0", ["a,5,b", "7", "0"]),
        ("comm", ",", [","]),
        ("comm", "", [""]),
        ("args->fd, comm", "-1,x", ["-1", "x"]),
        ("pid, comm", '1,a\\nb\\"c', ["1", 'a\nb"c']),
        ("pid, comm", "1,\\uffffffc3\\uffffffa9 \\uffffffff;\\uffffffe2\\uffffff82\\uffffffac", ["1", "é \\xff;€"]),
        (None, "1,a,b", ["1", "a", "b"]),
    ],
)
def test_keys(tmp_path: Path, form: str | None, joined: str, expected: list[str]) -> None:
    script = f"p {{ @[{form}] = count(); }}" if form else None
    assert keys(file_of(tmp_path, map_line("@", f'{{"{joined}": 1}}'), script=script)) == [expected]


def test_two_keys_that_were_joined_to_the_same_text_are_both_there(tmp_path: Path) -> None:
    assert keys(file_of(tmp_path, map_line("@", '{"a,b,c": 1, "a,b,c": 2}'))) == [["a", "b", "c"]] * 2


def stack_of(profile: Any, row: int | None) -> list[tuple[str, str | None, str]]:
    """(function, module, kind) from the outermost."""
    stacks, frames = profile.stacks.to_pylist(), profile.frames.to_pylist()
    found = []
    while row is not None:
        frame = frames[stacks[row]["frame"]]
        found.append((frame["function"], frame["module"], frame["kind"]))
        row = stacks[row]["parent"]
    return found[::-1]


def test_stacks_become_samples(tmp_path: Path) -> None:
    script = (
        "p { @[pid, comm, ustack(perf), kstack(perf)] = sum(nsecs); @two[ustack] = count(); @h[ustack] = hist(1); }"
    )
    path = file_of(
        tmp_path,
        map_line("@", f'{{"7,a,b,{OURS},{KERNEL}": 30, "8,c,,{KERNEL}": 5}}'),
        map_line("@two", f'{{"{STACK}": 4}}'),
        f'{{"type": "hist", "data": {{"@h": {{"{STACK}": [{{"min": 1, "max": 1, "count": 2}}]}}}}}}',
        script=script,
        samples={"@": {"event": "off-cpu", "kind": "off-cpu", "unit": "ns"}},
    )
    profile = bpftrace_json.read(path)
    first, second, third = profile.samples.to_pylist()
    kernel = [(name, "[kernel.kallsyms]", "kernel") for name in ("entry_SYSCALL_64_after_hwframe", "do_syscall_64")]
    assert stack_of(profile, first["stack"]) == [
        ("[unknown]", None, "unknown"),
        ("close", "/opt/my (lib) v2 [x].so", "user"),
        *kernel,
    ]
    assert stack_of(profile, second["stack"]) == kernel
    assert [name for name, _, _ in stack_of(profile, third["stack"])] == [
        "[unknown]",
        "std::map<int, char>::find(int)",
        "open64",
    ]
    assert [(row["weight"], row["ts_ns"]) for row in (first, second, third)] == [(30, 100), (5, 100), (4, 200)]
    assert [(e.name, e.kind, e.unit) for e in profile.events] == [
        ("off-cpu", "off-cpu", "ns"),
        ("@two", "other", "events"),
    ]
    assert profile.threads.to_pylist()[:2] == [
        {"pid": 7, "tid": None, "name": "a,b", "command": "a,b"},
        {"pid": 8, "tid": None, "name": "c", "command": "c"},
    ]
    assert table(path, "map_value")[0]["keys"] == ["7", "a,b"]
    assert table(path, "histogram")[0]["keys"] == ["[unknown];std::map<int, char>::find(int);open64"]


def test_samples_are_what_stacks_have_grown_by(tmp_path: Path) -> None:
    lines = [map_line("@", f'{{"{STACK}": {n}}}') for n in (4, 10, 10, 3)]
    weights = [row["weight"] for row in bpftrace_json.read(file_of(tmp_path, *lines)).samples.to_pylist()]
    assert weights == [4, 6, 3]  # the last: somebody has cleared it
    cleared = file_of(tmp_path, *lines, script="p { @[ustack] = count(); } interval:s:1 { print(@); clear(@); }")
    assert [row["weight"] for row in bpftrace_json.read(cleared).samples.to_pylist()] == [4, 10, 10, 3]


def test_histograms_and_their_ends(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        '{"type": "hist", "data": {"@": [{"max": -1, "count": 1}, {"min": 0, "max": 0, "count": 2}, '
        '{"min": 1073741824, "max": 2147483647, "count": 3}, {"min": -2147483648, "max": 0, "count": 4}]}}',
        '{"type": "hist", "data": {"@l": {"a,b": [{"min": 0, "max": 9, "count": 1}, {"min": 10, "count": 7}]}}}',
        '{"type": "hist", "data": {"@q": [{"min": "4611686018427387904", "max": "9223372036854775807", "count": 1}]}}',
    )
    rows = [(r["name"], r["keys"], r["low"], r["high"], r["calls"]) for r in table(path, "histogram")]
    assert rows[:6] == [
        ("@", [], None, -1, 1),
        ("@", [], 0, 0, 2),
        ("@", [], 1 << 30, (1 << 31) - 1, 3),
        ("@", [], 1 << 31, None, 4),
        ("@l", ["a", "b"], 0, 9, 1),
        ("@l", ["a", "b"], 10, None, 7),
    ]
    assert rows[6][2:] == (1 << 62, (1 << 63) - 1, 1)


def test_printed_lost_and_unknown(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        '{"type": "printf", "data": "a \\"b\\"\\n"}',
        '{"type": "value", "data": [1,"x"]}',
        '{"type": "lost_events", "data": {"events": 3}}',
        '{"type": "lost_events", "count": 4}',
        '{"type": "helper_error", "msg": "m", "data": {"x": 1}}',
        "no json",
        "[1]",
        '{"type": 3}',
    )
    profile = bpftrace_json.read(path)
    assert profile.lost == 7 and "3 lines" in profile.notes[0]
    assert [(row["nth"], row["kind"], row["text"]) for row in profile.tables["printed"].to_pylist()] == [
        (1, "printf", 'a "b"\n'),
        (2, "value", '[1, "x"]'),
        (3, "helper_error", '{"x": 1}'),
    ]


def test_numbers_out_of_all_bounds(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        map_line("@", f'{{"99999999999,{STACK}": 1, "0x1f,{STACK}": 2}}'),
        map_line("@n", "Infinity"),
        map_line("@m", "1" + "0" * 400),
        '{"type": "hist", "data": {"@h": [{"min": -1e40, "max": 1e40, "count": -5}]}}',
        '{"type": "lost_events", "data": {"events": -3}}',
        script="p { @[pid, ustack] = count(); }",
    )
    profile = bpftrace_json.read(path)
    assert profile.threads["pid"].to_pylist() == [None] and profile.lost == 0
    assert table(path, "histogram")[0] | {"ts_ns": 0, "reading": 0, "name": "", "keys": []} == {
        "ts_ns": 0,
        "reading": 0,
        "name": "",
        "keys": [],
        "calls": 0,
        "low": -(1 << 63),
        "high": (1 << 63) - 1,
    }
    assert [row["text"][:4] for row in table(path, "printed")] == ["@n: ", "@m: "]


def test_a_full_map_is_said(tmp_path: Path) -> None:
    """bpftrace drops keys that find no room without a word."""
    lines = [map_line("@", '{"1": 1, "2": 1}'), map_line("@few", '{"1": 1}')]
    path = file_of(tmp_path, *lines, script="p { @[pid] = count(); }", map_keys_max=2)
    assert [note.split(",")[0] for note in bpftrace_json.read(path).notes] == ["map @ was full"]


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = file_of(tmp_path, map_line("@", "1"), script="")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"ns": 900, "line": {"type": "ma')
    profile = bpftrace_json.read(path)
    assert profile.tables["map_value"].num_rows == 1 and not profile.notes


def test_a_file_from_elsewhere_is_imported(tmp_path: Path) -> None:
    path = file_of(
        tmp_path, map_line("@calls", '{"a": 3}'), map_line("@calls", '{"a": 5}'), '{"type": "lost_events", "count": 9}'
    )
    assert reader_of(path).FORMAT == "bpftrace's JSON"  # type: ignore[union-attr]
    import_files(tmp_path / "case", [path])
    case = clew.open(tmp_path / "case")
    rows = case.sql("SELECT ts_ns, reading, value FROM map_value ORDER BY reading").to_pylist()
    assert rows == [{"ts_ns": None, "reading": 1, "value": 3.0}, {"ts_ns": None, "reading": 2, "value": 5.0}]
    assert case.captures().to_pylist()[0]["lost_events"] == 9


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_warnings_may_stand_before_it(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "out.json"
    text = 'WARNING: Addrspace is not set\n{"type": "attached_probes", "data": {"probes": 1}}\n\n'
    path.write_bytes(pack((text + '{"type": "map", "data": {"@n": 3}}\n').encode()))
    reader = reader_of(path)
    assert reader is not None and reader.FORMAT == "bpftrace's JSON"
    assert [row["value"] for row in reader.read(path).tables["map_value"].to_pylist()] == [3.0]


@pytest.mark.parametrize(
    "text", ['{"type": "attached_probes", "data": {"probes": 1}}\n', '\n\n{"type": "map", "data": {}}\n']
)
def test_a_file_that_says_nothing_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ClewError, match="printed nothing"):
        import_files(tmp_path / "case", [path])
    assert not (tmp_path / "case").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.tuples(st.sampled_from([*bpftrace_json.TYPES, "new"]), JSON) | JSON, max_size=6))
def test_any_json_is_read(tmp_path_factory: pytest.TempPathFactory, records: list[Any]) -> None:
    path = tmp_path_factory.mktemp("any") / "x.json"
    lines = [json.dumps({"type": r[0], "data": r[1]}) if isinstance(r, tuple) else json.dumps(r) for r in records]
    path.write_text("\n".join(['{"clew": "bpftrace", "script": "p { @[ustack, pid] = count() }"}', *lines]))
    profile = bpftrace_json.read(path)
    assert profile.samples.num_rows <= sum(table.num_rows for table in profile.tables.values())


@given(st.text(max_size=40), st.text(alphabet="@[]ustackpid,comm= count(){}", max_size=40))
def test_any_key_is_split(text: str, script: str) -> None:
    from clew.ingest.bpftrace_keys import Splitter, lines_of

    for form in (None, *maps_of(script).values()):
        found = Splitter(form).split(text)
        assert len(lines_of(found.stacks)) <= text.count("\n")
