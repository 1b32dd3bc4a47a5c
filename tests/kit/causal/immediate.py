"""An event loop that goes on as soon as something comes in, simulated: requests, pools of connections, and the truth.

Times are ns. A page is a list of batches: what is asked for at once, each as (pool, name of the call); a number instead
is a wait of so many ns for a clock. A batch of one element ``("keep", pool, names)`` takes a connection and makes these
calls on it one after the other before it gives it back.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clew.native.causal import Attribution, Signals, attribute

TURN, IDLE = 1, 3
Batch = Sequence[Any]
Event = tuple[int, int, Callable[[], None]]
Page = Callable[[random.Random], Sequence[Batch]]


@dataclass
class Pool:
    """Connections to one address; whoever finds none waits."""

    conns: list[int]
    stack: bool = False  # who came last is served first
    waiting: deque[tuple[Request, tuple[str, ...]]] = field(default_factory=deque)


@dataclass
class Request:
    """One that is open."""

    span: int
    customer: int
    batches: list[Batch]
    missing: int = 0


class Loop:
    """A loop under load: ``found`` is what the linker makes of it, ``truth`` whose call each span is."""

    def __init__(self, pages: dict[int, Page], pools: dict[str, tuple[int, bool]], seed: int = 1) -> None:
        self.random, self.pages = random.Random(seed), pages
        self.spans: list[dict[str, int]] = []
        self.truth: dict[int, int] = {}
        self.signals: list[tuple[int, int]] = []
        self.pool_of: list[int] = []
        self.pools: dict[str, Pool] = {}
        for number, (name, (size, stack)) in enumerate(pools.items()):
            self.pools[name] = Pool([self._connection(number) for _ in range(size)], stack)
        self.events: list[Event] = []  # what comes in
        self.clocks: list[Event] = []  # run before the loop asks what came in
        self.now, self.made, self.left = 1_000_000, 0, 0

    def _connection(self, pool: int) -> int:
        self.pool_of.append(pool)
        return len(self.pool_of) - 1

    def _at(self, ns: int, what: Callable[[], None], queue: list[Event] | None = None) -> None:
        self.made += 1
        heapq.heappush(self.events if queue is None else queue, (ns, self.made, what))

    def _act(self) -> int:
        self.now += self.random.randrange(5_000, 30_000)
        return self.now

    def run(self, clients: int, requests: int) -> None:
        """Serve so many requests of so many customers, each asking again when it has its reply."""
        self.left = requests
        for customer in range(clients):
            self._arrive(self.random.randrange(2_000_000), customer, self._connection(100 + customer))
        while self.events or self.clocks:
            self._run_clocks()
            if not self.events:
                self.now = max(self.now, self.clocks[0][0]) if self.clocks else self.now
                continue
            if self.clocks and self.clocks[0][0] < self.events[0][0]:
                self.signals.append((self._act(), IDLE))
                self.now = max(self.now, self.clocks[0][0])
                continue
            self.signals.append((self._act(), TURN if self.events[0][0] < self.now else IDLE))
            self.now = max(self.now, self.events[0][0])
            self.signals[-1] = (self.now + 1, self.signals[-1][1])
            self.now += 2
            ready = []
            while self.events and self.events[0][0] < self.now:
                ready.append(heapq.heappop(self.events)[2])
            for what in ready:
                self._act()
                what()

    def _run_clocks(self) -> None:
        while self.clocks and self.clocks[0][0] <= self.now:
            self._act()
            heapq.heappop(self.clocks)[2]()

    def _arrive(self, after: int, customer: int, conn: int) -> None:
        if self.left:
            self.left -= 1
            self._at(self.now + after, lambda: self._receive(customer, conn))

    def _receive(self, customer: int, conn: int) -> None:
        name = self.random.choice(list(self.pages))
        request = Request(self._span(False, conn, name), customer, list(self.pages[name](self.random)))
        self._go_on(request)

    def _span(self, client: bool, conn: int, name: int) -> int:
        self.spans.append({"client": client, "conn": conn, "name": name, "start": self._act()})
        return len(self.spans) - 1

    def _go_on(self, request: Request) -> None:
        if not request.batches:
            span = self.spans[request.span]
            span["end"] = self._act()
            self._arrive(self.random.randrange(100_000, 900_000), request.customer, span["conn"])
            return
        batch = request.batches.pop(0)
        request.missing = len(batch)
        for what in batch:
            if isinstance(what, int):
                self._at(self.now + what, lambda: self._part_done(request), self.clocks)
            else:
                self._want(request, self.pools[what[1] if what[0] == "keep" else what[0]], what)

    def _want(self, request: Request, pool: Pool, what: Any) -> None:
        calls = tuple(what[2]) if what[0] == "keep" else (what[1],)
        if pool.conns:
            self._call(request, pool, pool.conns.pop(), calls)
        else:
            pool.waiting.append((request, calls))

    def _call(self, request: Request, pool: Pool, conn: int, calls: tuple[int, ...]) -> None:
        span = self._span(True, conn, calls[0])
        self.truth[span] = request.span
        took = self.random.randrange(50_000, 400_000) * (10 if calls[0] % 2 else 1)
        self._at(self.now + took, lambda: self._reply(span, request, pool, calls))

    def _reply(self, span: int, request: Request, pool: Pool, calls: tuple[int, ...]) -> None:
        self.spans[span]["end"] = self._act()
        conn = self.spans[span]["conn"]
        if calls[1:]:
            self._call(request, pool, conn, calls[1:])
            return
        if pool.waiting:
            self._call(*self._next(pool, conn))
        else:
            pool.conns.append(conn)
        self._part_done(request)

    def _next(self, pool: Pool, conn: int) -> tuple[Request, Pool, int, tuple[int, ...]]:
        request, calls = pool.waiting.pop() if pool.stack else pool.waiting.popleft()
        return request, pool, conn, calls

    def _part_done(self, request: Request) -> None:
        request.missing -= 1
        if not request.missing:
            self._go_on(request)

    def linked(self) -> tuple[float, float]:
        """Shares of requests of which all calls are right, and of which some are wrong, in percent."""
        order = sorted(range(len(self.spans)), key=lambda i: self.spans[i]["start"])
        place = {span: at for at, span in enumerate(order)}
        columns: dict[str, Any] = {
            name: np.array([self.spans[i][name] for i in order]) for name in ("client", "start", "end", "conn", "name")
        }
        count = len(order)
        columns |= {"asked": columns["start"], "begun": columns["start"], "thread": np.zeros(count)}
        columns |= {"end_thread": np.zeros(count), "held": np.zeros(count), "owner": np.full(count, -1)}
        columns["whole"] = np.where(columns["client"], columns["end"] - 1, columns["end"] + 1)
        ns, kind = (np.array(values) for values in zip(*self.signals, strict=True))
        signals = Signals(np.array([0, len(ns)]), ns, np.zeros(len(ns), np.int32), kind.astype(np.uint8))
        found: Attribution = attribute(
            np.array([0, count]), columns, signals, np.unique(self.pool_of, return_inverse=True)[1]
        )
        verdict = dict.fromkeys((i for i in range(count) if not self.spans[i]["client"]), "right")
        for span, owner in self.truth.items():
            cause = int(found.cause[place[span]])
            if found.rule[place[span]] == 7 or cause < 0:
                verdict[owner] = "orphan" if verdict[owner] == "right" else verdict[owner]
            elif cause != place[owner]:
                verdict[owner] = verdict[order[cause]] = "wrong"
        said = list(verdict.values())
        return 100 * said.count("right") / len(said), 100 * said.count("wrong") / len(said)
