"""Pictures of the static twin, measured where they are drawn."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.sync_api import Browser

from clew_widgets.drawing.histogram import histogram
from clew_widgets.drawing.static import twin

WORDS = """[...document.querySelectorAll("text")].map(text => {
    const box = text.getBBox();
    return [box.x, box.x + box.width, Math.round(box.y)];
})"""


@pytest.mark.parametrize(("first", "buckets"), [(4, 30), (0, 34), (10, 1), (10, 2), (20, 9), (6, 16), (3, 21)])
def test_labels_of_durations_do_not_lie_upon_each_other(browser: Browser, first: int, buckets: int) -> None:
    edges = [1 << (first + number) for number in range(buckets + 1)]
    calls = [number % 5 + 1 for number in range(buckets)]
    drawing = histogram(edges[:-1], edges[1:], calls, {}, band=None, label="Latency")
    page = browser.new_page()
    page.set_content(drawing.picture)
    words = page.evaluate(WORDS)
    page.close()
    axis = sorted(word for word in words if word[2] == max(each[2] for each in words))
    assert len(axis) >= 2
    assert all(left[1] < right[0] for left, right in pairwise(axis))
    assert axis[-1][1] < 721


def test_a_picture_is_dark_only_on_pages_that_are() -> None:
    drawing = histogram([1], [2], [3], {}, band=None, label="Latency")
    assert twin("Latency", drawing) != twin("Latency", drawing, follows=True)
    assert "prefers-color-scheme" in drawing.picture
