"""Views of requests: they show what the tables hold, follow one Lens, and do with a click what they say."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from pyarrow import parquet

import clew
from clew.case import Case
from clew.lens import Lens
from clew.questions.requests import requests
from clew.units import shape_name
from clew_widgets import Explorer
from clew_widgets.drawing.shapes import steps
from clew_widgets.views.request_links import Links
from clew_widgets.views.request_path import Path as RequestPath
from clew_widgets.views.request_path import steps_of
from clew_widgets.views.request_table import RequestLatency, RequestNames, SingleRequests
from clew_widgets.views.request_time import RequestTime
from clew_widgets.views.request_timeline import Timeline
from clew_widgets.views.requests import Requests, kinds
from clew_widgets.views.services import Services, draw_services, folded
from clew_widgets.views.shapes import CHOOSE, ShapeDifference, Shapes

from ..kit.spans import NAMES, write_case

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">\x1b[31m\u202e'\"`\\"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    opened = write_case(tmp_path_factory.mktemp("requests") / "case", 600)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def hostile(asked: Case, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """The same case, but one page, its program and what was said have hostile names."""
    folder = tmp_path_factory.mktemp("hostile") / "case"
    shutil.copytree(asked.path, folder)
    for name in ("span", "request", "shape", "message", "process", "thread"):
        table = parquet.read_table(folder / f"{name}.parquet")
        for column in {"name", "path", "summary", "command", "comm"} & set(table.column_names):
            changed = table[column].cast("string")
            for old, new in (("GET /item/?", HOSTILE), ("app", f"app{HOSTILE}")):
                changed = pc.replace_substring(changed, old, new)
            table = table.set_column(table.column_names.index(column), column, changed)
        parquet.write_table(table, folder / f"{name}.parquet")
    opened = clew.open(folder)
    yield opened
    opened.close()


def one(case: Case, query: str, **params: Any) -> Any:
    """The one value that ``query`` gives, past everything under test."""
    return case.sql(query, params).column(0)[0].as_py()


def pairs(case: Case, query: str) -> dict[Any, Any]:
    """What ``query`` gives, the first column -> the second."""
    table = case.sql(query)
    return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))


def request_of(case: Case, name: str, **lens: Any) -> int:
    """The slowest request called ``name``."""
    return int(requests(case, Lens(requests=(name,), **lens), limit=1).table["request_id"][0].as_py())


def click(view: Any, *key: Any, mode: str = "only") -> None:
    view.handle({"type": "pick", "mode": mode, "keys": [[list(pair) for pair in key]]})


def decoded(body: dict[str, Any], name: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(body[name]["data"], dtype="<" + body[name]["type"])


def test_every_view_of_requests_has_its_tab(asked: Case) -> None:
    assert list(kinds()) == ["requests", "request", "path", "shapes", "services", "request_time", "links"]
    tabs = Requests(asked)
    for name in kinds():
        tabs.tabs.handle({"type": "tab", "name": name})
        assert tabs.chosen == name and not any(view.spec["error"] for view in tabs.shown)
        assert tabs.finding() and "<figure>" in tabs.static and "<script" not in tabs.static


def test_a_name_narrows_calls_samples_and_requests_to_those_of_its_requests(asked: Case) -> None:
    explorer = Explorer(asked)
    assert explorer.requests and explorer.stacks
    names = explorer.requests.shown[0]
    rows = {row["label"]: row["cells"]["count"] for row in names.spec["body"]["rows"]}
    assert rows == pairs(asked, "SELECT name, count(*) AS n FROM request GROUP BY ALL")
    click(names, ("requests", "GET /search"))
    assert explorer.lens == Lens(requests=("GET /search",))
    during = """FROM {0} x JOIN working w ON w.host = x.host AND w.tid = x.tid AND w.start_ns <= x.ts_ns
        AND x.ts_ns < w.end_ns JOIN request USING (request_id) WHERE name = 'GET /search'"""
    assert explorer.counts.spec["total"] == one(asked, f"SELECT count(*) {during.format('event')}") > 0
    totals = {total["name"]: (total["value"], total["of"]) for total in explorer.bar.spec["totals"]}
    samples = one(asked, f"SELECT count(*) {during.format('sample')}")
    assert totals["requests"] == (rows["GET /search"], 600) and totals["samples"][0] == samples > 0
    marked = {row["label"] for row in names.spec["body"]["rows"] if row["selected"]}
    assert marked == {"GET /search"} and len(names.spec["body"]["rows"]) == len(NAMES)  # the others stay in sight
    explorer.bar.handle({"type": "undo"})
    assert explorer.lens == Lens()


def test_a_brush_narrows_to_requests_that_took_that_long(asked: Case) -> None:
    view = RequestLatency(asked)
    assert view.spec["total"] == one(asked, "SELECT count(dur_ns) FROM request")
    view.handle({"type": "brush", "start": 1 << 20, "end": 1 << 24})
    assert view.model.lens == Lens(took=(1 << 20, 1 << 24))
    inside = one(asked, "SELECT count(*) FROM request WHERE dur_ns >= 1 << 20 AND dur_ns < 1 << 24")
    assert view.spec["total"] == inside > 0 and not all(view.spec["body"]["inside"])
    names = RequestNames(asked, view.model.lens)
    assert names.spec["total"] == inside


def test_a_request_is_opened_its_stacks_follow_and_the_chip_lets_it_go(asked: Case) -> None:
    explorer = Explorer(asked)
    assert explorer.requests and explorer.stacks
    single = explorer.requests.shown[2]
    slowest = single.spec["body"]["rows"][0]
    assert slowest["cells"]["dur_ns"] == one(asked, "SELECT max(dur_ns) FROM request")
    click(single, *slowest["key"])
    (request_id,) = explorer.lens.request_ids
    assert explorer.requests.chosen == "request" and explorer.requests.view.spec["title"] == "GET /item/?"
    (chip,) = explorer.bar.spec["chips"]
    assert chip["field"] == "request_ids" and chip["value"] == str(request_id)
    samples = one(
        asked,
        """SELECT count(*) FROM sample x JOIN working w ON w.host = x.host AND w.tid = x.tid AND w.start_ns <= x.ts_ns
           AND x.ts_ns < w.end_ns WHERE request_id = $id""",
        id=request_id,
    )
    buttons = {one["name"]: one for one in explorer.requests.view.spec["leads"]["buttons"]}
    assert samples and f"({samples} sample" in buttons["stacks"]["label"]
    assert sum(rows for _, rows in explorer.stacks.view.events()) == samples
    explorer.bar.handle({"type": "remove", "field": chip["field"], "value": chip["value"]})
    assert explorer.lens == Lens()
    explorer.requests.view.handle({"type": "lead", "name": "stacks"})  # the slowest is shown, and now looked at
    assert explorer.lens == Lens(request_ids=(request_id,))


def test_calls_lead_back_to_the_requests_they_were_made_for(asked: Case) -> None:
    explorer = Explorer(asked)
    click(explorer.counts, ("commands", "postgres"))
    assert explorer.counts.spec["leads"]["buttons"][0]["to"] == ".clew-requests"
    assert explorer.requests
    explorer.requests.choose("services")
    explorer.counts.handle({"type": "lead", "name": "requests"})
    assert explorer.requests.chosen == "requests"
    served = "SELECT count(DISTINCT request_id) FROM span WHERE command = 'postgres'"
    assert explorer.requests.shown[0].spec["total"] == one(asked, served) < 600


def test_single_requests_come_in_the_order_asked_for(asked: Case) -> None:
    view = SingleRequests(asked)
    view.handle({"type": "option", "name": "order", "value": "least sure"})
    confidence = [row["cells"]["confidence"] for row in view.spec["body"]["rows"]]
    assert confidence == sorted(confidence) and view.spec["body"]["sort"] == {"id": "confidence", "down": False}
    view.handle({"type": "option", "name": "order", "value": "no such order"})
    assert view.order == "least sure"


@pytest.mark.parametrize("name", NAMES)
def test_bars_of_a_lane_do_not_overlap_and_stand_below_what_caused_them(asked: Case, name: str) -> None:
    body = Timeline(asked, Lens(request_ids=(request_of(asked, name),))).spec["body"]
    start, end, lane, row = (decoded(body, column) for column in ("start", "end", "lane", "row"))
    parent = decoded(body, "parent").astype(int) - 1
    assert (
        start.min() == 0 and (end >= start).all() and (row < np.array([x["rows"] for x in body["lanes"]])[lane]).all()
    )
    for span, above in enumerate(parent):
        if above >= 0 and lane[above] == lane[span]:
            assert row[span] > row[above]
        same = [x for x in range(span) if (lane[x], row[x]) == (lane[span], row[span])]
        assert all(end[x] <= start[span] or end[span] <= start[x] for x in same)


def test_a_timeline_draws_every_span_and_an_arrow_for_each_message(asked: Case, panel_page: Callable[..., Any]) -> None:
    ids = [request_of(asked, name) for name in ("GET /search", "SELECT version()")]
    ids.append(request_of(asked, "POST /order", request_ids=tuple(
        asked.sql("SELECT request_id FROM request WHERE error")["request_id"].to_pylist())))  # fmt: skip
    views = [Timeline(asked, Lens(request_ids=(request_id,))) for request_id in ids]
    page = panel_page(*(view.spec for view in views), wait=".clew-body[data-bars]").page
    page.wait_for_function("() => document.querySelectorAll('[data-bars]').length === 3")
    bodies = page.locator(".clew-body")
    # spans in another lane than their cause: one message there and one back
    assert [bodies.nth(at).get_attribute("data-bars") for at in range(3)] == ["7", "2", "7"]
    assert [bodies.nth(at).get_attribute("data-arrows") for at in range(3)] == ["6", "2", "6"]
    drawn = page.evaluate(
        """() => Bokeh.documents.map((doc) => Object.fromEntries(["hatched", "firm", "dashed", "weak", "texts"]
            .map((name) => [name, (doc.get_model_by_name(name).data.left || doc.get_model_by_name(name).data.text
                                   || doc.get_model_by_name(name).data.x0).length])))"""
    )
    assert [one["dashed"] for one in drawn] == [1, 0, 0]  # confidence 0.8
    assert [one["hatched"] for one in drawn] == [0, 1, 0]  # unresolved
    assert [one["firm"] for one in drawn] == [0, 0, 5]  # failed
    assert all(one["texts"] for one in drawn)
    words = page.locator(".clew-lanes-legend").all_inner_texts()
    assert "confidence below 0.9" in words[0] and "cause not found" in words[1] and "failed" in words[2]


def test_a_timeline_is_read_by_mouse_and_keyboard(asked: Case, panel_page: Callable[..., Any]) -> None:
    view = Timeline(asked, Lens(request_ids=(request_of(asked, "GET /search"),)))
    opened = panel_page(view.spec, wait=".clew-body[data-bars]")
    page = opened.page
    frame, tip = page.locator(".clew-lanes-frame"), page.locator(".clew-flame-tip")
    area = page.locator(".clew-lanes-sheet > .clew-canvas").bounding_box()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + 14)
    assert "web" in tip.inner_text() and "begins" in tip.inner_text() and "linked by" not in tip.inner_text()
    frame.focus()
    for key in ("Home", "ArrowDown", "ArrowDown", "ArrowDown"):
        frame.press(key)
    foot = page.locator(".clew-flame-foot")
    assert foot.locator(".clew-picked").inner_text() == "SELECT id FROM words WHERE word = ?"
    assert "app, pid 20, tid" in foot.inner_text() and "confidence 1" in foot.inner_text()
    frame.press("Space")
    begin, end = map(float, page.locator(".clew-body").get_attribute("data-zoom").split())
    assert 0 < begin < end < view.spec["body"]["to"]
    assert int(page.locator(".clew-body").get_attribute("data-bars")) <= 7
    frame.press("Enter")
    frame.press("c")
    pick, calls = opened.sent()
    view.handle(pick)
    assert view.model.lens.commands == ("app",) and len(view.model.lens.tids) == 1
    view.handle(calls)
    first = view.answer.table["start_ns"][0].as_py()  # type: ignore[union-attr]
    assert view.model.lens.start_ns == first + round(calls["start"])
    frame.press("0")
    assert page.locator(".clew-body").get_attribute("data-zoom") == ""
    # a drag zooms to the time dragged over
    page.mouse.move(area["x"] + 200, area["y"] + 40)
    page.mouse.down()
    page.mouse.move(area["x"] + 400, area["y"] + 44, steps=3)
    page.mouse.up()
    begin, end = map(float, page.locator(".clew-body").get_attribute("data-zoom").split())
    scale = view.spec["body"]["to"] / (area["width"] - 20)
    assert (begin, end) == pytest.approx((192 * scale, 392 * scale), rel=0.02)


def test_what_is_too_narrow_is_joined_and_comes_apart_when_zoomed(
    asked: Case, panel_page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request with 12,000 statements one after the other: as many bars as pixels at most."""
    tree = Timeline(asked, Lens(request_ids=(request_of(asked, "GET /item/?"),))).answer
    assert tree is not None
    from clew_widgets.drawing.lanes import lanes
    from clew_widgets.views.base import panel

    rows = tree.table.to_pylist()
    statement = next(row for row in rows if row["kind"] == "client" and row["protocol"] == "postgres")
    begin, end = rows[0]["start_ns"], rows[0]["start_ns"] + 12_000_000
    rows = [row | {"end_ns": end, "dur_ns": end - begin} for row in rows[:3]]
    rows += [
        statement | {"span_id": 10**6 + at, "start_ns": begin + 1000 * at, "end_ns": begin + 1000 * at + 900}
        for at in range(12_000)
    ]
    import pyarrow as pa

    drawing = lanes(pa.Table.from_pylist(rows, tree.table.schema), label="many", finding="many")
    page = panel_page(panel("request", "many", drawing), wait=".clew-body[data-bars]").page
    bars = lambda: int(page.locator(".clew-body").get_attribute("data-bars"))  # noqa: E731
    assert bars() < 1200
    frame = page.locator(".clew-lanes-frame")
    frame.focus()
    for _ in range(9):
        frame.press("+")
    assert 10 < bars() < 60
    monkeypatch.setattr("clew_widgets.drawing.lanes.MOST", 5000)
    cut = lanes(pa.Table.from_pylist(rows, tree.table.schema), label="many", finding="many")
    assert cut.body["left_out"] == 7003 and len(decoded(cut.body, "start")) == 5000
    assert decoded(cut.body, "end").max() == 12_000_000  # the longest are kept


