"""Every notebook runs from top to bottom, and what it leaves behind can be read without a kernel."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_headings_stand_on_lines_of_their_own(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"\S[ \t]+#{1,6} ", cell.source), cell.source


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    """The notebook after a run in its own folder, as JupyterLab would do it."""
    notebook = nbformat.read(request.param, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": request.param.parent}}
    )
    client.execute()
    return notebook


def test_runs_and_every_answer_shows_something(executed: nbformat.NotebookNode) -> None:
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert len(cells) >= 8
    for cell in cells:
        last = cell.source.strip().splitlines()[-1]
        if " = " not in last and not last.startswith(("import", "from")):
            assert cell.outputs, f"a cell that shows nothing: {cell.source[:80]}"
        assert not [output for output in cell.outputs if output.output_type == "stream" and output.name == "stderr"], (
            cell
        )


def test_widgets_leave_a_static_twin(executed: nbformat.NotebookNode) -> None:
    """What a reader without our kernel sees: text that names figures, and HTML with a picture and a table."""
    views = [
        output.data
        for cell in executed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    ]
    assert views
    for data in views:
        assert any(letter.isdigit() for letter in data["text/plain"])
        assert "data:image/svg+xml;base64," in data["text/html"]
        assert "<table" in data["text/html"]
        assert "<script" not in data["text/html"]
