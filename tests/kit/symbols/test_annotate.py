"""Lines and instructions of recorded functions, against perf annotate, objdump and the stacks themselves."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import clew
from clew import questions
from clew.case import Case
from clew.commands import main
from clew.errors import ClewError
from clew.ingest.imports import import_files
from clew.lens import Lens
from clew.symbols.keep import keep_binaries

SOURCE = """\
volatile double sink;

__attribute__((noinline)) double leaf(double x)
{
    for (int i = 0; i < 2000; i++)
        x = x * 1.0000001 + i;
    return x;
}

static inline __attribute__((always_inline)) double folded(double x)
{
    for (int i = 0; i < 500; i++)
        x = x * 1.0000002 + i;
    return x;
}

__attribute__((noinline)) double caller(double x)
{
    double a = leaf(x);
    a += folded(a);
    return a + leaf(a + 1);
}

int main()
{
    for (int i = 0; i < 20000; i++)
        sink = caller(i);
}
"""
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(program, recording)."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "program.cc").write_text(SOURCE)
    os.utime(folder / "program.cc", (1, 1))
    options = ["-O0", "-g", "-fno-omit-frame-pointer"]
    subprocess.run(["g++", *options, folder / "program.cc", "-o", folder / "program"], check=True)
    command = ["perf", "record", "--buildid-mmap", "-q", "-e", "cpu-clock", "-F", "1999", "--call-graph", "fp"]
    subprocess.run([*command, "-o", folder / "perf.data", folder / "program"], check=True)
    return folder / "program", folder / "perf.data"


@pytest.fixture
def case(recorded: tuple[Path, Path], tmp_path: Path) -> Case:
    import_files(tmp_path / "case", [recorded[1]])
    return clew.open(tmp_path / "case")


def parts(case: Case, function: str, **options: Any) -> tuple[Rows, Rows, questions.Answer]:
    """(source lines, instructions, the whole answer)."""
    answer = questions.annotate(case, Lens(), function, **options)
    rows = answer.table.to_pylist()
    return [row for row in rows if row["address"] is None], [row for row in rows if row["address"] is not None], answer


def test_instructions_weigh_what_perf_annotate_says(case: Case, recorded: tuple[Path, Path]) -> None:
    program, data = recorded
    command = ["perf", "annotate", "-i", data, "--stdio", "-s", "leaf", "-d", program]
    said = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    wanted = {int(row[2], 16): float(row[1]) for row in re.finditer(r"^ +([\d.]+) : +([0-9a-f]+):", said, re.MULTILINE)}
    _, code, answer = parts(case, "leaf")
    own = sum(row["self"] for row in code)
    shown = {row["address"]: 100 * row["self"] / own for row in code}
    assert set(shown) == set(wanted)
    assert all(abs(shown[address] - share) < 0.02 for address, share in wanted.items())
    assert own <= answer.summary["total"]
    assert answer.summary["module"] == str(program)


def test_instructions_are_those_of_objdump(case: Case, recorded: tuple[Path, Path]) -> None:
    said = subprocess.run(["objdump", "-d", recorded[0]], check=True, capture_output=True, text=True).stdout
    block = said.split("<_Z6callerd>:\n")[1].split("\n\n")[0]
    rows = re.findall(r"^ +([0-9a-f]+):\t[^\t\n]*\t(\w+)", block, re.MULTILINE)
    _, code, _ = parts(case, "caller")
    assert [row["address"] for row in code] == [int(address, 16) for address, _ in rows]
    same = [
        row["text"].split()[0].rstrip("lqsd") == name.rstrip("lqsd") for row, (_, name) in zip(code, rows, strict=True)
    ]
    assert sum(same) > 0.8 * len(same)
    assert any(row["text"].endswith("<leaf>") for row in code)


def test_calls_weigh_what_they_call(case: Case) -> None:
    lines, code, answer = parts(case, "caller")
    weight = {line["line"]: (line["self"], line["total"]) for line in lines}
    in_leaf = sum(row["self"] for row in parts(case, "leaf")[1])
    calls = [row for row in code if row["text"].endswith("<leaf>")]
    assert len(calls) == 2 and all(row["total"] > 0.3 * in_leaf for row in calls)
    assert sum(row["total"] - row["self"] for row in calls) == pytest.approx(in_leaf, rel=0.02)
    assert weight[19][1] + weight[21][1] == pytest.approx(in_leaf, rel=0.02)
    # A tick that comes at the border of the two is told of either: a few of some thousand.
    assert weight[20][0] <= 0.02 * weight[20][1] > 0, "the time of what was inlined is not the line's own"
    assert sum(row["self"] for row in code) == pytest.approx(weight[20][1], rel=0.1), "its instructions are here"
    assert all(own <= total <= answer.summary["total"] for own, total in weight.values())


def test_source_lines_stand_beside_their_weight(case: Case) -> None:
    lines, code, answer = parts(case, "leaf")
    text = SOURCE.splitlines()
    assert [row["line"] for row in lines] == [3, 4, 5, 6, 7, 8]
    assert [row["text"] for row in lines] == text[2:8]
    assert {row["line"] for row in code} <= {4, 5, 6, 7, 8}
    by_line = {row["line"]: 0.0 for row in code}
    for row in code:
        by_line[row["line"]] += row["self"]
    assert {row["line"]: row["self"] for row in lines if row["self"]} == {k: v for k, v in by_line.items() if v}
    assert answer.note is None


def test_an_inlined_function_has_its_lines(case: Case) -> None:
    lines, code, _ = parts(case, "folded")
    assert {row["line"] for row in lines if row["self"]} <= {12, 13, 14}
    assert not code
    assert sum(row["self"] for row in lines) > 0


def test_a_source_file_that_changed_since_is_not_shown(case: Case, recorded: tuple[Path, Path]) -> None:
    source = recorded[0].with_suffix(".cc")
    try:
        os.utime(source)
        os.utime(source, (2**31, 2**31))
        lines, code, answer = parts(case, "leaf")
        assert answer.note is not None and "newer" in answer.note
        assert lines and all(row["text"] is None and row["self"] + row["total"] > 0 for row in lines)
        assert code
    finally:
        os.utime(source, (1, 1))


def test_a_program_that_was_replaced_gives_no_wrong_instructions(case: Case, recorded: tuple[Path, Path]) -> None:
    program = recorded[0]
    keep_binaries(Path(case.path) / "raw" / "001" / "symbols", [(str(program), None)])
    content = program.read_bytes()
    program.rename(program.with_name("moved"))
    program.write_text("#!/bin/sh\n")
    try:
        lines, code, answer = parts(case, "leaf")
        assert answer.note is not None and "no instructions" in answer.note
        assert all(row["text"] is None for row in code)
        assert sum(row["self"] for row in code) == pytest.approx(sum(row["self"] for row in lines))
    finally:
        program.write_bytes(content)
        os.utime(program.with_name("moved"))
        program.unlink()
        program.with_name("moved").rename(program)


def test_functions_without_samples_and_without_a_module(case: Case) -> None:
    with pytest.raises(ClewError, match="no sample"):
        parts(case, "no such function")
    with pytest.raises(ClewError, match="libc"):
        parts(case, "leaf", module="/lib/libc.so")


def test_command(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotate", str(case.path), "leaf", "--all"]) == 0
    shown = capsys.readouterr().out
    assert "x = x * 1.0000001 + i;" in shown and "addsd" in shown
    assert main(["annotate", str(case.path), "leaf", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"file", "line", "address", "text", "self", "total"} == set(rows[0])
    assert main(["annotate", str(case.path), "leaf", "--csv"]) == 0
    assert capsys.readouterr().out.startswith("file,line,address,text,self,total\n")
    assert main(["annotate", str(case.path), "nothing"]) == 2
    assert "no sample" in capsys.readouterr().err
