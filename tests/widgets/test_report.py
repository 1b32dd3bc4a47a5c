"""The report: one private file that needs no network, gives nothing away, and narrows by itself in a real browser."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page

import clew
from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.errors import LATER, errors
from clew_widgets import findings
from clew_widgets.report import embedded, write_report

SECRETS = ("hunter2-Zx81kQ", "zoltan", "203.0.113.", "PAYLOAD-BYTES-f7")


def everything_in(text: str) -> str:
    """The report and what its pictures hold."""
    pictures = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text)
    assert pictures
    return text + "".join(base64.b64decode(picture).decode() for picture in pictures)


@pytest.fixture(scope="module")
def report(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(case, tmp_path_factory.mktemp("report") / "out.html")


@pytest.fixture(scope="module")
def hostile_report(hostile_case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(
        hostile_case, tmp_path_factory.mktemp("report") / "hostile.html", title="</title><b>&", redact=False
    )


class Visit:
    """A page, and all that it asked for or complained about."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 1600}, offline=True, **options)
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(path.as_uri())

    def total(self, view: str) -> int:
        return int(self.page.locator(f"[data-clew={view}]").get_attribute("data-total") or -1)

    def drawn(self) -> None:
        """Wait until all four views are drawn."""
        for view in ("counts", "activity", "latency", "errors"):
            self.page.wait_for_selector(f"[data-clew={view}][data-drawn]")

    def shows(self, view: str, total: int) -> None:
        """Wait until ``view`` shows ``total`` calls."""
        self.page.wait_for_selector(f'[data-clew={view}][data-total="{total}"]')

    def row(self, key: str) -> Any:
        return self.page.locator(f'[data-clew=counts] tr[data-key="{key}"]')


@pytest.fixture
def visit(browser: Browser, report: Path) -> Iterator[Visit]:
    opened = Visit(browser, report)
    opened.drawn()
    yield opened
    assert opened.requests == [report.as_uri()]
    assert opened.complaints == []
    opened.context.close()


def calls(case: Case, where: str) -> int:
    count: int = case.sql(f"SELECT count(*) AS n FROM calls WHERE {where}")["n"][0].as_py()
    return count


def test_the_file_is_private_small_and_replaced_in_one_step(case: Case, report: Path) -> None:
    assert report.stat().st_mode & 0o777 == 0o600
    assert report.stat().st_size < 3_000_000
    before = report.stat().st_ino
    write_report(case, report)
    assert report.stat().st_ino != before
    assert [path.name for path in report.parent.iterdir()] == [report.name]


def test_nothing_private_is_in_it_unless_asked_for(case: Case, report: Path, tmp_path: Path) -> None:
    text = everything_in(report.read_text())
    assert [secret for secret in SECRETS if secret in text] == []
    opened = everything_in(write_report(case, tmp_path / "open.html", redact=False).read_text())
    assert [secret for secret in SECRETS if secret not in opened] == ["PAYLOAD-BYTES-f7"]


def test_no_address_of_the_network_is_in_what_clew_wrote(report: Path) -> None:
    text = report.read_text()
    for script in re.findall(r"<script.*?</script>", text, re.DOTALL):
        if "Bokeh Contributors" in script:  # it names its home page in comments
            text = text.replace(script, "")
    assert set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text)) == set()


def test_data_cannot_end_the_element_that_holds_it() -> None:
    hostile = {"a": "</script><!-- <script>\u2028&'\"", "b": [1.5, None]}
    text = embedded(hostile)
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == hostile


def test_a_case_of_totals_only_or_a_bad_folder_is_one_line(
    case: Case, tmp_path: Path, make_case: Callable[..., Path]
) -> None:
    with pytest.raises(clew.ClewError, match="no single call was made while recording"):
        write_report(clew.open(make_case(tmp_path / "totals", scale=0, allocations=7)), tmp_path / "totals.html")
    assert not (tmp_path / "totals.html").exists()
    with pytest.raises(clew.ClewError, match="cannot write"):
        write_report(case, tmp_path / "no" / "such" / "folder.html")