def test_the_path_is_a_graph_of_process_steps(asked: Case, panel_page: Callable[..., Any]) -> None:
    view = RequestPath(asked, Lens(request_ids=(request_of(asked, "GET /item/?"),)))
    rows = view.answer.table.to_pylist()  # type: ignore[union-attr]
    found, flows = steps_of(rows)
    assert [step.command for step in found.values()] == ["web", "app", "postgres", "postgres"] and len(flows) == 3
    deep = [row for row in rows if row["depth"] >= 3]
    new = {row["span_id"]: row["span_id"] + 10**6 for row in deep}
    again = [
        row | {"span_id": new[row["span_id"]], "parent_span_id": new.get(row["parent_span_id"], row["parent_span_id"])}
        for row in deep
    ]
    repeated, between = steps_of(rows + again)
    assert len(repeated) == 4 and sorted(flow.times for flow in between.values()) == [1, 2, 2]
    alone, out = steps_of([row for row in rows if row["command"] != "postgres"])  # PostgreSQL was not recorded
    assert [step.aside for step in alone.values()] == [False, False, True, True] and len(out) == 3
    opened = panel_page(view.spec, wait="[data-clew=path] g.node")
    assert opened.page.locator("g.node").count() == 4 and opened.page.locator("g.edge").count() == 3
    assert "120 B there, 1.465 KiB back" in (opened.page.locator("g.edge").first.text_content() or "")
    opened.page.locator("g.node", has_text="stock").click()
    (picked,) = opened.sent()
    view.handle(picked)
    lens = view.model.lens
    assert lens.commands == ("postgres",) and len(lens.tids) == 1 and lens.request_ids


