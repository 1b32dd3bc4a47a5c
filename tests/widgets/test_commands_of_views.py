"""Views say which command prints what they show: each runs as it is copied, and prints the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.case import Case
from clew.commands import main
from clew.lens import Lens
from clew_widgets.views.activity import Activity
from clew_widgets.views.base import View
from clew_widgets.views.call_graph import CallGraph
from clew_widgets.views.counts import Counts
from clew_widgets.views.diff import FlameDiff
from clew_widgets.views.errors import Errors
from clew_widgets.views.functions import Functions
from clew_widgets.views.latency import Latency
from clew_widgets.views.request_links import Links
from clew_widgets.views.request_table import RequestNames
from clew_widgets.views.request_time import RequestTime
from clew_widgets.views.request_timeline import Timeline
from clew_widgets.views.services import Services
from clew_widgets.views.shapes import Shapes

Printed = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """What the command of a view prints, as JSON; ``more`` options are added."""

    def run(view: View, *more: str) -> list[dict[str, Any]]:
        program, *argv = shlex.split(view.spec["command"])
        assert program == "clew"
        capsys.readouterr()
        assert main([*argv, *more, "--json"]) == 0
        rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return rows

    return run


def test_calls(case: Case, printed: Printed) -> None:
    first = case.bounds()[0]
    lens = Lens(start_ns=first + 10**9, end_ns=first + 9 * 10**9, commands=("python3",), errnos=(0, 11))
    counts = Counts(case, lens, by="thread")
    assert {row["tid"]: row["calls"] for row in printed(counts)} == {
        dict(row["key"])["tids"]: row["cells"]["calls"] for row in counts.spec["body"]["rows"]
    }
    activity = Activity(case, lens, group="op")
    assert sum(row["calls"] for row in printed(activity)) == activity.spec["total"]
    latency = Latency(case, lens)
    assert [row["calls"] for row in printed(latency)] == [calls for calls in latency.spec["body"]["calls"] if calls]
    errors = Errors(case, lens.without("errnos"))
    assert sum(row["calls"] for row in printed(errors)) == errors.spec["total"]


def test_stacks(sampled: Case, printed: Printed, tmp_path: Path) -> None:
    first = sampled.bounds()[0]
    lens = Lens(tids=(702,), end_ns=first + 10**9)
    heavy = Functions(sampled, lens)
    assert [row["self"] for row in printed(heavy)] == [row["cells"]["self"] for row in heavy.spec["body"]["rows"]]
    for diff in (FlameDiff(sampled, lens), FlameDiff(sampled, lens, baseline=Lens(start_ns=first + 2 * 10**9))):
        figures = diff.answer.summary  # type: ignore[union-attr]
        assert sum(row["self_before"] for row in printed(diff)) == pytest.approx(
            figures["before_total"] * figures["scale"]
        )
    graph = CallGraph(sampled, lens)
    argv = shlex.split(graph.spec["command"])[1:]
    assert main([word.replace("=calls.dot", f"={tmp_path / 'calls.dot'}") for word in argv]) == 0
    assert (tmp_path / "calls.dot").read_text().startswith("digraph")


def test_requests(printed: Printed, capsys: pytest.CaptureFixture[str]) -> None:
    shop = clew.open(Path(__file__).parents[2] / "datasets/shop-paths")
    lens = Lens(requests=("GET /product",), took=(10**7, None))
    names = RequestNames(shop, lens)
    chosen = [row["cells"]["count"] for row in names.spec["body"]["rows"] if row["selected"]]
    assert [row["count"] for row in printed(names)] == chosen
    for kind in (Links, RequestTime, Services, Shapes):
        view = kind(shop, lens)
        assert view.answer is not None and len(printed(view)) == view.answer.table.num_rows
    timeline = Timeline(shop, lens)
    assert timeline.answer is not None
    assert main(shlex.split(timeline.spec["command"])[1:]) == 0
    assert f"{timeline.answer.summary['request_id']}: GET /product" in capsys.readouterr().out


def test_it_is_beside_the_sql(case: Case, panel_page: Callable[..., Any]) -> None:
    view = Counts(case, Lens(commands=("left\u202eright; rm -rf ~",)))
    page = panel_page(view.spec, Counts(case).spec, wait="[data-clew=counts] summary").page
    page.locator("[data-clew=counts] summary").last.click()
    shown = page.locator("[data-clew=counts]").last.locator(".clew-sql code")
    assert shown.inner_text() == f"clew counts {shlex.quote(str(case.path))} --by=command"
    assert "\u202e" not in view.spec["command"]