def test_findings_say_who_what_and_how_much(report: Path, case: Case) -> None:
    text = re.sub(r"<[^>]+>", " ", report.read_text().split("<ul>")[1].split("</ul>")[0])
    nginx, everything = calls(case, "command = 'nginx'"), calls(case, "true")
    assert f"nginx does most: {nginx:,} calls, {100 * nginx / everything:.3g} % of all" in text
    assert f"{calls(case, 'errno NOT IN (0, 11)'):,} calls failed" in text
    assert f"Another {calls(case, 'errno = 11'):,} only said" in text
    assert "fsync is the slowest operation" in text
    assert "Failures gather at" in text
    assert "Nothing was lost" in text
    assert "wrk (static)" in text


def test_a_wait_that_its_time_limit_ended_is_no_failure_but_a_connection_is() -> None:
    names = ("op", "name", "meaning", "calls")
    over, refused = ("cond_wait", "ETIMEDOUT", "timed out", 223), ("connect", "ETIMEDOUT", "timed out", 2)
    waits = findings._failed([dict(zip(names, over, strict=True))], 1000)
    assert waits.statement == "No call failed"
    assert waits.detail == "223 waits ended by their time limit, which is no failure."
    both = findings._failed([dict(zip(names, row, strict=True)) for row in (over, refused)], 1000)
    assert both.statement.startswith("2 calls failed")
    assert both.detail.startswith("Most often connect")


def test_a_program_that_computes_is_to_be_sampled_unless_it_was() -> None:
    said = "sum spent 300 ms outside of recorded calls in the 400 ms that it ran"
    outside = Answer(pa.table({}), "", "", said)
    assert [one.statement for one in findings.outside_findings(outside, sampled=False)] == [said]
    assert "--engine perf,preload" in findings.outside_findings(outside, sampled=False)[0].detail
    assert (
        findings.outside_findings(outside, sampled=True)
        == findings.outside_findings(replace(outside, note=None), False)
        == []
    )


def test_losses_are_said_first_in_figures(hostile_report: Path) -> None:
    assert "41 records were lost in 1 thread" in hostile_report.read_text()


def test_it_opens_without_network_or_complaint(visit: Visit, case: Case) -> None:
    everything = calls(case, "true")
    assert [visit.total(view) for view in ("counts", "activity", "latency")] == [everything] * 3
    assert visit.total("errors") == calls(case, "errno > 0")
    assert visit.page.locator("[data-clew=activity] canvas").count() >= 1
    parts = visit.page.locator(".report-parts a:visible")
    assert {"Calls", "What was recorded"} <= set(parts.all_inner_texts())
    for part in parts.all():
        assert visit.page.locator(part.get_attribute("href") or "").is_visible()


def test_a_click_on_a_command_narrows_all_views_and_its_chip_widens_them(visit: Visit, case: Case) -> None:
    everything = visit.total("activity")
    visit.row("postgres").click()
    expected = calls(case, "command = 'postgres'")
    for view in ("counts", "activity", "latency"):
        visit.shows(view, expected)
    visit.shows("errors", calls(case, "command = 'postgres' AND errno > 0"))
    assert visit.row("postgres").get_attribute("aria-selected") == "true"
    assert visit.row("nginx").count() == 1
    visit.page.locator(".clew-chip button").click()
    for view in ("counts", "activity", "latency"):
        visit.shows(view, everything)


def test_narrowing_by_several_things_adds_up_to_what_the_database_says(visit: Visit, case: Case) -> None:
    visit.row("nginx").click()
    visit.row("wrk").click(modifiers=["Control"])
    visit.page.locator('[data-choice="by=op"]').click()
    visit.row("recv").click()
    where = "command IN ('nginx', 'wrk') AND op = 'recv'"
    visit.shows("activity", calls(case, where))
    visit.page.locator("[data-clew=errors] tr[data-key='recv 11']").click()
    visit.shows("activity", calls(case, f"{where} AND errno = 11"))
    for _ in range(2):
        visit.page.locator("[data-action=undo]").click()
    visit.shows("activity", calls(case, "command IN ('nginx', 'wrk')"))
    visit.page.locator("[data-action=redo]").click()
    visit.shows("activity", calls(case, where))
    visit.page.locator("[data-action=reset]").click()
    visit.shows("activity", calls(case, "true"))