def test_an_outline_has_a_step_for_each_message_received() -> None:
    path = (
        "web GET /a\n  web → GET /a\n    app GET /a\n      app → SELECT ?\n        pg SELECT ?\n      app → A?\n    x y"
    )
    assert [(step["depth"], step["command"], step["text"]) for step in steps(path)] == [
        (0, "web", "GET /a"),
        (1, "app", "GET /a"),
        (2, "pg", "SELECT ?"),
        (2, "app", "A?"),  # who answered was not recorded
        (1, "x", "y"),
    ]
    assert [step["kind"] for step in steps("a → b\n  c b")] == ["client", "server"]
    assert steps(" ") == [{"depth": 0, "command": "", "kind": "server", "text": ""}]
    assert shape_name(5) == "#5" and shape_name(2**53 - 1) == "#ffffff"


def test_shapes_are_picked_and_compared(asked: Case, panel_page: Callable[..., Any]) -> None:
    tabs = Requests(asked, view="shapes")
    view, difference = tabs.shown
    page = panel_page(view.spec, wait=".clew-shape")
    cards = page.page.locator(".clew-shape")
    counts = pairs(asked, "SELECT shape_id::VARCHAR, count(*) FROM request GROUP BY ALL")
    assert {c.get_attribute("data-shape"): int(c.get_attribute("data-requests")) for c in cards.all()} == counts
    assert "postgres SELECT n FROM stock" in cards.first.locator(".clew-outline").inner_html().replace(
        "</tspan><tspan>", ""
    )
    cards.nth(0).locator("[data-action=side-a]").click()
    cards.nth(1).locator("[data-action=side-b]").click()
    cards.nth(2).locator(".clew-shape-head").click()
    a, b, pick = page.sent()
    view.handle(a)
    assert difference.spec["empty"] == CHOOSE
    view.handle(b)
    assert difference.spec["title"].startswith("A #") and not difference.spec["empty"]
    rows = difference.spec["body"]["rows"]
    assert sum(row["cells"]["delta_ns"] for row in rows) == pytest.approx(difference.answer.summary["explained_ns"])
    view.handle(b | {"side": "a"})  # a shape is compared with another, never with itself
    assert tabs.state.sides == {"a": int(b["id"])}
    view.handle(pick)
    assert tabs.model.lens.shapes == (int(pick["keys"][0][0][1]),)
    assert [card["selected"] for card in view.spec["body"]["shapes"]].count(True) == 1


