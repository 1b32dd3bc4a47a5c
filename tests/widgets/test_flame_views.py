"""Views of stacks: what a click does to the Lens and to the edits, and what stands where there are no samples."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.case import Case
from clew.lens import Lens
from clew_widgets import Explorer
from clew_widgets.report import write_report
from clew_widgets.views.diff import FlameDiff
from clew_widgets.views.flame import DIRECTIONS, Flame
from clew_widgets.views.flame_chart import FlameChart
from clew_widgets.views.sandwich import Sandwich
from clew_widgets.views.stacks import Stacks, kinds
from clew_widgets.views.tree_view import names_to


def weight(samples: list[Any], matches: Callable[[list[str]], bool], event: str = "cpu-clock") -> float:
    """What the samples weigh whose stack ``matches``."""
    return sum(value for _, _, name, stack, value in samples if name == event and matches(stack.split(";")))


def total(view: Any) -> float:
    """Weight of the whole picture."""
    value: float = view.answer.summary["total"]
    return value


def controls(view: Any) -> dict[str, Any]:
    return {control["name"]: control for control in view.spec["controls"]}


def test_a_double_click_narrows_to_stacks_that_begin_so_and_undo_widens(
    sampled: Case, taken: Callable[..., Any]
) -> None:
    view = Flame(sampled)
    everything = weight(taken(), lambda _: True)
    assert total(view) == everything
    view.handle({"type": "stack", "path": ["serve", "parse"]})
    assert view.model.lens == Lens(stack=("serve", "parse"))
    assert total(view) == weight(taken(), lambda steps: steps[:2] == ["serve", "parse"])
    view.handle({"type": "undo"})
    assert view.model.lens == Lens() and total(view) == everything


def test_focus_hide_merge_drop_and_recursion_are_chips_to_take_away(sampled: Case, taken: Callable[..., Any]) -> None:
    view = Flame(sampled)
    names = lambda: set(view.answer.table["name"].to_pylist())  # noqa: E731
    view.handle({"type": "focus", "name": "sort"})
    assert view.model.lens == Lens(functions=("sort",))
    assert total(view) == weight(taken(), lambda steps: "sort" in steps)
    view.handle({"type": "hide", "name": "parse"})
    assert "parse" not in names() and total(view) == weight(taken(), lambda steps: "sort" in steps)
    view.handle({"type": "undo"})
    view.handle({"type": "undo"})
    assert view.model.lens == Lens() and "parse" in names() and not view.spec["body"]["undo"]
    view.handle({"type": "drop", "name": "sort"})
    assert total(view) == weight(taken(), lambda steps: "sort" not in steps)
    view.handle({"type": "merge", "name": "parse"})
    assert [chip["label"] for chip in view.spec["body"]["edits"]] == ["no stacks with sort", "merged below parse"]
    assert "read" not in names()
    view.handle({"type": "unedit", "index": 0})
    assert total(view) == weight(taken(), lambda _: True) and "sort" not in names()
    view.handle({"type": "unedit", "index": 0})
    assert view.answer is not None and view.answer.table["depth"].to_numpy().max() == 4
    view.handle({"type": "recursion"})
    assert view.answer.table["depth"].to_numpy().max() == 3


def test_names_are_taken_as_names_not_as_patterns(strange: Case, taken: Callable[..., Any]) -> None:
    view = Flame(strange)
    for name in {stack.split(";")[1] for _, _, _, stack, _ in taken(hostile=True) if ";" in stack}:
        view.handle({"type": "drop", "name": name})
        assert total(view) == weight(taken(hostile=True), lambda steps: name not in steps)  # noqa: B023
        view.handle({"type": "undo"})
        view.handle({"type": "focus", "name": name})
        assert total(view) == weight(taken(hostile=True), lambda steps: name in steps)  # noqa: B023
        view.handle({"type": "undo"})
    assert not re.search("[\x00-\x1f]", view.static)


def test_form_event_and_merging_are_chosen_above(sampled: Case, taken: Callable[..., Any]) -> None:
    view = Flame(sampled)
    for shape, (_, grows) in DIRECTIONS.items():
        view.handle({"type": "option", "name": "shape", "value": shape})
        assert view.spec["body"]["grows"] == grows and total(view) == weight(taken(), lambda _: True)
    first = view.answer.table.slice(1, 1)["name"][0].as_py() if view.answer else ""
    assert any(stack.endswith(first) for _, _, _, stack, _ in taken())  # callers: innermost first
    view.handle({"type": "option", "name": "event", "value": "off-cpu"})
    assert total(view) == weight(taken(), lambda _: True, "off-cpu")
    assert "off-cpu" in view.finding()
    view.handle({"type": "option", "name": "by", "value": "module"})
    assert view.answer is not None and "/usr/bin/shop" in view.answer.table["name"].to_pylist()
    view.handle({"type": "focus", "name": "/usr/bin/shop"})
    assert view.model.lens == Lens(modules=("/usr/bin/shop",))
    for nonsense in ({"type": "option", "name": "by", "value": "x"}, {"type": "open", "row": 10**9}, {"type": "?"}, {}):
        view.handle(nonsense)
    assert view.spec["body"]["form"] == "tree"


def test_callers_that_were_too_narrow_come_when_they_are_opened(
    sampled: Case, taken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew_widgets.views.tree_view.NARROWEST", 3)
    view = Flame(sampled)
    view.handle({"type": "option", "name": "shape", "value": "callers"})
    assert view.answer is not None
    assert view.spec["body"]["merged"] and view.spec["body"]["narrow"] == "stacks"
    assert "too narrow" in view.spec["note"]
    table = view.answer.table
    row = next(row for row, many in enumerate(table["narrow"].to_pylist()) if many)
    names = names_to(table, row)
    view.handle({"type": "open", "row": row})
    opened = view.answer.table
    at = view.spec["body"]["at"]
    assert names_to(opened, at) == names and opened["narrow"][at].as_py() == 0
    below = sum(each["total"] for each in opened.to_pylist() if each["parent"] == at)
    assert below + opened["self"][at].as_py() == opened["total"][at].as_py() == table["total"][row].as_py()
    assert total(view) == weight(taken(), lambda _: True)
    view.handle({"type": "open", "row": None})
    assert view.answer.table.to_pylist() == table.to_pylist() and view.spec["body"]["at"] is None


def test_callers_of_a_difference_that_were_too_narrow_come_when_they_are_opened(
    sampled: Case, taken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew_widgets.views.tree_view.NARROWEST", 3)
    first, last = sampled.bounds()
    view = FlameDiff(sampled, Lens(start_ns=(first + last) // 2), baseline=Lens(end_ns=(first + last) // 2))
    view.handle({"type": "option", "name": "shape", "value": "callers"})
    view.handle({"type": "option", "name": "scale", "value": "counted"})
    assert view.answer is not None
    table = view.answer.table
    row = next(row for row, many in enumerate(table["narrow"].to_pylist()) if many)
    assert view.spec["body"]["merged"] and "open" in view.spec["body"]["actions"]
    view.handle({"type": "open", "row": row})
    opened, at = view.answer.table, view.spec["body"]["at"]
    assert names_to(opened, at) == names_to(table, row) and opened["narrow"][at].as_py() == 0
    for total_of, own in (("before", "self_before"), ("after", "self")):
        below = sum(each[total_of] for each in opened.to_pylist() if each["parent"] == at)
        assert below + opened[own][at].as_py() == opened[total_of][at].as_py() == table[total_of][row].as_py()
    assert table["before"][0].as_py() + table["after"][0].as_py() == weight(taken(), lambda _: True)


def test_frames_by_line_lead_back_to_their_function(sampled: Case) -> None:
    view = Flame(sampled)
    view.handle({"type": "option", "name": "by", "value": "line"})
    assert view.answer is not None and "parse (shop.c:42)" in view.answer.table["name"].to_pylist()
    view.handle({"type": "stack", "path": ["serve", "parse (shop.c:42)"]})
    assert view.model.lens == Lens(functions=("parse",))


def test_the_sandwich_has_all_callers_and_callees_of_its_function(sampled: Case, taken: Callable[..., Any]) -> None:
    view = Sandwich(sampled)
    view.handle({"type": "function", "name": "parse"})
    inside = weight(taken(), lambda steps: "parse" in steps)
    body = view.spec["body"]
    assert (body["function"], total(view)) == ("parse", inside)
    assert body["callers"]["grows"] == "up" and body["callees"]["grows"] == "down"
    assert body["callees"]["whole"] == weight(taken(), lambda _: True)
    below = {row[1]: row[2] for row in view.draw(view.answer)[0].rows if row[0] == "calls"} if view.answer else {}
    assert set(below) == {"sort", "read", "parse"}
    view.handle({"type": "option", "name": "function", "value": "WRITE"})
    assert view.state.function == "write_log"
    view.handle({"type": "option", "name": "function", "value": "no such function"})
    assert "no such function" in view.spec["error"] and "function" in controls(view)
    view.handle({"type": "option", "name": "function", "value": "sort"})
    assert not view.spec["error"]


def test_the_difference_compares_with_the_whole_or_with_what_was_pinned(
    sampled: Case, taken: Callable[..., Any]
) -> None:
    view = FlameDiff(sampled)
    assert "the same" in view.spec["warning"]
    first = sampled.bounds()[0]
    view.model.set(Lens(end_ns=first + 10**9))
    view.handle({"type": "option", "name": "against", "value": "pin"})
    view.model.set(Lens(start_ns=first + 2 * 10**9))
    view.handle({"type": "option", "name": "scale", "value": "counted"})
    assert view.answer is not None and not view.spec["warning"]
    sides = [
        [one for one in taken() if one[0] < first + 10**9],
        [one for one in taken() if one[0] >= first + 2 * 10**9],
    ]
    assert [view.answer.summary[f"{side}_total"] for side in ("before", "after")] == [
        weight(side, lambda _: True) for side in sides
    ]
    assert controls(view)["against"]["value"] == "pinned"
    view.handle({"type": "option", "name": "against", "value": "whole"})
    assert view.answer.summary["before_total"] == weight(taken(), lambda _: True)


def test_two_cases_are_compared(sampled: Case, taken: Callable[..., Any], make_samples: Any, tmp_path: Path) -> None:
    other = clew.open(make_samples(tmp_path / "other", [one for one in taken() if "sort" not in one[3]]))
    view = FlameDiff(sampled, baseline_case=other)
    assert "sort grew most" in view.finding() and not view.spec["warning"]


def test_dragging_over_the_flame_chart_narrows_to_that_time(sampled: Case, taken: Callable[..., Any]) -> None:
    view = FlameChart(sampled)
    assert view.thread[1] in (701, 702)
    view.handle({"type": "option", "name": "thread", "value": "702 702"})
    assert view.thread == (702, 702)
    view.handle({"type": "brush", "start": 1e9, "end": 2e9})
    first = sampled.bounds()[0]
    assert view.model.lens == Lens(start_ns=first + 10**9, end_ns=first + 2 * 10**9)
    assert (view.spec["body"]["from"], view.spec["body"]["to"]) == (1e9, 2e9)
    inside = [one for one in taken() if 10**9 <= one[0] - first < 2 * 10**9 and one[1] == 702]
    assert view.spec["total"] == len(inside)


def test_the_copied_command_prints_what_is_shown(sampled: Case, taken: Callable[..., Any]) -> None:
    first = sampled.bounds()[0]
    view = Flame(sampled, Lens(start_ns=first + 10**9, tids=(701,)))
    view.handle({"type": "drop", "name": "idle"})
    view.handle({"type": "option", "name": "event", "value": "cpu-clock"})
    words = shlex.split(view.spec["body"]["command"] + " --function=sort")
    assert words[:3] == ["clew", "stacks", str(sampled.path)]
    shown = subprocess.run([sys.executable, "-m", *words, "--csv"], capture_output=True, text=True, check=True).stdout
    rows = list(csv.DictReader(shown.splitlines()))
    inside = [one for one in taken() if one[0] >= first + 10**9 and one[1] == 701]
    totals = {row["name"]: float(row["total"]) for row in rows if row["depth"] in ("0", "1")}
    assert totals["serve"] == totals["all"] == weight(inside, lambda steps: "sort" in steps)


def test_all_views_are_tabs_that_share_event_function_and_edits(sampled: Case) -> None:
    stacks = Stacks(sampled)
    assert {"flame", "sandwich", "diff", "flame_chart"} <= set(kinds())
    stacks.view.handle({"type": "drop", "name": "idle"})
    stacks.view.handle({"type": "function", "name": "sort"})
    assert stacks.chosen == "sandwich" and stacks.view.spec["body"]["function"] == "sort"
    assert stacks.tabs.spec["chosen"] == "sandwich" and list(stacks.children) == [stacks.tabs, stacks.view]
    stacks.tabs.handle({"type": "tab", "name": "diff"})
    assert "idle" not in stacks.view.answer.table["name"].to_pylist()
    stacks.tabs.handle({"type": "tab", "name": "no such"})
    assert stacks.chosen == "diff"


def test_the_explorer_shows_what_the_case_holds(case: Case, sampled: Case) -> None:
    calls_only, samples_only = Explorer(case), Explorer(sampled)
    order = lambda explorer: [type(child).__name__ for child in explorer.children]  # noqa: E731
    assert order(calls_only) == ["LensBar", "Activity", "Counts", "Box", "Note", "Note"]
    assert calls_only.children[-2].spec["label"] == "Requests" and "requests: " in calls_only.children[-2].spec["note"]
    assert "clew record --engine perf" in calls_only.children[-1].spec["note"]
    assert order(samples_only) == ["LensBar", "Stacks", "Note"]
    assert "clew record -- COMMAND" in samples_only.children[-1].spec["note"]
    assert [total["name"] for total in samples_only.bar.spec["totals"]] == ["samples"]
    twins = samples_only._repr_mimebundle_()["text/html"]
    assert twins.count("<img") == 1 and "samples" in twins
    samples_only.stacks.view.handle({"type": "focus", "name": "sort"})  # type: ignore[union-attr]
    assert samples_only.lens == Lens(functions=("sort",))
    assert [chip["label"] for chip in samples_only.bar.spec["chips"]] == ["function sort"]
    samples_only.bar.handle({"type": "reset"})
    assert samples_only.stacks and total(samples_only.stacks.view) == samples_only.stacks.view.answer.summary["total"]


def test_what_is_missing_is_said_with_what_to_do(case: Case, sampled: Case) -> None:
    nothing = Flame(case)
    assert "clew record --engine perf" in nothing.spec["empty"] and not nothing.spec.get("error")
    none = Flame(sampled, Lens(commands=("nobody",)))
    assert "Remove a chip" in none.spec["empty"] and "<img" not in none.static
    of_calls = Flame(sampled, Lens(ops=("close",)))
    assert "`clew record --stacks close -- COMMAND`" in of_calls.spec["empty"]
    filtered = Flame(sampled)
    filtered.handle({"type": "drop", "name": "serve"})
    filtered.handle({"type": "drop", "name": "idle"})
    assert "edits" in filtered.spec["empty"] and filtered.spec["body"]["edits"]


def test_stacks_without_time_and_threads_are_drawn_and_reported(
    make_samples: Any, taken: Callable[..., Any], tmp_path: Path
) -> None:
    folded = clew.open(make_samples(tmp_path / "folded", taken(), timed=False))
    explorer = Explorer(folded)
    assert explorer.stacks and total(explorer.stacks.view) == weight(taken(), lambda _: True)
    explorer.stacks.choose("flame_chart")
    assert "no thread or no time" in explorer.stacks.view.spec["error"]
    text = write_report(folded, tmp_path / "folded.html").read_text()
    assert "Flame graph of cpu-clock" in text and "<dt>precision" not in text


@pytest.mark.parametrize("name", ["flame", "sandwich", "diff", "flame_chart"])
def test_hostile_names_are_harmless_in_every_view(strange: Case, name: str) -> None:
    view = kinds()[name](strange)
    assert not view.spec.get("error") and "<script" not in view.static
    assert not re.search("[\x00-\x1f]", view.static + view.finding())