def test_exact_tables_of_a_command_are_shown_by_process_thread_file_and_peer(visit: Visit, case: Case) -> None:
    visit.row("python3").click()
    for by, column in (("process", "pid"), ("thread", "tid"), ("file", "file"), ("peer", "peer")):
        visit.page.locator(f'[data-choice="by={by}"]').click()
        visit.page.wait_for_function(
            "by => document.querySelector('[data-clew=counts] th').textContent.includes(by)", arg=by
        )
        cells = visit.page.locator("[data-clew=counts] td[data-column=calls]")
        shown = sum(int(cell.get_attribute("data-value") or 0) for cell in cells.all())
        known = f"{column} IS NOT NULL"
        assert shown >= calls(case, f"command = 'python3' AND {known}")


def test_errors_that_are_no_faults_are_told_apart(visit: Visit, case: Case) -> None:
    def failed(only: str) -> int:
        text = f"SELECT coalesce(sum(calls), 0)::BIGINT AS n FROM ({errors(case, Lens()).sql}) WHERE {only}"
        return int(case.sql(text)["n"][0].as_py())

    later = failed(f"name IN {LATER}")
    assert 0 < later < failed("true")
    said = f'{failed("true"):,} failed calls, {later:,} of them only "not now"'
    note = visit.page.locator("[data-clew=errors] .clew-note")
    visit.drawn()
    assert note.inner_text() == said
    visit.row("python3").click()  # added up in the page from here on
    visit.page.wait_for_selector(".clew-chip[data-field=commands]")
    assert re.fullmatch(r'[0-9,]+ failed calls, [0-9,]+ of them only "not now"; times to the bin', note.inner_text())


def test_dragging_over_time_and_over_latency_narrows(visit: Visit, case: Case) -> None:
    def drag(view: str, start: float, end: float) -> None:
        box = visit.page.locator(f"[data-clew={view}] .clew-canvas").bounding_box()
        assert box
        visit.page.mouse.move(box["x"] + box["width"] * start, box["y"] + 80)
        visit.page.mouse.down()
        visit.page.mouse.move(box["x"] + box["width"] * end, box["y"] + 90, steps=5)
        visit.page.mouse.up()

    def code() -> Lens:
        names: dict[str, Any] = {}
        visit.page.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
        visit.page.locator("[data-action=copy]").click()
        exec(visit.page.evaluate("window.copied"), names)
        lens: Lens = names["lens"]
        return lens

    drag("activity", 0.4, 0.7)
    visit.page.wait_for_selector(".clew-chip[data-field=time]")
    drag("latency", 0.3, 0.6)
    visit.page.wait_for_selector(".clew-chip[data-field=latency]")
    lens = code()
    assert lens.latency
    low, high = lens.latency
    where = f"ts_ns >= {lens.start_ns} AND ts_ns < {lens.end_ns} AND dur_ns >= {low} AND dur_ns < {high}"
    expected = calls(case, where)
    assert 0 < expected < calls(case, "true")
    for view in ("counts", "activity", "latency"):
        visit.shows(view, expected)


def test_everything_can_be_done_from_the_keyboard(visit: Visit, case: Case) -> None:
    page = visit.page
    visit.row("nginx").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.key") == "python3"
    page.keyboard.press("Enter")
    visit.shows("activity", calls(case, "command = 'python3'"))
    assert page.evaluate("document.activeElement.dataset.key") == "python3"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+ ")
    visit.shows("activity", calls(case, "command IN ('python3', 'postgres')"))
    page.locator(".clew-chip button").first.focus()
    page.keyboard.press("Delete")
    visit.shows("activity", calls(case, "command = 'postgres'"))
    page.locator("[data-clew=activity] .clew-chart").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert "calls" in (page.locator("[data-clew=activity] [aria-live]").text_content() or "")
    page.keyboard.press("Enter")
    page.wait_for_selector(".clew-chip[data-field=time]")
    assert page.locator("[data-clew=counts] tbody tr[tabindex='0']").count() == 1


def test_the_ends_of_long_names_are_in_sight_in_a_narrow_page(browser: Browser, hostile_report: Path) -> None:
    visit = Visit(browser, hostile_report)
    visit.drawn()
    visit.page.locator("[data-clew=counts] [data-choice='by=file']").click()
    table = visit.page.locator("[data-clew=counts] .clew-fit")
    table.wait_for()
    for width in (760, 1000):
        visit.page.set_viewport_size({"width": width, "height": 900})
        visit.page.wait_for_function(
            """() => [...document.querySelectorAll("[data-clew=counts] .clew-fit .clew-name")].every((cell) =>
                 cell.querySelector(".clew-label").offsetWidth <= cell.clientWidth)"""
        )
        names = table.locator(".clew-name").evaluate_all(
            "cells => cells.map((cell) => [cell.title, cell.querySelector('.clew-label').textContent])"
        )
        assert any("…" in shown for _, shown in names)
        assert all(name.endswith(shown.partition("…")[2][-5:]) for name, shown in names if "…" in shown)
    visit.context.close()


