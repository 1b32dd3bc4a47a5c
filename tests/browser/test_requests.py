"""Requests in the real JupyterLab: a name narrows the other views, one request is opened, and its chip lets it go."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from ..kit.spans import write_case
from .in_lab import explorer_of


@pytest.fixture
def explorer(page: Page, lab: str, tmp_path: Path, request: pytest.FixtureRequest) -> Locator:
    """The Explorer of a case whose requests are known, in a notebook that JupyterLab has run."""
    write_case(tmp_path / "case", 300).close()
    explorer = explorer_of(page, lab, tmp_path / "case", request.node.name)
    explorer.locator("[data-clew=requests][data-total='300']").wait_for(timeout=120_000)
    return explorer


def total(explorer: Locator, view: str) -> int:
    return int(explorer.locator(f"[data-clew={view}]").get_attribute("data-total") or -1)


def test_a_name_narrows_one_is_opened_and_the_chip_lets_go(explorer: Locator, page: Page, artefacts: Path) -> None:
    calls, samples = total(explorer, "counts"), total(explorer, "flame")
    row = explorer.locator("[data-clew=requests] tr[data-key='GET /search']")
    row.scroll_into_view_if_needed()
    row.click()
    count = row.locator("[data-column=count]").get_attribute("data-value")
    expect(row).to_have_attribute("aria-selected", "true")
    expect(explorer.locator("[data-clew=request_latency]")).to_have_attribute("data-total", count)
    expect(explorer.locator("[data-clew=counts]")).not_to_have_attribute("data-total", str(calls))
    expect(explorer.locator("[data-clew=flame]")).not_to_have_attribute("data-total", str(samples))
    few = total(explorer, "counts")
    page.screenshot(path=artefacts / "requests-light.png")

    explorer.locator("[data-clew=single_requests] tbody tr").first.click()
    expect(explorer.locator(".clew-requests [role=tab][aria-selected=true]")).to_have_attribute("data-tab", "request")
    explorer.locator("[data-clew=request] .clew-body[data-bars='7']").wait_for()
    expect(explorer.locator("[data-clew=lens] .clew-chip[data-field=request_ids]")).to_have_count(1)
    expect(explorer.locator("[data-clew=counts]")).not_to_have_attribute("data-total", str(few))
    assert total(explorer, "counts") < few
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    page.screenshot(path=artefacts / "request-dark.png")

    explorer.locator("[data-clew=lens] .clew-chip[data-field=request_ids] button").click()
    expect(explorer.locator("[data-clew=lens] .clew-chip")).to_have_count(1)
    expect(explorer.locator("[data-clew=counts]")).to_have_attribute("data-total", str(few))
    explorer.locator("[data-clew=lens] .clew-chip[data-field=requests] button").click()
    expect(explorer.locator("[data-clew=counts]")).to_have_attribute("data-total", str(calls))
    for tab in ("path", "shapes", "services", "request_time", "links", "requests"):
        explorer.locator(f"[data-tab={tab}]").click()
        explorer.locator(f"[data-clew={tab}]").wait_for()
    expect(explorer.locator("[data-clew=requests]")).to_have_attribute("data-total", "300")
