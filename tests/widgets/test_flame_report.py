"""Stacks in a report: the flame graph zooms, searches and hovers without a kernel, and gives nothing private away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page

import clew
from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew_widgets import report_stacks
from clew_widgets.redact import Redactor
from clew_widgets.report import write_report
from clew_widgets.report_stacks import stacks

Open = Callable[..., Page]


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
        page.wait_for_selector("[data-clew=functions][data-drawn]")
        page.wait_for_selector("[data-clew=flame] .clew-body[data-boxes]")
        return page

    yield opened
    assert complaints == []
    context.close()


def functions(samples: Any) -> list[str]:
    """The functions of each sample of cpu-clock."""
    return [name for _, _, event, stack, _ in samples if event == "cpu-clock" for name in stack.split(";")]


def heaviest(samples: Any) -> str:
    """The function that is innermost most often."""
    own = Counter(stack.split(";")[-1] for _, _, event, stack, _ in samples if event == "cpu-clock")
    return own.most_common(1)[0][0]


def test_a_case_of_samples_is_reported_and_the_flame_graph_works(
    sampled: Case, taken: Callable[..., Any], visit: Open, tmp_path: Path
) -> None:
    page = visit(write_report(sampled, tmp_path / "samples.html"))
    assert page.locator("#explorer").is_hidden() and page.locator("#theme").is_visible()
    titles = page.locator("#stacks h3").all_inner_texts()
    assert titles == [
        "Flame graph of cpu-clock",
        "Functions by cpu-clock",
        "Flame graph of off-cpu",
        "Functions by off-cpu",
        "Heat map of cpu-clock",
        f"Who calls {heaviest(taken())}, and what it calls: cpu-clock",
        "Flame chart of thread 701: cpu-clock",
        "Call graph of cpu-clock",
        "Who woke whom",
    ]
    heat = page.locator("[data-clew=heatmap]")
    assert heat.locator(".clew-play").is_hidden() and "drag" not in heat.locator(".clew-note").first.inner_text()
    assert page.locator("[data-clew=call_graph] g.node").count() == len(set(functions(taken())))
    assert page.locator("[data-clew=call_graph] [role=button]").count() == 0  # a click would lead nowhere
    first = page.locator("[data-clew=flame]").first
    assert "takes a notebook" in first.locator(".clew-note").first.inner_text()
    own: dict[str, float] = {}
    for _, _, event, stack, weight in taken():
        if event == "cpu-clock":
            own[stack.split(";")[-1]] = own.get(stack.split(";")[-1], 0) + weight
    cells = page.locator("[data-clew=functions]").first.locator("[data-column=self]").all()
    shown = [float(cell.get_attribute("data-value") or 0) for cell in cells]
    assert [value for value in shown if value] == sorted(own.values(), reverse=True)
    frame = first.locator(".clew-flame-frame")
    frame.focus()
    for key in ("ArrowUp", "ArrowUp", " "):
        page.keyboard.press(key)
    assert first.locator(".clew-body").get_attribute("data-zoom") == "serve"
    visible = [
        button.get_attribute("data-action")
        for button in first.locator(".clew-flame-tools button").all()
        if button.is_visible()
    ]
    assert visible == ["zoom", "copy"]  # nothing that nobody would listen to
    for key in ("Enter", "f", "h", "u"):
        page.keyboard.press(key)
    first.locator(".clew-search input").fill("sort")
    first.locator(".clew-found", has_text="of view").wait_for()
    findings = page.locator(".report-findings").inner_text()
    most = max(own, key=lambda name: own[name])
    assert f"is spent in {most} itself" in findings


def test_what_runs_is_drawn_also_where_most_samples_are_of_something_else(
    tmp_path: Path, make_samples: Callable[..., Path], taken: Callable[..., Any]
) -> None:
    one = taken(1)[0]
    counts = {"tracepoint": 50, "wakeup": 40, "off-cpu": 30, "alloc": 20, "cpu-clock": 5}
    samples = [(one[0] + n, one[1], event, one[3], 1.0) for event, count in counts.items() for n in range(count)]
    case = clew.open(make_samples(tmp_path / "kinds", samples))
    shown = stacks(case, Lens(), Redactor())
    drawn = [spec["title"] for spec in shown.specs if spec["title"].startswith("Flame graph of ")]
    assert drawn == [f"Flame graph of {event}" for event in ("cpu-clock", "alloc", "off-cpu", "tracepoint")]
    assert [found.detail for found in shown.findings if found.statement.startswith("More")] == [
        "Not drawn here: wakeup."
    ]
    case.close()


def test_calls_and_samples_stand_in_one_report(
    sampled: Case, visit: Open, tmp_path: Path, make_case: Any, taken: Callable[..., Any]
) -> None:
    both = clew.open(make_case(tmp_path / "both", scale=0.05))
    assert not stacks(both, Lens(), Redactor()).specs
    page = visit(write_report(sampled, tmp_path / "samples.html", Lens(functions=("sort",))))
    assert "narrowed to function sort" in page.locator(".report-sub").inner_text()
    total = page.locator("[data-clew=flame]").first.get_attribute("data-total")
    assert int(total or 0) == sum("sort" in stack for _, _, event, stack, _ in taken() if event == "cpu-clock")


def test_a_time_brushed_on_the_heat_map_narrows_the_calls(
    make_case: Any, make_samples: Any, taken: Callable[..., Any], visit: Open, tmp_path: Path
) -> None:
    folder = make_case(tmp_path / "calls", scale=0.05)
    sampled = make_samples(tmp_path / "samples", taken())
    for name in ("sample", "sample_event", "stack", "frame"):
        (sampled / f"{name}.parquet").replace(folder / f"{name}.parquet")
    page = visit(write_report(clew.open(folder), tmp_path / "both.html"))
    whole = int(page.locator("#activity").get_attribute("data-total") or 0)
    heat = page.locator("[data-clew=heatmap]")
    heat.locator(".clew-chart").focus()
    for key in ("Home", "ArrowRight", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector(".clew-chip")
    assert page.locator(".clew-chip").count() == 1
    said = page.locator("#stacks-whole")
    assert said.is_visible() and "Not narrowed" in said.inner_text()  # the stacks are of everything, as before
    assert 0 < int(page.locator("#activity").get_attribute("data-total") or 0) < whole
    page.locator("[data-action=undo]").click()
    assert int(page.locator("#activity").get_attribute("data-total") or 0) == whole
    assert said.is_hidden()


def test_what_differs_from_the_whole_case_is_shown_under_a_lens(sampled: Case) -> None:
    shown = stacks(sampled, Lens(tids=(702,)), Redactor())
    diff = next(spec for spec in shown.specs if spec["view"] == "diff")
    assert diff["title"] == "What differs from the whole case in cpu-clock"
    assert [control["name"] for control in diff["controls"]] == ["weight", "color"]  # the others take a kernel
    assert not any(spec["view"] == "diff" for spec in stacks(sampled, Lens(), Redactor()).specs)


def test_what_is_private_is_masked_and_long_names_are_not(make_samples: Any, tmp_path: Path) -> None:
    long = "process_incoming_request_with_authentication_and_caching_v2"
    names = [f"main;{long};/home/zoltan/app.py:run", "main;token=hunter2secret;x", f"main;{long}(int, char const*)"]
    case = clew.open(make_samples(tmp_path / "private", [(5 * 10**12, 701, "cpu-clock", name, 1e6) for name in names]))
    shown = stacks(case, Lens(), Redactor())
    texts = [*shown.specs[0]["body"]["names"], *(row["label"] for row in shown.specs[1]["body"]["rows"])]
    assert long in texts and f"{long}(int, char const*)" in texts
    text = write_report(case, tmp_path / "masked.html").read_text()
    assert "zoltan" not in text and "hunter2secret" not in text and long in text
    assert "zoltan" in write_report(case, tmp_path / "open.html", redact=False).read_text()


def test_hostile_names_stay_names_in_a_report(strange: Case, visit: Open, tmp_path: Path) -> None:
    page = visit(write_report(strange, tmp_path / "strange.html", redact=False))
    assert page.evaluate("document.images.length + document.querySelectorAll('main script').length") == 0
    assert page.title() != "owned"
    names = page.locator("[data-clew=functions] .clew-name").evaluate_all("cells => cells.map((cell) => cell.title)")
    assert any("<script>" in name for name in names)
    labels = page.locator("[data-clew=functions] .clew-label").all_inner_texts()
    for name, label in zip(names, labels, strict=True):  # rows that lead nowhere have no key to tell them apart
        start, _, end = label.partition("…")
        assert name.startswith(start) and end in name


def test_where_the_kernel_switches_is_no_finding() -> None:
    """Off-CPU samples are all taken in one place of the kernel: told is who came there, if that is known."""

    def found(*rows: tuple[str, str, float, float]) -> list[str]:
        columns = zip(*rows, strict=True)
        table = pa.table(dict(zip(("function", "kind", "self", "total"), columns, strict=True)))
        answer = Answer(table, "", "", summary={"unit": "ns", "total": 100.0, "samples": 5})
        return [finding.statement for finding in report_stacks._found(answer, "off-cpu")]

    kernel = ("__schedule", "kernel", 100.0, 100.0)
    users = [("main", "user", 0.0, 99.0), ("wait_for_lock", "user", 0.0, 60.0), ("[unknown]", "unknown", 0.0, 80.0)]
    assert found(kernel, *users) == ["off-cpu: 60 % came by way of wait_for_lock"]
    assert found(kernel) == []
    assert found(("work", "user", 100.0, 100.0)) == ["off-cpu: 100 % is spent in work itself"]
