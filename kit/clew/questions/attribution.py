"""Where the time of requests went: for each program running, waiting for whom, and what nothing explains."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer, runnable
from clew.questions.ask import need_requests
from clew.units import duration

_UNSEEN = "what was not recorded"
_QUEUED = 0.5  # share of a program's time from which on it is said where to look for queues
_TELLING = 0.01  # share of the time of callers below which it is not worth a note that it was spent on the way
_ENOUGH = 20  # samples that there must be room for before they say how much of a time was running
RUNNING, WAITING, FAULTS, UNACCOUNTED = "running", "waiting in calls", "page faults", "unaccounted"

_OWN = """SELECT command, caller, sum(dur_ns)::BIGINT AS whole, sum(self_ns)::BIGINT AS own,
       sum(worked_ns)::BIGINT AS worked, sum(blocked_ns)::BIGINT AS blocked, count(self_ns) AS count,
       count(*) - count(self_ns) AS unknown
FROM span_time WHERE {} GROUP BY command, caller"""
_WAITS = """SELECT command, waited_for, sum(waited_ns)::BIGINT AS ns, count(*) AS count
FROM span_wait WHERE {} GROUP BY ALL"""

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
    sql = _OWN.format(predicate)
    sums = case.sql(sql, params).to_pylist()
    programs, callers = ([found for found in sums if found["caller"] is caller] for caller in (False, True))
    waits = _waits(case.sql(_WAITS.format(predicate), params).to_pylist())
    samples = _samples(case, lens)
    rows: list[dict[str, Any]] = []
    for found in sorted(
        (found for found in programs if found["count"]), key=lambda row: (-row["whole"], row["command"])
    ):
        name, whole, count = found["command"], found["whole"], found["count"]
        running = _running(found["worked"], found["blocked"], samples[name])
        waiting = min(found["blocked"], found["own"] - running)
        parts: list[tuple[str, int | None, int]] = [(RUNNING, running, count)]
        longest_first = sorted(waits[name].items(), key=lambda item: (-item[1][0], item[0]))
        parts += [(f"waiting for {who}", ns, n) for who, (ns, n) in longest_first]
        if waiting:
            parts.append((WAITING, waiting, count))
        if fault := samples[name].get("fault"):
            parts.append((FAULTS, round(fault["weight"]) if fault["unit"] == "ns" else None, fault["samples"]))
        if left := found["own"] - running - waiting:
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
    note = "; ".join(filter(None, (_note(programs, callers, samples), _queued(rows)))) or None
    return Answer(pa.Table.from_pylist(rows, schema), runnable(sql, params), "where the time of requests went", note)


def _waits(rows: list[dict[str, Any]]) -> dict[str, dict[str, tuple[int, int]]]:
    """For each command: ns and number of waits by whom they were for."""
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for row in rows:
        mine, who = found[row["command"]], row["waited_for"] or _UNSEEN
        ns, count = mine.get(who, (0, 0))
        mine[who] = (ns + row["ns"], count + row["count"])
    return found


def _note(programs: list[dict[str, Any]], callers: list[dict[str, Any]], samples: dict[str, Any]) -> str | None:
    if not programs:
        return "no request matches the lens"
    said = []
    if unknown := sum(found["unknown"] for found in programs):
        said.append(f"{unknown:,} spans are left out: their end, or that of what they waited for, was not seen")
    outside, asked = (sum(found[figure] or 0 for found in callers) for figure in ("own", "whole"))
    if outside > _TELLING * asked:
        said.append(
            f"{duration(outside)} of the {duration(asked)} that callers waited is none of these: "
            "on the way there and back, until they had read the whole reply, or in what was not recorded"
        )
    if not any(kind in known for known in samples.values() for kind in ("on-cpu", "off-cpu")):
        said.append("no samples tell whether a thread was on a processor: running counts all that no wait explains")
    return "; ".join(said) or None


def _queued(rows: list[dict[str, Any]]) -> str | None:
    """Where to look on if most of a program's time is told by nothing that it did."""
    lost = [row["command"] for row in rows if row["kind"] == UNACCOUNTED and (row["share"] or 0) >= _QUEUED]
    if not lost:
        return None
    return (
        f"most of the time of {lost[0]} is unaccounted: in a queue, if all was recorded; `clew requests CASE --pools` "
        "says whether connections were full, `clew path CASE` what else its thread did"
    )


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
