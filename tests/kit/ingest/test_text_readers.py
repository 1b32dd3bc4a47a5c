"""Readers of text: each knows its own files and no other's, and whatever a file holds there is never a traceback."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.export.collapse import collapse
from clew.export.collapse_perf import Options
from clew.ingest.profile import FRAMES, SAMPLES, STACKS, THREADS, Profile, conform
from clew.ingest.profiles import Reader, bpftrace_text, folded, gdb_text, perf_script, readers

READERS: list[Reader] = [perf_script, gdb_text, bpftrace_text, folded]
TEXTS = {
    "text of perf script": "ab 1/2 [000] 1.000000:  3 cycles:u: \n\t1f f+0x1 (/x)\n\t2f main+0x2 (/x)\n\n",
    "backtraces of gdb": 'Thread 1 (Thread 0x7f (LWP 12) "w"):\n#0  0x1f in f (x=3) at a.c:2\n#1  0x2f in main ()\n',
    "maps of bpftrace as text": "Attaching 1 probe...\n\n@[\n    f+12\n    main+3\n, sh]: 3\n",
    "folded stacks": "main;f 3\nmain;g_[k] 2.5\n",
}
OTHERS = [
    "#!/bin/sh\necho $1; exit 0\n",
    "name;count\nalpha;12\nbeta;13\n",
    "# A title\n\nSome prose; with more of it.\n\n* a list 1\n",
    "1700000000.123456 read(3, 0x7f, 12) = 12\n[pid 12] 1700000000.123457 close(3) = 0\n",
    "  bash-1234  [000] d... 123.456789: sched_switch: prev_comm=bash\n",
    '{"traceEvents": []}\n',
    "",
]
PIECES = [
    *("ab", "12", "1/2", "[003]", "1.000001:", "cycles:u:", "\n", "\n\n", "\t", "    ", " ", "1f", "main+0x1f", "(/x)"),
    *("(", ")", "(inlined)", "[unknown]", "([unknown])", "->", "#", "# x", "#0  ", "#1  0x1 in ", "f (x=3)"),
    *(" at a.c:2", '"', "'", "Thread 2 (Thread 0x1 (LWP 3) ", "):", "@[", "@x[", ", sh]: 3", "]: ", ";", "a;b 3"),
    *("_[k]", "é", "\r\n", "\0", "file.c:3", "PERF_RECORD_LOST lost 3", "a-1/2;", "99999999999999999999"),
    *("# clew snapshot monotonic_ns=5 pid=7", "<signal handler called>"),
]
NOISE = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=60).map("".join)
MADE = st.one_of(
    st.binary(max_size=300),
    NOISE.map(lambda text: text.encode()),
    st.tuples(st.sampled_from(list(TEXTS.values())), NOISE, st.integers(0, 120)).map(
        lambda parts: (parts[0] * 2)[: parts[2]].encode() + parts[1].encode() + parts[0].encode()
    ),
)


def with_file(content: bytes, then: Callable[[Path], object]) -> object:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return then(Path(file.name))


def check(found: Profile) -> None:
    """Tables of ``found`` refer to rows that exist, and callers stand before what they call."""
    frames, stacks = conform(found.frames, FRAMES), conform(found.stacks, STACKS)
    samples, threads = conform(found.samples, SAMPLES), conform(found.threads, THREADS)
    assert samples.num_rows > 0
    for row, stack in enumerate(stacks.to_pylist()):
        assert stack["frame"] < frames.num_rows
        assert stack["parent"] is None or 0 <= stack["parent"] < row
    for sample in samples.to_pylist():
        assert sample["event"] < len(found.events)
        assert sample["stack"] is None or 0 <= sample["stack"] < stacks.num_rows
        assert sample["thread"] is None or 0 <= sample["thread"] < threads.num_rows
        assert sample["weight"] >= 0 or found.events[sample["event"]].kind == "other"


@pytest.mark.parametrize("name", TEXTS)
def test_each_file_is_known_by_its_reader_alone(name: str) -> None:
    text = TEXTS[name].encode()
    for form in (text, text.replace(b"\n", b"\r\n"), text * 1000):
        assert next(one.FORMAT for one in readers() if one.matches(form, Path("x"))) == name
        assert [one.FORMAT for one in READERS if one.matches(form, Path("x"))] == [name]


@pytest.mark.parametrize("text", OTHERS)
def test_other_text_is_nobodys(text: str) -> None:
    assert not [one.FORMAT for one in READERS if one.matches(text.encode(), Path("x"))]


@settings(max_examples=400, deadline=None)
@given(MADE)
@example(b"a 1 1.000000: c: \n\t1 -> (perf-1.map)\n\n")
@example(b"\x1f\x8b\x08\x00")
@example(b"ab 1 99999999999999999999.000000: c: \n")
@example(b"ab 1 1.000000: 9999999999999999999 c: \n")
def test_whatever_is_read_is_a_profile_or_one_line(content: bytes) -> None:
    for reader in READERS:
        reader.matches(content, Path("x"))
        try:
            found = with_file(content, reader.read)
        except ClewError:
            continue
        assert isinstance(found, Profile)
        check(found)


@settings(max_examples=200, deadline=None)
@given(MADE, st.booleans(), st.booleans(), st.booleans())
def test_whatever_is_folded_is_lines_with_counts(content: bytes, tid: bool, srcline: bool, compatible: bool) -> None:
    options = Options(tid=tid, srcline=srcline, compatible=compatible)
    try:
        lines = with_file(content, lambda path: list(collapse(path, options, lambda _: None)))
    except ClewError:
        return
    assert isinstance(lines, list)
    stacks = [line.rpartition(b" ")[0] for line in lines]
    assert stacks == sorted(set(stacks))
    assert all(float(line.rpartition(b" ")[2]) >= 0 for line in lines)


@pytest.mark.parametrize(
    "line",
    [
        b"ab" + b" " * 200_000,
        b"ab " + b"1" * 200_000 + b"x",
        b"ab 1 1.000000: " + b": " * 100_000,
        b"ab 1 1.000000:" + b" " * 200_000 + b"x",
        b"ab 1 1.0: c: \n\t1 " + b" (" * 100_000,
        b"ab 1 1.0: c: \n\t1 " + b" )" * 100_000,
        b"ab 1 1.0: c: \n\t1f " + b"(a" * 100_000 + b")",
        b"ab 1 1.0: c: \n  " + b":1 " * 100_000,
        b"#0  f (" + b" (" * 100_000,
        b'#0  f (x="' + b"\\" * 200_001,
        b"#0  f (" + b'"' * 200_001,
        b"Thread 1 (" + b"(LWP 1" * 50_000,
        b'Thread 1 (Thread 0x1 (LWP 1) "' + b'"' * 100_000 + b"):",
        b"@[" + b"]: " * 100_000,
        b"@[\n" + b"    f+1\n" * 50_000,
        b"a;" * 100_000 + b"1 " * 1000,
        b" 1" * 100_000,
        b'process 1:"' + b'";' * 100_000 + b"\n",
    ],
    ids=lambda line: repr(line[:24]),
)
def test_a_hostile_line_costs_no_more_than_its_length(line: bytes) -> None:
    """Would take hours if a pattern tried every way to split it; the test's own time limit is the check."""
    for content in (line + b"\n\n", b"ab 1 1.000000: c: \n" + line + b"\n\n"):
        for reader in READERS:
            reader.matches(content[: 64 << 10], Path("x"))
            try:
                with_file(content, reader.read)
            except ClewError:
                continue
        for compatible in (False, True):
            options = Options(compatible=compatible)
            try:
                with_file(content, lambda path, options=options: list(collapse(path, options, lambda _: None)))
            except ClewError:
                continue
