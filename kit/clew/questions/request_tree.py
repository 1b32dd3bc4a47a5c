"""One request as a tree: where its time went, and the chain of work that its end had to wait for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from clew.case import Case
from clew.causal import span_times
from clew.causal.span_times import Spans, Times
from clew.errors import ClewError
from clew.questions.answer import Answer, runnable
from clew.questions.ask import need_requests

_SQL = """WITH mine AS MATERIALIZED (SELECT * FROM span WHERE request_id = $request_id),
said AS MATERIALIZED (
    SELECT msg_id, bytes, summary FROM message
    WHERE msg_id IN (SELECT unnest([request_msg_id, reply_msg_id]) FROM mine))
SELECT s.span_id, s.parent_span_id, s.depth, s.name, s.kind, s.protocol, s.command, s.pid, s.tid, s.host,
       s.start_ns, s.end_ns, s.end_ns - s.start_ns AS dur_ns, s.status, s.error, s.link_rule, s.confidence,
       CASE s.kind WHEN 'server' THEN a.bytes ELSE q.bytes END AS bytes_out,
       CASE s.kind WHEN 'server' THEN q.bytes ELSE a.bytes END AS bytes_in, q.summary, s.conn_id, s.request_id,
       t.worked_ns - t.blocked_ns AS worked_ns
