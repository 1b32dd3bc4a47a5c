"""Someone else's notebook in the real JupyterLab: not trusted, never run here, and still the views are seen."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient
from playwright.sync_api import Page

from .in_lab import put

ROOT = Path(__file__).parents[2]


def test_an_untrusted_notebook_shows_the_static_twins(page: Page, lab: str) -> None:
    notebook = nbformat.v4.new_notebook()
    case = str(ROOT / "datasets" / "three-tier")
    notebook.cells = [nbformat.v4.new_code_cell(f"import clew\nclew.open({case!r}).explore()")]
    NotebookClient(notebook, timeout=120, kernel_name="python3", store_widget_state=False).execute()
    for cell in notebook.cells:
        cell.metadata.pop("trusted", None)
    put(lab, "foreign.ipynb", notebook)
    page.goto(f"{lab}/lab/tree/foreign.ipynb?token=clew&reset")
    image = page.locator(".jp-OutputArea figure img")
    image.first.wait_for()
    assert image.count() == 4
    assert page.evaluate("[...document.querySelectorAll('figure img')].every(image => image.naturalWidth > 300)")
    assert page.locator(".jp-OutputArea figure table").count() == 4
    assert page.locator("[data-clew]").count() == 0
