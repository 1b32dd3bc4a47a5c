"""Whose work each call was: one process at a time, from spans written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.kit.causal.process import DONE, HANDOFF, HELD, LOOP, LOST, NONE, QUEUE, THREAD, UNLIKELY, Process

from clew.errors import ClewError
from clew.native.causal import Signals, attribute, roots, shapes, trees, walk


def test_a_thread_works_for_the_request_that_it_answers_next() -> None:
    process = Process()
    process.server(100, 200)
    process.server(300, 400)
    process.client(110, 120)
    process.client(130, 140)
    process.client(310, 320)
    assert process.linked() == {"c110": ("s100", THREAD), "c130": ("s100", THREAD), "c310": ("s300", THREAD)}


def test_threads_do_not_mix() -> None:
    process = Process()
    process.server(100, 200, thread=0)
    process.server(105, 210, thread=1)
    process.client(110, 120, thread=1)
    process.client(112, 130, thread=0, conn=1)
    assert process.linked() == {"c110": ("s105", THREAD), "c112": ("s100", THREAD)}


def test_the_thread_that_answers_works() -> None:
    process = Process()
    for start in (100, 101, 102):
        process.server(start, start + 100, thread=0, by=start - 99)
    process.client(150, 160, thread=2, conn=1)
    process.client(151, 170, thread=1, conn=2)
    process.client(152, 165, thread=3, conn=3)
    assert process.linked() == {"c150": ("s101", HANDOFF), "c151": ("s100", HANDOFF), "c152": ("s102", HANDOFF)}


def test_a_loop_goes_on_with_what_came_in_last() -> None:
    process = Process()
    process.waits(99, 104, 119, 139, 159)
    process.server(100, 120)
    process.server(105, 160)
    process.client(101, 119, conn=1)  # right after the first request was read
    process.client(106, 140, conn=2)  # right after the second
    linked = process.linked()
    assert linked["c101"][0] == "s100"
    assert linked["c106"][0] == "s105"
    assert {rule for _, rule in linked.values()} == {LOOP}


def test_what_does_not_fit_is_no_parent() -> None:
    """It ends after the only request that was open: nobody's, and said so; with nothing open it is a root."""
    process = Process()
    process.server(100, 120)
    process.server(102, 119, thread=1)
    process.client(110, 130)
    process.client(200, 210)
    assert process.linked() == {"c110": (None, LOST), "c200": (None, NONE)}


def test_an_open_transaction_keeps_its_connection() -> None:
    process = Process()
    process.waits(99, 109, 119, 129, 139, 149)
    process.server(100, 300)
    process.client(101, 110, conn=7, held=1)
    process.server(111, 290)
    process.client(112, 140, conn=8)
    process.client(131, 150, conn=7)
    linked = process.linked()
    assert linked["c131"] == ("s100", HELD)


def test_a_guess_among_equals_is_a_link() -> None:
    """Two requests wait, nothing tells which of them asks or is answered then: no parent rather than a wrong one."""
    process = Process()
    process.waits(*range(99, 400, 10))
    for start in (100, 101):
        process.server(start, 400)
    process.client(103, 390, conn=1)
    process.client(155, 380, conn=2)
    linked = process.linked()
    assert linked["c155"][1] in (UNLIKELY, LOST)


def test_workers_that_hand_back() -> None:
    """Thread 0 receives and answers in the order in which threads 1 and 2 tell it that they are done."""
    process = Process()
    for i in range(40):
        at = 1000 * i
        process.server(at, at + 900)
        process.server(at + 10, at + 800)
        first, second = (1, 2) if i % 3 else (2, 1)
        process.client(at + 200, at + 300, thread=first, conn=first)
        process.client(at + 250, at + 350, thread=second, conn=second)
        process.waits(at + 700, thread=second, kind=DONE)
        process.waits(at + 750, thread=first, kind=DONE)
    linked = process.linked()
    for i in range(40):
        assert linked[f"c{1000 * i + 200}"] == (f"s{1000 * i}", QUEUE)
        assert linked[f"c{1000 * i + 250}"] == (f"s{1000 * i + 10}", QUEUE)


def done_at_once(names: int, took: int) -> tuple[set[int], set[int]]:
    """Jobs whose call is right, and wrong: the 40th of 80 is told by the thread that serves, not by its worker.

    Each job overlaps the next, on two workers; so many names take turns, and calls take `took` of the 1900 of a job.
    """
    process = Process()
    for i in range(80):
        at, worker = 1000 * i, 1 + i % 2
        process.server(at, at + 1900, name=1 + i % names)
        process.client(at + 200, at + 200 + took, thread=worker, conn=worker, name=11 + i % names)
        process.waits(at + 1500, thread=0 if i == 40 else worker, kind=DONE)
    linked = process.linked()
    told = {i: linked[f"c{1000 * i + 200}"] for i in range(80)}
    right = {i for i, cause in told.items() if cause == (f"s{1000 * i}", QUEUE)}
    return right, {i for i, (_, rule) in told.items() if rule == QUEUE} - right


