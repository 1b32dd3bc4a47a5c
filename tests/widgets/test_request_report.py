"""Requests in a report: they are drawn without a kernel, say what was found, and give nothing private away."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from playwright.sync_api import Browser, Page
from pyarrow import parquet

import clew
from clew.case import Case
from clew.lens import Lens
from clew.questions import requests, requests_by, shapes
from clew_widgets.redact import Redactor
from clew_widgets.report import write_report
from clew_widgets.report_narrowing import narrowing
from clew_widgets.report_requests import of_requests

from ..kit.spans import write_case

VIEWS = (
    "requests",
    "request_latency",
    "single_requests",
    "request",
    "path",
    "shapes",
    "services",
    "request_time",
    "links",
)
SAID = "SELECT n FROM stock WHERE item = "  # what follows is a literal: the helper puts the request's id there
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">\x1b[31m"
Open = Callable[[Path], Page]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    opened = write_case(tmp_path_factory.mktemp("requests") / "case", 400)
    yield opened
    opened.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Opens reports without a network; no page may complain."""
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, offline=True)
    complaints: list[str] = []

    def opened(path: Path) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
        page.goto(path.as_uri())
        page.wait_for_selector("[data-clew=links][data-drawn]")
        page.wait_for_selector("[data-clew=request] .clew-body[data-bars]")
        return page

    yield opened
    assert complaints == []
    context.close()


def test_a_report_draws_requests_and_the_slowest_ones_timeline(asked: Case, visit: Open, tmp_path: Path) -> None:
    page = visit(write_report(asked, tmp_path / "report.html"))
    views = page.locator("#requests > [data-clew]")
    assert [one.get_attribute("data-clew") for one in views.all()] == list(VIEWS)
    rows = page.locator("[data-clew=requests] tbody tr")
    counted = {
        row.get_attribute("data-key"): row.locator("[data-column=count]").get_attribute("data-value")
        for row in rows.all()
    }
    table = asked.sql("SELECT name, count(*)::VARCHAR AS n FROM request GROUP BY ALL")
    assert counted == dict(zip(table["name"].to_pylist(), table["n"].to_pylist(), strict=True))
    assert {row.get_attribute("data-inert") for row in rows.all()} == {""}
    lanes = page.locator("[data-clew=request]")
    assert lanes.locator(".clew-body").get_attribute("data-bars") == "7"
    assert not lanes.locator(".clew-leads").is_visible() and lanes.locator("[data-action=pick]").count() == 0
    frame = lanes.locator(".clew-lanes-frame")
    frame.focus()
    frame.press("Home")
    frame.press("Space")
    assert lanes.locator(".clew-picked").inner_text() == "GET /item/?"
    lanes.locator("[data-choice='color=protocol']").click()
    assert "postgres" in lanes.locator(".clew-lanes-legend").inner_text()
    assert page.locator("[data-clew=shapes] .clew-shape").count() == 5
    assert page.locator("[data-clew=shapes] .clew-shape button").count() == 0
    assert page.locator("[data-clew=services] g.node").count() == 4


def test_findings_name_the_slowest_request_failures_and_what_is_unresolved(asked: Case) -> None:
    found = {one.statement: one for one in of_requests(asked, Lens(), Redactor()).findings}
    figures = asked.sql(
        """SELECT count(*) AS n, count(*) FILTER (error) AS failed, count(*) FILTER (NOT resolved) AS unknown
           FROM request"""
    ).to_pylist()[0]
    slow, failed, unknown = found
    assert slow.startswith("GET /item/? is the slowest request") and "is spent in postgres" in found[slow].detail
    assert failed == f"{figures['failed']} of {figures['n']} requests failed" and found[failed].tone == "bad"
    assert unknown.startswith(f"{figures['unknown'] / figures['n']:.2%} ") and found[unknown].tone == "warn"
    narrowed = of_requests(asked, Lens(requests=("GET /",)), Redactor())
    assert [one.tone for one in narrowed.findings] == ["plain"] and narrowed.findings[0].statement.startswith("GET /")
    assert of_requests(asked, Lens(commands=("nobody",)), Redactor()).specs == []


def test_a_report_has_names_only_unless_it_is_to_have_all(asked: Case, tmp_path: Path) -> None:
    slowest = asked.sql("SELECT request_id FROM request ORDER BY dur_ns DESC NULLS LAST LIMIT 1")["request_id"][0]
    literal = f"{SAID}{slowest}"
    private = write_report(asked, tmp_path / "private.html").read_text()
    assert literal not in private and f"{SAID}?" in private
    assert literal in write_report(asked, tmp_path / "open.html", redact=False).read_text()


def test_secrets_and_hostile_names_in_requests(asked: Case, visit: Open, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    shutil.copytree(asked.path, folder)
    for name in ("span", "request", "shape", "message"):
        table = parquet.read_table(folder / f"{name}.parquet")
        for column in {"name", "path"} & set(table.column_names):
            text = pc.replace_substring(
                table[column].cast("string"), "GET /item/?", f"GET /token=hunter2-Zx81kQ/{HOSTILE}"
            )
            table = table.set_column(table.column_names.index(column), column, text)
        parquet.write_table(table, folder / f"{name}.parquet")
    with_strange_names = clew.open(folder)
    path = write_report(with_strange_names, tmp_path / "report.html")
    with_strange_names.close()
    text = path.read_text()
    pictures = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text)
    text += "".join(base64.b64decode(picture).decode() for picture in pictures)
    assert "hunter2" not in text and "\x1b" not in text and "<img src=x" not in text
    page = visit(path)
    assert page.title() != "owned" and page.locator("img[src=x]").count() == 0
    said = page.locator("[data-clew=requests] tbody").inner_text()
    assert "token=•••" in said and "\\x1b[31m" in said


