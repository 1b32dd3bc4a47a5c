"""Heat map, functions, call graph, wake-ups and source: what they say, what a click does, and hostile names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import clew
from clew.case import Case
from clew.lens import Lens
from clew_widgets.drawing.dot import Edge, Node, graph
from clew_widgets.views.call_graph import CallGraph
from clew_widgets.views.flame import Flame
from clew_widgets.views.functions import Functions
from clew_widgets.views.heatmap import Heatmap
from clew_widgets.views.source import Source
from clew_widgets.views.stacks import kinds
from clew_widgets.views.wakeups import Wakeups


def test_every_view_of_stacks_has_its_tab() -> None:
    assert {
        "flame",
        "sandwich",
        "diff",
        "flame_chart",
        "functions",
        "heatmap",
        "call_graph",
        "wakeups",
        "source",
    } <= set(kinds())


def test_functions_are_searched_and_picked(sampled: Case) -> None:
    view = Functions(sampled)
    everything = view.spec["body"]["rows"]
    assert everything == sorted(everything, key=lambda row: -row["cells"]["self"])
    name = everything[0]["label"]
    view.handle({"type": "option", "name": "search", "value": f"^{name[:3]}"})
    shown = [row["label"] for row in view.spec["body"]["rows"]]
    assert shown
    assert all(label.startswith(name[:3]) for label in shown)
    whole = view.answer.summary["total"]  # type: ignore[union-attr]
    assert view.spec["body"]["whole"]["self"] == whole  # shares are of everything, whatever is searched
    assert sum(row["cells"]["self"] for row in view.spec["body"]["rows"]) < whole
    view.handle({"type": "option", "name": "search", "value": "("})  # half an expression is looked for as it stands
    assert all("(" in row["label"] for row in view.spec["body"]["rows"])
    view.handle({"type": "option", "name": "search", "value": ""})
    view.handle({"type": "pick", "keys": [everything[0]["key"]], "mode": "only"})
    assert view.model.lens.functions == (name,)


def test_a_heat_map_narrows_to_the_time_brushed(sampled: Case, panel_page: Callable[..., Any]) -> None:
    view = Heatmap(sampled)
    body = view.spec["body"]
    assert sum(body["samples"]) == view.spec["total"]
    assert max(body["slot"]) < body["rows"]
    opened = panel_page(Flame(sampled).spec, view.spec)
    chart = opened.page.locator("[data-clew=heatmap] .clew-canvas")
    area = chart.bounding_box()
    opened.page.mouse.move(area["x"] + 100, area["y"] + 100)
    opened.page.mouse.down()
    opened.page.mouse.move(area["x"] + 400, area["y"] + 60, steps=4)
    opened.page.mouse.up()
    sent = [message for message in opened.sent() if message["type"] == "brush"]
    assert len(sent) == 1
    assert 0 <= sent[0]["start"] < sent[0]["end"]
    view.handle(sent[0])
    first = sampled.bounds()[0]
    assert view.model.lens.start_ns == first + round(sent[0]["start"])
    assert view.spec["body"]["chosen"] == [round(sent[0]["start"]), round(sent[0]["end"])]


def test_a_heat_map_by_keyboard_and_playing(sampled: Case, panel_page: Callable[..., Any]) -> None:
    opened = panel_page(Flame(sampled).spec, Heatmap(sampled).spec)
    chart = opened.page.locator("[data-clew=heatmap] .clew-chart")
    chart.focus()
    for key in ("ArrowUp", "ArrowUp", "Shift+ArrowUp", "Enter"):
        chart.press(key)
    rows = Heatmap(sampled).spec["body"]["rows"]
    assert opened.sent() == [{"type": "brush", "start": 1e9 / rows, "end": 3e9 / rows}]
    chart.press("p")
    opened.page.wait_for_timeout(100)
    assert opened.sent() == [{"type": "brush", "start": 0, "end": 1e9}]
    chart.press("Escape")
    opened.page.wait_for_timeout(1100)
    assert opened.sent() == []


def test_a_call_graph_is_clicked(sampled: Case, panel_page: Callable[..., Any]) -> None:
    view = CallGraph(sampled)
    opened = panel_page(Flame(sampled).spec, view.spec)
    nodes = opened.page.locator("[data-clew=call_graph] g.node")
    tools = opened.page.locator("[data-clew=call_graph] .clew-dot-bar").bounding_box()
    stage = opened.page.locator("[data-clew=call_graph] .clew-dot-stage")
    assert tools["y"] + tools["height"] <= stage.bounding_box()["y"]  # they cover nothing of the graph
    smallest = """stage => { const svg = stage.querySelector("svg");
        const scale = svg.width.baseVal.value / svg.viewBox.baseVal.width;
        return scale * Math.min(...[...svg.querySelectorAll("text")].map(text => text.getAttribute("font-size"))); }"""
    opened.page.set_viewport_size({"width": 320, "height": 700})
    opened.page.evaluate("spec => panels.at(-1).update(spec)", view.spec)
    assert stage.evaluate(smallest) > 8.9
    opened.page.locator("[data-clew=call_graph]").get_by_label("Fit the width").click()
    assert stage.evaluate("stage => stage.scrollWidth <= stage.clientWidth")
    assert nodes.count() == len(view.answer.summary["nodes"])  # type: ignore[union-attr]
    nodes.first.focus()
    nodes.first.press("Enter")
    (picked,) = opened.sent()
    view.handle(picked)
    assert len(view.model.lens.functions) == 1


def test_hostile_names_stay_text(strange: Case, panel_page: Callable[..., Any]) -> None:
    views = [kind(strange) for kind in (Functions, Heatmap, CallGraph)]
    opened = panel_page(Flame(strange).spec, *(view.spec for view in views))
    assert opened.page.evaluate("document.querySelectorAll('main script, main iframe, main img').length") == 0
    for view in views:
        assert "<script" not in view.static


def test_a_graph_that_is_too_hard_says_so_and_keeps_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [Node(str(number), f"node {number}", weight=1.0) for number in range(200)]
    edges = [Edge(str(a), str(b), 1.0) for a in range(200) for b in range(a + 1, min(a + 4, 200))]
    monkeypatch.setattr("clew_widgets.drawing.dot.SECONDS", 0.05)
    drawing = graph(nodes, edges, label="hard", finding="hard", rows=(["a"], [["b"]]))
    assert "too hard" in drawing.body["problem"]
    assert drawing.rows


PROGRAM = r"""
#include <pthread.h>
#include <time.h>
#include <unistd.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
__attribute__((noinline)) void heavy(double until)
{
	volatile long sum = 0;
	while (now() < until)
		for (int i = 0; i < 1000; i++)
			sum += i;
}
static int ends[2];
static void *waker(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20; i++) {
		usleep(20000);
		if (write(ends[1], "x", 1) != 1)
			return 0;
	}
	close(ends[1]);
	return 0;
}
int main(void)
{
	pthread_t thread;
	char byte;
	heavy(now() + 0.6);
	if (pipe(ends) || pthread_create(&thread, 0, waker, 0))
		return 1;
	while (read(ends[0], &byte, 1) == 1)
		;
	pthread_join(thread, 0);
	return 0;
}
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("recorded")
    source = folder / "program.c"
    source.write_text(PROGRAM)
    subprocess.run(["cc", "-O1", "-g", "-pthread", str(source), "-o", str(folder / "program")], check=True)
    off = ["--off-cpu"] if os.geteuid() == 0 else []
    command = [sys.executable, "-m", "clew", "record", "-q", "--engine", "perf", *off, "-o", str(folder / "case")]
    subprocess.run([*command, "--", str(folder / "program")], check=True, timeout=60)
    case = clew.open(folder / "case")
    yield case
    case.close()


