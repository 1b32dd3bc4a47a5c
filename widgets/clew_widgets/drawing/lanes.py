"""One request as lanes: a lane for each process and thread, spans as bars, messages as arrows between them.

The page gets columns (lanes_data.js reads them): times in ns since the request began, the row of each span within its
lane, and what its tooltip says. Of more than MOST spans the shortest are left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.units import duration, number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.flame_columns import column
from clew_widgets.drawing.lanes_figure import lanes_figure
from clew_widgets.drawing.lanes_still import picture

MOST = 20_000
HUES = ("m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7")
"""Fills for processes, in the order of their first span; the rest is grey."""
_FILL_OF = {"s0": "m1", "s1": "m0", "s2": "m2", "s3": "m3", "s4": "m5", "s5": "m4"}
_FLAGS = {"error": 1, "on_critical_path": 2, "outlives": 32}
_OPEN, _UNRESOLVED, _WEAK = 4, 8, 16
_TWIN_ROWS = 20
_INDENT = "\N{EN SPACE}"


def lanes(
    tree: pa.Table,
    *,
    label: str,
    finding: str,
    actions: Sequence[str] = (),
    said: bool = False,
    colors: Mapping[str, str] | None = None,
) -> Drawing:
    """The timeline of a table of ``questions.request_tree``; ``actions`` names what somebody listens to.

    ``said``: with what each message said, literals and all; the names alone have none. Raises ValueError if the table
    has no row. ``colors``: what programs are painted with elsewhere, by name.
    """
    total = tree.num_rows
    tree = _longest(tree)
    start = tree["start_ns"].to_numpy().astype(np.int64)
    if not len(start):
        raise ValueError("a request has at least one span")
    origin = int(start.min())
    unseen = tree["end_ns"].is_null().to_numpy(zero_copy_only=False)
    known = tree["end_ns"].drop_null()
    last = max(int(start.max()), int(pc.max(known).as_py() or 0) if len(known) else 0)
    end = pc.fill_null(tree["end_ns"], last).to_numpy().astype(np.int64)
    end = np.maximum(end, start)
    parent = _parents(tree)
    lane, kinds = _lanes(tree)
    row, rows = pack(start, end, lane, parent, len(kinds))
    commands = list(dict.fromkeys(tree["command"].to_pylist()))
    body: dict[str, Any] = {
        **_columns(tree, unseen),
        "start": column("f8", start - origin),
        "end": column("f8", end - origin),
        "parent": column("u4", parent + 1),
        "lane": column("u4", lane),
        "row": column("u2", row),
        "lanes": [one | {"rows": int(rows[index])} for index, one in enumerate(kinds)],
        "to": max(int(end.max()) - origin, 1),
        "said": [printable(text or "")[:400] for text in tree["summary"].to_pylist()] if said else [],
        "reasons": [printable(text or "") for text in tree["reason"].to_pylist()],
        "left_out": total - tree.num_rows,
        "hues": {
            "command": hues(commands, colors),
            "protocol": hues(tree["protocol"].to_pylist()),
            "kind": hues(tree["kind"].to_pylist()),
        },
        "label": label,
        "actions": list(actions),
    }
    colors = body["hues"]["command"]
    still = picture(tree, start - origin, end - origin, lane, row, [one["label"] for one in kinds], colors)
    heads = ["span", "process", "begins", "lasts", "self"]
    return Drawing("lanes", body, finding, still, heads, _twin(tree, origin), lanes_figure())


def _longest(tree: pa.Table) -> pa.Table:
    """At most MOST spans: the longest, in the order they had; those without an end count as long."""
    if tree.num_rows <= MOST:
        return tree
    length = pc.fill_null(tree["dur_ns"], 2**62).to_numpy()
    return tree.take(pa.array(np.sort(np.argsort(-length, kind="stable")[:MOST])))


def _parents(tree: pa.Table) -> NDArray[np.int64]:
    """The row of each span's parent; -1: none, or left out."""
    return np.asarray(
        pc.fill_null(pc.index_in(tree["parent_span_id"], value_set=tree["span_id"].combine_chunks()), -1), np.int64
    )


