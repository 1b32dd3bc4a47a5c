"""Flame graphs, drawn: columns say what the samples say, narrow frames merge with their sum, the twin stands alone."""

from __future__ import annotations

import base64
import html
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clew.case import Case
from clew.lens import Lens
from clew.questions.flame import flame
from clew.questions.flame_chart import flame_chart
from clew.questions.flame_diff import flame_diff
from clew_widgets import assets
from clew_widgets.drawing.flame import amount, merged_note
from clew_widgets.drawing.flame import flame as draw
from clew_widgets.drawing.flame_chart import flame_chart as draw_chart
from clew_widgets.drawing.flame_columns import column, owned, prune, sizes
from clew_widgets.drawing.static import twin
from clew_widgets.report import embedded
from clew_widgets.views.command_line import stacks as command

NUMBERS = {"u1": "u1", "u2": "<u2", "u4": "<u4", "f8": "<f8"}


def numbers(sent: dict[str, Any]) -> list[Any]:
    values: list[Any] = np.frombuffer(sent["data"], NUMBERS[sent["type"]]).tolist()
    return values


def paths(body: dict[str, Any], value: str = "total") -> dict[str, float]:
    """Folded path -> total, read from the columns as the page reads them."""
    raw = dict(body["raw"])
    names = [raw.get(index, body["names"][index]) for index in numbers(body["places"]["name"])]
    found: dict[str, float] = {}
    path: list[str] = []
    merged = dict(body["merged"])
    for row, (depth, place, total) in enumerate(
        zip(numbers(body["depth"]), numbers(body["place"]), numbers(body[value]), strict=True)
    ):
        path = [*path[:depth], f"({merged[row]} merged)" if row in merged else names[place]]
        found[";".join(path)] = total
    return found


def expected(samples: list[Any], event: str = "cpu-clock") -> dict[str, float]:
    """The same from the samples themselves."""
    found: Counter[str] = Counter()
    for _, _, name, stack, weight in samples:
        if name == event:
            steps = ["all", *stack.split(";")]
            for depth in range(1, len(steps) + 1):
                found[";".join(steps[:depth])] += weight
    return dict(found)


def drawn(case: Case, lens: Lens | None = None, **options: Any) -> Any:
    answer = flame(case, lens or Lens(), "cpu-clock")
    return draw(answer.table, unit="ns", event="cpu-clock", **options)


def test_the_columns_give_every_stack_with_its_weight(sampled: Case, taken: Callable[..., Any]) -> None:
    assert paths(drawn(sampled).body) == expected(taken())


def test_hostile_names_arrive_as_they_were_and_are_shown_harmless(strange: Case, taken: Callable[..., Any]) -> None:
    drawing = drawn(strange)
    assert paths(drawing.body) == expected(taken(hostile=True))
    assert not any(re.search("[\x00-\x1f]", name) for name in drawing.body["names"])
    assert [name for _, name in drawing.body["raw"]] == ["nul\0name"]
    assert not re.search("[<>&]", embedded(drawing.body))
    shown = twin("Flame", drawing)
    assert "<script" not in shown and "<img src=x" not in shown
    picture = base64.b64decode(re.findall(r"base64,([A-Za-z0-9+/=]+)", shown)[0]).decode()
    assert "<script" not in picture and 'onerror="' not in picture and len(picture) < 100_000
    assert "\x00" not in picture + shown


def big(nodes: int, seed: int = 1) -> pa.Table:
    """A random tree in the columns of questions.flame."""
    random = np.random.default_rng(seed)
    parent = np.full(nodes, -1)
    depth = np.zeros(nodes, np.int64)
    path = [0]
    for row in range(1, nodes):
        level = int(random.integers(max(1, len(path) - 3), len(path) + 1)) if len(path) < 60 else 20
        path = [*path[:level], row]
        parent[row], depth[row] = path[level - 1], level
    own = random.pareto(0.8, nodes) * 1000
    total = own.copy()
    for row in range(nodes - 1, 0, -1):
        total[parent[row]] += total[row]
    names = np.array([f"function_{number}" for number in range(500)])[random.integers(0, 500, nodes)].astype(object)
    names[0] = "all"
    text = pa.array(["user"] * nodes)
    return pa.table({"node": np.arange(nodes), "parent": parent, "depth": depth, "name": pa.array(names),
                     "module": pa.nulls(nodes, pa.string()), "kind": text, "self": own, "total": total})  # fmt: skip