def test_source_shows_the_line_that_computes(recorded: Case, panel_page: Callable[..., Any]) -> None:
    view = Source(recorded, Lens(events=("cpu-clock",)))
    view.choose("function", "heavy")
    lines = {line["text"].strip(): line for line in view.spec["body"]["lines"]}
    hot = max(lines.values(), key=lambda line: line["self"])["text"]
    assert "sum += i" in hot or "for (int i" in hot
    opened = panel_page(Flame(recorded).spec, view.spec)
    assert "sum" in opened.page.locator("[data-clew=source] .clew-code[aria-current]").inner_text()
    view.choose("form", "code")
    assert all(len(line["at"]) > 2 for line in view.spec["body"]["lines"])


@pytest.mark.skipif(os.geteuid() != 0, reason="off-CPU time is for root")
def test_wakeups_name_waker_and_sleeper(recorded: Case, panel_page: Callable[..., Any]) -> None:
    view = Wakeups(recorded)
    main = recorded.sql("SELECT any_value(pid) AS pid FROM thread WHERE name = 'program'")["pid"][0].as_py()
    # on a busy machine it also waits for a processor, which no thread lets it have
    rows = [row for row in view.answer.table.to_pylist() if row["tid"] == main and row["waker_pid"]]  # type: ignore[union-attr]
    longest = max(rows, key=lambda row: row["off_ns"])
    assert longest["waker_pid"] == main
    assert longest["waker_tid"] != main
    assert longest["off_ns"] > 0.3e9
    opened = panel_page(Flame(recorded).spec, view.spec)
    assert opened.page.locator("[data-clew=wakeups] g.edge").count() == len(view.answer.table)  # type: ignore[union-attr]
    view.choose("form", "table")
    assert view.spec["kind"] == "table"
