"""requests, paths, path and trace on the command line, and the pages: for people, for programs, for hostile names."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

import clew
from clew import questions
from clew.case import Case
from clew.commands import main
from clew.lens import Lens
from clew.questions.names import names
from clew.units import duration, shape_name

from ..spans import write_case

EVIL = "GET /<script>alert(1)</script>\x1b[2J\"'&token=hunter2hunter2"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """run(*argv) -> exit code, standard output, standard error."""

    def run(*argv: object) -> tuple[int, str, str]:
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A case whose names come from an enemy."""
    folder = tmp_path_factory.mktemp("hostile") / "case"
    write_case(folder, 40, database=True).close()
    with duckdb.connect(str(folder / "case.duckdb")) as connection:
        for table in ("request", "span", "message", "shape"):
            connection.execute(f"UPDATE {table} SET name = ? WHERE name IS NOT NULL", [EVIL])
        connection.execute("UPDATE message SET summary = ?, status = status || '<b>'", [EVIL])
        connection.execute("UPDATE shape SET path = replace(path, 'web', ?)", [EVIL])
        connection.execute("UPDATE span SET command = ?, status = ?", [EVIL, EVIL])
        connection.execute("UPDATE request SET command = ?, status = ?", [EVIL, EVIL])
        connection.execute("UPDATE process SET command = ?", [EVIL])
        connection.execute("UPDATE connection SET peer = ?", [EVIL])
    return clew.open(folder)


