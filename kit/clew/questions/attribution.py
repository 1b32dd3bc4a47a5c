"""Where the time of requests went: for each program running, waiting for whom, and what nothing explains."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.case import Case
from clew.lens import Lens
from clew.questions import span_times
from clew.questions.answer import Answer, runnable
from clew.questions.ask import need_requests
from clew.questions.span_times import Flags, Ints, Spans, Times
from clew.units import duration

_COLUMNS = (
    "request_id, span_id, parent_span_id, kind, command, name, start_ns, end_ns, "
    "(SELECT peer FROM connection c WHERE c.conn_id = span.conn_id) AS peer"
)
_UNSEEN = "what was not recorded"
_TELLING = 0.01  # share of the time of callers below which it is not worth a note that it was spent on the way
_ENOUGH = 20  # samples that there must be room for before they say how much of a time was running
RUNNING, WAITING, FAULTS, UNACCOUNTED = "running", "waiting in calls", "page faults", "unaccounted"

# Calls that do nothing but wait, made while their thread worked for a request.
_BLOCKED = """SELECT w.span_id, e.ts_ns AS start_ns, least(e.ts_ns + e.dur_ns, w.end_ns) AS end_ns
FROM (SELECT host, tid, ts_ns, dur_ns FROM event
      WHERE ts_ns >= $since AND ts_ns < $until AND op_id IN (
          SELECT op_id FROM op WHERE class = 'wait' OR op IN ('cond_wait', 'sem_wait', 'futex_wait'))) e
ASOF JOIN (SELECT * FROM working WHERE request_id BETWEEN $first AND $last) w
     ON w.host = e.host AND w.tid = e.tid AND w.start_ns <= e.ts_ns
WHERE e.ts_ns < w.end_ns"""

# Samples of threads while they worked for a request, by program. Off-CPU samples stand where the thread left.
_SAMPLES = """SELECT p.command, v.kind, any_value(v.unit) AS unit, count(*) AS samples, sum(s.weight) AS weight,
       sum(least(s.weight, w.end_ns - s.ts_ns)) AS inside
FROM (SELECT host, tid, ts_ns, thread_id, event_id, weight FROM sample
      WHERE event_id IN (SELECT event_id FROM sample_event WHERE kind = 'fault'
                            OR kind IN ('on-cpu', 'off-cpu') AND unit = 'ns')) s
ASOF JOIN (SELECT * FROM working WHERE request_id IN ({requests})) w
     ON w.host = s.host AND w.tid = s.tid AND w.start_ns <= s.ts_ns
