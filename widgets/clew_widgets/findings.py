"""The findings on top of a report: plain sentences with numbers, worst news first to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clew.questions.answer import Answer
from clew.questions.errors import LATER
from clew.questions.leaks import growing
from clew.units import duration, number, size
from clew_widgets.drawing.table import UNKNOWN
from clew_widgets.views.counts import plural

FEW = 20
"""Percentiles of fewer calls say little."""
_WAITS = ("poll", "ppoll", "select", "pselect", "epoll")  # they last as long as there is nothing to do


@dataclass(frozen=True)
class Finding:
    """One finding: a statement, what stands behind it, and its tone (plain, warn, bad)."""

    statement: str
    detail: str
    tone: str = "plain"


def findings(
    commands: Answer,
    ops: Answer,
    activity: Answer,
    errors: Answer,
    *,
    cells: pa.Table,
    bins: int,
    window: tuple[int, int],
    origin_ns: int,
) -> list[Finding]:
    """Who did most, what failed, what is slow, when it was busy; from the answers a report shows anyway.

    ``cells`` are those of the cube, ``bins`` how many bins of ``window`` (ns) they are in.
    """
    rows = commands.table.to_pylist()
    calls = sum(row["calls"] for row in rows)
    if not calls:
        return [Finding("No call was recorded that matches.", "Widen the lens of the report.", "warn")]
    failed = errors.table.to_pylist()
    found = [_most(rows, calls), _failed(failed, calls)]
    found += _slowest(ops.table.to_pylist())
    found.append(_busiest(activity.table.to_pylist(), origin_ns))
    found += _gathered(failed, cells, window[0] - origin_ns, -(-(window[1] - window[0]) // bins))
    return found


def share(part: float, whole: float) -> str:
    """How much of ``whole`` it is, in %."""
    return f"{100 * part / whole:.3g} %" if whole else UNKNOWN


def _most(rows: list[dict[str, Any]], calls: int) -> Finding:
    most = max(rows, key=lambda row: row["calls"])
    statement = f"{most['name']} does most: {number(most['calls'])} calls, {share(most['calls'], calls)} of all"
    moved = f", {size(most['bytes'])} moved" if most["bytes"] else ""
    longest = max(rows, key=lambda row: row["total_ns"] or 0)
    spent = (
        f"{longest['name']} spends most time inside calls: {duration(longest['total_ns'])}."
        if longest["total_ns"]
        else ""
    )
    inside = f"{duration(most['total_ns'])} inside them" if most["total_ns"] is not None else "durations not measured"
    return Finding(statement, f"{inside}{moved}. {spent}".strip())


def _timed_out(row: dict[str, Any]) -> bool:
    """A wait that ended by its time limit, as it was asked to."""
    return bool(row["name"] == "ETIMEDOUT" and row["op"].endswith("_wait"))


def _failed(rows: list[dict[str, Any]], calls: int) -> Finding:
    over = [row for row in rows if _timed_out(row)]
    later = sum(row["calls"] for row in rows if row["name"] in LATER)
    failed = [row for row in rows if row["name"] not in LATER and row not in over]
    count = sum(row["calls"] for row in failed)
    waited = ""
    if later:
        waited = f'Another {number(later)} only said "not now" ({", ".join(LATER)}), as non-blocking programs expect.'
    if over:
        waits = sum(row["calls"] for row in over)
        whose = "its" if waits == 1 else "their"
        ended = f"{number(waits)} {plural('wait', waits)} ended by {whose} time limit, which is no failure."
        waited = f"{waited} {ended}".strip()
    if not failed:
        return Finding("No call failed", waited or f"None of {number(calls)}.")
    worst = failed[0]
    detail = f"Most often {worst['op']} with {worst['name']} ({worst['meaning']}): {number(worst['calls'])} times"
    kinds = len(failed) - 1
    detail += f"; {kinds} other {'kind' if kinds == 1 else 'kinds'} of failure." if kinds else "."
    return Finding(f"{number(count)} calls failed, {share(count, calls)} of all", f"{detail} {waited}".strip(), "bad")


def _slowest(rows: list[dict[str, Any]]) -> list[Finding]:
    known = [row for row in rows if row["p99_ns"] is not None and not row["name"].startswith(_WAITS)]
    fit = [row for row in known if row["calls"] >= FEW] or known
    if not fit:
        return []
    slow = max(fit, key=lambda row: row["p99_ns"])
    statement = f"{slow['name']} is the slowest operation: 1 in 100 takes {duration(slow['p99_ns'])} or longer"
    return [
        Finding(
            statement,
            f"{number(slow['calls'])} calls, half within {duration(slow['p50_ns'])}, "
            f"longest {duration(slow['max_ns'])}. Waits in poll and its kin left out.",
        )
    ]


def _busiest(rows: list[dict[str, Any]], origin_ns: int) -> Finding:
    calls: dict[int, int] = {}
    ends: dict[int, int] = {}
    for row in rows:
        calls[row["start_ns"]] = calls.get(row["start_ns"], 0) + row["calls"]
        ends[row["start_ns"]] = row["end_ns"]
    rates = {start: count * 1e9 / max(ends[start] - start, 1) for start, count in calls.items()}
    peak = max(rates, key=rates.__getitem__)
    mean = sum(calls.values()) * 1e9 / max(max(ends.values()) - min(calls), 1)
    statement = f"Busiest at {duration(peak - origin_ns)}: {number(round(rates[peak]))} calls/s"
    times = f"{rates[peak] / mean:.1f} times the mean of {number(round(mean))} calls/s"
    return Finding(statement, f"{times}, in a bin of {duration(ends[peak] - peak)}.")


def _gathered(errors: list[dict[str, Any]], cells: pa.Table, start_ns: int, width_ns: int) -> list[Finding]:
    """Where failures crowd, from the cells of the cube; ``start_ns`` is since the start of the case."""
    failures = {row["errno"] for row in errors if row["name"] not in LATER and not _timed_out(row)}
    failed = cells.filter(pc.is_in(cells["errno"], value_set=pa.array(sorted(failures), cells["errno"].type)))
    total = pc.sum(failed["calls"]).as_py() or 0
    if total < FEW:
        return []
    bins = (
        failed.group_by("bin")
        .aggregate([("calls", "sum")])
        .sort_by([("calls_sum", "descending"), ("bin", "ascending")])
    )
    worst, count = bins["bin"][0].as_py(), bins["calls_sum"][0].as_py()
    # a tenth of all in one bin, and three times its part: a place to look at
    if count * 10 < total or count * pc.count_distinct(cells["bin"]).as_py() <= 3 * total:
        return []
    when = duration(start_ns + worst * width_ns)
    return [
        Finding(f"Failures gather at {when}", f"{number(count)} of {number(total)} within {duration(width_ns)}.", "bad")
    ]


def outside_findings(outside: Answer, sampled: bool) -> list[Finding]:
    """That a program does most of what it does outside of calls, unless it was ``sampled`` there."""
    if outside.note is None or sampled:
        return []
    detail = "There it computes, or waits for a processor or in what is not recorded (sleep, locks). "
    detail += "`clew record --engine perf,preload -- COMMAND` takes stacks there, too."
    return [Finding(outside.note, detail)]


def leak_findings(leaks: Answer) -> list[Finding]:
    """That a process leaves more and more descriptors open; ``leaks`` is by process."""
    said = growing(leaks)
    if said is None:
        return []
    detail = "See Left open below; `clew leaks CASE --by what` names the files and connections, and "
    detail += "`clew record --stacks open,socket,accept` who opened them."
    return [Finding(said, detail, "bad")]


def coverage_findings(coverage: Answer, losses: Answer) -> list[Finding]:
    """What the figures leave out: lost records, damage, programs that could not be seen."""
    rows = losses.table.to_pylist()
    captures = [row for row in rows if row["tid"] is None]
    lost = sum(row["lost_events"] for row in captures)
    skipped = sum(row["skipped_bytes"] or 0 for row in captures)
    cut = sum(not row["complete"] for row in captures)
    threads = len(rows) - len(captures)
    found = []
    if lost:
        where = f" in {threads} {plural('thread', threads)}" if threads else ""
        found.append(
            Finding(
                f"{number(lost)} records were lost{where}",
                "Every count is too low by what was lost; see Losses below.",
                "warn",
            )
        )
    if skipped:
        found.append(
            Finding(f"{size(skipped)} of the raw files are damaged", "What stood there is missing here.", "warn")
        )
    if cut:
        found.append(
            Finding(
                f"{cut} {plural('capture', cut)} did not end in good order", "The last moments may be missing.", "warn"
            )
        )
    if not found:
        found.append(Finding("Nothing was lost", "Every record that the programs made is counted here."))
    programs = coverage.table.to_pylist()
    unseen = [row for row in programs if row["unseen"]]
    if unseen:
        names = ", ".join(dict.fromkeys(f"{row['command']} ({row['unseen']})" for row in unseen[:4]))
        more = f" and {len(unseen) - 4} more" if len(unseen) > 4 else ""
        text = f"{len(unseen)} of {len(programs)} programs were not or only partly seen"
        found.append(Finding(text, f"{names}{more}.", "warn"))
    return found
