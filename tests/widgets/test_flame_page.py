"""Flame graphs in a real browser: what is drawn, zoomed, searched and said is what the samples say; and how fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clew.case import Case
from clew.lens import Lens
from clew_widgets.drawing.flame import flame as draw
from clew_widgets.views.base import panel
from clew_widgets.views.diff import FlameDiff
from clew_widgets.views.flame import Flame
from clew_widgets.views.flame_chart import FlameChart
from clew_widgets.views.sandwich import Sandwich

ROW = 18


def weight(samples: list[Any], matches: Callable[[list[str]], bool]) -> float:
    return sum(value for _, _, event, stack, value in samples if event == "cpu-clock" and matches(stack.split(";")))


def state(page: Any, name: str) -> str:
    """What the drawing says of itself: boxes, zoom, matched."""
    said: str = page.locator(".clew-body").first.get_attribute(f"data-{name}") or ""
    return said


def click(opened: Any, box: dict[str, Any], count: int = 1) -> None:
    """Click into the middle of a box of the first flame graph."""
    page = opened.page
    area = page.locator(".clew-flame-sheet .clew-canvas").first.bounding_box()
    x_range, y_range = page.evaluate(
        """() => { const plot = Bokeh.documents[0].get_model_by_name("plot");
        return [[plot.x_range.start, plot.x_range.end], [plot.y_range.start, plot.y_range.end]]; }"""
    )
    x = ((box["left"] + box["right"]) / 2 - x_range[0]) / (x_range[1] - x_range[0])
    y = ((box["top"] + box["bottom"]) / 2 - y_range[1]) * ROW
    page.mouse.click(area["x"] + 12 + x * (area["width"] - 24), area["y"] + y, click_count=count)


def named(opened: Any, text: str) -> dict[str, Any]:
    """The box that carries a text."""
    texts = opened.page.evaluate("Bokeh.documents[0].get_model_by_name('painted').texts")
    at = texts["text"].index(text)
    x, y = texts["x"][at], texts["y"][at]
    return next(box for box in opened.boxes() if box["left"] <= x < box["right"] and box["top"] < y < box["bottom"])


@pytest.fixture
def opened(sampled: Case, panel_page: Callable[..., Any]) -> Any:
    return panel_page(Flame(sampled).spec)


def test_boxes_are_as_wide_as_what_they_weigh_and_levels_stand_on_one_another(
    opened: Any, taken: Callable[..., Any]
) -> None:
    boxes = opened.boxes()
    everything = weight(taken(), lambda _: True)
    bottom = max(box["bottom"] for box in boxes)
    by_level: dict[int, float] = {}
    for box in boxes:
        level = round(bottom - box["bottom"])
        by_level[level] = by_level.get(level, 0) + box["right"] - box["left"]
    for level, wide in by_level.items():
        assert wide == pytest.approx(weight(taken(), lambda steps: len(steps) >= level), rel=0.02)  # noqa: B023
    assert {"all", "serve", "parse", "sort"} <= set(opened.texts())
    box = named(opened, "serve")
    assert box["right"] - box["left"] == pytest.approx(weight(taken(), lambda steps: steps[0] == "serve"), rel=0.01)
    assert by_level[0] == pytest.approx(everything, rel=0.01)


def test_a_click_zooms_breadcrumbs_lead_back_and_a_double_click_narrows(opened: Any) -> None:
    page = opened.page
    click(opened, named(opened, "parse"))
    assert state(page, "zoom") == "parse"
    page.wait_for_selector(".clew-crumbs [aria-current]")
    assert page.locator(".clew-crumbs button").all_inner_texts() == ["all", "serve", "parse"]
    assert opened.sent() == []
    page.locator(".clew-crumbs button").nth(1).click()
    assert state(page, "zoom") == "serve"
    page.keyboard.press("Escape")
    page.locator(".clew-flame-frame").press("0")
    assert state(page, "zoom") == "all"
    click(opened, named(opened, "parse"), 2)
    assert opened.sent() == [{"type": "stack", "path": ["serve", "parse"]}]


def test_search_says_the_share_once_for_each_stack(opened: Any, taken: Callable[..., Any]) -> None:
    page = opened.page
    field = page.locator(".clew-search input")
    for pattern, matches in (
        ("^pars", lambda steps: "parse" in steps),
        ("SORT|write", lambda steps: "write_log" in steps),
        ("sort|write", lambda steps: "sort" in steps or "write_log" in steps),
        ("nothing", lambda _: False),
    ):
        field.fill(pattern)
        field.press("Enter")
        expected = weight(taken(), matches)
        assert float(state(page, "matched")) == pytest.approx(expected)
        share = 100 * expected / weight(taken(), lambda _: True)
        assert page.locator(".clew-found").inner_text().startswith(f"{share:.1f} %" if expected else "0 %")
    field.fill("[")
    page.wait_for_selector(".clew-found.clew-bad")
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("read")
    field.press("Enter")
    said = page.locator("[aria-live=polite]").filter(has_text="read;").first
    said.wait_for(state="attached")
    field.press("Escape")
    page.wait_for_function("document.querySelector('.clew-found').textContent === ''")


def test_everything_can_be_done_from_the_keyboard(opened: Any, taken: Callable[..., Any]) -> None:
    page = opened.page
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    frame = page.locator(".clew-flame-frame")
    frame.focus()
    live = page.locator(".clew-body > .clew-flame > [aria-live]")
    page.keyboard.press("ArrowUp")
    assert live.inner_text().startswith("all; total")
    page.keyboard.press("ArrowUp")
    assert live.inner_text().startswith("serve; total")
    wide = weight(taken(), lambda steps: steps[0] == "serve")
    assert f"total {wide / 1e9:.2f} s" in live.inner_text() and "% of all" in live.inner_text()
    page.keyboard.press("ArrowUp")
    page.keyboard.press(" ")
    assert state(page, "zoom") == "parse"
    for key, kind in (
        ("f", "focus"),
        ("h", "hide"),
        ("m", "merge"),
        ("d", "drop"),
        ("s", "function"),
        ("r", "recursion"),
    ):
        page.keyboard.press(key)
        assert opened.sent() == [{"type": kind, "name": "parse"}]
    page.keyboard.press("Enter")
    assert opened.sent() == [{"type": "stack", "path": ["serve", "parse"]}]
    page.keyboard.press("u")
    page.keyboard.press("Control+z")
    assert opened.sent() == [{"type": "undo"}] * 2
    page.keyboard.press("c")
    assert page.evaluate("window.copied").endswith("--function=parse")
    assert page.evaluate("window.copied").startswith("clew stacks ")
    page.keyboard.press("y")
    assert page.evaluate("window.copied") == "parse"
    page.keyboard.press("ArrowDown")
    assert live.inner_text().startswith("serve;")
    page.keyboard.press("Backspace")
    assert state(page, "zoom") == "serve"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.locator(".clew-flame-help").wait_for()
    page.keyboard.press("0")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    first = live.inner_text()
    page.keyboard.press("ArrowRight")
    assert live.inner_text() != first and live.inner_text().startswith("idle;")


def test_the_tooltip_has_name_place_and_numbers(opened: Any, taken: Callable[..., Any]) -> None:
    page = opened.page
    click(opened, named(opened, "parse"))
    page.mouse.move(0, 0)
    box = named(opened, "parse")
    area = page.locator(".clew-flame-sheet .clew-canvas").bounding_box()
    page.mouse.move(area["x"] + 200, area["y"] + (box["top"] + box["bottom"]) / 2 * ROW)
    tip = page.locator(".clew-tip")
    tip.wait_for()
    text = tip.inner_text()
    inside = weight(taken(), lambda steps: steps[:2] == ["serve", "parse"])
    for part in ("parse", "/usr/bin/shop", "src/shop.c:42", "user code", f"{inside / 1e9:.2f} s", "100 %", "self"):
        assert part in text
    picked = page.locator(".clew-flame-picked")
    assert "parse" in picked.inner_text() and "total" in picked.inner_text()


def test_dragging_zooms_to_the_range(opened: Any) -> None:
    page = opened.page
    area = page.locator(".clew-flame-sheet .clew-canvas").bounding_box()
    before = page.evaluate("Bokeh.documents[0].get_model_by_name('plot').x_range.end")
    page.mouse.move(area["x"] + 12 + (area["width"] - 24) * 0.25, area["y"] + 30)
    page.mouse.down()
    page.mouse.move(area["x"] + 12 + (area["width"] - 24) * 0.5, area["y"] + 30, steps=4)
    page.mouse.up()
    after = page.evaluate("Bokeh.documents[0].get_model_by_name('plot').x_range.end")
    assert after == pytest.approx(before / 4, rel=0.02)


def test_a_difference_says_the_sign_in_words_and_colours(sampled: Case, panel_page: Callable[..., Any]) -> None:
    first = sampled.bounds()[0]
    view = FlameDiff(sampled, Lens(start_ns=first + 1_500_000_000), baseline=Lens(end_ns=first + 1_500_000_000))
    opened = panel_page(view.spec)
    texts = opened.texts()
    assert any(text.startswith("+") for text in texts) and any(text.startswith("\N{MINUS SIGN}") for text in texts)
    assert len({box["color"] for box in opened.boxes()}) > 2
    wide = opened.boxes()
    opened.page.locator('[data-choice="weight=before"]').click()
    assert [box["right"] for box in opened.boxes()] != [box["right"] for box in wide]


def test_the_flame_chart_narrows_by_dragging_and_says_times(sampled: Case, panel_page: Callable[..., Any]) -> None:
    opened = panel_page(FlameChart(sampled).spec)
    page = opened.page
    area = page.locator(".clew-flame-sheet .clew-canvas").bounding_box()
    page.mouse.move(area["x"] + 12, area["y"] + 30)
    page.mouse.down()
    page.mouse.move(area["x"] + 12 + (area["width"] - 24) * 0.5, area["y"] + 30, steps=4)
    page.mouse.up()
    (message,) = opened.sent()
    assert message["type"] == "brush" and message["start"] == pytest.approx(0, abs=5e6)
    assert message["end"] == pytest.approx(1.5e9, rel=0.02)
    page.locator(".clew-flame-frame").focus()
    page.keyboard.press("ArrowDown")
    assert "lasts" in page.locator(".clew-body > .clew-flame > [aria-live]").inner_text()
    axis = page.evaluate("Bokeh.documents[0].get_model_by_name('x_axis').axis_label")
    assert axis == "time since the start of the case (s)"


def test_the_sandwich_searches_both_halves(sampled: Case, panel_page: Callable[..., Any]) -> None:
    view = Sandwich(sampled)
    view.choose("function", "parse")
    opened = panel_page(view.spec)
    opened.page.wait_for_function(
        "Bokeh.documents.length === 2 && Bokeh.documents[1].get_model_by_name('painted').texts.text.length > 0"
    )
    assert opened.page.locator(".clew-sandwich h4").all_inner_texts() == ["Callers of parse", "What parse calls"]
    assert "serve" in opened.texts(0) and "sort" in opened.texts(1)
    before = [box["color"] for box in opened.boxes(1)]
    opened.page.locator(".clew-search input").first.fill("sort")
    opened.page.wait_for_function("document.querySelector('.clew-found').textContent !== ''")
    assert [box["color"] for box in opened.boxes(1)] != before


def test_hostile_names_are_text_in_the_page(strange: Case, panel_page: Callable[..., Any]) -> None:
    opened = panel_page(Flame(strange).spec)
    page = opened.page
    click(opened, named(opened, "serve"))
    page.locator(".clew-flame-frame").press("0")
    for text in [text for text in opened.texts() if text not in ("all", "serve")]:
        page.locator(".clew-flame-frame").press("0")
        click(opened, named(opened, text))
        page.locator(".clew-flame-frame").press("c")
    assert page.title() != "owned"
    assert page.evaluate("document.images.length + document.querySelectorAll('main script').length") == 0
    raw = page.evaluate("window.sent.length")
    assert raw == 0
    page.locator(".clew-search input").fill("nul")
    page.locator(".clew-search input").press("Enter")
    page.locator(".clew-flame-frame").press("h")
    assert opened.sent() == [{"type": "hide", "name": "nul\0name"}]


def wide_tree(nodes: int) -> pa.Table:
    """A tree of that many frames, 40 levels, as a profile of a large program looks like."""
    random = np.random.default_rng(5)
    parent, depth = np.full(nodes, -1), np.zeros(nodes, np.int64)
    path = [0]
    for row in range(1, nodes):
        level = (
            int(random.integers(max(1, len(path) - 2), len(path) + 1))
            if len(path) < 40
            else int(random.integers(1, 12))
        )
        path = [*path[:level], row]
        parent[row], depth[row] = path[level - 1], level
    total = random.pareto(0.6, nodes) * 1000 + 1
    for row in range(nodes - 1, 0, -1):
        total[parent[row]] += total[row]
    names = [f"space{number % 31}::Class{number % 203}::method_{number}" for number in range(4000)]
    which = random.integers(0, 4000, nodes)
    text = pa.array(names).take(pa.array(which))
    kinds = pa.array(["user", "kernel", "jit", "inlined"]).take(pa.array(which % 4))
    module = pa.array([f"/usr/lib/lib{number}.so" for number in which % 12])
    columns = {"parent": parent, "depth": depth, "name": text, "module": module, "kind": kinds, "total": total}
    return pa.table(columns)


def test_a_match_too_narrow_to_be_seen_shows_in_the_box_it_is_merged_into(panel_page: Callable[..., Any]) -> None:
    count = 20_000
    table = pa.table({
        "parent": [-1, *[0] * count], "depth": [0, *[1] * count], "total": [float(count), *[1.0] * count],
        "name": ["all", *(f"leaf_{number}" for number in range(count))],
        "module": pa.nulls(count + 1, pa.string()), "kind": ["user"] * (count + 1),
    })  # fmt: skip
    opened = panel_page(panel("flame", "Flame graph", draw(table, unit="ns", event="cpu")))
    assert "20,000 narrow frames" in opened.texts()
    before = [box["color"] for box in opened.boxes()]
    field = opened.page.locator(".clew-search input")
    field.fill("leaf_777$")
    opened.page.wait_for_function("document.querySelector('.clew-found').textContent.includes('1 frames')")
    matched = [box["color"] for box in opened.boxes()]
    field.fill("no such")
    opened.page.wait_for_function("document.querySelector('.clew-found').textContent.includes(' 0 frames')")
    nothing = [box["color"] for box in opened.boxes()]
    assert len(before) == len(matched) == 2 and matched[1] not in (before[1], nothing[1])


def test_what_the_kernel_left_out_is_asked_for_when_zoomed_into(panel_page: Callable[..., Any]) -> None:
    parent = [-1, 0, 1, *[1] * 200, 0]
    table = pa.table({
        "parent": parent, "depth": [0, 1, *[2] * 201, 1], "total": [100.0, 90, 50, *[0.2] * 200, 10],
        "name": ["all", "main", "loop", *(f"leaf_{number}" for number in range(200)), "idle"],
        "module": pa.nulls(204, pa.string()), "kind": ["user"] * 204,
    })  # fmt: skip
    some = {"unit": "ns", "event": "cpu", "actions": ("open",), "most": 100, "narrowest": 100}
    opened = panel_page(panel("flame", "Flame graph", draw(table, **some)))
    assert {"main", "loop", "idle", "200 narrow frames"} <= set(opened.texts())
    box = named(opened, "200 narrow frames")
    assert box["right"] - box["left"] == pytest.approx(40, rel=0.01)
    click(opened, box)
    assert opened.sent() == [{"type": "open", "row": 1}]
    opened.update(panel("flame", "Flame graph", draw(table, **some, at=1)))
    opened.page.wait_for_selector("[data-zoom=main]")
    assert len(opened.boxes()) == 2 + 1 + 200
    opened.page.locator(".clew-flame-frame").press("0")
    assert opened.sent() == [{"type": "open", "row": None}]


HOOK = """
window.last = 0;
for (const name of ["fill", "fillRect", "fillText", "stroke", "strokeRect", "clearRect"]) {
  const real = CanvasRenderingContext2D.prototype[name];
  CanvasRenderingContext2D.prototype[name] = function (...all) {
    real.apply(this, all);
    window.last = performance.now();
  };
}
window.timed = async (act) => {
  await new Promise((resolve) => setTimeout(resolve, 400));
  const start = performance.now();
  window.last = start;
  act();
  await new Promise((resolve) => setTimeout(resolve, 600));
  return window.last - start;
};
window.pointer = (type, x, y) => {
  const canvas = document.querySelector(".clew-flame-sheet .clew-canvas");
  canvas.setPointerCapture = () => {};
  const area = canvas.getBoundingClientRect();
  const at = {clientX: area.left + area.width * x, clientY: area.top + y};
  canvas.dispatchEvent(new PointerEvent(type, {bubbles: true, ...at, button: 0, buttons: 1}));
};
window.typed = (text) => {
  const field = document.querySelector(".clew-search input");
  field.value = text;
  field.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true}));
};
window.key = (key) => {
  document.querySelector(".clew-flame-frame").dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
};
"""


def test_a_graph_of_100_000_frames_stays_fluid(
    panel_page: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints the time from the event to the last stroke on the canvas; only what is drawn is asserted."""
    drawing = draw(wide_tree(100_000), unit="ns", event="cpu-clock")
    opened = panel_page(panel("flame", "Flame graph", drawing), hook=HOOK)
    page = opened.page
    page.wait_for_timeout(500)
    everything = int(state(page, "boxes"))
    assert 0 < everything <= 10_000
    y = page.evaluate("document.querySelector('.clew-flame-frame').clientHeight") - 44 - 3 * ROW - 9
    took = {}
    took["zoom"] = page.evaluate(f"timed(() => {{ pointer('pointerdown', .3, {y}); pointer('pointerup', .3, {y}); }})")
    assert state(page, "zoom") not in ("", "all")
    took["zoom out"] = page.evaluate("timed(() => key('0'))")
    assert int(state(page, "boxes")) == everything
    took["search"] = page.evaluate("timed(() => typed('method_1'))")
    assert float(state(page, "matched")) > 0
    took["search again"] = page.evaluate("timed(() => typed('Class2.*7$'))")
    page.evaluate("key('0')")
    took["brush"] = page.evaluate(
        "timed(() => { pointer('pointerdown', .3, 60); pointer('pointermove', .5, 60); pointer('pointerup', .5, 60); })"
    )
    end = page.evaluate("Bokeh.documents[0].get_model_by_name('plot').x_range.end")
    assert end == pytest.approx(float(np.frombuffer(drawing.body["total"]["data"])[0]) * 0.2, rel=0.05)
    with capsys.disabled():
        print("\n100,000 frames, ms to the last stroke:", {name: round(ms, 1) for name, ms in took.items()})
