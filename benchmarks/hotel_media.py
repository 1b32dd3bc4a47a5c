"""Parents from timestamps alone: whole traces right, beside two simple rules, on simulated call graphs under load.

`python -m benchmarks hotel_media`. First-come-first-served gives a call to the request that has been there longest and
has not made it yet; the latest-request rule (as WAP5: delays fall off exponentially, each call by itself) to the one
that came last. All are told which calls a request may make. Ours learns the rest from 200 traces at low load ("learnt
before"), or from nothing but the loaded traces. "Sure" leaves out links of less than 90 % confidence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.call_graphs import Traces, simulate
from benchmarks.table import Table
from clew.causal.delays import Spans, infer

Ints = NDArray[np.int64]
SEEDS = (1, 2, 3, 4, 5)
QUIET_RATE, QUIET_TRACES, LEAST = 5.0, 200, 0.9
SETS: tuple[tuple[str, float, float, float, bool], ...] = (
    ("hotel", 80, 0.0, 1.0, True),
    ("hotel", 80, 0.0, 1.0, False),
    ("hotel", 80, 0.3, 1.0, True),
    ("hotel", 300, 0.0, 1.0, True),
    ("hotel", 600, 0.0, 1.0, True),
    ("hotel", 60, 0.0, 10.0, True),
    ("media", 120, 0.0, 1.0, True),
    ("media", 120, 0.0, 1.0, False),
    ("media", 300, 0.0, 1.0, True),
    ("media", 600, 0.0, 1.0, True),
    ("loop", 40, 0.0, 1.0, True),
)
"""(call graph, requests a second, share of calls left out, work of handlers beside the usual, learnt before)."""


@dataclass(frozen=True)
class Share:
    """What became of the calls: whole traces right; of single links those that are right, missing, wrong."""

    traces: float
    right: float
    none: float
    wrong: float


def columns(traces: Traces) -> Spans:
    """The spans without what is to be found out: whose, received or sent, name, begin, end."""
    processes, names = (sorted(set(values)) for values in (traces.service, traces.name))
    process, name = (
        np.array([known.index(value) for value in values], np.int64)
        for known, values in ((processes, traces.service), (names, traces.name))
    )
    times = (np.array(values, np.int64) for values in (traces.start_ns, traces.end_ns))
    return Spans(process, np.array(traces.server), name, *times)


def judge(traces: Traces, parent: Ints) -> Share:
    """``parent`` of every client span against the truth."""
    truth, trace = np.array(traces.parent), np.array(traces.trace)
    calls = ~np.array(traces.server)
    broken = np.zeros(trace.max() + 1, bool)
    broken[trace[calls & (parent != truth)]] = True
    found, all_calls = parent[calls], np.count_nonzero(calls)
    right, none = np.count_nonzero(found == truth[calls]), np.count_nonzero(found < 0)
    return Share(1 - broken.mean(), right / all_calls, none / all_calls, (all_calls - right - none) / all_calls)


def by_rule(spans: Spans, allowed: set[tuple[int, int]], choose: Callable[[list[int], int, set[int]], int]) -> Ints:
    """Parents by a rule that is given the requests that may have made a call (oldest first), its name and who has."""
    parent = np.full(len(spans.process), -1, np.int64)
    for process in np.unique(spans.process):
        here = np.flatnonzero(spans.process == process)
        here = here[np.argsort(spans.start_ns[here], kind="stable")]
        present, made = list[int](), dict[int, set[int]]()
        for row in here.tolist():
            present = [at for at in present if spans.end_ns[at] > spans.start_ns[row]]
            if spans.server[row]:
                present.append(row)
                continue
            name = int(spans.name[row])
            may = [
                at for at in present if spans.end_ns[at] >= spans.end_ns[row] and (int(spans.name[at]), name) in allowed
            ]
            parent[row] = choose(may, name, made.setdefault(name, set()))
            made[name].add(int(parent[row]))
    return parent


def first_come(may: list[int], name: int, made: set[int]) -> int:  # noqa: ARG001 -- a rule
    """The oldest request that has not made this call yet."""
    return next((at for at in may if at not in made), -1)


def latest(may: list[int], name: int, made: set[int]) -> int:  # noqa: ARG001 -- a rule
    """The latest request: with delays that fall off exponentially it is the most likely one."""
    return may[-1] if may else -1


def allowed_calls(traces: Traces, spans: Spans) -> set[tuple[int, int]]:
    """(name of request, name of call) that occur."""
    pairs = zip(range(len(traces.parent)), traces.parent, strict=True)
    return {(int(spans.name[of]), int(spans.name[row])) for row, of in pairs if of >= 0 and not traces.server[row]}


def figures(graph: str, rate: float, skip: float, effort: float, learnt: bool, seed: int) -> list[float]:
    """[latest rule, first come, ours (whole traces); wrong links; sure: right, none, wrong; CPU s] of one seed."""
    traces = simulate(graph, seed, rate, skip=skip, effort=effort)
    spans = columns(traces)
    low = simulate(graph, seed + 1000, QUIET_RATE, QUIET_TRACES, skip=skip, effort=effort)
    quiet = columns(low) if learnt else None
    allowed = allowed_calls(traces, spans)
    simple = [judge(traces, by_rule(spans, allowed, rule)).traces for rule in (latest, first_come)]
    begun = time.process_time()
    found = infer(spans, quiet)
    seconds = time.process_time() - begun
    ours = judge(traces, found.parent)
    sure = judge(traces, np.where(found.confidence >= LEAST, found.parent, -1))
    return [*simple, ours.traces, ours.wrong, sure.right, sure.none, sure.wrong, seconds]


def measure(seeds: Sequence[int] = SEEDS) -> Table:
    """One row a set: means over the seeds, and the worst seed of ours."""
    table = Table(
        f"Parents from timestamps alone: 1000 traces, mean of {len(seeds)} seeds",
        (
            *("call graph", "requests/s", "calls left out", "work", "learnt before", "latest request", "first come"),
            *("whole traces right", "worst seed", "wrong links", "sure: right", "none", "wrong", "CPU s"),
        ),
    )
    for graph, rate, skip, effort, learnt in SETS:
        rows = np.array([figures(graph, rate, skip, effort, learnt, seed) for seed in seeds])
        mean = rows.mean(axis=0)
        shares = [f"{100 * value:.1f} %" for value in (*mean[:3], rows[:, 2].min())]
        links = [f"{100 * value:.2f} %" for value in mean[3:7]]
        before = "yes" if learnt else "no"
        table.rows.append(
            (graph, f"{rate:g}", f"{100 * skip:g} %", f"x {effort:g}", before, *shares, *links, f"{mean[7]:.1f}")
        )
    return table