def counted(page: Page) -> dict[str, tuple[int, int]]:
    """Of each request by name in the report: how many, and the median (ns)."""
    rows = page.locator("[data-clew=requests] tbody tr").all()
    value = "[data-column={}]"
    return {
        row.get_attribute("data-key") or "": (
            int(row.locator(value.format("count")).get_attribute("data-value") or -1),
            int(row.locator(value.format("p50_ns")).get_attribute("data-value") or -1),
        )
        for row in rows
    }


def test_tables_of_requests_follow_the_lens_of_the_page(asked: Case, visit: Open, tmp_path: Path) -> None:
    page = visit(write_report(asked, tmp_path / "report.html"))
    everything = counted(page)

    def follows(lens: Lens) -> int:
        """Wait until the tables show what ``lens`` asks for, and compare them with what SQL says."""
        wanted = requests_by(asked, lens).table.to_pylist()
        whole = sum(row["count"] for row in wanted)
        for view in ("requests", "request_latency", "single_requests", "shapes"):
            page.wait_for_selector(f'[data-clew={view}][data-total="{whole}"]')
        assert counted(page) == {row["name"]: (row["count"], row["p50_ns"]) for row in wanted}
        asked_first = page.locator("[data-clew=single_requests] tbody tr [data-column=dur_ns]").first
        longest = requests(asked, lens, limit=1).table["dur_ns"][0].as_py()
        assert asked_first.get_attribute("data-value") == str(longest)
        cards = {
            card.get_attribute("data-shape"): card.get_attribute("data-requests")
            for card in page.locator("[data-clew=shapes] .clew-shape").all()
        }
        assert cards == {str(row["shape_id"]): str(row["requests"]) for row in shapes(asked, lens).table.to_pylist()}
        return whole

    page.locator('[data-clew=counts] tr[data-key="web"]').click()
    by_program = follows(Lens(commands=("web",)))
    assert 0 < by_program < sum(count for count, _ in everything.values())
    assert "whatever the lens" in page.locator("[data-clew=services] .clew-warning").inner_text()

    chart = page.locator("[data-clew=activity] .clew-chart")
    chart.focus()
    for key in ("Home", *["ArrowRight"] * 8, *["Shift+ArrowRight"] * 20, "Enter"):
        chart.press(key)
    page.wait_for_selector(".clew-chip[data-field=time]")
    page.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    page.locator("#lens [data-action=copy]").click()
    names: dict[str, Any] = {}
    exec(page.evaluate("window.copied"), names)
    assert 0 < follows(names["lens"]) < by_program

    page.locator("[data-action=reset]").click()
    page.wait_for_selector("[data-clew=requests]:not([data-total=''])", state="detached")
    assert counted(page) == everything


def test_what_requests_do_not_follow_is_said(asked: Case, visit: Open, tmp_path: Path) -> None:
    page = visit(write_report(asked, tmp_path / "report.html"))
    page.locator("[data-clew=counts] [data-choice='by=op']").click()
    page.locator("[data-clew=counts] tbody tr[data-key=read]").click()
    page.wait_for_selector(".clew-chip[data-field=ops]")
    warnings = {view: page.locator(f"[data-clew={view}] .clew-warning") for view in VIEWS}
    page.wait_for_selector("[data-clew=requests] .clew-warning:visible")
    assert warnings["requests"].inner_text() == "Not narrowed by op: that takes a notebook."
    page.locator("[data-clew=counts] tbody tr[data-key=read]").click()
    page.wait_for_selector(".clew-chip[data-field=ops]", state="detached")
    assert not any(warning.is_visible() for warning in warnings.values())
    page.locator("[data-clew=counts] [data-choice='by=command']").click()
    page.locator("[data-clew=counts] tbody tr[data-key=app]").click()
    page.wait_for_selector("[data-clew=services] .clew-warning:visible")
    whole = {view for view, warning in warnings.items() if warning.is_visible()}
    assert whole == {"request", "path", "services", "request_time", "links"}
    assert warnings["links"].inner_text().startswith("Not narrowed: of all requests")


def test_too_many_requests_for_a_page_are_left_as_they_are(asked: Case) -> None:
    assert narrowing(asked, Lens(), Redactor(), origin_ns=0, limit=10) == {}
    few = narrowing(asked, Lens(requests=("GET /",)), Redactor(), origin_ns=0)
    assert [one["label"] for one in few["names"]] == ["GET /"] and few["programs"] == [("app", "web")]


def test_a_case_without_requests_has_no_such_section(sampled: Case) -> None:
    shown = of_requests(sampled, Lens(), Redactor())
    assert (shown.specs, shown.drawings, shown.findings) == ([], {}, [])
