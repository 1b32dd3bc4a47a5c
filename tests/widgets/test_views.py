"""Views: they show what the database holds, follow one Lens, and do with a click what they say."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
import clew_widgets
from clew.case import Case
from clew.lens import Lens
from clew_widgets import Explorer
from clew_widgets.drawing import static
from clew_widgets.views.activity import Activity
from clew_widgets.views.counts import FIELDS, Counts
from clew_widgets.views.errors import Errors
from clew_widgets.views.latency import Latency


def calls(case: Case, where: str = "true") -> int:
    """Calls that match ``where``, asked past everything under test."""
    count: int = case.sql(f"SELECT count(*) AS n FROM calls WHERE {where}")["n"][0].as_py()
    return count


def totals(explorer: Explorer) -> list[int]:
    return [view.spec["total"] for view in (explorer.counts, explorer.activity, explorer.latency)]


def click(view: Any, *key: tuple[str, object], mode: str = "only") -> None:
    view.handle({"type": "pick", "mode": mode, "keys": [[list(pair) for pair in key]]})


def test_a_click_narrows_every_view_and_undo_widens_them(case: Case) -> None:
    explorer = Explorer(case)
    everything, nginx = calls(case), calls(case, "command = 'nginx'")
    assert totals(explorer) == [everything] * 3
    click(explorer.counts, ("commands", "nginx"))
    assert totals(explorer) == [nginx] * 3
    assert explorer.errors.spec["total"] == calls(case, "command = 'nginx' AND errno > 0")
    explorer.bar.handle({"type": "undo"})
    assert totals(explorer) == [everything] * 3
    explorer.bar.handle({"type": "redo"})
    explorer.bar.handle({"type": "remove", "field": "commands", "value": "nginx"})
    assert totals(explorer) == [everything] * 3


def test_rows_that_could_be_picked_stay_in_sight(case: Case) -> None:
    explorer = Explorer(case)
    click(explorer.counts, ("commands", "nginx"))
    rows = {row["label"]: row["selected"] for row in explorer.counts.spec["body"]["rows"]}
    assert rows == {"nginx": True, "python3": False, "postgres": False, "wrk": False}


def test_brushing_time_and_latency_narrows_to_what_was_brushed(case: Case) -> None:
    explorer = Explorer(case)
    first = case.bounds()[0]
    explorer.activity.handle({"type": "brush", "start": 2e9, "end": 3.5e9})
    assert explorer.lens == Lens(start_ns=first + 2_000_000_000, end_ns=first + 3_500_000_000)
    inside = f"ts_ns >= {first + 2_000_000_000} AND ts_ns < {first + 3_500_000_000}"
    assert totals(explorer) == [calls(case, inside)] * 3
    assert explorer.activity.spec["body"]["from"] == 2_000_000_000
    explorer.latency.handle({"type": "brush", "start": 1024, "end": 65536})
    assert totals(explorer) == [calls(case, f"{inside} AND dur_ns >= 1024 AND dur_ns < 65536")] * 3
    assert not all(explorer.latency.spec["body"]["inside"])


def test_an_error_row_narrows_to_its_operation_and_errno(case: Case) -> None:
    explorer = Explorer(case)
    row = explorer.errors.spec["body"]["rows"][0]
    click(explorer.errors, *[(field, value) for field, value in row["key"]])
    assert totals(explorer) == [row["cells"]["calls"]] * 3
    assert explorer.errors.spec["body"]["rows"][0]["selected"] is True


@pytest.mark.parametrize("by", FIELDS)
def test_every_way_to_count_gives_rows_that_narrow_to_what_they_show(case: Case, by: str) -> None:
    explorer = Explorer(case, by=by)
    row = explorer.counts.spec["body"]["rows"][0]
    click(explorer.counts, *[(field, value) for field, value in row["key"]])
    assert explorer.bar.spec["totals"][0]["value"] == row["cells"]["calls"]
    assert explorer.activity.spec["total"] == row["cells"]["calls"]


def test_counts_can_be_shown_by_something_else_and_the_lens_stays(case: Case) -> None:
    explorer = Explorer(case, Lens(commands=("postgres",)))
    explorer.counts.handle({"type": "option", "name": "by", "value": "op"})
    assert explorer.lens == Lens(commands=("postgres",))
    ops = {row["label"] for row in explorer.counts.spec["body"]["rows"]}
    assert ops == set(case.sql("SELECT DISTINCT op FROM calls WHERE command = 'postgres'")["op"].to_pylist())
    explorer.counts.handle({"type": "option", "name": "by", "value": "no such thing"})
    assert explorer.counts.by == "op"


def test_colours_join_rows_and_series_only_when_both_mean_the_same(case: Case) -> None:
    explorer = Explorer(case)
    series = {group["name"]: group["color"] for group in explorer.activity.spec["body"]["groups"]}
    assert {row["label"]: row["color"] for row in explorer.counts.spec["body"]["rows"]} == series
    explorer.activity.handle({"type": "option", "name": "group", "value": "op"})
    assert {row["color"] for row in explorer.counts.spec["body"]["rows"]} == {""}
    before = series["nginx"]
    explorer.activity.handle({"type": "option", "name": "group", "value": "command"})
    click(explorer.counts, ("commands", "nginx"))
    assert explorer.activity.spec["body"]["groups"] == [{"name": "nginx", "color": before}]


def test_an_empty_lens_says_what_to_do_and_draws_nothing(case: Case) -> None:
    explorer = Explorer(case, Lens(commands=("nobody",)))
    for view in (explorer.activity, explorer.latency):
        assert "Remove a chip" in view.spec["empty"]
        assert "<img" not in view.static
    assert explorer.errors.spec["empty"] == "No call failed."
    assert explorer.bar.spec["totals"][0]["value"] == 0


def test_what_cannot_be_asked_is_said_in_the_view(case: Case) -> None:
    view = Activity(case, Lens(start_ns=10, end_ns=10))
    assert "time range is empty" in view.spec["error"]
    assert view.busy is False


def test_a_view_alone_follows_its_own_clicks(case: Case) -> None:
    view = Counts(case, by="op")
    click(view, ("ops", "fsync"))
    assert view.model.lens == Lens(ops=("fsync",))
    assert view.spec["total"] == calls(case, "op = 'fsync'")


def test_the_sql_behind_a_view_gives_the_rows_it_shows(case: Case) -> None:
    lens = Lens(commands=("python3",), latency=(1000, 1_000_000))
    for view in (Counts(case, lens), Activity(case, lens), Latency(case, lens), Errors(case, lens)):
        assert case.sql(view.spec["sql"]).num_rows > 0


@pytest.mark.parametrize("kind", [Counts, Activity, Latency, Errors])
def test_every_view_carries_a_finding_and_a_static_twin(case: Case, kind: Any) -> None:
    data, _metadata = kind(case)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "\n" not in data["text/plain"]
    assert re.search(r"\d", data["text/plain"])
    assert 'src="data:image/svg+xml;base64,' in data["text/html"]
    assert "<table>" in data["text/html"]
    assert set(re.findall(r"<(\w+)", data["text/html"])) <= {
        "figure", "figcaption", "strong", "img", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip


def test_the_explorer_shows_all_twins_in_one_bundle(case: Case) -> None:
    data = Explorer(case)._repr_mimebundle_()
    assert data["text/html"].count("<img") == 4
    assert data["text/plain"].startswith("Counts: ")


def test_a_page_gets_at_most_ten_thousand_glyphs(case: Case) -> None:
    body = Activity(case, group="op").spec["body"]
    assert len(body["start"]) * len(body["groups"]) <= 10_000
    assert len(body["groups"]) <= len(clew_widgets.drawing.SERIES) + 1


def test_names_out_of_a_capture_are_shown_harmless_and_still_narrow(hostile_case: Case) -> None:
    explorer = Explorer(hostile_case)
    for row in explorer.counts.spec["body"]["rows"]:
        assert row["label"].isprintable()
        click(explorer.counts, *[(field, value) for field, value in row["key"]])
        assert explorer.counts.spec["total"] == row["cells"]["calls"] > 0
        assert all(chip["label"].isprintable() for chip in explorer.bar.spec["chips"])
        explorer.bar.handle({"type": "reset"})
    for view in (explorer.bar, *explorer.views):
        assert "<script" not in view.static
        assert not re.search(r"<img(?! alt=)", view.static)


def test_calls_that_are_on_no_file_are_not_said_to_be_none(case: Case) -> None:
    op = case.sql("SELECT op FROM calls GROUP BY op HAVING count(file) = 0 ORDER BY op LIMIT 1")["op"][0].as_py()
    view = Counts(case, Lens(ops=(op,)), by="file")
    assert view.spec["empty"] == "No recorded call under the lens is on a file."
    view.choose("by", "command")
    assert not view.spec["empty"] and view.spec["total"] > 0


def test_the_state_a_widget_leaves_in_a_notebook_is_small(case: Case) -> None:
    explorer = Explorer(case)
    for view in (explorer.bar, *explorer.views):
        state = view.get_state()
        assert len(json.dumps(state, default=str)) < 150_000, type(view).__name__
        assert "Bokeh.embed" not in state["_esm"]


def test_the_kernel_sends_only_the_parts_a_page_may_ask_for(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    view = Counts(case)
    sent: list[tuple[dict[str, object], list[bytes]]] = []
    monkeypatch.setattr(view, "send", lambda content, buffers: sent.append((content, buffers)))
    for name in ("code", "bokeh", "../../etc/passwd", None):
        view._receive(view, {"type": "part", "name": name}, [])
    assert [content["name"] for content, _ in sent] == ["code", "bokeh"]
    assert all(buffers[0][:2] == b"\x1f\x8b" for _, buffers in sent)


def test_widgets_hold_no_sql() -> None:
    for path in Path(clew_widgets.__file__).parent.rglob("*.py"):
        assert not re.search(r"\bSELECT\b|\.sql\(", path.read_text()), path


def test_text_for_pages_shows_control_and_direction_characters() -> None:
    assert static.safe("a\x1b[31m\u202e<b>&\"'") == "a\\x1b[31m\\u202e&lt;b&gt;&amp;&quot;&#x27;"


def test_losses_are_said_where_the_rates_are(hostile_case: Case, case: Case) -> None:
    assert Activity(hostile_case).spec["warning"].startswith("41 records of 1 thread were lost")
    assert Activity(case).spec["warning"] == ""


def test_calls_that_are_only_counted_stand_apart(tmp_path: Path, make_case: Callable[..., Path]) -> None:
    folder = make_case(tmp_path / "counted", scale=0.02, allocations=5_000_000)
    counted = clew.open(folder)
    explorer = Explorer(counted, by="op", group="op")
    rows = {row["label"]: row for row in explorer.counts.spec["body"]["rows"]}
    assert rows["malloc"]["cells"]["calls"] == 5_000_000
    assert (rows["malloc"]["inert"], rows["malloc"]["aside"], rows["malloc"]["color"]) == (True, True, "")
    assert explorer.counts.spec["total"] == calls(counted, "true") == explorer.activity.spec["total"]
    assert rows["read"]["color"] == "s0"


def test_running_totals_alone_show_counts_and_say_what_they_cannot_tell(
    tmp_path: Path, make_case: Callable[..., Path]
) -> None:
    folder = make_case(tmp_path / "totals", scale=0, allocations=700)
    explorer = Explorer(clew.open(folder))
    assert explorer.activity.spec["error"] == ""
    assert "no single call was made while recording" in explorer.latency.spec["error"]
    assert "no single call was made while recording" in explorer.errors.spec["error"]
    assert "no single call was made while recording" in explorer.errors._repr_mimebundle_()[0]["text/html"]


def test_a_case_that_is_still_recorded_can_be_read_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = Explorer(case, Lens(commands=("nginx",)))
    assert explorer.bar.spec["live"] is False
    read: list[str] = []
    monkeypatch.setattr(case, "refresh", lambda: read.append("refresh"))
    explorer.bar.handle({"type": "update"})
    assert read == ["refresh"]
    assert explorer.lens == Lens(commands=("nginx",))


def test_every_view_says_that_it_works_before_any_asks(case: Case) -> None:
    explorer = Explorer(case)
    seen: list[tuple[bool, ...]] = []
    explorer.activity.observe(lambda _change: seen.append(tuple(view.busy for view in explorer.views)), "spec")
    click(explorer.counts, ("commands", "nginx"))
    assert seen
    assert all(seen[0][1:])
    assert not any(view.busy for view in explorer.views)


def test_a_step_back_asks_the_database_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = Explorer(case)
    click(explorer.counts, ("commands", "nginx"))
    asked: list[str] = []
    sql = case.sql
    monkeypatch.setattr(case, "sql", lambda query, params=None: asked.append(query) or sql(query, params))
    explorer.bar.handle({"type": "undo"})
    assert explorer.counts.spec["total"] == explorer.activity.spec["total"] > 0
    assert not [query for query in asked if "FROM event" in query]
    explorer.update()
    assert [query for query in asked if "FROM event" in query]