def test_pruning_keeps_what_is_wide_and_the_sum_of_the_rest() -> None:
    table = big(20_000)
    drawing = draw(table, unit="ns", event="cpu", most=5_000, narrowest=2_000)
    depth, total = numbers(drawing.body["depth"]), numbers(drawing.body["total"])
    merged = dict(drawing.body["merged"])
    rows = numbers(drawing.body["rows"])
    assert len(depth) < 10_000 and merged
    wide = np.flatnonzero(table["total"].to_numpy() * 2_000 >= total[0])
    assert [row for at, row in enumerate(rows) if at not in merged] == wide.tolist()
    assert len(wide) + sum(merged.values()) == 20_000
    # a frame still weighs itself and its children, whether these are drawn or merged
    own = table["self"].to_numpy()
    below: dict[int, float] = {}
    path: list[int] = []
    for at, level in enumerate(depth):
        path = [*path[:level], at]
        if level:
            below[path[level - 1]] = below.get(path[level - 1], 0) + total[at]
    for at, row in enumerate(rows):
        if at not in merged:
            assert below.get(at, 0) + own[row] == pytest.approx(total[at], rel=1e-9)
    assert f"{sum(merged.values()):,}" in merged_note(drawing, table)


def test_zooming_into_a_merged_place_sends_what_is_in_it() -> None:
    table = big(20_000)
    first = draw(table, unit="ns", event="cpu", most=5_000, narrowest=50)
    depth, rows = numbers(first.body["depth"]), numbers(first.body["rows"])
    for at, many in first.body["merged"]:
        above = rows[max(row for row in range(at) if depth[row] == depth[at] - 1)]
        again = draw(table, unit="ns", event="cpu", most=5_000, narrowest=50, at=above).body
        shown = [row for number, row in enumerate(numbers(again["rows"])) if number not in dict(again["merged"])]
        children = np.flatnonzero(table["parent"].to_numpy() == above)
        assert again["at"] == above and set(children) <= set(shown) and many > 0
        assert numbers(again["total"])[0] == table["total"][0].as_py()


def test_sizes_and_own_weights_of_a_tree() -> None:
    parent, depth = np.array([-1, 0, 1, 1, 0]), np.array([0, 1, 2, 2, 1])
    assert sizes(parent, depth).tolist() == [5, 3, 1, 1, 1]
    assert owned(parent, np.array([10.0, 6, 2, 3, 4])).tolist() == [0, 1, 2, 3, 4]
    assert prune(parent, depth, np.ones(5), most=5) is None


def test_a_difference_has_both_sides_and_says_what_changed_most(sampled: Case, taken: Callable[..., Any]) -> None:
    first = sampled.bounds()[0]
    early, late = Lens(end_ns=first + 1_500_000_000), Lens(start_ns=first + 1_500_000_000)
    answer = flame_diff(sampled, late, sampled, early, "cpu-clock", normalise=False)
    drawing = draw(answer.table, unit="ns", event="cpu-clock")
    halves = [[one for one in taken() if (one[0] < first + 1_500_000_000) == side] for side in (True, False)]
    for name, half in zip(("before", "after"), halves, strict=True):
        known = expected(half)
        got = paths(drawing.body, name)
        assert {path: got[path] for path in known} == known
        assert all(not weight for path, weight in got.items() if path not in known)
    own = [Counter[str](), Counter[str]()]
    for counter, half in zip(own, halves, strict=True):
        for _, _, event, stack, weight in half:
            if event == "cpu-clock":
                counter[stack.split(";")[-1]] += weight
    change = {name: own[1][name] - own[0][name] for name in own[0] | own[1]}
    assert f"{max(change, key=lambda name: change[name])} grew most (+" in drawing.finding
    assert f"{min(change, key=lambda name: change[name])} shrank most (\N{MINUS SIGN}" in drawing.finding
    assert drawing.heads == ["function", "self before", "self after", "change"]