FROM mine s LEFT JOIN (SELECT * FROM span_time WHERE request_id = $request_id AND NOT caller) t USING (span_id)
LEFT JOIN said q ON q.msg_id = s.request_msg_id LEFT JOIN said a ON a.msg_id = s.reply_msg_id
ORDER BY s.start_ns, s.depth, s.span_id"""


def request_tree(case: Case, request_id: int) -> Answer:
    """The spans of one request, depth first, children in the order they began.

    Columns: ``span_id``, ``parent_span_id``, ``depth`` (in the tree as shown), ``name``, ``kind``, ``protocol``,
    ``command``, ``pid``, ``tid``, ``host``, ``start_ns``, ``end_ns``, ``dur_ns``, ``self_ns`` (own time that no child
    it waits for covers; of a client span: on the way and in what was not recorded), ``wait_ns`` (covered by such
    children: dur = self + wait), ``status``, ``error``, ``link_rule``, ``confidence``, ``bytes_out``, ``bytes_in`` (of
    its messages, as this end sees them), ``delay_ns`` (server spans: from the request's being sent to its being
    received), ``on_critical_path``; beyond these ``waited_ns`` (time its parent waited for it; 0: the parent did not),
    ``critical_ns`` (its own share of the critical path: they add up to the request's duration), ``worked_ns`` (of
    self_ns: a thread worked for it and was in no call that only waits; the rest was spent in such calls, in a queue, or
    in what was not seen; NULL: client spans, not known), ``outlives`` (it ended after its parent), ``reason`` (why a
    figure is NULL, or what is odd), ``summary`` (what was said).

    The critical path is found from the end backwards: from a span's end to the last child that ended before, through
    that child, and on from the child's start (as CRISP, USENIX ATC 2022, and Jaeger do). The SQL gives the spans
    without what is computed from them. Raises ClewError where there is no such request.
    """
    need_requests(case, "path")
    params = {"request_id": int(request_id)}
    try:
        table = case.sql(_SQL, params)
    except ClewError as error:
        if "out of range" not in str(error):
            raise
        raise no_request(case, request_id) from None
    if not table.num_rows:
        raise no_request(case, request_id)
    spans = span_times.arrays(table)
    times = span_times.times(spans)
    order, depth = _depth_first(spans)
    critical = _critical(spans, times)
    rows = table.to_pylist()
    made = []
    for place, level in zip(order, depth, strict=True):
        row = rows[place]
        above = spans.parent[place]
        known = bool(times.known[place])
        delay = spans.start[place] - spans.start[above] if above >= 0 and row["kind"] == "server" else None
        row |= {
            "depth": level,
            "self_ns": int(times.own[place]) if known else None,
            "wait_ns": int(times.wait[place]) if known else None,
            "waited_ns": _waited(spans, times, place),
            "delay_ns": int(delay) if delay is not None and delay >= 0 else None,
            "on_critical_path": None if critical is None else bool(critical[place] > 0),
            "critical_ns": None if critical is None else int(critical[place]),
            "outlives": bool(times.outlives[place]),
            "reason": "; ".join(_reasons(spans, times, place, delay)) or None,
        }
        made.append(row)
    return replace(_answer(made, params), note=_note(made, critical))


def no_request(case: Case, request_id: int) -> ClewError:
    """The error that says that there is no such request."""
    return ClewError(f"there is no request {request_id}; `clew requests {case.path} --slowest 10` shows ids")


_ORDER = {
    **dict.fromkeys(("span_id", "parent_span_id"), pa.uint64()),
    "depth": pa.uint16(),
    **dict.fromkeys(("name", "kind", "protocol", "command"), pa.string()),
    **dict.fromkeys(("pid", "tid"), pa.int32()),
    "host": pa.string(),
    **dict.fromkeys(("start_ns", "end_ns", "dur_ns", "self_ns", "wait_ns"), pa.int64()),
    "status": pa.string(),
    "error": pa.bool_(),
    "link_rule": pa.string(),
    "confidence": pa.float64(),
    **dict.fromkeys(("bytes_out", "bytes_in"), pa.uint64()),
    "delay_ns": pa.int64(),
    "on_critical_path": pa.bool_(),
    **dict.fromkeys(("waited_ns", "critical_ns", "worked_ns"), pa.int64()),
    "outlives": pa.bool_(),
    **dict.fromkeys(("reason", "summary"), pa.string()),
    "conn_id": pa.uint64(),
}


def _answer(rows: list[dict[str, Any]], params: dict[str, Any]) -> Answer:
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in _ORDER.items()})
    root = rows[0]
    figures = {
        "request_id": params["request_id"],
        "name": root["name"],
        "dur_ns": root["dur_ns"],
        "spans": len(rows),
        "processes": len({(row["host"], row["pid"], row["command"]) for row in rows}),
        "resolved": root["link_rule"] != "unresolved",
        "confidence": min(row["confidence"] for row in rows),
    }
    title = f"request {params['request_id']}: {root['name']}"
    return Answer(table, runnable(_SQL, params), title, None, figures)


def _note(rows: list[dict[str, Any]], critical: Any) -> str | None:
    said = []
    if rows[0]["link_rule"] == "unresolved":
        said.append("unresolved: this is part of a request that is not known")
    if critical is None:
        said.append("its end was not seen, so it has no critical path")
    if low := sum(row["confidence"] < 0.899999 for row in rows if row["link_rule"] != "unresolved"):
        said.append(f"{low} of {len(rows)} links are only likely (confidence below 0.9)")
    if negative := sum("received before it was sent" in (row["reason"] or "") for row in rows):
        said.append(f"{negative} delays are unknown: the clocks of the hosts differ by more than the delay")
    return "; ".join(said) or None


def _waited(spans: Spans, times: Times, place: int) -> int | None:
    """How long the parent waited for this span; overlapping children each count their whole time."""
    above = spans.parent[place]
    if above < 0 or spans.open[place] or spans.open[above]:
        return None
    if not times.waited[place]:
        return 0
    low, high = max(spans.start[place], spans.start[above]), min(spans.end[place], spans.end[above])
    return max(0, int(high - low))


def _reasons(spans: Spans, times: Times, place: int, delay: int | None) -> list[str]:
    said = []
    if spans.open[place]:
        said.append("its end was not seen")
    elif not times.known[place]:
        said.append("the end of a child was not seen, so self time is not known")
    if times.outlives[place]:
        said.append("ended after its parent, which did not wait for it")
    if delay is not None and delay < 0:
        said.append("received before it was sent: clocks differ")
    return said


def _children(spans: Spans) -> list[list[int]]:
    """Rows below each row, in order of time."""
    below: list[list[int]] = [[] for _ in spans.parent]
    for place, above in enumerate(spans.parent):
        if above >= 0:
            below[above].append(place)
    return below


def _depth_first(spans: Spans) -> tuple[list[int], list[int]]:
    """Rows from the root down, and how deep each is; what no root leads to (broken imports) comes last, as roots."""
    below = _children(spans)
    order: list[int] = []
    depth: list[int] = []
    seen = np.zeros(len(below), bool)
    roots = [place for place, above in enumerate(spans.parent) if above < 0]
    for root in [*roots, *range(len(below))]:
        todo = [(root, 0)]
        while todo:
            place, level = todo.pop()
            if seen[place]:
                continue
            seen[place] = True
            order.append(place)
            depth.append(level)
            todo += [(child, level + 1) for child in reversed(below[place])]
    return order, depth


def _critical(spans: Spans, times: Times) -> span_times.Ints | None:
    """Each span's own part of the critical path in ns; None where the root's end was not seen."""
    roots = np.flatnonzero(spans.parent < 0)
    if not len(roots) or spans.open[roots[0]]:
        return None
    below = _children(spans)
    own = np.zeros(len(spans.start), np.int64)
    todo = [(int(roots[0]), int(spans.start[roots[0]]), int(spans.end[roots[0]]))]
    while todo:
        place, floor, now = todo.pop()
        # Latest end first; clipped to this span, since a server's end may lie a little after its client's.
        ends = sorted(
            ((min(int(spans.end[child]), now), int(spans.start[child]), child) for child in below[place]
             if times.waited[child]),
            reverse=True,
        )  # fmt: skip
        for end, start, child in ends:
            start = max(start, floor)
            if end > now or start >= end:
                continue
            own[place] += now - end
            todo.append((child, start, end))
            now = start
        own[place] += max(0, now - max(floor, int(spans.start[place])))
    return own
