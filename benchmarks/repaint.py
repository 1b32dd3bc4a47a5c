"""How soon a flame graph of 100,000 frames and its heat map repaint in Chromium, from real input to the painted frame.

Playwright's mouse and keyboard go the way of a person's input. A figure is the time from the event's own time stamp to
the end of the animation frame that holds the last stroke on a canvas (a message sent in that frame comes when it was
rendered). Where the browser itself says (Event Timing, to 8 ms) that the frame was shown later, that counts.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from playwright.sync_api import Page, sync_playwright

from benchmarks.stacks import make_case
from benchmarks.table import Table
from clew.case import Case
from clew.ingest.profile import FRAMES, Event, Profile, conform
from clew_widgets import assets
from clew_widgets.report import embedded
from clew_widgets.views.flame import Flame
from clew_widgets.views.heatmap import Heatmap

GRAPH = 100_000
SAMPLES = 1_000_000
LONG_S = 300
DEEPEST = 40
FUNCTIONS = 4_000
TURNS = 15
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
]
PATTERNS = ("method_1", "Class2.*7$", "space(3|4)::", "^space9.*_[0-9]{2}$", "e")

WATCH = """
window.painted = window.asked = window.came = 0;
let stroked = false;
for (const name of ["fill", "fillRect", "fillText", "stroke", "strokeRect", "clearRect", "drawImage"]) {
  const real = CanvasRenderingContext2D.prototype[name];
  CanvasRenderingContext2D.prototype[name] = function (...all) { real.apply(this, all); stroked = true; };
}
const channel = new MessageChannel();
channel.port1.onmessage = () => { window.painted = Math.max(window.painted, performance.now()); };
const watch = () => {
  if (stroked) channel.port2.postMessage(null);
  stroked = false;
  requestAnimationFrame(watch);
};
requestAnimationFrame(watch);
for (const kind of ["pointerup", "keydown", "input", "pointermove"])
  window.addEventListener(kind, (event) => { window.asked = event.timeStamp; }, true);
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    if (entry.startTime === window.asked) window.painted = Math.max(window.painted, entry.startTime + entry.duration);
}).observe({ type: "event", durationThreshold: 16 });
"""


def synthetic() -> Profile:
    """A million samples in five minutes on a tree that stays as large when merged: some wide ways, many narrow ones."""
    random = np.random.default_rng(5)
    parent, path = [-1], [0]
    while len(parent) < GRAPH:
        low, high = (max(1, len(path) - 2), len(path)) if len(path) < DEEPEST else (1, 12)
        path = [*path[: int(random.integers(low, high + 1))], len(parent)]
        parent.append(path[-2])
    rows = np.arange(GRAPH)
    function = (rows * 7 + random.integers(0, 7, GRAPH)) % FUNCTIONS  # siblings are other functions
    names = [f"space{number % 31}::Class{number % 203}::method_{number}" for number in range(FUNCTIONS)]
    modules = [f"/usr/lib/lib{number % 12}.so" for number in range(FUNCTIONS)]
    frames = conform(pa.table({"function": names, "module": modules, "kind": ["user"] * FUNCTIONS}), FRAMES)
    stacks = pa.table(
        {"parent": pa.array(parent, pa.int32(), mask=rows == 0), "frame": pa.array(function, pa.uint32())}
    )
    likely = random.pareto(0.9, GRAPH)
    often = np.append(rows, random.choice(rows, SAMPLES - GRAPH, p=likely / likely.sum()))
    samples = pa.table(
        {
            "event": pa.array(np.zeros(SAMPLES, np.uint16)),
            "weight": np.full(SAMPLES, 1e6),
            "stack": pa.array(random.permutation(often).astype(np.int32)),
            "thread": pa.array(np.zeros(SAMPLES, np.int32)),
            "ts_ns": np.sort(random.integers(0, LONG_S * 10**9, SAMPLES)),
        }
    )
    threads = pa.table({"pid": pa.array([100], pa.int32()), "tid": pa.array([100], pa.int32())})
    return Profile([Event("cpu-clock", "on-cpu", "ns")], frames, stacks, samples, threads)


class Views:
    """The two views on a page; what they send is answered as a kernel would, by the same code in this process."""

    def __init__(self, page: Page, case: Case, folder: Path) -> None:
        self.page, self.flame, self.heat = page, Flame(case), Heatmap(case)
        page.expose_function("toKernel", self._answer)
        page.add_init_script(WATCH)
        file = folder / "views.html"
        file.write_text(_html([self.flame.spec, self.heat.spec]))
        page.goto(file.as_uri())
        page.wait_for_function("document.querySelectorAll('[data-drawn]').length === 2")
        page.wait_for_timeout(1000)

    def _answer(self, message: dict[str, Any]) -> str | None:
        """What the kernel sends the flame graph after ``message``."""
        if message["type"] != "brush":
            return None
        self.flame.model.lens = self.heat.act(message)
        return embedded(self.flame.spec)

    def took(self, act: Callable[[], object], settle_ms: int = 500) -> float:
        """Milliseconds from the last input of ``act`` to the frame that shows it."""
        self.page.evaluate("window.painted = window.asked = 0")
        act()
        self.page.wait_for_timeout(settle_ms)
        painted, asked = self.page.evaluate("[window.painted, window.asked]")
        if not painted or not asked:
            raise RuntimeError("the page was not painted again")
        return float(painted - asked)

    def inside(self, selector: str, across: float, up: float) -> tuple[float, float]:
        """A place on the page: a share of the width of an element, and pixels above its lower edge."""
        box = self.page.locator(selector).first.bounding_box()
        if box is None:
            raise RuntimeError(f"{selector} is not there")
        return box["x"] + across * box["width"], box["y"] + box["height"] - up

    def drag(self, selector: str, begin: float, end: float) -> None:
        """Press at a share of the width of an element, and move to another."""
        self.page.mouse.move(*self.inside(selector, begin, 100))
        self.page.mouse.down()
        self.page.mouse.move(*self.inside(selector, end, 110), steps=5)


def _html(specs: list[dict[str, Any]]) -> str:
    bokeh = assets.bokeh_script().replace("</script", "<\\/script")
    return (
        f"<!doctype html><meta charset=utf-8><style>{assets.styles()}{assets.read('report.css')}</style>"
        f"<body class=clew><main></main><script type='application/json' id=data>{embedded(specs)}</script>"
        f"<script>{bokeh}</script><script>(function () {{ 'use strict'; {assets.scripts()}\n"
        "const panels = [];"
        "const send = async (message) => { const spec = await window.toKernel(message);"
        "  if (spec) { const next = JSON.parse(spec); window.came = performance.now(); panels[0].update(next); } };"
        "for (const spec of JSON.parse(document.getElementById('data').textContent)) {"
        "  const root = make('div', {}); document.querySelector('main').append(root);"
        "  panels.push(mountPanel(root, send, async () => Bokeh)); panels.at(-1).update(spec); } })();</script>"
    )


FLAME, HEAT, FIELD = ".clew-flame-frame", ".clew-heatmap .clew-chart", ".clew-search input"


def _turns(views: Views) -> Iterator[tuple[str, float]]:
    """(what was done, milliseconds) of every repaint of every turn; each turn begins and ends with the whole graph."""
    page, random = views.page, np.random.default_rng(7)
    graph, field = page.locator(FLAME), page.locator(FIELD)
    for turn in range(TURNS):
        at = views.inside(FLAME, float(random.uniform(0.05, 0.95)), 44 + 18 * float(random.integers(2, 6)) + 9)
        yield "zoom into a frame", views.took(partial(page.mouse.click, *at))
        yield "zoom out", views.took(partial(page.keyboard.press, "0"))
        field.focus()
        yield "search as typed", views.took(partial(page.keyboard.insert_text, PATTERNS[turn % len(PATTERNS)]))
        yield "next match", views.took(partial(page.keyboard.press, "Enter"))
        yield "end the search", views.took(partial(page.keyboard.press, "Escape"))
        graph.press("0")
        page.wait_for_timeout(400)
        begin, end = sorted(random.uniform(0.05, 0.95, 2).tolist())
        yield "drag over the graph", views.took(partial(views.drag, FLAME, begin, end))
        yield "zoom to what was dragged over", views.took(page.mouse.up)
        graph.press("0")
        page.wait_for_timeout(400)
        yield "drag over the heat map", views.took(partial(views.drag, HEAT, begin, end))
        yield "graph of that time, with the kernel's work", views.took(page.mouse.up, 2000)
        yield "graph of that time, once it has come", page.evaluate("window.painted - window.came")


def measure() -> Table:
    """Median and longest time of each kind of repaint, and how many took 100 ms or less."""
    table = Table(
        f"Repaint of a flame graph of {GRAPH:,} frames and a heat map, 1,000,000 samples",
        ("what is done", "repaints", "median, ms", "longest, ms", "within 100 ms"),
    )
    taken: dict[str, list[float]] = {}
    with TemporaryDirectory(prefix="clew-bench-") as name, _page() as page:
        case = make_case(Path(name) / "case", synthetic())
        views = Views(page, case, Path(name))
        for what, ms in _turns(views):
            taken.setdefault(what, []).append(ms)
        case.close()
    for what, each in taken.items():
        soon = sum(ms <= 100 for ms in each)
        table.rows.append((what, str(len(each)), f"{statistics.median(each):.0f}", f"{max(each):.0f}", str(soon)))
    return table


@contextmanager
def _page() -> Iterator[Page]:
    """A page that asks nobody, in the system's Chromium where there is one, else in Playwright's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        try:
            yield browser.new_context(viewport={"width": 1280, "height": 1100}, offline=True).new_page()
        finally:
            browser.close()
