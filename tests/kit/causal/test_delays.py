"""Parents from timestamps alone: against simulated truth, against exact matchings, and where nothing can be known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from benchmarks.call_graphs import Traces, simulate
from benchmarks.hotel_media import allowed_calls, by_rule, columns, first_come, judge, latest

from clew.causal.delays import Spans, infer
from clew.causal.delays.calls import learn
from clew.causal.delays.density import fit
from clew.causal.delays.matching import heaviest
from clew.causal.delays.process import containing

MS = 1_000_000


@pytest.mark.parametrize(
    ("graph", "rate", "bar", "seed"),
    [("hotel", 80, 0.984, 1), ("hotel", 80, 0.984, 7), ("hotel", 300, 0.984, 2), ("media", 120, 0.9, 1)],
)
def test_whole_traces_are_right(graph: str, rate: float, bar: float, seed: int) -> None:
    traces = simulate(graph, seed, rate)
    spans = columns(traces)
    found = infer(spans, columns(simulate(graph, seed + 1000, 5, 200)))
    ours = judge(traces, found.parent)
    allowed = allowed_calls(traces, spans)
    simple = [judge(traces, by_rule(spans, allowed, rule)).traces for rule in (first_come, latest)]
    assert max(simple) < 0.7, "the load is too low to tell anything"
    assert ours.traces >= bar
    sure = judge(traces, np.where(found.confidence >= 0.9, found.parent, -1))
    assert sure.wrong <= 0.001
    assert sure.right >= 0.98


def test_what_calls_what_is_learnt_under_load() -> None:
    """At 600 a second no request is ever alone: ten are open at any time."""
    traces = simulate("hotel", 3, 600)
    assert judge(traces, infer(columns(traces)).parent).traces >= 0.98


def test_calls_that_are_left_out() -> None:
    traces = simulate("hotel", 4, 150, skip=0.3)
    found = infer(columns(traces))
    assert judge(traces, found.parent).traces >= 0.97


def test_servers_have_no_parents_and_numbers_do_not_matter() -> None:
    traces = simulate("hotel", 5, 80, traces=300)
    spans = columns(traces)
    found = infer(spans)
    assert (found.parent[spans.server] == -1).all()
    assert (found.confidence[spans.server] == 0).all()
    order = np.random.default_rng(1).permutation(len(spans.name))
    mixed = Spans(
        *(column[order] for column in (spans.process, spans.server, spans.name + 7)),
        *(column[order] + 10**15 for column in (spans.start_ns, spans.end_ns)),
    )
    again = infer(mixed)
    there = again.parent >= 0
    assert np.array_equal(np.where(there, order[again.parent], -1), found.parent[order])


def spans_of(rows: list[tuple[bool, int, int, int]]) -> Spans:
    """One process; rows: server, name, start, end."""
    server, name, start, end = (np.array(column) for column in zip(*rows, strict=True))
    return Spans(np.zeros(len(rows), np.int64), server.astype(bool), name, start * MS, end * MS)


def test_what_cannot_be_told_is_not_sure() -> None:
    """Two requests that begin and end together, two calls with the same delays: either may be either's."""
    rows = [row for at in range(0, 2000, 100) for row in ((True, 0, at, at + 50), (False, 1, at + 10, at + 40))]
    rows += [(True, 0, 5000, 5050), (True, 0, 5000, 5050), (False, 1, 5010, 5040), (False, 1, 5010, 5040)]
    found = infer(spans_of(rows))
    assert (found.confidence[1:40:2] > 0.99).all()
    assert (found.parent[1:40:2] == np.arange(0, 40, 2)).all()
    assert set(found.parent[-2:].tolist()) == {40, 41}
    assert (found.confidence[-2:] <= 0.5).all()
    assert (infer(spans_of(rows), least=0.9).parent[-2:] == -1).all()


def test_a_call_outside_of_every_request_is_an_orphan() -> None:
    rows = [row for at in range(0, 2000, 100) for row in ((True, 0, at, at + 50), (False, 1, at + 10, at + 40))]
    rows += [(False, 1, 60, 70), (False, 1, 145, 155)]
    found = infer(spans_of(rows))
    assert found.parent[-2:].tolist() == [-1, -1]
    late = infer(spans_of([*rows[:-2], (True, 0, 3000, 3050), (False, 1, 3010, 3051)]), slack_ns=2 * MS)
    assert late.parent[-1] == len(rows) - 2


def test_known_parents_are_kept() -> None:
    traces = simulate("hotel", 6, 300, traces=400)
    spans, truth = columns(traces), np.array(traces.parent)
    calls = np.flatnonzero(~spans.server)
    free = infer(spans)
    wrong = calls[free.parent[calls] != truth[calls]]
    known = np.full(len(truth), -1)
    known[calls[::2]] = truth[calls[::2]]
    known[wrong] = truth[wrong]
    found = infer(spans, known=known)
    told = known >= 0
    assert (found.parent[told] == known[told]).all()
    assert judge(traces, found.parent).wrong <= 0.003


def test_no_server_no_parent() -> None:
    found = infer(spans_of([(False, 1, 0, 1), (False, 1, 5, 9)]))
    assert found.parent.tolist() == [-1, -1]
    empty = infer(Spans(*(np.empty(0, kind) for kind in (np.int64, bool, np.int64, np.int64, np.int64))))
    assert len(empty.parent) == 0