def test_a_job_that_was_done_at_once_is_told_by_the_thread_that_waits() -> None:
    """The worker is the one that did what such requests ask for."""
    right, wrong = done_at_once(names=3, took=900)
    assert right == set(range(80))
    assert not wrong


def test_jobs_of_two_workers_of_which_one_was_done_at_once_stay_open() -> None:
    """When the 40th is told, the other worker has just done the same: nothing tells whose job that was."""
    right, wrong = done_at_once(names=1, took=100)
    assert right >= set(range(80)) - {40, 41, 42}
    assert not wrong


def test_jobs_may_rest_before_they_call() -> None:
    """Every other job calls late, after the one behind it in the queue: that says nothing against the queue."""
    process = Process()
    for i in range(80):
        at, worker = 1000 * i, 1 + i % 4
        process.server(at, at + 2900)
        called = at + (200 if i % 2 else 1500)
        process.client(called, called + 100, thread=worker, conn=worker)
        process.waits(at + 2500, thread=worker, kind=DONE)
    linked = process.linked()
    for i in range(80):
        assert linked[f"c{1000 * i + (200 if i % 2 else 1500)}"] == (f"s{1000 * i}", QUEUE)


def test_a_loop_that_answers_the_last_job_first_is_not_believed() -> None:
    """Of two that are told together; nothing else is taken from it."""
    process = Process()
    for i in range(120):
        at, together = 1000 * i, i % 3 > 0
        first = i % 3 == 1
        process.server(at, at + (1950 if first else 950 if together else 900), name=1 + i % 2)
        process.client(at + 200, at + 300, thread=1 + i % 3, conn=1 + i % 3, name=11 + i % 2)
        process.waits(at + (1700 if first else 800), thread=1 + i % 3, kind=DONE)
    linked = process.linked()
    told = {i: linked[f"c{1000 * i + 200}"] for i in range(120)}
    assert {i for i in told if i % 3 == 0} <= {i for i, cause in told.items() if cause == (f"s{1000 * i}", QUEUE)}
    assert not [i for i, (cause, rule) in told.items() if rule == QUEUE and cause != f"s{1000 * i}"]


def test_work_does_not_overlap() -> None:
    process = Process()
    for i in range(50):
        process.server(10 * i, 10 * i + 15, thread=i % 2)
        process.client(10 * i + 3, 10 * i + 8, thread=i % 2, conn=i % 2)
    process.linked()
    work = process.found.work
    for thread in (0, 1):
        own = np.sort(work[work["thread"] == thread], order="start")
        assert len(own) >= 20
        assert (own["start"] < own["end"]).all()
        assert (own["start"][1:] >= own["end"][:-1]).all()


def test_no_spans_at_all() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("client", "start", "asked", "end", "begun", "whole", "thread", "end_thread", "conn", "name", "held", "owner"),
        np.zeros(0),
    )
    empty = np.zeros(0, np.int64)
    signals = Signals(np.zeros(1, np.int64), empty, empty.astype(np.int32), empty.astype(np.uint8))
    assert len(attribute(np.zeros(1), nothing, signals, np.zeros(0, np.int32)).cause) == 0


def test_roots_and_depths() -> None:
    root, depth = roots(np.array([-1, 0, 1, -1, 3, 1]))
    assert root.tolist() == [0, 0, 0, 3, 3, 0]
    assert depth.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("parent", [[1, 0], [0], [2, 0, 1], [5], [-2]])
def test_circles_and_strangers_are_refused(parent: list[int]) -> None:
    with pytest.raises(ClewError, match="trees of spans"):
        roots(np.array(parent))


def test_equal_trees_have_one_shape() -> None:
    """Repeats in a row count once; order and names count."""
    #          A(b b c)        A(b c)        A(c b)        A(b c c)
    parent = np.array([-1, 0, 0, 0, -1, 4, 4, -1, 7, 7, -1, 10, 10, 10])
    name = np.array([1, 2, 2, 3, 1, 2, 3, 1, 3, 2, 1, 2, 3, 3], np.uint64)
    _, depth = roots(parent)
    shape = shapes(parent, depth, name)
    assert shape[0] == shape[4] == shape[10]
    assert shape[0] != shape[7]
    assert walk(parent[:4], shape[:4]).tolist() == [0, 1, 3]


def test_sizes_of_trees() -> None:
    parent = np.array([-1, 0, 1, -1])
    root, depth = roots(parent)
    sizes = trees(root, depth, np.array([0, 1, 0, 2], np.int32), np.array([1, 0.5, 0.9, 1], np.float32))
    assert sizes.root.tolist() == [0, 3]
    assert sizes.spans.tolist() == [3, 1]
    assert sizes.processes.tolist() == [2, 1]
    assert sizes.depth.tolist() == [2, 0]
    assert sizes.confidence.tolist() == [0.5, 1]
