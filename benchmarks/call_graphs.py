"""Spans of call graphs under load, by simulation, with the truth: who caused what.

`hotel` has 11 spans a trace, `media` 27: the shapes of DeathStarBench's hotel reservation and media review, which
TraceWeaver was measured on; `loop` makes one call up to eight times, which nothing but its place tells apart.
Requests come at random (Poisson); every service has a few processors that requests queue for, in order of arrival,
before their first call, between calls and after the last; waiting for a reply holds none. Work of one kind varies
(log-normal), stores answer at once (cached) or slowly. Times are ns.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

Step = Generator[Any, None, None]
_NETWORK_NS, _VARIES, _NETWORK_VARIES = 800_000, 0.5, 0.6
"""Mean of one way between services (kernel and runtime at both ends included); sigma of the logarithm of work and of
network times. With what handlers take below, traces are as long as those that TraceWeaver published: hotel 16 ms."""


@dataclass
class Traces:
    """One row a span: ``parent`` is the row that caused it (client: a server span of its process; server: the client
    span at the other end, which is known from the connection), -1 for roots."""

    trace: list[int] = field(default_factory=list)
    service: list[str] = field(default_factory=list)
    server: list[bool] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    start_ns: list[int] = field(default_factory=list)
    end_ns: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)

    def open(self, trace: int, service: str, server: bool, name: str, now: float, parent: int) -> int:
        """A new span; returns its row."""
        for column, value in zip(
            (self.trace, self.service, self.server, self.name, self.start_ns, self.end_ns, self.parent),
            (trace, service, server, name, int(now), 0, parent),
            strict=True,
        ):
            column.append(value)  # type: ignore[attr-defined]
        return len(self.trace) - 1


class Simulation:
    """Services with few processors, and requests that queue for them."""

    def __init__(self, seed: int, processors: int, skip: float, effort: float) -> None:
        self.chance = random.Random(seed)  # noqa: S311 -- the same traces each time
        self.skip, self._effort = skip, effort
        self.spans = Traces()
        self._processors = processors
        self._free: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[float, Callable[[], None]]]] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._joins: dict[str, tuple[int, int]] = {}
        self.now = 0.0

    def later(self, delay: float, what: Callable[[], None]) -> None:
        """Do ``what`` in ``delay`` ns."""
        heapq.heappush(self._agenda, (self.now + delay, next(self._number), what))

    def run(self) -> Traces:
        """Until nothing is left to do."""
        while self._agenda:
            self.now, _, what = heapq.heappop(self._agenda)
            what()
        return self.spans

    def varied(self, mean: float, sigma: float = _VARIES) -> float:
        """A time around ``mean``."""
        return self.chance.lognormvariate(math.log(mean) - sigma * sigma / 2, sigma)

    def work(self, service: str, mean: float, then: Callable[[], None]) -> None:
        """``then``, after a turn on a processor of ``service``."""
        queue = self._waiting.setdefault(service, deque())
        queue.append((self.varied(mean * self._effort), then))
        self._serve(service)

    def _serve(self, service: str) -> None:
        queue, free = self._waiting[service], self._free.setdefault(service, self._processors)
        if not queue or not free:
            return
        self._free[service] -= 1
        length, then = queue.popleft()

        def done() -> None:
            self._free[service] += 1
            then()
            self._serve(service)

        self.later(length, done)

    def request(self, trace: int, service: str, name: str, parent: int, done: Callable[[], None]) -> None:
        """A request arrives at ``service``: its handler runs; ``done`` when the reply is sent."""
        row = self.spans.open(trace, service, True, name, self.now, parent)

        def finish() -> None:
            self.spans.end_ns[row] = int(self.now)
            done()

        self._advance(HANDLERS[name](self, trace), service, trace, row, finish)

    def _advance(self, steps: Step, service: str, trace: int, row: int, finish: Callable[[], None]) -> None:
        """Run a handler to its next wait: a number is work (ns), a list of names calls made at once."""

        def on() -> None:
            self._advance(steps, service, trace, row, finish)

        step = next(steps, None)
        if step is None:
            finish()
        elif isinstance(step, tuple):
            self.later(step[0], on)
        elif isinstance(step, list):
            self._calls(step, service, trace, row, on)
        else:
            self.work(service, step, on)

    def _calls(self, names: Iterable[str], service: str, trace: int, row: int, then: Callable[[], None]) -> None:
        """Calls made at once, each sent a little after the one before; ``then`` when all have been answered."""
        wanted = list(names)
        left = len(wanted)

        def send(name: str) -> None:
            mine = self.spans.open(trace, service, False, name, self.now, row)

            def replied() -> None:
                nonlocal left
                self.spans.end_ns[mine] = int(self.now)
                left -= 1
                if not left:
                    then()

            def arrive() -> None:
                answer = lambda: self.later(self.varied(_NETWORK_NS, _NETWORK_VARIES), replied)  # noqa: E731
                self.request(trace, SERVICE[name], name, mine, answer)

            self.later(self.varied(_NETWORK_NS, _NETWORK_VARIES), arrive)

        delay = 0.0
        for name in wanted:
            self.later(delay, partial(send, name))
            delay += self.varied(20_000)

    def met(self, what: str, trace: int, wanted: int) -> bool:
        """Count an arrival; whether it is the last of ``wanted`` of that trace."""
        key = f"{what} {trace}"
        seen = self._joins.get(key, (0, 0))[0] + 1
        self._joins[key] = (seen, wanted)
        return seen == wanted


SERVICE = {
    "search": "search",
    "geo": "geo",
    "rates": "rate",
    "availability": "reservation",
    "profiles": "profile",
    "item": "item",
    "note": "note",
    "unique id": "unique-id",
    "movie id": "movie-id",
    "text": "text",
    "user": "user",
    "rating": "rating",
    **{f"upload {what}": "compose" for what in ("unique id", "movie id", "text", "user", "rating")},
    "store review": "review-storage",
    "user review": "user-review",
    "movie review": "movie-review",
}
_MS = 1_000_000.0


def _store(sim: Simulation, slow: float = 6 * _MS) -> tuple[float]:
    """How long a store takes: four of five are cached."""
    return (sim.varied(slow, 0.8) if sim.chance.random() < 0.2 else sim.varied(0.4 * _MS, 0.8),)


def _leaf(own: float = 0.2, slow: float = 6.0) -> Callable[[Simulation, int], Step]:
    def handler(sim: Simulation, trace: int) -> Step:  # noqa: ARG001
        yield own * _MS
        yield _store(sim, slow * _MS)
        yield own * _MS / 2

    return handler


def _in_turn(*calls: str, own: float) -> Callable[[Simulation, int], Step]:
    """Calls one after the other; each but the first is left out (cached) at ``sim.skip``."""

    def handler(sim: Simulation, trace: int) -> Step:  # noqa: ARG001
        yield own * _MS
        for number, call in enumerate(calls):
            if number and sim.chance.random() < sim.skip:
                continue
            yield [call]
            yield own * _MS

    return handler


def _loop(sim: Simulation, trace: int) -> Step:  # noqa: ARG001
    """One call after the other of one name, two and a half on average, then two at once."""
    yield 0.1 * _MS
    for _ in range(1 + int(sim.chance.expovariate(0.5)) % 8):
        yield ["item"]
        yield 0.05 * _MS
    yield ["profiles", "note"]
    yield 0.1 * _MS


def _upload(sim: Simulation, trace: int) -> Step:
    """Five parts of a review are gathered; who brings the last one has it stored, in three places at once."""
    yield 0.1 * _MS
    yield _store(sim, 2 * _MS)
    if sim.met("upload", trace, 5):
        yield 0.1 * _MS
        yield ["store review", "user review", "movie review"]
        yield 0.1 * _MS


def _compose(sim: Simulation, trace: int) -> Step:  # noqa: ARG001
    yield 0.2 * _MS
    yield ["unique id", "movie id", "text", "user"]
    yield 0.1 * _MS


def _movie_id(sim: Simulation, trace: int) -> Step:  # noqa: ARG001
    yield 0.2 * _MS
    yield _store(sim)
    yield 0.1 * _MS
    yield ["upload movie id", "rating"]
    yield 0.1 * _MS


def _part(name: str, slow: float) -> Callable[[Simulation, int], Step]:
    def handler(sim: Simulation, trace: int) -> Step:  # noqa: ARG001
        yield 0.2 * _MS
        if slow:
            yield _store(sim, slow * _MS)
            yield 0.1 * _MS
        yield [f"upload {name}"]
        yield 0.1 * _MS

    return handler


HANDLERS: dict[str, Callable[[Simulation, int], Step]] = {
    "GET hotels": _in_turn("search", "availability", "profiles", own=0.1),
    "search": _in_turn("geo", "rates", own=0.1),
    "geo": _leaf(),
    "rates": _leaf(slow=10),
    "availability": _leaf(slow=10),
    "profiles": _leaf(),
    "GET cart": _loop,
    "item": _leaf(),
    "note": _leaf(),
    "POST review": _compose,
    "unique id": _part("unique id", 0),
    "movie id": _movie_id,
    "text": _part("text", 0),
    "user": _part("user", 6),
    "rating": _part("rating", 4),
    **{name: _upload for name in SERVICE if name.startswith("upload ")},
    **{name: _leaf(slow=8) for name in ("store review", "user review", "movie review")},
}
ROOTS = {"hotel": "GET hotels", "media": "POST review", "loop": "GET cart"}


def simulate(
    graph: str, seed: int, rate: float, traces: int = 1000, processors: int = 2, skip: float = 0.0, effort: float = 1.0
) -> Traces:
    """``traces`` requests of ``graph`` (hotel, media, loop) at ``rate`` a second.

    ``skip``: share of calls left out; ``effort``: how much more work handlers have than usual.
    """
    sim = Simulation(seed, processors, skip, effort)
    at = 0.0
    for trace in range(traces):
        at += sim.chance.expovariate(rate) * 1e9
        sim.later(at, partial(sim.request, trace, "front", ROOTS[graph], -1, lambda: None))
    return sim.run()
