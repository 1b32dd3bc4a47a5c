"""Stacks in the real JupyterLab: a folded file imported, zoomed, narrowed by a double click, and widened again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from .in_lab import explorer_of

FOLDED = "main;serve;parse 60\nmain;serve;parse;sort 25\nmain;serve 5\nmain;idle 30\nmain;</script><b>x 10\n"
ROW = 18


@pytest.fixture
def explorer(page: Page, lab: str, tmp_path: Path, request: pytest.FixtureRequest) -> Locator:
    """The Explorer of a case of folded stacks, in a notebook that JupyterLab has run."""
    (tmp_path / "shop.folded").write_text(FOLDED)
    command = [sys.executable, "-m", "clew", "import", str(tmp_path / "case"), str(tmp_path / "shop.folded")]
    subprocess.run(command, check=True, capture_output=True)
    explorer = explorer_of(page, lab, tmp_path / "case", request.node.name)
    explorer.locator("[data-clew=flame][data-total='130']").wait_for(timeout=120_000)
    explorer.locator(".clew-body[data-boxes]").first.wait_for()
    explorer.scroll_into_view_if_needed()
    return explorer


def press(explorer: Locator, *keys: str) -> None:
    """Keys for the flame graph, from its root on."""
    frame = explorer.locator(".clew-flame-frame")
    frame.focus()
    for key in keys:
        frame.press(key)


def zoom(explorer: Locator) -> str:
    return explorer.locator(".clew-body").first.get_attribute("data-zoom") or ""


def test_stacks_are_zoomed_narrowed_edited_and_searched(explorer: Locator, page: Page, artefacts: Path) -> None:
    expect(explorer.locator("[data-clew=tabs] [role=tab][aria-selected=true]")).to_have_attribute("data-tab", "flame")
    frame = explorer.locator(".clew-flame-frame")
    box = frame.bounding_box()
    assert box
    # the second level from the bottom on the left: all, main, serve
    page.mouse.click(box["x"] + 80, box["y"] + box["height"] - 44 - 2.5 * ROW)
    expect(explorer.locator(".clew-crumbs [aria-current]")).to_have_text("serve")
    page.screenshot(path=artefacts / "flame-light.png")
    press(explorer, "0", "Home", "ArrowUp", "ArrowUp", "ArrowUp", "Enter")
    expect(explorer.locator("[data-clew=lens] .clew-chip[data-field=stack]")).to_have_count(1)
    expect(explorer.locator("[data-clew=flame]")).to_have_attribute("data-total", "85")
    press(explorer, "u")
    expect(explorer.locator("[data-clew=lens] .clew-chip")).to_have_count(0)
    expect(explorer.locator("[data-clew=flame]")).to_have_attribute("data-total", "130")
    press(explorer, "Home", "ArrowUp", "ArrowUp", "ArrowRight", "d")
    expect(explorer.locator(".clew-flame-bar .clew-chip > span")).to_have_text("no stacks with idle")
    expect(explorer.locator("[data-clew=flame]")).to_have_attribute("data-total", "100")
    explorer.locator(".clew-flame-bar .clew-chip button").click()
    expect(explorer.locator("[data-clew=flame]")).to_have_attribute("data-total", "130")
    explorer.locator(".clew-search input").fill("parse")
    expect(explorer.locator(".clew-found")).to_contain_text("65.4 % of all")
    assert page.locator(".clew-explorer b:text-is('x')").count() == 0


def test_tabs_lead_to_the_other_views_and_dark_reaches_them(explorer: Locator, page: Page, artefacts: Path) -> None:
    press(explorer, "Home", "ArrowUp", "ArrowUp", "ArrowUp", "s")
    expect(explorer.locator("[data-clew=sandwich] h4").first).to_have_text("Callers of parse")
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    for tab, view in (("diff", "diff"), ("flame_chart", "flame_chart"), ("flame", "flame")):
        explorer.locator(f"[data-tab={tab}]").click()
        explorer.locator(f"[data-clew={view}]").wait_for()
    expect(explorer.locator("[data-clew=flame]")).to_have_attribute("data-total", "130")
    page.screenshot(path=artefacts / "flame-dark.png")
