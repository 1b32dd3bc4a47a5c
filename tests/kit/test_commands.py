"""The command line: help that shows examples, tables for people and programs, one line and exit code 2 for mistakes."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clew import questions
from clew.commands import build_parser, discover, main
from clew.commands._options import parse_time
from clew.commands._output import write_table
from clew.commands.doctor import print_sources
from clew.errors import ClewError
from clew.lens import Lens
from clew.units import duration

CLEW = (sys.executable, "-m", "clew")
ON_A_CASE = ("counts", "errors", "top", "info", "sql", "report", "rebuild")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """run(*argv) -> exit code, standard output, standard error."""

    def run(*argv: str) -> tuple[int, str, str]:
        try:
            code = main(argv)
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def one_line(text: str) -> bool:
    return text.startswith("clew: ") and text.count("\n") == 1 and "Traceback" not in text


@pytest.mark.parametrize("name", sorted(discover()))
def test_help_says_what_and_shows_how(run: Any, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert f"clew {name}" in out.split("examples:")[1]


def test_help_needs_no_database() -> None:
    code = "import sys; from clew.commands import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += (
        "print([name for name in ('duckdb', 'pyarrow', 'numpy', 'IPython') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert all(name in done.stdout for name in ("counts", "record", "import", "doctor"))


@pytest.mark.parametrize(
    "argv", [(), ("nothing",), ("counts",), ("counts", "x", "--limit", "0"), ("top", "x", "-n", "y")]
)
def test_wrong_usage_is_exit_code_2(run: Any, argv: tuple[str, ...]) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert one_line(err)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("stacks", "x", "--bogus", "\x1b[2J"), "unrecognized arguments: --bogus"),
        (("stacks",), "CASE (`clew stacks --help`"),
        (("counts", "x", "--json", "--csv"), "not allowed with"),
        (("record", "--engine"), "`clew record --help`"),
        (("couts", "x"), "there is no command 'couts'; is it counts?"),
        (("\x1b[2J", "x"), "there is no command"),
    ],
)
def test_wrong_usage_is_one_line(run: Any, argv: tuple[str, ...], words: str) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert one_line(err)
    assert words in err
    assert "\x1b" not in err


@pytest.mark.parametrize("name", ON_A_CASE)
@pytest.mark.parametrize("what", ["missing", "file", "empty", "torn", "list"])
def test_what_is_no_case_is_one_line(run: Any, tmp_path: Path, name: str, what: str) -> None:
    path = tmp_path / "x\x1b[2J\ny"
    if what == "file":
        path.write_text("no case")
    elif what != "missing":
        path.mkdir()
        if what in ("torn", "list"):
            (path / "manifest.json").write_text("{" if what == "torn" else '{"tables": {"passwd": 3}}')
    more = ["-o", str(tmp_path / "out.html")] if name == "report" else []
    code, out, err = run(name, str(path), *more)
    assert (code, out) == (2, "")
    assert one_line(err)
    assert "\x1b" not in err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ([] if what == "missing" else [path.name])


def test_counts_are_those_of_the_question(run: Any, truth: Any) -> None:
    path = str(truth.case.path)
    argv = ("counts", path, "--by", "op", "--command", "web", "--sort", "bytes", "--limit", "3")
    expected = questions.counts(truth.case, Lens(commands=("web",)), "op", 3, "bytes").table.to_pylist()
    assert json.loads(run(*argv, "--json")[1]) == expected
    found = list(csv.DictReader(io.StringIO(run(*argv, "--csv")[1])))
    assert found == [{name: "" if value is None else str(value) for name, value in row.items()} for row in expected]
    head, *lines = run(*argv)[1].splitlines()
    assert head.split()[:4] == ["name", "calls", "errors", "bytes"]
    assert [line.split()[0] for line in lines] == [row["name"] for row in expected]


def test_options_make_a_lens(run: Any, truth: Any) -> None:
    path = str(truth.case.path)
    first = truth.case.bounds()[0]
    options = [
        "--pid",
        "100",
        "--pid",
        "300",
        "--op",
        "read",
        "--errno",
        "ENOENT",
        "--errno",
        "11",
        "--from",
        "100ms",
        "--to",
        "0.5",
    ]
    options += ["--slower", "1us", "--file", "/etc/a", "--host", "h", "--tid", "100"]
    lens = Lens(
        start_ns=first + 10**8, end_ns=first + 5 * 10**8, pids=(100, 300), ops=("read",), errnos=(2, 11), hosts=("h",),
        latency=(1000, None), files=("/etc/a",), tids=(100,),
    )  # fmt: skip
    expected = questions.counts(truth.case, lens).table.to_pylist()
    assert expected
    assert json.loads(run("counts", path, "--json", *options)[1]) == expected
    assert json.loads(run("top", path, "--json", "-n", "1", "--interval", "200ms")[1])[0]["rank"] == 1


def test_when_and_how_long_are_those_of_the_questions(run: Any, truth: Any) -> None:
    path, web = str(truth.case.path), Lens(commands=("web",))
    expected = questions.activity(truth.case, web, by="op", interval_ns=2 * 10**8)
    options = ("--command", "web", "--by", "op", "--interval", "200ms", "--json")
    assert json.loads(run("activity", path, *options)[1]) == expected.table.to_pylist()
    answer = questions.latency(truth.case, web)
    assert json.loads(run("latency", path, "--command", "web", "--json")[1]) == answer.table.to_pylist()
    *bars, said = run("latency", path, "--command", "web")[1].splitlines()
    assert [line.count("█") > 0 for line in bars] == [True] * answer.table.num_rows
    assert (
        said.startswith(f"({answer.summary['count']:,} calls, ")
        and f"max {duration(answer.summary['max_ns'])})" in said
    )
    assert "no call matches" in run("latency", path, "--pid", "1")[1]


def test_allocations_are_those_of_the_question(run: Any, capture: Callable[..., Any]) -> None:
    made = capture(trace=False)
    made.clock(0)
    made.counters(1, 5, 5, 100, malloc=(9, 1, 640, 0), free=(3, 0, 0, 0))
    made.clock(1000)
    made.write()
    path = str(made.folder.parents[1])
    row = {"name": "pid 5", "pid": 5, "allocations": 9, "frees": 3, "bytes_asked": 640, "live": 5}
    assert json.loads(run("allocations", path, "--json")[1]) == [row]
    assert sum(bin_["calls"] for bin_ in json.loads(run("activity", path, "--allocations", "--json")[1])) == 9


@pytest.mark.parametrize(
    "argv",
    [
        ("activity", "--interval", "0"),
        ("activity", "--by", "nothing"),
        ("counts", "--by", "nothing"),
        ("counts", "--sort", "nothing"),
        ("counts", "--from", "yesterday"),
        ("counts", "--errno", "EWHAT"),
        ("counts", "--errno", "__doc__"),
        ("top", "--interval", "0"),
        ("sql",),
        ("sql", "SELECT nothing"),
        ("sql", "DROP TABLE event"),
        ("sql", "INSERT INTO note VALUES (now(), 'x', NULL, NULL, NULL)"),
        ("report", "-o", "/nowhere/at/all.html"),
    ],
)
def test_mistakes_are_one_line(run: Any, truth: Any, argv: tuple[str, ...]) -> None:
    code, out, err = run(argv[0], str(truth.case.path), *argv[1:])
    assert (code, out) == (2, "")
    assert one_line(err)


def test_sql(run: Any, truth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(truth.case.path)
    assert run("sql", path, "SELECT count(*) AS n FROM calls", "--csv")[1] == f"n\n{len(truth.rows)}\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(r"SELECT '\xFF\x00'::BLOB AS b, NULL AS n"))
    assert json.loads(run("sql", path, "-", "--json")[1]) == [{"b": "ff00", "n": None}]
    schema = run("sql", path, "--schema")[1]
    assert "dur_ns      BIGINT NOT NULL,    -- ns, until it returned" in schema
    assert all(f"CREATE TABLE {name}" in schema for name in ("event", "process", "connection", "counter"))


def test_info(run: Any, truth: Any) -> None:
    said = json.loads(run("info", str(truth.case.path), "--json")[1])
    assert [row["complete"] for row in said["captures"]] == [True]
    assert len(said["coverage"]) == 3
    assert "nothing was lost" in run("info", str(truth.case.path))[1]


@pytest.mark.parametrize("of", ["captures", "clocks", "coverage", "losses"])
def test_each_table_of_info_for_programs(run: Any, truth: Any, of: str) -> None:
    path = str(truth.case.path)
    rows = json.loads(run("info", path, "--json")[1])[of]
    assert json.loads(run("info", path, "--of", of, "--json")[1]) == rows
    found = list(csv.DictReader(io.StringIO(run("info", path, "--of", of, "--csv")[1])))
    assert found == [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    assert of != "captures" or run("info", path, "--csv")[1] == run("info", path, "--of", of, "--csv")[1]


def test_rebuild_says_how_much_there_is(run: Any, capture: Callable[..., Any]) -> None:
    made = capture()
    made.clock(0)
    made.records(1, 1, 1, *(made.record(1, "read", begin=at) for at in range(1234)))
    made.write()
    path = str(made.folder.parents[1])
    assert run("rebuild", path)[:2] == (0, f"{path}: 1,234 events\n")
    (made.folder.parents[1] / "case.duckdb").write_bytes(b"damaged")
    code, _, err = run("counts", path)
    assert code == 1
    assert one_line(err)
    assert "clew rebuild" in err
    assert run("rebuild", path)[0] == 0
    assert run("counts", path)[0] == 0


def test_completion_knows_commands_and_options(run: Any) -> None:
    for shell in ("bash", "zsh"):
        script = run("completion", shell)[1]
        assert "counts" in script
        assert "--interval" in script
    done = subprocess.run(["bash", "-n"], input=run("completion", "bash")[1], text=True, check=False)
    assert done.returncode == 0


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(pa.table({"a\x1b[1m": ["x\x1b]0;owned\x07\ry\n\u202e"], "n": [None]}))
    out = capsys.readouterr().out
    assert not any(char in out for char in "\x1b\x07\r\u202e")
    assert "x\\x1b]0;owned\\x07\\ry\\n\\u202e" in out


@pytest.mark.parametrize("width", [20, 40, 80])
def test_tables_fit_the_terminal_but_numbers_stay_whole(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(pa.table({"name": ["x" * 100, "y"], "calls": [1234567, 1], "total_ns": [1_500_000, None]}), width=width)
    lines = capsys.readouterr().out.splitlines()
    assert all("1,234,567" in line and "1.5 ms" in line for line in lines[1:2])
    assert lines[1].startswith("xxxxxxxxxxx") and "…" in lines[1]
    assert max(map(len, lines)) <= max(width, 12 + 2 + 9 + 2 + 6)
    assert len({len(line) for line in lines}) == 1  # aligned


def test_a_narrow_terminal_does_without_columns_and_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "name": ["GET /products"],
        "calls": [491],
        "mean_ns": [6_095_000],
        "min_ns": [514_600],
        "max_ns": [227 * 10**6],
    }
    write_table(pa.table(row), width=80)
    assert capsys.readouterr().out.splitlines()[0].split() == ["name", "calls", "mean", "min", "max"]
    write_table(pa.table(row), width=33)
    head, line, said = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "calls", "max"] and line.split("  ")[0] == "GET /products"
    assert said == "(no room for min, mean: --json has them)"


def test_of_a_path_the_end_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(pa.table({"name": ["/var/lib/" + "x" * 50 + "/end"]}), width=20)
    assert capsys.readouterr().out.splitlines()[1].endswith("xx/end")


def test_errors_are_those_of_the_lens(run: Any, truth: Any) -> None:
    path = str(truth.case.path)
    rows = json.loads(run("errors", path, "--json")[1])
    failed = truth.case.sql("SELECT count(*) AS n FROM event WHERE errno <> 0").to_pylist()[0]["n"]
    assert sum(row["calls"] for row in rows) == failed > 0
    name = rows[0]["name"]
    assert {row["name"] for row in json.loads(run("errors", path, "--errno", name, "--json")[1])} == {name}
    assert "no call failed under this lens" in run("errors", path, "--errno", "0")[1]


def test_what_matches_nothing_says_so(run: Any, truth: Any) -> None:
    path = str(truth.case.path)
    assert "no call matches the lens" in run("counts", path, "--command", "nobody")[1]
    for low, high in (("--from", "--to"), ("--slower", "--faster")):
        code, out, err = run("counts", path, low, "2s", high, "1s")
        assert (code, out) == (2, "") and one_line(err) and f"{low} and {high}" in err


@pytest.mark.parametrize("argv", [("stacks", "--events"), ("maps", "--printed"), ("maps",), ("errors", "--op", "fork")])
def test_no_table_is_empty_without_a_word(run: Any, truth: Any, argv: tuple[str, ...]) -> None:
    code, out, _ = run(argv[0], str(truth.case.path), *argv[1:])
    assert code == 0 and "(no rows)" in out
    assert len(out.splitlines()[-1]) > len("(no rows)") and out.splitlines()[-1].startswith("(")


def test_a_mistyped_case_is_told_from_a_file_and_from_a_new_one(run: Any, truth: Any, tmp_path: Path) -> None:
    (tmp_path / "morning").symlink_to(truth.case.path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "perf.data").write_text("x")
    assert f"is it {tmp_path / 'morning'}?" in run("counts", str(tmp_path / "mornin"))[2]
    assert "is it" not in run("counts", str(tmp_path / "note"))[2]
    assert "clew import CASE" in run("counts", str(tmp_path / "perf.data"))[2]
    assert "there is no case at" in run("rebuild", str(tmp_path / "mornin"))[2]


@pytest.mark.parametrize("name", ["rebuild", "counts"])
def test_the_case_of_somebody_else_is_one_line(run: Any, tmp_path: Path, name: str) -> None:
    run(name, str(tmp_path / "missing"))  # nobody may not read where Python's modules stand: they are loaded before
    (tmp_path / "case" / "raw").mkdir(parents=True)
    (tmp_path / "case").chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        code, out, err = run(name, str(tmp_path / "case"))
    finally:
        if is_root:
            os.seteuid(0)
        (tmp_path / "case").chmod(0o700)
    assert (code, out) == (2, "") and one_line(err) and "permission denied" in err


def test_what_was_imported_is_told(run: Any, tmp_path: Path) -> None:
    case, folded = str(tmp_path / "case"), tmp_path / "x.folded"
    folded.write_text("a;b 3\na;c 4\n")
    for _ in range(2):
        assert (
            run("import", case, str(folded))[1]
            == f"{case}: added samples: 2, stacks: 2; `clew info {case}` says more\n"
        )
    said = run("latency", case)[2]
    assert "no calls were recorded, but 4 samples" in said and one_line(said)
    maps = tmp_path / "maps.json"
    maps.write_text('{"type": "map", "data": {"@calls": {"bash": 3, "ls": 4}}}\n')
    other = str(tmp_path / "other")
    assert "added entries of maps: 2;" in run("import", other, str(maps))[1]
    assert "no calls were recorded, but what a script printed: `clew maps other` shows it" in run("counts", other)[1]


def test_a_case_with_nothing_in_it_is_not_said_to_have_totals(run: Any, tmp_path: Path) -> None:
    (tmp_path / "case" / "raw").mkdir(parents=True)
    for argv in (("counts", "--by", "file"), ("errors",), ("top", "--interval", "1s")):
        code, _, err = run(argv[0], str(tmp_path / "case"), *argv[1:])
        assert code == 2 and "nothing was recorded in" in err and one_line(err)


def test_times_are_those_that_from_takes(run: Any, truth: Any) -> None:
    path, first = str(truth.case.path), truth.case.bounds()[0]
    raw = json.loads(run("top", path, "--interval", "100ms", "-n", "1", "--json")[1])
    shown = [line.split()[0] for line in run("top", path, "--interval", "100ms", "-n", "1")[1].splitlines()[1:]]
    assert raw[0]["start_ns"] == first
    assert [float(text) for text in shown][: len(raw)] == [(row["start_ns"] - first) / 1e9 for row in raw]


def test_the_doctor_says_whole_sentences(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    reason, remedy = "what was found here " * 9, "sysctl -w kernel.perf_event_paranoid=1 or be root, " * 3
    rows = [{"source": "perf whole machine", "state": "partly", "reason": reason, "remedy": remedy}]
    print_sources(pa.Table.from_pylist([*rows, {"source": "gdb", "state": "yes", "reason": "\x1b[2J", "remedy": None}]))
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 72 for line in lines)
    text = " ".join(" ".join(lines).split())
    assert f"perf whole machine partly {reason.strip()} -> {remedy.strip()} gdb yes" in text
    assert "\x1b" not in text


def test_times() -> None:
    assert [parse_time(text) for text in ("2.5s", "300ms", "20us", "15ns", "17", "2m", None)] == [
        2_500_000_000, 300_000_000, 20_000, 15, 17_000_000_000, 120_000_000_000, None,
    ]  # fmt: skip
    for wrong in ("", "s", "-1s", "1 day", "1e3"):
        with pytest.raises(ClewError):
            parse_time(wrong)


def test_a_reader_that_leaves_is_no_error(truth: Any) -> None:
    query = "SELECT * FROM calls"
    with subprocess.Popen(
        [*CLEW, "sql", str(truth.case.path), query, "--csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as clew:
        assert clew.stdout is not None and clew.stderr is not None
        assert clew.stdout.readline().startswith(b"ts_ns,")
        clew.stdout.close()
        assert clew.stderr.read() == b""
    assert clew.returncode == 128 + 13


def test_ctrl_c_is_quiet(truth: Any) -> None:
    """A query that would take for ever, in a terminal of its own, and Ctrl-C typed into it."""
    ready = "import sys, os\nfrom clew.commands import main\nos.write(2, b'ready')\nsys.exit(main(sys.argv[1:]))"
    child, terminal = pty.fork()
    if child == 0:
        os.execv(
            sys.executable,
            [
                sys.executable,
                "-c",
                ready,
                "sql",
                str(truth.case.path),
                "SELECT count(*) FROM range(10_000_000_000_000)",
            ],
        )
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 100)
    status = None
    while status is None:
        os.write(terminal, b"\x03")
        select.select([terminal], [], [], 0.2)
        done, how = os.waitpid(child, os.WNOHANG)
        status = how if done else None
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) in (130, -2)


def test_every_command_is_documented_by_its_file() -> None:
    parser = build_parser()
    assert set(discover()) >= {
        "counts",
        "top",
        "sql",
        "doctor",
        "import",
        "rebuild",
        "report",
        "info",
        "record",
        "expand",
    }
    assert parser.prog == "clew"