def test_open_spans() -> None:
    """A request and a call whose ends were not seen: the call can only be this request's."""
    never = np.iinfo(np.int64).max
    rows = [row for at in range(0, 2000, 100) for row in ((True, 0, at, at + 50), (False, 1, at + 10, at + 40))]
    spans = spans_of([*rows, (True, 0, 3000, 0), (False, 1, 3010, 0)])
    spans.end_ns[-2:] = never
    assert infer(spans).parent[-1] == len(rows)


def test_order_and_stages_are_learnt() -> None:
    """Calls 1 and 2 at once, then 3 in nine of ten requests, and 1 again."""
    rows, parents, at = list[tuple[int, int, int]](), list[int](), 0
    for number in range(50):
        made = [(1, 10, 30), (2, 12, 40), *([(3, 50, 60)] if number % 10 else []), (1, 70, 80)]
        rows += [(name, at + start, at + end) for name, start, end in made]
        parents += [number] * len(made)
        at += 100
    name, start, end = (np.array(column) for column in zip(*rows, strict=True))
    calls = learn(np.array(parents), np.zeros(50, np.int64), name, start, end, np.ones(50, bool))[0]
    assert [(slot.name, slot.nth, slot.stage) for slot in calls.slots] == [(1, 0, 0), (2, 0, 0), (3, 0, 1), (1, 1, 2)]
    assert [slot.share for slot in calls.slots] == [1, 1, 0.9, 1]
    assert calls.filled == {0b1111: 45, 0b1011: 5}


def test_densities_are_densities() -> None:
    chance = np.random.default_rng(3)
    seen = chance.lognormal(np.log(2e5), 0.4, 500)
    density = fit(seen)
    grid = np.linspace(0, 3e6, 200_001)
    mass = float(np.exp(density.log(grid)).sum() * (grid[1] - grid[0]))
    assert 0.95 < mass < 1.01
    inside, outside = density.log(np.array([2e5, 5e7]))
    assert inside - outside > 10
    assert np.isfinite(fit(np.empty(0)).log(np.array([-1e6, 0.0, 1e12]))).all()
    assert np.isfinite(fit(np.array([5.0])).log(np.array([5.0, 1e9]))).all()


def test_matchings_are_the_heaviest() -> None:
    """Against every matching there is, on small random graphs."""
    chance = np.random.default_rng(4)
    for _ in range(60):
        rows, columns_ = chance.integers(1, 5, 2)
        edges = [pair for pair in itertools.product(range(rows), range(columns_)) if chance.random() < 0.7]
        if not edges:
            continue
        row, column = (np.array(part) for part in zip(*edges, strict=True))
        weight = chance.normal(1, 2, len(edges))
        taken = heaviest(row, column, weight)
        assert len(set(row[taken].tolist())) == len(set(column[taken].tolist())) == len(taken)
        best = max(
            sum(weight[list(some)])
            for size in range(min(rows, columns_) + 1)
            for some in itertools.combinations(range(len(edges)), size)
            if len({edges[e][0] for e in some}) == len({edges[e][1] for e in some}) == size
        )
        assert weight[taken].sum() == pytest.approx(best)


def test_the_simulation_is_what_it_says() -> None:
    for graph, spans in (("hotel", 11), ("media", 27)):
        traces: Traces = simulate(graph, 1, 50, traces=50)
        assert len(traces.trace) == 50 * spans
        start, end, parent = (np.array(column) for column in (traces.start_ns, traces.end_ns, traces.parent))
        below = np.flatnonzero(parent >= 0)
        assert (start[below] >= start[parent[below]]).all()
        assert (end[below] <= end[parent[below]]).all()
        assert (np.array(traces.server)[below] != np.array(traces.server)[parent[below]]).all()


def test_calls_in_loops_are_not_taken_for_sure() -> None:
    traces = simulate("loop", 1, 40, traces=500)
    found = infer(columns(traces))
    assert judge(traces, found.parent).right > 0.95
    sure = judge(traces, np.where(found.confidence >= 0.9, found.parent, -1))
    assert sure.wrong < 0.01 < sure.none


def test_a_request_that_never_ends_costs_little() -> None:
    """It was open all the time: a candidate for every call, not a reason to look at every request for each."""
    traces = simulate("hotel", 8, 150, traces=2000)
    spans = columns(traces)
    front = spans.process[0]
    more = (front, True, spans.name[0], -1, np.iinfo(np.int64).max)
    longer = Spans(
        *(
            np.r_[np.array([value], column.dtype), column]
            for value, column in zip(
                more, (spans.process, spans.server, spans.name, spans.start_ns, spans.end_ns), strict=True
            )
        )
    )
    row, number = containing(
        np.r_[-1.0, np.sort(spans.start_ns[spans.server]).astype(float)],
        np.r_[np.inf, np.sort(spans.start_ns[spans.server]).astype(float) + 5e7],
        spans.start_ns[~spans.server].astype(float),
        spans.end_ns[~spans.server].astype(float),
    )
    assert len(row) < 200 * np.count_nonzero(~spans.server)
    assert np.count_nonzero(row == 0) == np.count_nonzero(~spans.server)
    assert len(np.unique(number)) == np.count_nonzero(~spans.server)
    found = infer(longer)
    parent = np.where(found.parent[1:] > 0, found.parent[1:] - 1, -1)
    assert judge(traces, parent).traces > 0.95
