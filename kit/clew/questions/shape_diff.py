"""What some requests do that others do not: two shapes, or the slow and the usual ones of one kind, step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from clew.case import Case
from clew.causal import span_times
from clew.causal.span_times import Ints, Spans
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer, runnable
from clew.questions.ask import need_requests

_COLUMNS = "request_id, span_id, parent_span_id, kind, command, name, start_ns, end_ns"
MOST = 50_000
"""Requests of one side that are looked at; of more, as many are chosen by chance (always the same ones)."""


def shape_diff(case: Case, lens_a: Lens, lens_b: Lens, most: int = MOST) -> Answer:
    """The steps of requests under ``lens_a`` beside those under ``lens_b``, by what they add to the difference.

    A step is a place in the tree: the kinds, commands and names from the root down; equal siblings count as one step.
    Columns: ``name``, ``command``, ``kind``, ``depth``, ``in_a`` and ``in_b`` (share of requests that have the step),
    ``self_a_ns`` and ``self_b_ns`` (mean self time per request of the side, requests without the step counted as 0),
    ``delta_ns`` (a less b), ``requests_a`` and ``requests_b`` (that have it), ``calls_a`` and ``calls_b`` (mean number
    per request), ``path`` (names from the root down, by lines). Requests whose end was not seen are left out. Summary:
    ``requests_a``, ``requests_b`` (looked at), ``mean_a_ns``, ``mean_b_ns`` (duration), ``delta_ns`` of these, and
    ``explained_ns``, the sum over steps: more than ``delta_ns`` where steps run side by side or outlive their parents.
    The SQL gives the spans of side a. Raises ClewError where a side has no request.
    """
    need_requests(case, "difference of paths")
    a, b = _side(case, lens_a, "first", most), _side(case, lens_b, "second", most)
    table = pa.concat_tables([a.spans.table, b.spans.table])
    cut = a.spans.table.num_rows
    parent = np.concatenate([a.spans.parent, np.where(b.spans.parent < 0, -1, b.spans.parent + cut)])
    step, first = steps(table, parent)
    rows, count = table.take(pa.array(first)), len(first)
    figures = [_weigh(side, of, count) for side, of in ((a, step[:cut]), (b, step[cut:]))]
    delta = figures[0].own - figures[1].own
    columns: dict[str, Any] = {name: rows[name] for name in ("name", "command", "kind")}
    columns["depth"] = pa.array(_depths(parent)[first])
    for letter, side, found in (("a", a, figures[0]), ("b", b, figures[1])):
        columns |= {f"in_{letter}": found.requests / side.requests, f"self_{letter}_ns": found.own}
    columns["delta_ns"] = delta
    for letter, found in (("a", figures[0]), ("b", figures[1])):
        columns |= {f"requests_{letter}": found.requests, f"calls_{letter}": found.calls}
    columns["path"] = pa.array(_paths(table, parent, first), pa.string())
    order = np.lexsort((np.arange(count), -np.abs(delta)))
    result = pa.table(columns).take(pa.array(order))
    summary = {
        "requests_a": a.requests,
        "requests_b": b.requests,
        "mean_a_ns": a.mean_ns,
        "mean_b_ns": b.mean_ns,
        "delta_ns": a.mean_ns - b.mean_ns,
        "explained_ns": float(delta.sum()),
    }
    said = [text for text in (a.note, b.note) if text]
    title = f"{a.requests:,} requests beside {b.requests:,}, step by step"
    return Answer(result, a.sql, title, "; ".join(said) or None, summary)


def slow_and_usual(
    case: Case, lens: Lens, slowest: float = 0.01, usual: tuple[float, float] = (0.25, 0.75)
) -> tuple[Lens, Lens]:
    """The slowest share of the requests under ``lens``, and those between two quantiles of duration.

    Raises ClewError where there are no two requests to compare, or all took the same time.
    """
    low, high = usual
    if not (0 < slowest < 1 and 0 <= low < high <= 1):
        raise ClewError("bands: shares lie between 0 and 1, the lower before the higher")
    need_requests(case, "slow and usual requests")
    predicate, params = lens.compile("request")
    row = case.sql(
        f"""SELECT count(dur_ns) AS n, quantile_disc(dur_ns, [$low, $high, $slow]) AS p
            FROM request WHERE dur_ns IS NOT NULL AND {predicate}""",
        params | {"low": low, "high": high, "slow": 1 - slowest},
    ).to_pylist()[0]
    if row["n"] < 2:
        raise ClewError("slow and usual requests: fewer than two requests with an end match the lens")
    from_ns, to_ns, slow_ns = row["p"]
    if slow_ns <= to_ns:
        raise ClewError(
            f"the slowest {slowest:.3g} of {row['n']:,} requests did not take longer than the usual ones; "
            "ask for a larger share, or record more"
        )
    return lens.narrow(took=(slow_ns, None)), lens.narrow(took=(from_ns, to_ns + 1))


def slow_vs_usual(
    case: Case, lens: Lens, slowest: float = 0.01, usual: tuple[float, float] = (0.25, 0.75), most: int = MOST
) -> Answer:
    """What the slowest requests under ``lens`` (side a) do that the middle ones (side b) do not: see shape_diff."""
    slow, middle = slow_and_usual(case, lens, slowest, usual)
    answer = shape_diff(case, slow, middle, most)
    predicate, params = lens.compile("request")
    names = case.sql(f"SELECT count(DISTINCT name) AS n FROM request WHERE {predicate}", params)["n"][0].as_py()
    mixed = f"requests of {names:,} names are mixed: choose one to compare like with like" if names > 1 else None
    title = f"slowest {slowest * 100:.3g} % ({answer.summary['requests_a']:,} requests)"
    title += f" beside the middle {(usual[1] - usual[0]) * 100:.3g} %"
    note = "; ".join(filter(None, (mixed, answer.note))) or None
    return replace(answer, title=f"{title} ({answer.summary['requests_b']:,})", note=note)


def steps(table: pa.Table, parent: Ints) -> tuple[Ints, Ints]:
    """The step of each span (a number), and the first span of each step; spans without a parent are roots."""
    label = np.zeros(table.num_rows, np.int64)
    for name in ("kind", "command", "name"):
        coded = table[name].combine_chunks().dictionary_encode()
        label = label * len(coded.dictionary) + coded.indices.to_numpy()
    step = np.full(len(label), -1, np.int64)
    made = 0
    for level in levels(parent):
        above = parent[level]
        key = pa.array(np.where(above < 0, 0, step[above] + 1)), pa.array(label[level])
        pairs = pa.StructArray.from_arrays(list(key), ["above", "label"])
        numbers = _numbered(pairs)
        step[level] = numbers + made
        made += int(numbers.max()) + 1
    first = np.full(made, len(label), np.int64)
    np.minimum.at(first, step, np.arange(len(label)))
    return step, first


def _numbered(pairs: pa.StructArray) -> Ints:
    """Equal pairs as equal numbers from 0, in the order they appear first."""
    left, right = (pairs.field(index).dictionary_encode() for index in (0, 1))
    both = left.indices.to_numpy().astype(np.int64) * len(right.dictionary) + right.indices.to_numpy()
    found: Ints = pa.array(both).dictionary_encode().indices.to_numpy().astype(np.int64)
    return found


def levels(parent: Ints) -> list[Ints]:
    """Rows by depth: the roots, their children, ...; rows that no root leads to (broken imports) come last."""
    done = parent < 0
    rows, left = [np.flatnonzero(done)], np.flatnonzero(~done)
    while len(left):
        ready = done[parent[left]]
        if not ready.any():
            rows.append(left)
            break
        rows.append(left[ready])
        done[left[ready]] = True
        left = left[~ready]
    return [level for level in rows if len(level)]


def _depths(parent: Ints) -> Ints:
    depth = np.zeros(len(parent), np.int64)
    for number, level in enumerate(levels(parent)):
        depth[level] = number
    return depth


def _paths(table: pa.Table, parent: Ints, chosen: Ints) -> list[str]:
    """The names from the root down to each of ``chosen``: few, however many spans there are."""
    texts = []
    for place in chosen.tolist():
        way: list[int] = []
        while place >= 0 and place not in way:
            way.append(place)
            place = int(parent[place])
        names = [f"{table['command'][row].as_py()} {table['name'][row].as_py()}" for row in reversed(way)]
        texts.append("\n".join("  " * level + name for level, name in enumerate(names)))
    return texts


@dataclass(frozen=True)
class _Side:
    spans: Spans
    request: Ints  # number of each span's request
    own: Ints  # ns; 0 where it is not known
    requests: int
    mean_ns: float
    note: str | None
    sql: str


def _side(case: Case, lens: Lens, which: str, most: int) -> _Side:
    predicate, params = lens.compile("request")
    row = case.sql(
        f"SELECT count(dur_ns) AS n, count(*) - count(dur_ns) AS cut FROM request WHERE {predicate}", params
    ).to_pylist()[0]
    if not row["n"]:
        raise ClewError(f"difference of paths: no request with an end is on the {which} side")
    chosen = f"SELECT request_id, dur_ns FROM request WHERE dur_ns IS NOT NULL AND {predicate}"
    said = [f"{row['cut']:,} requests of the {which} side have no end and are left out"] if row["cut"] else []
    if row["n"] > most:
        chosen += f" ORDER BY hash(request_id), request_id LIMIT {int(most)}"
        said.append(f"of {row['n']:,} requests of the {which} side {most:,} were chosen by chance")
    mean = case.sql(f"SELECT count(*) AS n, avg(dur_ns) AS mean FROM ({chosen})", params).to_pylist()[0]
    where = f"request_id IN (SELECT request_id FROM ({chosen}))"
    query = f"SELECT {_COLUMNS} FROM span WHERE {where} ORDER BY request_id, start_ns, depth, span_id"
    spans = span_times.arrays(case.sql(query, params))
    times = span_times.times(spans)
    request = np.unique(spans.table["request_id"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    if unknown := int((~times.known).sum()):
        said.append(f"the self time of {unknown:,} steps of the {which} side is not known and counts as 0")
    sql = runnable(f"SELECT * FROM span WHERE {where}", params)
    own = np.where(times.known, times.own, 0)
    return _Side(spans, request, own, mean["n"], mean["mean"], "; ".join(said) or None, sql)


@dataclass(frozen=True)
class _Weight:
    own: Any  # float: mean ns per request of the side
    requests: Ints
    calls: Any


def _weigh(side: _Side, step: Ints, count: int) -> _Weight:
    """What each of ``count`` steps is on one side."""
    own = np.bincount(step, weights=side.own.astype(np.float64), minlength=count) / side.requests
    calls = np.bincount(step, minlength=count) / side.requests
    pairs = np.unique(side.request * count + step)
    return _Weight(own, np.bincount(pairs % count, minlength=count), calls)
