"""The Explorer in the real JupyterLab: a click narrows every view, removing the chip widens them again."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from .in_lab import run_notebook

NOTEBOOK = "notebooks/01_who_does_what.ipynb"
VIEWS = ("counts", "activity", "latency", "errors")


@pytest.fixture
def explorer(page: Page, lab: str, request: pytest.FixtureRequest) -> Locator:
    """The notebook opened and run as a person would; its Explorer, drawn."""
    explorer = run_notebook(page, lab, NOTEBOOK, request.node.name)
    explorer.locator("[data-clew=errors][data-drawn]").wait_for(timeout=120_000)
    explorer.scroll_into_view_if_needed()
    explorer.locator("[data-action=reset]").click()  # the last cells of the notebook have narrowed it
    expect(explorer.locator("[data-clew=lens] .clew-chip")).to_have_count(0)
    settle(explorer, int(explorer.locator("[data-name=calls]").get_attribute("data-total") or -1))
    return explorer


def total(explorer: Locator, view: str) -> int:
    """Calls that a view shows."""
    return int(explorer.locator(f"[data-clew={view}]").get_attribute("data-total") or -1)


def totals(explorer: Locator) -> dict[str, int]:
    return {view: total(explorer, view) for view in VIEWS}


def settle(explorer: Locator, calls: int) -> None:
    """Wait until every view shows the lens of `calls` calls."""
    for view in ("counts", "activity", "latency"):
        expect(explorer.locator(f"[data-clew={view}]")).to_have_attribute("data-total", str(calls))
    expect(explorer.locator("[data-clew=lens] .clew-busy")).to_be_hidden()  # errors, the last view, has been asked too


def test_clicking_a_process_narrows_every_view(explorer: Locator, page: Page, artefacts: Path) -> None:
    before = totals(explorer)
    assert before["counts"] == before["activity"] == before["latency"] > 10_000

    explorer.evaluate("node => node.scrollIntoView({block: 'start'})")
    box = explorer.bounding_box()
    assert box
    page.screenshot(path=artefacts / "explorer.png", clip={**box, "height": min(box["height"], 1120)})

    explorer.locator("[data-clew=counts] [data-choice='by=process']").click()
    rows = explorer.locator("[data-clew=counts] [data-key][data-field=pids]")
    row = rows.filter(has_text="postgres").first  # forked without an exec: one program image is all of its pid
    row.wait_for()
    calls = int(row.locator("[data-column=calls]").get_attribute("data-value") or -1)
    assert 0 < calls < before["counts"]
    page.screenshot(path=artefacts / "explorer-light.png")

    row.click()
    settle(explorer, calls)
    chip = explorer.locator("[data-clew=lens] .clew-chip[data-field=pids]")
    expect(chip).to_have_count(1)
    narrow = totals(explorer)
    assert narrow["errors"] <= before["errors"]
    page.screenshot(path=artefacts / "explorer-narrowed.png")

    chip.locator("button").click()
    expect(chip).to_have_count(0)
    settle(explorer, before["counts"])
    assert totals(explorer) == before

    explorer.locator("[data-action=undo]").click()
    settle(explorer, calls)
    assert totals(explorer) == narrow


def test_dragging_over_the_timeline_narrows_to_that_time(explorer: Locator, page: Page) -> None:
    before = totals(explorer)
    canvas = explorer.locator("[data-clew=activity] canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.65, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()
    expect(explorer.locator("[data-clew=lens] .clew-chip")).to_have_count(1)
    expect(explorer.locator("[data-clew=counts]")).not_to_have_attribute("data-total", str(before["counts"]))
    during = totals(explorer)["counts"]
    assert 0 < during < before["counts"]
    settle(explorer, during)


def test_keyboard_alone_narrows_and_undoes(explorer: Locator, page: Page) -> None:
    before = totals(explorer)
    explorer.locator("[data-clew=counts] [data-key]").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(explorer.locator("[data-clew=lens] .clew-chip")).to_have_count(1)
    explorer.locator("[data-action=undo]").focus()
    page.keyboard.press("Enter")
    settle(explorer, before["counts"])


def test_dark_theme(explorer: Locator, page: Page, artefacts: Path) -> None:
    """JupyterLab's dark theme reaches the views: text and background swap, and the drawing is done again."""
    view = explorer.locator("[data-clew=counts]")
    light = view.evaluate("node => getComputedStyle(node).color")
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    page.wait_for_function(
        "old => getComputedStyle(document.querySelector('[data-clew=counts]')).color !== old", arg=light
    )
    explorer.scroll_into_view_if_needed()
    page.screenshot(path=artefacts / "explorer-dark.png")