JOIN sample_event v USING (event_id) JOIN thread t USING (thread_id) JOIN process p USING (process_id)
WHERE s.ts_ns < w.end_ns GROUP BY p.command, v.kind"""


def attribution(case: Case, lens: Lens) -> Answer:
    """Time of the requests under ``lens`` by program and kind; programs with the most time first.

    Columns: ``command``, ``kind``, ``total_ns``, ``share`` (of the time that the program's spans lasted; spans of
    several programs run at the same time, so totals of different programs must not be added), ``count`` (spans; page
    faults: faults). Kinds: ``waiting for X`` (its calls to X; children at the same time count once, for the one that
    began first), ``running`` (own time in which a thread is known to have worked for the request; where processor
    samples in ns exist and the time has room for 20 of them, no more than these say; where off-CPU time was recorded,
    less that; without either, less the next), ``waiting in calls`` (own time in poll, epoll_wait, a wait for a
    condition and their kin: asleep, or waiting for what is no request), ``page faults`` (a number; the time they took
    is part of the rest and NULL unless it was measured), ``unaccounted`` (own time that is none of these: queued behind
    other requests, off the processor, not seen). Spans whose end was not seen are left out and counted in the note.
    Raises ClewError where no requests were recorded.
    """
    need_requests(case, "attribution of time")
    predicate, params = lens.compile("span")
    found = _Sum()
    for low, high in span_times.ranges(case, lens):
        bound = params | {"first": low, "last": high}
        spans = span_times.load(case, f"request_id BETWEEN $first AND $last AND {predicate}", bound, _COLUMNS)
        found.add(spans, *_intervals(case, spans, low, high))
    samples = _samples(case, lens)
    rows: list[dict[str, Any]] = []
    for name in sorted(found.whole, key=lambda name: (-found.whole[name], name)):
        whole, count = found.whole[name], found.count[name]
        running = _running(found.worked[name], found.blocked[name], samples[name])
        waiting = min(found.blocked[name], found.own[name] - running)
        parts: list[tuple[str, int | None, int]] = [(RUNNING, running, count)]
        longest_first = sorted(found.waits[name].items(), key=lambda item: (-item[1][0], item[0]))
        parts += [(f"waiting for {who}", ns, n) for who, (ns, n) in longest_first]
        if waiting:
            parts.append((WAITING, waiting, count))
        if fault := samples[name].get("fault"):
            parts.append((FAULTS, round(fault["weight"]) if fault["unit"] == "ns" else None, fault["samples"]))
        if left := found.own[name] - running - waiting:
            parts.append((UNACCOUNTED, left, count))
        rows += [
            {
                "command": name,
                "kind": kind,
                "total_ns": total,
                "share": None if total is None or not whole else total / whole,
                "count": n,
            }
            for kind, total, n in parts
        ]
    kinds = {"command": pa.string(), "kind": pa.string(), "total_ns": pa.int64(), "share": pa.float64()}
    schema = pa.schema([*kinds.items(), ("count", pa.int64())])
    sql = runnable(f"SELECT {_COLUMNS} FROM span WHERE {predicate}", params)
    return Answer(pa.Table.from_pylist(rows, schema), sql, "where the time of requests went", _note(found, samples))


class _Sum:
    """What is added up range by range, by command: ns, but for ``count`` (spans)."""

    def __init__(self) -> None:
        self.whole: dict[str, int] = defaultdict(int)
        self.own: dict[str, int] = defaultdict(int)
        self.worked: dict[str, int] = defaultdict(int)
        self.blocked: dict[str, int] = defaultdict(int)
        self.count: dict[str, int] = defaultdict(int)
        self.waits: dict[str, dict[str, tuple[int, int]]] = defaultdict(lambda: defaultdict(lambda: (0, 0)))
        self.unknown = 0
        self.asked = self.outside = 0  # of calls of nobody recorded: ns that they took, of these outside their servers

    def add(self, spans: Spans, working: pa.Table, blocked: pa.Table) -> None:
        """Add the spans of whole requests, when threads worked for them, and when these were in calls that wait."""
        times = span_times.times(spans)
        work = ~spans.client & times.known
        self.unknown += int((~spans.client & ~times.known).sum())
        first = spans.client & times.known & (spans.parent < 0)
        self.asked += int((spans.end - spans.start)[first].sum())
        self.outside += int(times.own[first].sum())
        command, names = spans.codes("command")
        inside = np.minimum(_worked(working, spans, times), times.own)
        waiting = np.minimum(_worked(blocked, spans, times), inside)
        size = len(names)
        for total, value in (
            (self.whole, spans.end - spans.start),
            (self.own, times.own),
            (self.worked, inside),
            (self.blocked, waiting),
            (self.count, np.ones(len(command), np.int64)),
        ):
            for name, part in zip(names, _by(command[work], value[work], size).tolist(), strict=True):
                if name is not None:
                    total[name] += part
        for number, waits in _waits(spans, times, work, command, names).items():
            mine = self.waits[names[number] or ""]
            for who, (ns, n) in waits.items():
                mine[who] = (mine[who][0] + ns, mine[who][1] + n)
        for name in [name for name, n in self.count.items() if not n]:
            for total in (self.whole, self.own, self.worked, self.blocked, self.count):
                del total[name]


def _note(found: _Sum, samples: dict[str, Any]) -> str | None:
    if not found.count and not found.unknown:
        return "no request matches the lens"
    said = []
    if found.unknown:
        said.append(f"{found.unknown:,} spans are left out: their end, or that of what they waited for, was not seen")
    if found.outside > _TELLING * found.asked:
        said.append(
            f"{duration(found.outside)} of the {duration(found.asked)} that callers waited is none of these: "
            "on the way there and back, until they had read the whole reply, or in what was not recorded"
        )
    if not any(kind in known for known in samples.values() for kind in ("on-cpu", "off-cpu")):
        said.append("no samples tell whether a thread was on a processor: running counts all that no wait explains")
    return "; ".join(said) or None


def _by(key: Ints, value: Ints, size: int) -> Ints:
    total = np.zeros(size, np.int64)
    np.add.at(total, key, value)
    return total


def _waits(
    spans: Spans, times: Times, work: Flags, command: Ints, names: list[str | None]
) -> dict[int, dict[str, tuple[int, int]]]:
    """For each command: ns and number of waits by whom they were for."""
    child = np.flatnonzero(times.waited)
    child = child[work[spans.parent[child]]]
    # The program at the other end of a client span is that of its server span; else what the connection says.
    other = np.full(len(spans.start), -1, np.int64)
    server = np.flatnonzero((spans.parent >= 0) & ~spans.client)
    other[spans.parent[server[::-1]]] = command[server[::-1]]
    other[~spans.client] = command[~spans.client]
    peer, peers = spans.codes("peer") if "peer" in spans.table.column_names else (command, names)
    who = np.where(other[child] >= 0, other[child], len(names) + peer[child])
    # A child of the same program that is no call (an imported span inside the program) has its own row.
    inside = ~spans.client[child] & (command[child] == command[spans.parent[child]])
    inside &= ~pc.equal(spans.table["kind"], "process").to_numpy()[child]
    child, who = child[~inside], who[~inside]
    pair = command[spans.parent[child]] * (len(names) + len(peers)) + who
    found: dict[int, dict[str, tuple[int, int]]] = defaultdict(lambda: defaultdict(lambda: (0, 0)))
    kinds, place, count = np.unique(pair, return_inverse=True, return_counts=True)
    total = _by(place, times.covers[child], len(kinds))
    for code, ns, n in zip(kinds.tolist(), total.tolist(), count.tolist(), strict=True):
        from_, to = divmod(code, len(names) + len(peers))
        name = names[to] if to < len(names) else peers[to - len(names)]
        have = found[from_][name or _UNSEEN]
        found[from_][name or _UNSEEN] = (have[0] + ns, have[1] + n)
    return found


def _intervals(case: Case, spans: Spans, low: int, high: int) -> tuple[pa.Table, pa.Table]:
    """When threads worked for the requests of ``spans``, and when these were in calls that wait.

    For other requests, too, where that is quicker.
    """
    bound = {
        "first": low,
        "last": high,
        "since": int(spans.start.min()) if len(spans.start) else 0,
        "until": int(spans.end.max()) if len(spans.end) else 0,
    }
    working = case.sql(
        "SELECT span_id, start_ns, end_ns FROM working WHERE request_id BETWEEN $first AND $last"
        " AND start_ns <= $until AND end_ns >= $since",
        bound,
    )
    return working, case.sql(_BLOCKED, bound)


def _worked(table: pa.Table, spans: Spans, times: Times) -> Ints:
    """For each span: ns in which a thread worked for it while it waited for no child."""
    ids = spans.table["span_id"].to_numpy()
    if not len(ids) or not table.num_rows:
        return np.zeros(len(ids), np.int64)
    place = span_times.places(ids, table["span_id"].to_numpy())
    low, high = table["start_ns"].to_numpy(), table["end_ns"].to_numpy()
    mine = place >= 0
    place, low, high = place[mine], low[mine], high[mine]
    above = spans.client[place] & (spans.parent[place] >= 0)  # work on a call is work for what the call is for
    place = np.where(above, spans.parent[place], place)
    by_place = np.lexsort((low, place))  # searching is several times quicker for what is in order
    place, low, high = place[by_place], low[by_place], high[by_place]
    low = np.clip(low, spans.start[place], spans.end[place])
    high = np.clip(high, low, spans.end[place])
    length = high - low
    child = np.flatnonzero(times.covers > 0)
    group = spans.parent[child]
    until = np.minimum(spans.end[child], spans.end[group])
    since = until - times.covers[child]
    # Times since the begin of each span: small numbers.
    begin, of = spans.start[group], spans.start[place]
    pieces = (group, since - begin, until - begin)
    both = _covered(*pieces, np.concatenate([place, place]), np.concatenate([high - of, low - of]))
    return _by(place, length - (both[: len(place)] - both[len(place) :]), len(ids))


def _covered(group: Ints, low: Ints, high: Ints, of: Ints, at: Ints) -> Ints:
    """For each (``of``, ``at``): ns before ``at`` that the group's intervals cover; they do not overlap.

    Group and time are searched for as one number; where that could overflow, with ranks in place of times.
    """
    if not len(group) or not len(of):
        return np.zeros(len(of), np.int64)
    order = np.lexsort((low, group))
    group, low, high = group[order], low[order], high[order]
    before = np.concatenate(([0], np.cumsum(high - low)))
    since, asked = low, at
    origin = min(int(low.min()), int(at.min()))
    most = max(int(low.max()), int(at.max())) - origin + 1
    if (int(max(group.max(), of.max())) + 1) * most >= 1 << 63:
        levels = np.sort(np.concatenate([low, at]))
        since, asked, origin, most = np.searchsorted(levels, low), np.searchsorted(levels, at), 0, len(levels)
    last = np.searchsorted(group * most + (since - origin), of * most + (asked - origin), side="right") - 1
    first = np.searchsorted(group, of)
    inside = last >= first
    last = np.maximum(last, 0)
    covered: Ints = before[last] - before[np.minimum(first, len(group))] + np.minimum(at, high[last]) - low[last]
    return np.where(inside, covered, 0)


def _samples(case: Case, lens: Lens) -> dict[str, dict[str, Any]]:
    """For each command and kind of sample: figures of those taken while it worked for the requests."""
    predicate, params = lens.compile("request")
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    chosen = f"SELECT request_id FROM request WHERE {predicate}"
    for row in case.sql(_SAMPLES.format(requests=chosen), params).to_pylist():
        found[row["command"]][row["kind"]] = row
    # A program that was sampled, though never in these requests, ran for less than a sample in them.
    sampled = """SELECT p.command, sum(weight) / sum(n) AS period
                 FROM (SELECT thread_id, sum(weight) AS weight, count(*) AS n FROM sample
                       WHERE event_id IN (SELECT event_id FROM sample_event WHERE kind = 'on-cpu' AND unit = 'ns')
                       GROUP BY thread_id)
                 JOIN thread t USING (thread_id) JOIN process p USING (process_id) GROUP BY p.command"""
    for row in case.sql(sampled).to_pylist():
        found[row["command"]].setdefault("on-cpu", {"weight": 0.0})["period"] = row["period"]
    return found


def _running(inside: int, blocked: int, samples: dict[str, Any]) -> int:
    """ns that ran of ``inside``, the own time in which threads worked, by what ``samples`` say, or else the calls."""
    if "on-cpu" in samples and inside >= _ENOUGH * samples["on-cpu"]["period"]:
        return min(inside, int(samples["on-cpu"]["weight"]))
    if "off-cpu" in samples:
        return max(0, inside - int(samples["off-cpu"]["inside"]))
    return inside - blocked