def test_the_twin_says_the_heaviest_functions_with_units(sampled: Case, taken: Callable[..., Any]) -> None:
    own: Counter[str] = Counter()
    for _, _, event, stack, weight in taken():
        if event == "cpu-clock":
            own[stack.split(";")[-1]] += weight
    most, weight = own.most_common(1)[0]
    drawing = drawn(sampled)
    assert f"most in {most}: {amount('ns', weight)}" in drawing.finding
    assert [row[0] for row in drawing.rows] == [name for name, _ in own.most_common()]
    shown = twin("Flame", drawing)
    assert f'alt="{html.escape(drawing.finding)}"' in shown and "<table>" in shown
    inverted = draw(
        flame(sampled, Lens(), "cpu-clock", direction="up").table, unit="ns", event="cpu-clock", inverted=True
    )
    assert inverted.rows == drawing.rows


def test_a_flame_chart_covers_the_time_of_its_samples(sampled: Case) -> None:
    first = sampled.bounds()[0]
    answer = flame_chart(sampled, Lens(), 701, "cpu-clock")
    window = (first, first + 3_000_000_000)
    drawing = draw_chart(answer.table, origin_ns=first, window=window, label="Thread 701")
    depth, start, length = (np.array(numbers(drawing.body[name])) for name in ("depth", "start", "length"))
    assert depth.min() == 0 and start.min() == 0
    top = depth == 0
    assert length[top].sum() == pytest.approx(3_000_000_000, rel=0.002)
    assert (np.diff(start[top]) >= length[top][:-1]).all()
    assert "stretches" in drawing.finding and drawing.rows and "<rect" in drawing.picture


def test_columns_are_little_endian_and_refuse_nothing_silently() -> None:
    assert column("u2", [1, 258])["data"] == b"\x01\x00\x02\x01"
    assert column("f8", [1.0])["data"] == b"\0\0\0\0\0\0\xf0\x3f"
    with pytest.raises(TypeError):
        embedded({"a": object()})
    assert embedded({"a": b"\xff\x00"}) == '{"a":"/wA="}'


def test_the_command_names_what_is_seen(sampled: Case) -> None:
    lens = Lens(start_ns=sampled.bounds()[0] + 5, commands=("a b",), functions=("x; rm -rf 'y'",), stack=("main", "f"))
    line = command(sampled.path, lens, sampled.bounds()[0], "cpu-clock", edits=[("hide", r"\Aq\Z"), ("recursion", "")])
    assert line.startswith("clew stacks ") and "--event=cpu-clock" in line and "--from=5ns" in line
    assert "'--command=a b'" in line and "'--stack=main;f'" in line and "recursion" not in line
    assert """'--function=x; rm -rf '"'"'y'"'"''""" in line


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 defines it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("side", "grounds"), [(0, ("#ffffff",)), (1, ("#16181c", "#212121", "#111111"))])
def test_fills_stand_out_from_the_page_and_carry_readable_text(side: int, grounds: tuple[str, ...]) -> None:
    found = re.findall(r"--clew-f-([\w-]+): light-dark\((#\w+), (#\w+)\)", assets.read("drawing/flame.css"))
    fills = {name: pair[side] for name, *pair in found if name != "hit-text"}
    assert len(fills) >= 18
    (text,) = re.findall(r"--clew-f-text: (#\w+)", assets.read("drawing/flame.css"))
    on_hit = {name: pair for name, *pair in found}["hit-text"][side]
    for name, fill in fills.items():
        darkest = "#" + "".join(f"{round(int(fill[at : at + 2], 16) * 0.86):02x}" for at in (1, 3, 5))
        assert all(contrast(fill, ground) >= 3 and contrast(darkest, ground) >= 3 for ground in grounds), name
        assert contrast(fill, on_hit if name == "hit" else text) >= 4.5, name
        assert name == "hit" or contrast(darkest, text) >= 4, name
