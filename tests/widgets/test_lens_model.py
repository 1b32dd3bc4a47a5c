"""The shared Lens: every change can be undone, and read back as code."""

import pytest

from clew.lens import Lens
from clew_widgets.lens_model import LensModel, as_code
from clew_widgets.views.picking import picked

NGINX = [["commands", "nginx"]]
WRK = [["commands", "wrk"]]
SEND = [["ops", "send"], ["errnos", 104]]


def pick(lens: Lens, mode: str, *keys: list[list[object]]) -> Lens:
    return picked(lens, ("commands",), {"mode": mode, "keys": list(keys)})


def test_undo_redo_and_reset_walk_through_every_change() -> None:
    model = LensModel()
    steps = [Lens(commands=("nginx",)), Lens(commands=("nginx",), ops=("read",)), Lens(latency=(8, 16))]
    for step in steps:
        model.set(step)
    model.reset()
    seen = []
    while model.can_undo:
        model.undo()
        seen.append(model.lens)
    assert seen == [*reversed(steps), Lens()]
    while model.can_redo:
        model.redo()
    assert model.lens == Lens()
    model.undo()
    assert model.lens == steps[-1]


def test_a_new_change_forgets_what_was_undone() -> None:
    model = LensModel()
    model.set(Lens(commands=("nginx",)))
    model.undo()
    model.set(Lens(ops=("read",)))
    assert not model.can_redo
    model.redo()
    assert model.lens == Lens(ops=("read",))


def test_setting_the_same_lens_is_no_step() -> None:
    model = LensModel(Lens(pids=(7,)))
    changes: list[object] = []
    model.observe(changes.append, "lens")
    model.set(Lens(pids=(7,)))
    assert not model.can_undo
    assert changes == []


@pytest.mark.parametrize(
    ("field", "value", "left"),
    [
        ("commands", "nginx", Lens(start_ns=1, end_ns=2, commands=("wrk",), latency=(1, None))),
        ("time", [1, 2], Lens(commands=("nginx", "wrk"), latency=(1, None))),
        ("latency", [1, None], Lens(start_ns=1, end_ns=2, commands=("nginx", "wrk"))),
    ],
)
def test_a_chip_takes_away_what_it_shows(field: str, value: object, left: Lens) -> None:
    model = LensModel(Lens(start_ns=1, end_ns=2, commands=("nginx", "wrk"), latency=(1, None)))
    model.remove(field, value)
    assert model.lens == left


def test_every_chip_of_a_lens_can_be_removed_as_the_page_sends_it() -> None:
    model = LensModel(Lens(start_ns=1, end_ns=2, commands=("a",), pids=(3,), errnos=(2,), latency=(None, 4)))
    for chip in model.lens.chips():
        model.remove(chip.field, chip.value)
    assert model.lens == Lens()


def test_code_makes_the_same_lens_again() -> None:
    lens = Lens(start_ns=5, commands=("o'brien\"\\\n",), errnos=(2, 11), latency=(1024, None))
    names: dict[str, object] = {}
    exec(as_code(lens), names)
    assert names["lens"] == lens


def test_clicks_pick_one_several_and_let_go() -> None:
    one = pick(Lens(), "only", NGINX)
    assert one.commands == ("nginx",)
    both = pick(one, "toggle", WRK)
    assert both.commands == ("nginx", "wrk")
    assert pick(both, "toggle", NGINX).commands == ("wrk",)
    assert pick(both, "only", WRK).commands == ("wrk",)
    assert pick(one, "only", NGINX).commands == ()
    assert pick(one, "range", NGINX, WRK).commands == ("nginx", "wrk")


def test_a_row_of_two_fields_narrows_and_lets_go_of_both() -> None:
    lens = picked(Lens(commands=("wrk",)), ("ops", "errnos"), {"mode": "only", "keys": [SEND]})
    assert lens == Lens(commands=("wrk",), ops=("send",), errnos=(104,))
    assert picked(lens, ("ops", "errnos"), {"mode": "only", "keys": [SEND]}) == Lens(commands=("wrk",))


def test_fields_of_other_views_in_a_message_count_for_nothing() -> None:
    assert pick(Lens(pids=(1,)), "only", [["pids", 2], ["commands", "x"]]) == Lens(pids=(1,), commands=("x",))
