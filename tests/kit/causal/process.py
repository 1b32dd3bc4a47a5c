"""One process, told by hand: requests that it got, calls that it made, and what the linker makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from clew.native.causal import NEVER, Attribution, Signals, attribute

TURN, DONE, IDLE, CAME = 1, 2, 3, 4
NONE, THREAD, HANDOFF, LOOP, HELD, ORDER, QUEUE, UNLIKELY, LOST = range(9)


class Process:
    """Spans of one process, in whatever order they are told."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.signals: list[tuple[int, int, int]] = []

    def server(self, start: int, end: int = int(NEVER), thread: int = 0, by: int | None = None, name: int = 1) -> str:
        """A request that came in at `start` and was answered at `end` by thread `by`."""
        return self._add(False, start, end, thread, thread if by is None else by, 1000 + len(self.spans), name, 0)

    def client(
        self, start: int, end: int = int(NEVER), thread: int = 0, conn: int = 0, name: int = 9, held: int = 0
    ) -> str:
        """A request that went out at `start` on connection `conn`, and its reply."""
        return self._add(True, start, end, thread, thread, conn, name, held)

    def _add(self, client: bool, start: int, end: int, thread: int, by: int, conn: int, name: int, held: int) -> str:
        key = f"{'c' if client else 's'}{start}"
        last = end if end == int(NEVER) else end + (0 if client else 1)
        self.spans.append(
            {"key": key, "client": client, "start": start, "asked": start, "end": end, "begun": start, "whole": last}
            | {
                "thread": thread,
                "end_thread": by if end != int(NEVER) else -1,
                "conn": conn,
                "name": name,
                "held": held,
                "owner": -1,
            }
        )
        if client and end != int(NEVER):
            self.spans[-1]["whole"] = end - 1
        return key

    def waits(self, *times: int, thread: int = 0, kind: int = IDLE) -> None:
        """When `thread` asked for ready descriptors, or (DONE) handed something back."""
        self.signals += [(at, thread, kind) for at in times]

    def linked(self) -> dict[str, tuple[str | None, int]]:
        """(cause, rule) of each client span."""
        spans = sorted(self.spans, key=lambda span: span["start"])
        columns = {name: np.array([span[name] for span in spans]) for name in spans[0] if name != "key"}
        columns["conn"] = np.unique(columns["conn"], return_inverse=True)[1]
        self.signals.sort()
        first = np.array([0, len(self.signals)])
        signals = Signals(
            first,
            np.array([at for at, _, _ in self.signals], np.int64),
            np.array([thread for _, thread, _ in self.signals], np.int32),
            np.array([kind for _, _, kind in self.signals], np.uint8),
        )
        pool = np.zeros(len(set(columns["conn"].tolist())), np.int32)
        self.found: Attribution = attribute(np.array([0, len(spans)]), columns, signals, pool)
        keys = [span["key"] for span in spans]
        return {
            keys[i]: (keys[cause] if cause >= 0 else None, int(self.found.rule[i]))
            for i, cause in enumerate(self.found.cause.tolist())
            if spans[i]["client"]
        }
