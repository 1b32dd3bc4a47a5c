"""The tab key: closed sets of values, and names of the case that stands on the line, in a real bash."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from clew.commands import _options, build_parser, export, main, requests, stacks
from clew.export.formats import FORMATS
from clew.questions.ask import KEYS, MEASURES
from clew.questions.requests import _MEASURES, BY
from clew.questions.samples import BY as COUNTED

from .spans import write_case

HOSTILE = ("$(touch owned)", "it's; touch owned", 'a"b', "*", "\x1b[2J", "two\nlines", "tab\there")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a case in it, some of whose names come from an enemy."""
    folder = tmp_path_factory.mktemp("completion")
    write_case(folder / "case", 20, database=True).close()
    with duckdb.connect(str(folder / "case" / "case.duckdb")) as connection:
        for number, name in enumerate(HOSTILE):
            connection.execute("INSERT INTO op VALUES (?, ?, 'note')", [200 + number, f"zz{name}"])
    return folder


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `clew completion bash` prints, with a clew in the PATH that is this one."""
    folder = tmp_path_factory.mktemp("script")
    made = subprocess.run([sys.executable, "-m", "clew", "completion", "bash"], capture_output=True, check=True)
    (folder / "clew").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m clew "$@"\n')
    (folder / "clew").chmod(0o755)
    (folder / "script").write_bytes(made.stdout)
    return folder / "script"


def offered(script: Path, folder: Path, *lines: tuple[str, ...]) -> list[list[str]]:
    """What the tab key offers at the end of each line of words, as typed."""
    text = f"PATH={shlex.quote(str(script.parent))}:$PATH\n. {shlex.quote(str(script))}\n"
    for words in lines:
        text += f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_clew 2>/dev/null\n"
        text += "printf '%s\\n' \"${COMPREPLY[@]}\" -- \n"
    done = subprocess.run(["bash", "-c", text], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [part.strip("\n").splitlines() for part in done.stdout.split("--\n")[: len(lines)]]


def test_closed_sets_are_offered(script: Path, folder: Path) -> None:
    by, sort, op, errno, engine, form, count, recipe, of_requests, case = offered(
        script,
        folder,
        ("clew", "counts", "case", "--by", "pr"),
        ("clew", "top", "case", "--sort", "m"),
        ("clew", "counts", "case", "--op", "rea"),
        ("clew", "errors", "case", "--errno", "EAG"),
        ("clew", "record", "--engine", "p"),
        ("clew", "export", "case", "--format", "p"),
        ("clew", "stacks", "case", "--count", "c"),
        ("clew", "recipes", "show", "call-h"),
        ("clew", "requests", "case", "--by", "s"),
        ("clew", "counts", "c"),
    )
    assert (by, op, errno, recipe, case) == (
        ["process"],
        ["read", "readv", "realloc"],
        ["EAGAIN"],
        ["call-histogram"],
        ["case"],
    )
    assert sort == ["mean_ns", "min_ns", "max_ns"] and engine == ["preload", "perf"]
    assert (
        form == ["perfetto", "parquet", "pcapng"] and count == ["command", "cpu"] and of_requests == ["status", "shape"]
    )


def test_names_are_those_of_the_case_on_the_line(script: Path, folder: Path) -> None:
    command, request, quoted, none, no_case = offered(
        script,
        folder,
        ("clew", "requests", "case", "--command", "po"),
        ("clew", "counts", "case", "--request", "GET\\ /i"),
        ("clew", "counts", "case", "--request", "'GET /i"),
        ("clew", "counts", "case", "--command", "nobody"),
        ("clew", "counts", "--command", "po"),
    )
    assert (command, request, quoted) == (["postgres"], ["GET\\ /item/\\?"], ["GET /item/?"])
    assert none == no_case == []


def test_no_name_of_an_enemy_does_anything_when_it_is_typed(
    script: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "--names", "op", str(folder / "case"), "zz"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines() == sorted(f"zz{name}" for name in HOSTILE if name.isprintable())
    text = f"PATH={shlex.quote(str(script.parent))}:$PATH\n. {shlex.quote(str(script))}\n"
    text += "COMP_WORDS=(clew counts case zz)\n"
    text += "for quote in '' \"'\" '\"'; do _clew_names op \"${quote}zz\" | while IFS= read -r name; do\n"
    text += "eval \"printf '%s\\n' $quote$name$quote\"; done; done"
    done = subprocess.run(["bash", "-c", text], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == "" and not (folder / "owned").exists()
    assert set(done.stdout.splitlines()) == set(printed.splitlines())


def test_names_do_not_wait_for_what_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    assert main(["completion", "--names", "op", str(tmp_path), ""]) != 0
    assert capsys.readouterr().out == "" and not (tmp_path / "case.duckdb").exists()


def test_what_is_offered_is_what_is_taken() -> None:
    assert set(_options.KEYS) == set(KEYS) and MEASURES == _options.MEASURES
    assert tuple(BY) == requests.KEYS and requests.MEASURES == _MEASURES
    assert tuple(COUNTED) == stacks.KEYS and export.FORMATS == FORMATS


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (("stacks", "x", "--direction", "dwn"), "is it down?"),
        (("completion", "bahs"), "is it bash?"),
        (("counts", "x", "--comand", "y"), "is it --command?"),
        (("record", "--engine", "pref", "--", "true"), "is it perf?"),
        (("record", "--stacks", "clsoe", "--", "true"), "is it close?"),
        (("recipes", "show", "call-histogrm"), "is it call-histogram?"),
    ],
)
def test_what_was_probably_meant_is_said(argv: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main(argv))
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (2, "") and meant in said.err and said.err.count("\n") == 1


def test_every_option_of_a_file_offers_files() -> None:
    commands = build_parser()._subparsers
    assert commands is not None
    for name, parser in commands._group_actions[0].choices.items():  # type: ignore[union-attr]
        for action in parser._actions:
            if action.metavar in ("FILE", "CASE", "DIR"):
                assert hasattr(action, "complete"), (name, action.option_strings)