def _lanes(tree: pa.Table) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
    """(lane of each span, what each lane is): in the order of their first spans, threads of a process together."""
    hosts = pc.count_distinct(tree["host"]).as_py() > 1
    keys = list(zip(*(tree[name].to_pylist() for name in ("host", "pid", "tid", "command")), strict=True))
    order: dict[tuple[Any, ...], dict[tuple[Any, ...], None]] = {}
    for key in dict.fromkeys(keys):
        order.setdefault((*key[:2], key[3]), {})[key] = None
    in_order = [key for process in order.values() for key in process]
    number_of = {key: index for index, key in enumerate(in_order)}
    found = []
    for host, pid, tid, command in in_order:
        where = [f"pid {pid}"] if pid is not None else []
        where += [f"tid {tid}"] if tid is not None and tid != pid else []
        where += [f"on {printable(host)}"] if hosts else []
        fields = (("hosts", host if hosts else None), ("commands", command), ("pids", pid), ("tids", tid))
        pairs = [[field, value] for field, value in fields if value is not None]
        label = printable(command)
        found.append({"label": label, "sub": ", ".join(where), "command": label, "key": pairs})
    return np.array([number_of[key] for key in keys], np.int64), found


def pack(
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    lane: NDArray[np.int64],
    parent: NDArray[np.int64],
    lanes_in_all: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(row of each span within its lane, rows of each lane), so that no two bars of a row overlap.

    A span stands below its nearest ancestor in the same lane. Times in ns; ``parent`` is a row, -1 for none.
    """
    row = np.full(len(start), -1, np.int64)
    taken: list[list[int]] = [[] for _ in range(lanes_in_all)]  # for each row of a lane: when its last bar ends
    for span in np.lexsort((-end, start)):
        above = parent[span]
        while above >= 0 and lane[above] != lane[span]:
            above = parent[above]
        least = row[above] + 1 if above >= 0 and row[above] >= 0 else 0
        ends = taken[lane[span]]
        place = next((at for at in range(least, len(ends)) if ends[at] <= start[span]), max(least, len(ends)))
        ends.extend([0] * (place + 1 - len(ends)))
        ends[place] = max(int(end[span]), int(start[span]) + 1)
        row[span] = place
    return row, np.array([max(1, len(ends)) for ends in taken], np.int64)


def _columns(tree: pa.Table, unseen: NDArray[np.bool_]) -> dict[str, Any]:
    flags = np.zeros(tree.num_rows, np.int64)
    for name, bit in _FLAGS.items():
        flags |= bit * pc.fill_null(tree[name], False).to_numpy(zero_copy_only=False).astype(np.int64)
    rules = np.array(tree["link_rule"].to_pylist(), object)
    confidence = pc.fill_null(tree["confidence"], 0).to_numpy()
    unresolved = rules == "unresolved"
    flags |= _OPEN * unseen | _UNRESOLVED * unresolved | _WEAK * ((confidence < 0.9) & ~unresolved)
    texts: dict[str, Any] = {}
    for name in ("name", "kind", "protocol", "command", "status", "link_rule"):
        coded = pc.fill_null(tree[name].cast(pa.string()).combine_chunks(), "").dictionary_encode()
        texts[name] = column("u4", coded.indices.to_numpy())
        texts[f"{name}s"] = [printable(text) for text in coded.dictionary.to_pylist()]
    figures = {
        name: column("f8", tree[name].cast(pa.float64()).fill_null(float("nan")).to_numpy())
        for name in ("self_ns", "wait_ns", "bytes_out", "bytes_in", "delay_ns", "confidence")
    }
    return {**texts, **figures, "flags": column("u1", flags)}


def hues(names: Iterable[str | None], colors: Mapping[str, str] | None = None) -> dict[str, str]:
    """A fill for each of ``names``: that of its colour in ``colors``, else the next that is left; None is grey."""
    known = [name for name in dict.fromkeys(names) if name is not None]
    found = {name: _FILL_OF[color] for name in known if (color := (colors or {}).get(name, "")) in _FILL_OF}
    left = iter([hue for hue in HUES if hue not in found.values()])
    for name in known:
        if name not in found:
            found[name] = next(left, "rest")
    return {printable(name): hue for name, hue in found.items()} | {"": "rest"}


def _twin(tree: pa.Table, origin: int) -> list[list[str]]:
    rows: list[Mapping[str, Any]] = tree.slice(0, _TWIN_ROWS).to_pylist()
    lines = [
        [
            _INDENT * min(row["depth"], 12) + printable(row["name"])[:80],
            printable(f"{row['command']} {row['pid'] if row['pid'] is not None else ''}".strip()),
            duration(row["start_ns"] - origin),
            "end not seen" if row["dur_ns"] is None else duration(row["dur_ns"]),
            "\N{EN DASH}" if row["self_ns"] is None else duration(row["self_ns"]),
        ]
        for row in rows
    ]
    if tree.num_rows > _TWIN_ROWS:
        lines.append([f"{number(tree.num_rows - _TWIN_ROWS)} more spans", "", "", "", ""])
    return lines