@pytest.mark.parametrize(
    ("options", "ask"),
    [
        ((), lambda case, lens: questions.requests_by(case, lens)),
        (
            ("--by", "shape", "--sort", "count", "--limit", "2"),
            lambda case, lens: questions.requests_by(case, lens, "shape", "count", 2),
        ),
        (("--slowest", "5"), lambda case, lens: questions.requests(case, lens, "dur_ns", 5)),
        (("--first", "5"), lambda case, lens: questions.requests(case, lens, "start_ns", 5)),
        (("--latency",), questions.request_latency),
        (("--time",), questions.attribution),
        (("--services",), questions.services),
        (("--unresolved",), questions.unresolved),
    ],
)
def test_requests_are_those_of_the_question(run: Any, shop: Case, options: Any, ask: Any) -> None:
    chosen = ("--request", "GET /item/?", "--request", "GET /search", "--took", "100us..1s", "--command", "app")
    lens = Lens(requests=("GET /item/?", "GET /search"), took=(100_000, 10**9), commands=("app",))
    expected = ask(shop, lens).table.to_pylist()
    assert expected
    code, out, err = run("requests", shop.path, *options, *chosen, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == expected
    found = list(csv.DictReader(io.StringIO(run("requests", shop.path, *options, *chosen, "--csv")[1])))
    assert [list(row) for row in found] == [list(row) for row in expected]
    assert len(run("requests", shop.path, *options, *chosen)[1].splitlines()) >= len(expected) + 1


def test_lens_options_of_requests_go_with_other_commands(run: Any, shop: Case) -> None:
    out = run("counts", shop.path, "--request", "POST /order", "--json")[1]
    assert json.loads(out) == questions.counts(shop, Lens(requests=("POST /order",))).table.to_pylist()
    out = run("stacks", shop.path, "--took", "3ms..", "--event", "page-faults", "--json")[1]
    assert {row["function"] for row in json.loads(out) if row["self"]} == {"scan"}
    number = questions.requests(shop, Lens(), limit=1).table["request_id"][0].as_py()
    out = run("counts", shop.path, "--request-id", number, "--by", "op", "--json")[1]
    assert sum(row["calls"] for row in json.loads(out)) == 9  # 14, less those entered before their request was there
    assert run("counts", shop.path, "--shape", 2, "--json")[0] == 0


def test_stacks_say_what_was_sampled_and_in_which_unit(run: Any, shop: Case) -> None:
    (samples,) = (
        row for row in json.loads(run("stacks", shop.path, "--events", "--json")[1]) if row["kind"] == "on-cpu"
    )
    said = f"({samples['event_name']}, {samples['samples']:,} samples; there are also page-faults: --event)"
    assert run("stacks", shop.path)[1].splitlines()[-1] == said
    assert "also" not in run("stacks", shop.path, "--event", "page-faults")[1]
    counted = questions.samples_by(shop, Lens(), "command").table.to_pylist()
    lines = run("stacks", shop.path, "--count", "command")[1].splitlines()[1:]
    assert [line.split()[-2:] for line in lines] == [duration(row["weight"]).split() for row in counted]
    assert "weight" in json.loads(run("stacks", shop.path, "--count", "command", "--json")[1])[0]


def numbered(folder: Path, numbers: dict[int, int]) -> Case:
    """A case with other numbers of shapes, in ``folder``."""
    write_case(folder, 40, database=True).close()
    with duckdb.connect(str(folder / "case.duckdb")) as connection:
        for before, after in numbers.items():
            for table in ("request", "shape"):
                connection.execute(f"UPDATE {table} SET shape_id = ? WHERE shape_id = ?", [after, before])
    return clew.open(folder)


def test_a_shape_is_called_alike_everywhere_and_found_by_that(run: Any, tmp_path: Path) -> None:
    big, other = 0x1F2E3D_00C0DE, 0x7_1F3A9C
    case = numbered(tmp_path / "case", {1: big, 2: other})
    assert "shape #00c0de: " in run("paths", case.path)[1]
    assert "#00c0de" in run("requests", case.path, "--by", "shape")[1]
    pages = tmp_path / "pages"
    assert run("paths", case.path, "--html", pages)[0] == 0
    assert f"<a href='path-{big}.html'>#00c0de</a>" in (pages / "index.html").read_text()
    expected = questions.requests(case, Lens(shapes=(big,))).table.num_rows
    for name in ("#00c0de", "00C0DE", str(big)):
        assert len(json.loads(run("requests", case.path, "--shape", name, "--first", 9999, "--json")[1])) == expected
    assert (
        run("paths", case.path, "--diff", "00c0de", "#1f3a9c", "--json")[1]
        == (run("paths", case.path, "--diff", big, other, "--json")[1])
    )
    assert [chip.label for chip in Lens(shapes=(big,)).chips()] == ["shape #00c0de"]
    code, out, err = run("paths", case.path, "--shape", "00c0d")
    assert (code, out) == (2, "") and "is it #00c0de?" in err and err.count("\n") == 1
    assert names(case, "shape") == sorted(shape_name(row).removeprefix("#") for row in (big, other, 3, 4, 5))
    case.close()


def test_shapes_of_one_name_are_told_apart_by_their_numbers(run: Any, tmp_path: Path) -> None:
    case = numbered(tmp_path / "case", {1: 0x1_00C0DE, 2: 0x2_00C0DE})
    code, out, err = run("requests", case.path, "--shape", "00c0de")
    assert (code, out) == (2, "") and "2 shapes are called #00c0de" in err and str(0x2_00C0DE) in err
    assert run("requests", case.path, "--shape", 0x2_00C0DE)[0] == 0
    case.close()


@pytest.mark.parametrize(
    "argv",
    [
        ("requests", "--by", "moon"),
        ("requests", "--sort", "moon"),
        ("requests", "--took", "5ms"),
        ("requests", "--took", ".."),
        ("requests", "--took", "a..b"),
        ("paths", "--diff", "1", "99"),
        ("paths", "--slow-vs-fast", "--slowest", "0"),
        ("paths", "--slow-vs-fast", "--request", "none"),
        ("paths", "--request", "none", "--html", "{new}"),
        ("paths", "--html", "{full}"),
        ("paths", "--html", "{full}/file/x"),
        ("path", "12345678901234567890123"),
        ("path", "2"),
        ("path", "-1"),
        ("path", "moon"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(run: Any, shop: Case, tmp_path: Path, argv: Any) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    places = {"new": tmp_path / "new", "full": tmp_path / "full"}
    command, *options = (text.format(**places) for text in argv)
    code, out, err = run(command, shop.path, *options)
    assert (code, out) == (2, "")
    assert err.startswith("clew: ") and err.count("\n") == 1 and "Traceback" not in err
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["full", "full/file"]


def test_a_shape_is_no_request_but_leads_to_some(run: Any, shop: Case) -> None:
    shape = run("paths", shop.path)[1].split()[1].rstrip(":")
    code, out, err = run("path", shop.path, shape)
    assert (code, out) == (2, "") and shape.startswith("#") and f"{shape} names a shape, not a request" in err
    command, *argv = err.split("`clew ")[1].split("`")[0].split()
    assert command == "requests" and run(command, *argv)[0] == 0


def test_nothing_to_show_says_what_to_do(run: Any, truth: Any, tmp_path: Path) -> None:
    plain = truth.case.to_parquet(tmp_path / "plain")
    for command in ("requests", "paths", "path", "trace"):
        code, _, err = run(command, plain)
        assert code == 2 and "no payload was recorded" in err and err.count("\n") == 1
    said = run("requests", truth.case.path, "--request", "x")
    assert said[0] == 2 and "payload" in said[2]


def test_nothing_matches(run: Any, shop: Case) -> None:
    code, out, err = run("requests", shop.path, "--request", "none", "--command", "Nginx")
    assert err == "clew: the case has no command 'Nginx'\nclew: the case has no request 'none'\n"
    assert code == 0 and "(no request matches the lens)" in out
    assert "no request matches" in run("paths", shop.path, "--request", "none")[1]


def test_paths(run: Any, shop: Case) -> None:
    code, out, _ = run("paths", shop.path, "--limit", "2")
    assert code == 0
    assert out.count("shape ") == 2 and "(3 rarer paths are left out)" in out
    assert "\n        app → SELECT n FROM stock WHERE item = ?\n          postgres SELECT n FROM" in out
    assert json.loads(run("paths", shop.path, "--json")[1]) == questions.shapes(shop, Lens()).table.to_pylist()
    out = run("paths", shop.path, "--slow-vs-fast", "--request", "GET /item/?", "--slowest", "3")[1]
    assert "own times of all steps are" in out
    assert out.splitlines()[3].startswith("SELECT n FROM stock")
    out = run("paths", shop.path, "--diff", "2", "1", "--limit", "4")[1]
    assert "(1 requests of the first side have no end and are left out; 6 steps that differ less" in out
    expected = questions.shape_diff(shop, Lens(shapes=(2,)), Lens(shapes=(1,))).table.to_pylist()
    assert json.loads(run("paths", shop.path, "--diff", "2", "1", "--json")[1]) == expected


@pytest.mark.parametrize("of", ["messages", "links", "unresolved", "requests"])
def test_each_table_of_trace_for_programs(run: Any, shop: Case, of: str) -> None:
    rows = json.loads(run("trace", shop.path, "--json")[1])[of]
    assert json.loads(run("trace", shop.path, "--of", of, "--json")[1]) == rows
    found = list(csv.DictReader(io.StringIO(run("trace", shop.path, "--of", of, "--csv")[1])))
    assert found == [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]


def test_one_path(run: Any, shop: Case) -> None:
    number = questions.requests(shop, Lens(requests=("GET /search",)), limit=1).table["request_id"][0].as_py()
    code, out, err = run("path", shop.path, number)
    assert (code, err) == (0, "") and "\x1b" not in out
    head, _, *lines = out.splitlines()
    assert head.startswith(f"request {number}: GET /search (") and "7 spans in 4 processes" in head
    assert lines[0].startswith("█" * 24) and "web[" in lines[0]
    assert ["▒" in line for line in lines[:7]] == [False, False, False, True, True, False, False]
    assert sum("likely (queue 80%)" in line for line in lines) == 1
    expected = questions.request_tree(shop, number).table.to_pylist()
    assert json.loads(run("path", shop.path, number, "--json")[1]) == expected
    assert ", the slowest)" in run("path", shop.path)[1].splitlines()[0]
    assert len(json.loads(run("path", shop.path, number, "--events", "--json")[1])) == 14
    last = questions.requests(shop, Lens(), limit=None).table["request_id"][-1].as_py()
    out = run("path", shop.path, last)[1]
    assert "no end seen" in out and "░" in out and "(its end was not seen, so it has no critical path)" in out


def test_colours_are_for_terminals(shop: Case) -> None:
    command = [sys.executable, "-m", "clew", "path", str(shop.path)]

    def on_a_terminal(**environment: str) -> str:
        outer, inner = pty.openpty()
        with subprocess.Popen(command, stdout=inner, env=os.environ | environment) as child:
            os.close(inner)
            said = b""
            try:
                while piece := os.read(outer, 65536):
                    said += piece
            except OSError:  # how a terminal says that nobody writes any more
                pass
            assert child.wait() == 0
        os.close(outer)
        return said.decode()

    assert "\x1b[1m" in on_a_terminal(NO_COLOR="")
    assert "\x1b" not in on_a_terminal(NO_COLOR="1")


def test_trace_says_what_it_found(run: Any, shop: Case) -> None:
    code, out, err = run("trace", shop.path)
    assert (code, err) == (0, "")
    for text in ("messages by protocol", "postgres", "how links were made", "queue", "has a cause that was not found"):
        assert text in out
    figures = questions.unresolved(shop, Lens()).summary
    assert out.splitlines()[-1].startswith(f"{figures['spans']:,} spans: {figures['linked']:,} linked")
    said = json.loads(run("trace", shop.path, "--json")[1])
    assert said["summary"] == figures
    assert {row["protocol"] for row in said["messages"]} == {"http1", "postgres"}


def test_info_says_how_many_requests_there_are(run: Any, shop: Case) -> None:
    out = run("info", shop.path)[1]
    assert "400 requests of 5 names" in out and "clew requests" in out


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.said += data


def test_pages(run: Any, shop: Case, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    code, out, _ = run("paths", shop.path, "--html", folder, "--limit", "4")
    files = sorted(folder.iterdir())
    assert code == 0 and f"{len(files)} pages" in out
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    names = {path.name for path in files}
    for path in files:
        text = path.read_text()
        page = Page(text)
        assert set(page.links) <= names, "every link leads to a page that is there, none elsewhere"
        assert "script" not in page.tags and "default-src 'none'" in text and "prefers-color-scheme:dark" in text
    index = Page((folder / "index.html").read_text())
    assert sum(link.startswith("path-") for link in index.links) >= 4
    request = questions.requests(shop, Lens(), limit=1).table["request_id"][0].as_py()
    text = (folder / f"request-{request}.html").read_text()
    # As BorderPatrol printed paths: every event in order of time, the process in bold where it changes.
    processes = re.findall(r"<td>(<b>)?(\w+\[\d+\])", text.split("Every call")[1])
    assert [name.split("[")[0] for _, name in processes] == (
        "web web app app postgres postgres app app postgres postgres app app web web".split()
    )
    before = [None, *(name for _, name in processes[:-1])]
    assert [bool(bold) for bold, _ in processes] == [
        name != last for (_, name), last in zip(processes, before, strict=True)
    ]
    assert f"/item/{request}" not in text and "GET /item/?" in text, "literals are left out"


def test_pages_unredacted(run: Any, shop: Case, tmp_path: Path) -> None:
    assert run("paths", shop.path, "--html", tmp_path / "open", "--limit", "1", "--unredacted")[0] == 0
    request = questions.requests(shop, Lens(), limit=1).table["request_id"][0].as_py()
    text = (tmp_path / "open" / f"request-{request}.html").read_text()
    assert f"GET /item/{request}" in text and f"WHERE id = {request}" in text


@pytest.mark.parametrize("options", [(), ("--unredacted",)])
def test_hostile_names_stay_text(run: Any, hostile: Case, tmp_path: Path, options: Any) -> None:
    assert run("paths", hostile.path, "--html", tmp_path / "pages", *options)[0] == 0
    for path in (tmp_path / "pages").iterdir():
        text = path.read_text()
        page = Page(text)
        assert "script" not in page.tags and "\x1b" not in text
        assert "alert(1)" in page.said
        assert ("hunter2" in text) == bool(options), "what looks like a secret is masked"
    for argv in (
        ("requests",),
        ("requests", "--slowest", "3"),
        ("paths",),
        ("path",),
        ("trace",),
        ("path", "--events"),
    ):
        command, *more = argv
        code, out, _ = run(command, hostile.path, *more)
        assert code == 0 and "\x1b" not in out and "GET /" in out
    rows = json.loads(run("requests", hostile.path, "--json")[1])
    assert {row["name"] for row in rows} == {EVIL}
