"""A recipe in a notebook: edited, run again, stopped; what comes of it is tables and distributions."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from clew_widgets import RecipeView
from clew_widgets.views.maps import MapHistogram, MapTable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="bpftrace is for root")

PROGRAM = (
    "import os, select\nfor _ in range(5): select.poll().poll(2)\nfor _ in range(40): os.close(os.open('/dev/null', 0))"
)


def finished(view: RecipeView) -> RecipeView:
    view.run()
    view.wait()
    assert not view.run_button.disabled and view.stop_button.disabled
    return view


def test_run_edit_and_run_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    view = RecipeView("call-extremes", tmp_path / "case", seconds=60)
    assert set(view.values) == {"call", "pid", "tid"} and view.values["call"].value == "write"
    view.values["call"].value = "poll"
    view.command.value = f"{sys.executable} {program}"
    finished(view)
    assert "capture 1" in view.status.value
    by_name = {child.map: child for child in view.results.children}
    assert isinstance(by_name["@ns"], MapHistogram) and isinstance(by_name["@longest"], MapTable)
    assert sum(by_name["@ns"].spec["body"]["calls"]) == 5 and by_name["@ns"].spec["kind"] == "histogram"
    longest = by_name["@longest"].spec["body"]["rows"][0]["cells"]["value"]
    assert longest >= 2_000_000 and "duration" in {
        column["kind"] for column in by_name["@longest"].spec["body"]["columns"]
    }
    view.text.value = view.text.value.replace(
        "@ns[tid] = hist($took);", '@n = lhist(3, 0, 10, 5); printf("<%d>\\n", tid);'
    )
    assert view.values["call"].value == "poll"
    finished(view)
    assert "capture 2" in view.status.value
    mapped, printed = view.results.children[:-1], view.results.children[-1]
    assert {child.map for child in mapped} == {"@longest", "@shortest", "@n"}
    assert sum(row["cells"]["calls"] for row in next(c for c in mapped if c.map == "@n").spec["body"]["rows"]) == 5
    assert printed.value.count("&lt;") == 5


def test_what_is_wrong_is_said_in_its_place(tmp_path: Path) -> None:
    view = RecipeView("calls-top", tmp_path / "case")
    view.values["top"].value = "0"
    finished(view)
    assert "top takes a whole number from 1 on" in view.status.value and not (tmp_path / "case").exists()
    view.text.value = "BEGIN { <script>nonsense(); }"
    assert view.parameters.children == ()
    finished(view)
    assert "line 1" in view.status.value and "<script>" not in view.status.value
    view.text.value = "/*\n * title: T\n * colour: red\n */"
    assert "colour: red" in view.status.value


def test_stop_ends_it_and_shows_what_there_is(tmp_path: Path) -> None:
    view = RecipeView("calls-by-process", tmp_path / "case", seconds=3600)
    view.run()
    while (
        not list(tmp_path.glob("case/raw/001/bpftrace.ndjson"))
        or "attached" not in next(tmp_path.glob("case/raw/001/bpftrace.ndjson")).read_text()
    ):
        time.sleep(0.05)
    assert view.run_button.disabled and not view.stop_button.disabled
    view.stop_button.click()
    view.wait()
    table = view.results.children[0]
    assert isinstance(table, MapTable) and table.spec["body"]["rows"] and table.finding().startswith("map @calls: ")
