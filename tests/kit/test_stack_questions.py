"""Questions about stacks, on stacks that are small enough to be counted by hand."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

import pygraphviz
import pytest

import clew
from clew import questions
from clew.capture.place import make_place
from clew.case import Case
from clew.commands import main
from clew.errors import ClewError
from clew.ingest.imports import import_files
from clew.lens import Lens

#   main 40 (self 3) ── parse 25 ── copy 10, read 15
#                    ├─ parse ── parse 4 ── copy 4 (recursion)
#                    └─ copy 8
FOLDED = """\
main 3
main;parse;copy 10
main;parse;read_[k] 15
main;parse;parse;copy 4
main;copy 8
"""


def case_of(folder: Path, text: str, name: str = "case") -> Case:
    source = folder / f"{name}.folded"
    source.write_text(text)
    import_files(folder / name, [source])
    return clew.open(folder / name)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return case_of(tmp_path, FOLDED)


def rows(answer: questions.Answer, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(answer.table[name].to_pylist() for name in names), strict=True))


def test_samples_that_were_lost_are_told(tmp_path: Path) -> None:
    text = tmp_path / "perf.txt"
    text.write_text("a.out 1 15841.1: 1 cpu-clock: \n\t1 f+0x1 (/a.out)\n\na.out 1 15841.2: PERF_RECORD_LOST lost 17\n")
    import_files(tmp_path / "case", [text])
    case = clew.open(tmp_path / "case")
    for answer in (questions.functions(case, Lens()), questions.flame(case, Lens())):
        assert "17 samples were lost" in (answer.note or "")


def test_functions_beside_those_of_another_case(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    other = case_of(case.path.parent, "main;parse;copy 4\nmain;scan 6\n", "other")
    names = ("function", "self_before", "self_after", "self_delta", "total_before", "total_after")
    plain = questions.functions_diff(case, Lens(), other, Lens(), normalise=False)
    assert rows(plain, *names) == [
        ("copy", 4, 22, 18, 4, 22), ("read", 0, 15, 15, 0, 15), ("scan", 6, 0, -6, 6, 0),
        ("main", 0, 3, 3, 10, 40), ("parse", 0, 0, 0, 4, 29),
    ]  # fmt: skip
    scaled = questions.functions_diff(case, Lens(), other, Lens(), limit=1)
    assert rows(scaled, *names) == [("scan", 24, 0, -24, 24, 0)]
    assert scaled.note == "both sides scaled to the same whole (before times 4); 1 of 5 functions are shown"
    assert main(["stacks", str(case.path), "--against", str(other.path), "--as-counted", "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("copy,,18.0,4.0,22.0,")
    assert main(["stacks", str(case.path), "--against", f"{other.path} --function parse", "--tree"]) == 0
    shown = capsys.readouterr().out
    assert "+0.0%  all  (40 before, 40 after)" in shown and "before times 10" in shown
    assert main(["stacks", str(case.path), "--against", "--function scan"]) == 2
    assert "no sample" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["--nothing 3", "'", "{} --pid x", "/nowhere", "{} --from b"])
def test_what_is_no_other_side_is_one_line(case: Case, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stacks", str(case.path), "--against", words.format(case.path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("clew: ") and err.count("\n") == 1


def test_the_call_graph_is_written_for_graphviz(tmp_path: Path) -> None:
    hostile = 'a"];b<b>\\&amp;'
    case = case_of(tmp_path, f"main;{hostile.replace(';', '')};leaf 6\nmain;leaf 2\n")
    assert main(["stacks", str(case.path), "-o", str(tmp_path / "calls.dot")]) == 0
    graph = pygraphviz.AGraph(str(tmp_path / "calls.dot"))
    label = {node: html.unescape(node.attr["label"].split("\\n")[0]) for node in graph.nodes()}
    edges = {(label[a], label[b]): float(graph.get_edge(a, b).attr["passes"]) for a, b in graph.edges()}
    odd = next(name for name in label.values() if name not in ("main", "leaf"))
    assert edges == {("main", odd): 6, (odd, "leaf"): 6, ("main", "leaf"): 2}
    assert odd.startswith('a"]b<b>')


def test_functions_that_are_not_shown_are_counted(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    whole = questions.functions(case, Lens())
    assert whole.note is None
    assert whole.table.num_rows == 4
    assert questions.functions(case, Lens(), limit=3).note == "3 of 4 functions are shown"
    assert questions.functions(case, Lens(), limit=4).note is None
    text = "".join(f"main;f{number} {number}\n" for number in range(1, 61))
    many = str(case_of(case.path.parent, text, "many").path)
    assert main(["stacks", many]) == 0
    assert "40 of 61 functions are shown)" in capsys.readouterr().out
    assert main(["stacks", many, "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 62


def test_rebuild_counts_samples(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.close()
    assert main(["rebuild", str(case.path)]) == 0
    assert capsys.readouterr().out == f"{case.path}: 5 samples\n"


def test_a_case_is_not_folded_but_told_how(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collapse", str(case.path)]) == 2
    assert f"clew stacks {case.path} -o" in capsys.readouterr().err
    assert main(["collapse", str(case.path.parent)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_flame_adds_up_from_the_outermost_frame(case: Case) -> None:
    answer = questions.flame(case, Lens())
    assert rows(answer, "depth", "name", "self", "total", "start") == [
        (0, "all", 0, 40, 0),
        (1, "main", 3, 40, 0),
        (2, "parse", 0, 29, 0),
        (3, "read", 15, 15, 0),
        (3, "copy", 10, 10, 15),
        (3, "parse", 0, 4, 25),
        (4, "copy", 4, 4, 25),
        (2, "copy", 8, 8, 29),
    ]
    assert answer.summary["total"] == 40
    assert answer.summary["unit"] == "samples"


def test_flame_from_the_innermost_frame_up(case: Case) -> None:
    answer = questions.flame(case, Lens(), direction="up")
    assert [row for row in rows(answer, "depth", "name", "total") if row[0] == 1] == [
        (1, "copy", 22),
        (1, "read", 15),
        (1, "main", 3),
    ]


def test_sandwich_counts_recursion_once(case: Case) -> None:
    below = questions.flame(case, Lens(), root="parse")
    assert below.summary["total"] == 29
    assert rows(below, "depth", "name", "total")[:3] == [(0, "all", 29), (1, "parse", 29), (2, "read", 15)]
    above = questions.flame(case, Lens(), root="copy", direction="up")
    assert rows(above, "depth", "name", "total") == [
        (0, "all", 22),
        (1, "copy", 22),
        (2, "parse", 14),
        (3, "main", 10),
        (3, "parse", 4),
        (4, "main", 4),
        (2, "main", 8),
    ]


@pytest.mark.parametrize(
    ("edit", "total", "names"),
    [
        (("hide", "^parse$"), 40, {"all", "main", "copy", "read"}),
        (("focus", "^read$"), 15, {"all", "main", "parse", "read"}),
        (("drop", "^parse$"), 11, {"all", "main", "copy"}),
        (("merge", "^parse$"), 40, {"all", "main", "parse", "copy"}),
    ],
)
def test_edits(case: Case, edit: tuple[str, str], total: float, names: set[str]) -> None:
    answer = questions.flame(case, Lens(), edits=[edit])
    assert answer.summary["total"] == total
    assert set(answer.table["name"].to_pylist()) == names


def test_direct_recursion_can_be_joined(case: Case) -> None:
    answer = questions.flame(case, Lens(), edits=[("recursion", "")])
    assert rows(answer, "depth", "name", "total").count((2, "parse", 29)) == 1
    assert (3, "copy", 14) in rows(answer, "depth", "name", "total")


def test_functions_self_and_total(case: Case) -> None:
    answer = questions.functions(case, Lens())
    assert rows(answer, "function", "kind", "self", "total", "samples") == [
        ("copy", "user", 22, 22, 3),
        ("read", "kernel", 15, 15, 1),
        ("main", "user", 3, 40, 5),
        ("parse", "user", 0, 29, 3),
    ]


def test_lens_of_a_function_and_of_a_beginning(case: Case) -> None:
    assert questions.flame(case, Lens(functions=("parse",))).summary["total"] == 29
    assert questions.flame(case, Lens(stack=("main", "copy"))).summary["total"] == 8
    assert questions.flame(case, Lens(stack=("main", "parse"), functions=("copy",))).summary["total"] == 14
    with pytest.raises(ClewError, match="no sample matches"):
        questions.flame(case, Lens(functions=("absent",)))


def test_call_graph_keeps_edges_past_what_it_leaves_out(case: Case) -> None:
    whole = questions.call_graph(case, Lens())
    assert rows(whole, "caller", "callee", "weight", "direct") == [
        ("main", "parse", 29, True),
        ("parse", "read", 15, True),
        ("parse", "copy", 14, True),
        ("main", "copy", 8, True),
        ("parse", "parse", 4, True),
    ]
    three = questions.call_graph(case, Lens(), most=3)  # read is the lightest
    assert {name for row in rows(three, "caller", "callee") for name in row} == {"main", "parse", "copy"}
    assert three.summary["left_out"] == 1
    two = questions.call_graph(case, Lens(), edits=[("drop", "read")], most=1)
    assert two.table.num_rows == 0


def test_difference_of_two_cases(case: Case, tmp_path: Path) -> None:
    other = case_of(tmp_path, "main;parse;copy 20\nmain;gone 60\n", "other")
    plain = questions.flame_diff(case, Lens(), other, Lens(), normalise=False)
    found = {(row[0], row[1]): row[2:] for row in rows(plain, "depth", "name", "before", "after", "delta")}
    assert found[1, "main"] == (80, 40, -40)
    assert found[2, "gone"] == (60, 0, -60)
    assert found[3, "copy"] == (20, 10, -10)
    scaled = questions.flame_diff(case, Lens(), other, Lens())
    assert scaled.summary["scale"] == 0.5
    assert {row for row in rows(scaled, "name", "before", "after") if row[0] == "gone"} == {("gone", 30, 0)}
    upward = questions.flame_diff(case, Lens(), other, Lens(), normalise=False, direction="up")
    assert (1, "copy", 20, 22, 2) in rows(upward, "depth", "name", "before", "after", "delta")
    drawn = questions.flame_diff(case, Lens(), other, Lens(), normalise=False, direction="up", narrowest=10**9)
    assert drawn.table.select(upward.table.column_names).to_pylist() == upward.table.to_pylist()
    wide = questions.flame_diff(case, Lens(), other, Lens(), normalise=False, direction="up", narrowest=2)
    assert rows(wide, "depth", "name", "before", "after", "self", "self_before", "narrow") == [
        (0, "all", 80, 40, 0, 0, 0),
        (1, "gone", 60, 0, 0, 0, 0),
        (2, "main", 60, 0, 0, 60, 0),  # what vanished is wide
        (1, "copy", 20, 22, 0, 0, 4),
        (1, "read", 0, 15, 0, 0, 1),
        (1, "main", 0, 3, 3, 0, 0),
    ]


def test_stacks_of_several_captures_are_one_tree(tmp_path: Path) -> None:
    for name, text in (("first", FOLDED), ("second", "main;parse;copy 5\nstart;main 7\n"), ("third", "all;copy 2\n")):
        (tmp_path / f"{name}.folded").write_text(text)
    import_files(tmp_path / "both", [tmp_path / f"{name}.folded" for name in ("first", "second", "third")])
    answer = questions.flame(clew.open(tmp_path / "both"), Lens())
    found = rows(answer, "depth", "name", "total")
    assert found[0] == (0, "all", 54)
    assert [row for row in found if row[0] == 1] == [(1, "main", 45), (1, "start", 7), (1, "all", 2)]
    assert (3, "copy", 15) in found
    assert (2, "main", 7) in found


def test_what_there_is_not_is_said_with_the_remedy(case: Case) -> None:
    with pytest.raises(ClewError, match="clew record --stacks close"):
        questions.flame(case, Lens(ops=("close",)))
    with pytest.raises(ClewError, match="choose one of samples"):
        questions.flame(case, Lens(), "cpu-clock")
    with pytest.raises(ClewError, match="no regular expression"):
        questions.flame(case, Lens(), edits=[("hide", "(")])
    with pytest.raises(ClewError, match="in none of the stacks"):
        questions.flame(case, Lens(), root="absent")
    with pytest.raises(ClewError, match="no times"):
        questions.heatmap(case, Lens())
    with pytest.raises(ClewError, match="--off-cpu"):
        questions.wakeups(case, Lens())
    with pytest.raises(ClewError, match="samples with a time"):
        questions.flame_chart(case, Lens(), 1)


def test_samples_by(case: Case) -> None:
    assert rows(questions.sample_events(case, Lens()), "event_name", "samples", "weight") == [("samples", 5, 40)]
    assert rows(questions.samples_by(case, Lens(), "function"), "name", "weight") == [
        ("copy", 22),
        ("read", 15),
        ("main", 3),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else")
def test_what_somebody_else_may_not_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    case_of(tmp_path / "theirs", FOLDED).close()
    os.seteuid(65534)
    try:
        with pytest.raises(ClewError, match="permission denied"):
            clew.open(tmp_path / "theirs" / "case")
        with pytest.raises(ClewError, match="cannot make a case"):
            make_place(tmp_path / "theirs" / "new")
    finally:
        os.seteuid(0)


def test_a_case_of_samples_says_so_where_calls_are_asked_for(case: Case) -> None:
    assert "5 samples: `clew stacks" in str(questions.counts(case, Lens()).note)


def test_callers_for_a_drawing_are_made_where_they_can_be_seen(case: Case) -> None:
    whole = questions.flame(case, Lens(), direction="up")
    drawn = questions.flame(case, Lens(), direction="up", narrowest=10**9)
    names = [name for name in drawn.table.column_names if name != "narrow"]
    assert drawn.table.select(names).to_pylist() == whole.table.to_pylist()
    assert set(drawn.table["narrow"].to_pylist()) == {0}
    assert drawn.summary == whole.summary
    wide = questions.flame(case, Lens(), direction="up", narrowest=3)  # below the first ones, 14 of 40 and more
    assert rows(wide, "depth", "name", "self", "total", "narrow") == [
        (0, "all", 0, 40, 0),
        (1, "copy", 0, 22, 1),
        (2, "parse", 0, 14, 2),
        (1, "read", 0, 15, 0),
        (2, "parse", 0, 15, 0),
        (3, "main", 15, 15, 0),
        (1, "main", 3, 3, 0),
    ]