def test_slow_requests_of_a_shape_are_set_beside_usual_ones(asked: Case) -> None:
    view = ShapeDifference(asked)
    shape = one(asked, "SELECT shape_id FROM request GROUP BY ALL ORDER BY sum(dur_ns) DESC LIMIT 1")
    assert shape_name(shape) in view.spec["title"]
    most = view.spec["body"]["rows"][0]
    assert most["label"] == "SELECT n FROM stock WHERE item = ?" and most["cells"]["delta_ns"] > 1_000_000
    view.state.band = one(asked, "SELECT shape_id FROM request WHERE name = 'GET /'")
    view.refresh()
    assert {row["label"] for row in view.spec["body"]["rows"]} == {"GET /", "→ GET /"}


def test_the_service_graph_folds_what_is_more_than_200_programs(asked: Case) -> None:
    rows = [
        {"from_command": "front", "to_command": name, "protocol": "http1", "calls": 1000 - at % 900, "errors": 0}
        for at, name in enumerate([f"worker-{n}" for n in range(600)] + [f"only{'x' * n}y" for n in range(300)])
    ]
    boxes = folded(rows)
    labels = set(boxes.values())
    assert len(labels) <= 200 and set(boxes) == {"front", *(row["to_command"] for row in rows)}
    fold = next(label for label in labels if label.startswith("worker-# ("))
    assert f"({list(boxes.values()).count(fold)} programs)" in fold
    rest = next(label for label in labels if label.endswith("other programs"))
    assert rest == f"{list(boxes.values()).count(rest)} other programs"
    view = Services(asked)
    assert {node[0][1] for node in view.spec["body"]["keys"].values() if node} == {"web", "app", "postgres"}
    assert view.spec["total"] == sum(view.answer.table["calls"].to_pylist())  # type: ignore[union-attr]
    assert "not recorded" in view.spec["body"]["svg"]
    click(view, ("commands", "app"))
    assert view.model.lens == Lens(commands=("app",))
    empty = draw_services(Services(asked, Lens(commands=("nobody",))).answer)  # type: ignore[arg-type]
    assert not empty.rows


