"""What is left of the Explorer where no kernel runs: pages made by nbconvert."""

from pathlib import Path
from typing import Literal

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from playwright.sync_api import Browser

from clew.case import Case

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def executed(case: Case, tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """A notebook that shows the Explorer and one view by itself, run by a real kernel, its widget state stored."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(f"import clew\ncase = clew.open({str(case.path)!r})\ncase.explore()"),
        nbformat.v4.new_code_cell("from clew_widgets.views.counts import Counts\nCounts(case, by='op')"),
    ]
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    client.execute(cwd=str(tmp_path_factory.mktemp("notebook")))
    return notebook


def bundles(notebook: NotebookNode) -> list[NotebookNode]:
    return [output.data for cell in notebook.cells for output in cell.outputs if output.output_type == "execute_result"]


def test_the_outputs_hold_widget_finding_and_twin(executed: NotebookNode) -> None:
    assert [WIDGET in data for data in bundles(executed)] == [True, True]
    assert [data["text/html"].count("<img") for data in bundles(executed)] == [4, 1]
    assert all("calls by" in data["text/plain"] for data in bundles(executed))


def test_a_notebook_grows_by_kilobytes_with_its_widget_state(executed: NotebookNode) -> None:
    assert "widgets" in executed.metadata
    assert len(nbformat.writes(executed)) < 500_000


def test_nbconvert_shows_the_twins_once_the_state_is_stripped(
    executed: NotebookNode, browser: Browser, tmp_path: Path
) -> None:
    stripped = nbformat.from_dict(executed)
    stripped.metadata.pop("widgets")
    body, _resources = HTMLExporter(template_name="basic").from_notebook_node(stripped)
    path = tmp_path / "notebook.html"
    path.write_text(body)
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("figure img").count() == 5
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 300)")
    assert page.evaluate("[...document.images].every(image => /[0-9]/.test(image.alt))")
    assert page.locator("figure table").count() == 5
    assert "nginx" in page.locator("figure table").first.inner_text()
    context.close()


PAPER = """[...document.images].map(image => {
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight), pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0);
    return [...pen.getImageData(1, 1, 1, 1).data];
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_are_as_light_as_the_page_of_nbconvert(
    executed: NotebookNode, browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    """Its pages are white, also for readers who like the dark: a picture cannot know, and is white, too."""
    stripped = nbformat.from_dict(executed)
    stripped.metadata.pop("widgets", None)
    path = tmp_path / "notebook.html"
    path.write_text(HTMLExporter(template_name="basic").from_notebook_node(stripped)[0])
    context = browser.new_context(offline=True, color_scheme=scheme)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.evaluate(PAPER) == [[255, 255, 255, 255]] * 5
    context.close()
    context.close()
