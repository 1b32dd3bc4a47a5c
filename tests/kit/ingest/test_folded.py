"""Folded stacks as many tools write them."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles import folded, reader_of


def read(text: str | bytes, folder: Path) -> Profile:
    path = folder / "out.folded"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert reader_of(path) is folded
    return folded.read(path)


def rows(found: Profile) -> list[tuple[str, str, float]]:
    """(event, stack, weight) of each sample."""
    frames, stacks = found.frames.to_pylist(), found.stacks.to_pylist()
    made: list[tuple[str, str, float]] = []
    row: dict[str, Any]
    for row in found.samples.to_pylist():
        at, names = row["stack"], []
        while at is not None:
            names.append(frames[stacks[at]["frame"]]["function"])
            at = stacks[at]["parent"]
        made.append((found.events[row["event"]].name, ";".join(reversed(names)), row["weight"]))
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b 1\na;c 31.23\na 6.\n;x .5\n", [("a;b", 1.0), ("a;c", 31.23), ("a", 6.0), (";x", 0.5)]),
        ("a;b 1\r\na;c 2\r\n", [("a;b", 1.0), ("a;c", 2.0)]),
        ("a b;<T as U>; [T; _]>::f> 19.0\n", [("a b;<T as U>; [T; _]>::f>", 19.0)]),
        ("a;read 12 5\na 3\n", [("a;read 12", 5.0), ("a", 3.0)]),
        ("a;b 1.5e+20\n", [("a;b", 1.5e20)]),
        ("# a comment\n\na;b 1\n", [("a;b", 1.0)]),
        ("a;b 1\n 6\n", [("a;b", 1.0), ("", 6.0)]),
    ],
)
def test_lines(text: str, expected: list[tuple[str, float]], tmp_path: Path) -> None:
    found = read(text, tmp_path)
    assert rows(found) == [("samples", stack, weight) for stack, weight in expected]
    assert not found.notes


def test_threads_as_py_spy_writes_them(tmp_path: Path) -> None:
    text = (
        "thread (7): MainThread 1;<module> (a.py:3);hot (a.py:1) 5\nthread (9): worker 0;hot (a.py:1) 4\nthread (7) 1\n"
    )
    found = read(text, tmp_path)
    assert [(row["tid"], row["name"]) for row in found.threads.to_pylist()] == [
        (7, "MainThread 1"),
        (9, "worker 0"),
        (7, None),
    ]
    assert [stack for _, stack, _ in rows(found)] == ["<module> (a.py:3);hot (a.py:1)", "hot (a.py:1)", ""]
    found = read(
        'process 7:"/bin/python3 w.py";hot (a.py:1) 5\nprocess 8:"x";thread (0x7F0A): t;hot (a.py:1) 4\n', tmp_path
    )
    assert [(row["pid"], row["tid"], row["name"], row["command"]) for row in found.threads.to_pylist()] == [
        (7, None, None, "python3"),
        (8, None, "t", "x"),
    ]
    assert [stack for _, stack, _ in rows(found)] == ["hot (a.py:1)", "hot (a.py:1)"]


def test_commands_that_py_spy_writes_over_several_lines(tmp_path: Path) -> None:
    one = 'process 7:"python3 -c \nimport os; x = 3\nprint("a") 4\n";'
    found = read(f'{one}hot (a.py:1) 5\n{one}process 8:"sh -c \n1";thread (9);cold (a.py:2) 2\n', tmp_path)
    assert [(row["pid"], row["tid"], row["command"]) for row in found.threads.to_pylist()] == [
        (7, None, "python3"),
        (8, 9, "sh"),
    ]
    assert [(stack, weight) for _, stack, weight in rows(found)] == [("hot (a.py:1)", 5.0), ("cold (a.py:2)", 2.0)]
    assert not found.notes


@pytest.mark.parametrize(
    "pack",
    [
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: gzip.compress(text.encode()),
    ],
)
def test_encodings(pack: Any, tmp_path: Path) -> None:
    assert rows(read(pack("main;é 1\r\nmain;ü 2\r\n"), tmp_path)) == [
        ("samples", "main;é", 1.0),
        ("samples", "main;ü", 2.0),
    ]


def test_bytes_that_are_no_text_do_not_matter(tmp_path: Path) -> None:
    assert [weight for _, _, weight in rows(read(b"a;\xff\xfe 3\na;b 1\n", tmp_path))] == [3.0, 1.0]


def test_bad_lines_are_counted(tmp_path: Path) -> None:
    found = read("a;b 1\nno number\na;c 2\n;\n12\nx;y z\na;d 4\na 1\n", tmp_path)
    assert [weight for _, _, weight in rows(found)] == [1.0, 2.0, 4.0, 1.0]
    assert found.notes == ["4 lines are no folded stacks and were left out"]


def test_a_comparison_is_two_events(tmp_path: Path) -> None:
    found = read("a;b 3 4\na;c 1 0\na;read 7 0 2\n", tmp_path)
    assert rows(found) == [
        ("after", "a;b", 4.0),
        ("after", "a;read 7", 2.0),
        ("before", "a;b", 3.0),
        ("before", "a;c", 1.0),
    ]


def test_threads_at_the_roots(tmp_path: Path) -> None:
    found = read("java-12/12;main 1\nC2 Comp-12/14;run 2\nkworker/0:1-?/9;work 3\nidle-1/1 4\n", tmp_path)
    assert [stack for _, stack, _ in rows(found)] == ["main", "run", "work", ""]
    threads = [(row["pid"], row["tid"], row["name"], row["command"]) for row in found.threads.to_pylist()]
    assert threads == [
        (12, 12, "java", "java"),
        (12, 14, "C2 Comp", "java"),
        (None, 9, "kworker/0:1", "kworker/0:1"),
        (1, 1, "idle", "idle"),
    ]
    assert read("java-12/12;main 1\nmain;x 2\n", tmp_path).threads.num_rows == 0


def test_a_process_that_another_started_is_the_stacks(tmp_path: Path) -> None:
    text = 'process 12:"python a;b.py";process 15:"sh -c x";thread (16): wk;f 4\nprocess 12:"python a;b.py";f 1\n'
    found = read(text, tmp_path)
    assert [stack for _, stack, _ in rows(found)] == ["f", "f"]
    threads = [(row["pid"], row["tid"], row["name"], row["command"]) for row in found.threads.to_pylist()]
    assert threads == [(15, 16, "wk", "sh"), (12, None, None, "python")]


def test_names_may_begin_with_blanks(tmp_path: Path) -> None:
    found = read("    main+1;    f+2 3\n    main+1 1\n", tmp_path)
    assert [(stack, weight) for _, stack, weight in rows(found)] == [("    main+1;    f+2", 3), ("    main+1", 1)]


def test_marks_are_kinds(tmp_path: Path) -> None:
    found = read("main;f_[i];g_[k];h_[j];w_[w] 1\n", tmp_path)
    kinds = {row["function"]: row["kind"] for row in found.frames.to_pylist()}
    assert kinds == {"main": "user", "f": "inlined", "g": "kernel", "h": "jit", "w_[w]": "user"}


def test_stacks_share_what_they_have_in_common(tmp_path: Path) -> None:
    found = read("".join(f"main;step{number % 7};leaf{number} {number + 1}\n" for number in range(1000)), tmp_path)
    assert found.stacks.num_rows == 1 + 7 + 1000
    assert sum(weight for _, _, weight in rows(found)) == 500_500


def test_nothing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_text("# only a comment\n")
    with pytest.raises(ClewError, match="no stack in it"):
        folded.read(path)