def test_links_that_are_not_sure_are_counted_with_their_reasons(asked: Case) -> None:
    view = Links(asked)
    rows = {(row["label"], row["cells"]["rule"]): row["cells"]["count"] for row in view.spec["body"]["rows"]}
    likely = one(asked, "SELECT count(*) FROM span WHERE confidence < 0.9 AND link_rule <> 'unresolved'")
    assert rows["linked, but only likely", "queue"] == likely > 0
    unknown = one(asked, "SELECT count(*) FROM span WHERE link_rule = 'unresolved'")
    assert rows["has a cause that was not found", "unresolved"] == unknown > 0
    assert "Everything is linked" in Links(asked, Lens(requests=("GET /",))).spec["empty"]
    assert RequestTime(asked).spec["body"]["rows"]


def test_what_is_missing_is_said_with_what_to_do(case: Case, asked: Case) -> None:
    for name in kinds():
        tabs = Requests(case, view=name)
        for view in tabs.shown:
            assert view.spec["empty"] and not view.spec.get("error"), name
            assert "`clew trace`" in view.spec["empty"] and "<img" not in view.static
        for view in Requests(asked, Lens(commands=("nobody",)), view=name).shown:
            assert view.spec["empty"] and not view.spec.get("error"), name


def test_hostile_names_stay_text(hostile: Case, panel_page: Callable[..., Any]) -> None:
    tabs = Requests(hostile)
    specs = []
    for name in kinds():
        tabs.choose(name)
        specs += [view.spec for view in tabs.shown]
        assert "<img src=x" not in tabs.static and "\x1b" not in tabs.static + tabs.finding()
    page = panel_page(*specs, wait="[data-clew=request] .clew-body[data-bars]").page
    page.wait_for_selector("[data-clew=links][data-drawn]")
    page.locator(".clew-lanes-frame").focus()
    page.locator(".clew-lanes-frame").press("Home")
    assert page.evaluate("document.querySelectorAll('main script, main img, main iframe').length") == 0
    assert page.title() != "owned"
    names = tabs._made["requests"].views[0]
    (row,) = [row for row in names.spec["body"]["rows"] if "onerror" in row["label"]]
    assert "\\x1b" in row["label"]
    tabs.choose("requests")
    click(names, *row["key"])
    assert names.model.lens.requests == (HOSTILE,) and names.spec["total"] == row["cells"]["count"]


def test_ids_of_64_bits_survive_the_page(asked: Case, panel_page: Callable[..., Any]) -> None:
    shape = 2**53 + 1
    view = Shapes(asked)
    card = view.spec["body"]["shapes"][0] | {"key": [["shapes", str(shape)]], "id": str(shape)}
    spec = view.spec | {"body": view.spec["body"] | {"shapes": [card]}}
    opened = panel_page(spec, wait=".clew-shape")
    opened.page.locator(".clew-shape-head").click()
    view.handle(opened.sent()[0])
    assert view.model.lens.shapes == (shape,)
    explorer = Explorer(asked, Lens(shapes=(shape, shape + 1)))
    chips = explorer.bar.spec["chips"]
    assert [chip["value"] for chip in chips] == [str(shape), str(shape + 1)] and chips[0]["label"] == "shape #000001"
    explorer.bar.handle({"type": "remove", "field": "shapes", "value": chips[0]["value"]})
    assert explorer.lens == Lens(shapes=(shape + 1,))
