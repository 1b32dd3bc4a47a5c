"""Notebooks opened and run in the real JupyterLab, as a person would."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page

RUN_ALL = """async () => {
    const notebook = window.jupyterapp.shell.currentWidget;
    await notebook.context.ready;
    await notebook.sessionContext.ready;
    if (!notebook.sessionContext.session?.kernel)
        await notebook.sessionContext.changeKernel({name: "python3"});
    await window.jupyterapp.commands.execute("notebook:run-all-cells");
}"""


def run_notebook(page: Page, lab: str, path: str, workspace: str) -> Locator:
    """Its first Explorer, which may not be there yet; ``path`` begins at JupyterLab's own root."""
    page.goto(f"{lab}/lab/workspaces/{workspace}/tree/{path}?token=clew")
    page.locator(".jp-Notebook").wait_for()
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext")
    page.evaluate(RUN_ALL)
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    return page.locator(".clew-explorer").first


def put(lab: str, name: str, notebook: nbformat.NotebookNode) -> None:
    """Save ``notebook`` under ``name`` in JupyterLab's own root."""
    request = urllib.request.Request(  # the test's own server
        f"{lab}/api/contents/{name}?token=clew",
        data=json.dumps({"type": "notebook", "format": "json", "content": notebook}).encode(),
        method="PUT",
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


def explorer_of(page: Page, lab: str, case: Path, name: str) -> Locator:
    """The Explorer of ``case``, in a notebook called ``name`` of one cell that has been run."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(f"import clew\nclew.open({str(case)!r}).explore()")]
    put(lab, f"{name}.ipynb", notebook)
    return run_notebook(page, lab, f"{name}.ipynb", name)
