"""Figures over time and maps of bpftrace in the Explorer and in a report: drawn, chosen, brushed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.case import Case
from clew.commands import main
from clew.lens import Lens
from clew_widgets.explorer import Explorer
from clew_widgets.report import write_report
from clew_widgets.views.figures import Figures
from clew_widgets.views.script_maps import ScriptMaps

STAT = (
    "# clew: perf stat, fields separated by tabs\n# origin monotonic_ns=1000000000000\n# started on Sat Nov 21 2026\n\n"
)
MAPS = (
    {"type": "map", "data": {"@calls": {"nginx": 5, "token=hunter2secret": 9}}},
    {"type": "hist", "data": {"@us": [{"min": 1, "max": 1, "count": 4}, {"min": 2, "max": 3, "count": 6}]}},
)


@pytest.fixture
def figured(tmp_path: Path) -> Case:
    """A case of no calls and no samples: page-faults 3, 1, 2 in three seconds, a map and a distribution."""
    stat, maps = tmp_path / "stat.tsv", tmp_path / "maps.json"
    form = "     {}.000000000\t{}\t\tpage-faults\t1000\t100.00\t\t\n"
    stat.write_text(STAT + "".join(form.format(at, value) for at, value in ((1, 3), (2, 1), (3, 2))))
    maps.write_text("".join(json.dumps(one) + "\n" for one in MAPS))
    assert main(["import", str(tmp_path / "case"), str(stat), str(maps)]) == 0
    return clew.open(tmp_path / "case")


def test_the_explorer_shows_what_there_is(figured: Case) -> None:
    explorer = Explorer(figured)
    figures, maps = explorer.children[1:3]
    assert isinstance(figures, Figures) and isinstance(maps, ScriptMaps)
    assert figures.spec["body"]["values"] == [[3, 1, 2]] and "most at" in figures.finding()
    start, end = figures.spec["body"]["start"][1], figures.spec["body"]["end"][1]
    figures.handle({"type": "brush", "start": start, "end": end})
    assert figures.spec["body"]["values"] == [[1]]  # the lens that all views share was narrowed
    explorer.model.undo()
    assert figures.spec["body"]["values"] == [[3, 1, 2]]
    shown = {row["label"]: row["cells"]["value"] for row in maps.spec["body"]["rows"]}
    assert shown == {"nginx": 5, "token=hunter2secret": 9}
    maps.choose("map", next(key for key in maps.known if key.endswith("@us")))
    assert [row["cells"]["calls"] for row in maps.spec["body"]["rows"]] == [4, 6]
    assert "page-faults" in explorer.finding()


def test_a_bar_is_chosen_by_keyboard(figured: Case, panel_page: Callable[..., Any]) -> None:
    view = Figures(figured)
    opened = panel_page(view.spec, wait="[data-clew=figures] canvas")
    page = opened.page
    page.locator("[data-clew=figures] .clew-chart").focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.locator("[data-clew=figures] [aria-live]").text_content().endswith(": 1")
    body = view.spec["body"]
    assert page.evaluate("sent") == [{"type": "brush", "start": body["start"][1], "end": body["end"][1]}]
    assert view.act(page.evaluate("sent[0]")) == Lens(
        start_ns=figured.bounds()[0] + body["start"][1], end_ns=figured.bounds()[0] + body["end"][1]
    )


def test_they_are_in_a_report(figured: Case, tmp_path: Path) -> None:
    text = write_report(figured, tmp_path / "report.html").read_text()
    for title in ("page-faults over time", "@calls as bpftrace kept it", "@us as bpftrace kept it"):
        assert title in text
    assert "hunter2secret" not in text
