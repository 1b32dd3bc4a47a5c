"""Time outside of recorded calls: who spends it, and when nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import clew
from clew.case import Case
from clew.lens import Lens
from clew.questions.outside import outside

MS = 1_000_000
Maker = Callable[..., Any]


def recorded(capture: Maker, *, child: bool = False) -> Case:
    """sum (pid 5): 400 ms, 100 of them in a call; cat (pid 6): 400 ms, 390 in calls; both began at 1 ms.

    With ``child`` sum has one, for which it may have waited.
    """
    made = capture()
    made.clock(0)
    for serial, name, dur in ((1, "sum", 90), (2, "cat", 380)):
        pid = serial + 4
        made.records(
            serial,
            pid,
            pid,
            made.process(serial, pid, name, exe=f"/bin/{name}", begin=MS),
            made.record(serial, "read", result=1, begin=2 * MS, ticks=dur * MS),
            made.record(serial, "write", result=1, begin=391 * MS, ticks=10 * MS),
        )
    if child:
        made.records(3, 7, 7, made.process(3, 7, "child", ppid=5, how=1, begin=3 * MS))
    made.clock(1000 * MS)
    made.write()
    return clew.open(made.folder.parents[1])


def test_a_program_that_computes_is_named(capture: Maker) -> None:
    case = recorded(capture)
    answer = outside(case, Lens())
    assert answer.table.to_pylist() == [
        {"name": "sum", "processes": 1, "threads": 1, "life_ns": 400 * MS, "outside_ns": 300 * MS, "share": 0.75},
        {"name": "cat", "processes": 1, "threads": 1, "life_ns": 400 * MS, "outside_ns": 10 * MS, "share": 0.025},
    ]
    assert answer.note == "sum spent 300 ms outside of recorded calls in the 400 ms that it ran"
    assert outside(case, Lens(commands=("cat",))).note is None


def test_nothing_is_said_where_it_may_not_be_so(capture: Maker) -> None:
    case = recorded(capture, child=True)
    assert [row["name"] for row in outside(case, Lens()).table.to_pylist()] == ["cat"]
    for lens in (Lens(ops=("read",)), Lens(end_ns=200 * MS), Lens(latency=(1, None))):
        assert outside(case, lens).table.num_rows == 0