def test_columns_sort_and_say_so(visit: Visit) -> None:
    button = visit.page.locator('[data-clew=counts] [data-sort="p99_ns"]')
    button.click()
    values = [
        int(float(cell.get_attribute("data-value") or 0))
        for cell in visit.page.locator("[data-clew=counts] td[data-column=p99_ns]").all()
    ]
    assert values == sorted(values, reverse=True)
    assert visit.page.locator("[data-clew=counts] th[aria-sort=descending]").count() == 1
    visit.page.locator('[data-clew=counts] [data-sort="name"]').click()
    keys = [row.get_attribute("data-key") for row in visit.page.locator("[data-clew=counts] tbody tr").all()]
    assert keys == sorted(keys, key=str)


def test_the_colour_scheme_is_chosen_once_and_known_before_the_first_paint(browser: Browser, report: Path) -> None:
    visit = Visit(browser, report, color_scheme="light")
    visit.drawn()

    def ground() -> str:
        color: str = visit.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return color

    light = ground()
    visit.page.locator("#theme").click()
    dark = ground()
    assert light != dark
    visit.page.add_init_script(
        "new MutationObserver(() => { if (document.body && !window.first) "
        "window.first = document.documentElement.dataset.theme ?? 'none'; })"
        ".observe(document, {childList: true, subtree: true});"
    )
    visit.page.reload()
    visit.drawn()
    assert ground() == dark
    assert visit.page.evaluate("window.first") == "dark"
    visit.context.close()


def test_hostile_names_stay_names(browser: Browser, hostile_report: Path) -> None:
    visit = Visit(browser, hostile_report)
    visit.drawn()
    rows = visit.page.locator("[data-clew=counts] tbody tr")
    assert rows.count() == 4
    shown = visit.page.locator("body").inner_text()
    assert "<script>" in visit.page.locator("[data-clew=counts]").inner_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2028\u2066-\u2069]", shown)
    for index in range(4):
        rows.nth(index).click()
        visit.page.wait_for_selector(".clew-chip")
        assert visit.total("activity") == visit.total("counts") > 0
        rows.nth(index).click()
        visit.page.wait_for_selector(".clew-chip", state="detached")
    visit.page.locator('[data-choice="by=file"]').click()
    visit.page.wait_for_function("document.querySelector('[data-clew=counts] th').textContent.includes('file')")
    assert visit.page.title() == "</title><b>&"
    assert visit.page.evaluate("document.images.length + document.querySelectorAll('main script').length") == 0
    assert visit.complaints == []
    visit.context.close()


def test_without_javascript_the_same_stands_as_pictures_and_tables(browser: Browser, report: Path) -> None:
    visit = Visit(browser, report, java_script_enabled=False)
    assert visit.page.locator("noscript img").count() >= 4
    assert "nginx" in visit.page.locator("noscript table").first.inner_text()
    visit.context.close()


def test_a_lens_narrows_the_whole_report(case: Case, browser: Browser, tmp_path: Path) -> None:
    visit = Visit(browser, write_report(case, tmp_path / "narrow.html", Lens(commands=("nginx",), ops=("read",))))
    visit.drawn()
    assert visit.total("activity") == visit.total("counts") == calls(case, "command = 'nginx' AND op = 'read'")
    assert "narrowed to command nginx" in visit.page.locator(".report-sub").inner_text()
    visit.context.close()


def test_the_sql_shown_is_that_of_the_figures_shown(visit: Visit, case: Case) -> None:
    def sql(view: str) -> str:
        return visit.page.locator(f"[data-clew={view}] pre").text_content() or ""

    assert case.sql(sql("activity")).num_rows > 0
    visit.row("nginx").click()
    visit.shows("activity", calls(case, "command = 'nginx'"))
    assert "added up in this page" in sql("activity")
    assert case.sql(sql("activity")).column_names[:2] == ["command", "op"]
    assert "nginx" in case.sql(sql("counts"))["name"].to_pylist()
