"""Flame graphs: the columns of a tree for the page, and the static twin with the functions that weigh most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.units import duration, number, printable, size
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.flame_columns import MOST_NODES, NARROWEST, column, ended, merged_sums, owned, places, prune
from clew_widgets.drawing.flame_figure import flame_figure
from clew_widgets.drawing.flame_still import picture

_TWIN_ROWS = 10
_OWN = {"before": "self_before"}  # which column holds what frames weigh themselves; of the others it is self
MINUS = "\N{MINUS SIGN}"
_NOTHING = "no samples."


def amount(unit: str, value: float) -> str:
    """``value`` of a weight in its ``unit``, for people."""
    if unit == "ns":
        return duration(value)
    if unit == "bytes":
        return size(value)
    return f"{number(int(value) if float(value).is_integer() else value)} {unit}"


def flame(
    table: pa.Table,
    *,
    unit: str,
    event: str,
    grows: str = "up",
    inverted: bool = False,
    at: int | None = None,
    label: str = "Flame graph",
    actions: Sequence[str] = (),
    command: str = "",
    edits: Sequence[str] = (),
    undo: bool = False,
    whole: float | None = None,
    most: int = MOST_NODES,
    narrowest: int = NARROWEST,
) -> Drawing:
    """The flame graph of a table of ``questions.flame`` (or ``flame_diff``: with columns before and after).

    ``grows``: up, the root at the bottom, or down (an icicle). ``inverted``: the tree goes from innermost functions
    to their callers. ``at``: the row to open and zoom to. ``actions``: messages that somebody listens to (stack,
    focus, hide, merge, recursion, drop, function, command, brush, open). ``command`` prints the same; ``edits`` are
    shown as chips.
    ``whole``: what shares are of, if not of the root. A tree of more than ``most`` rows is
    pruned of what is narrower than 1 / ``narrowest`` of ``at``; one with a column ``narrow`` was when it was made.
    """
    parent = table["parent"].to_numpy().astype(np.int64)
    depth = table["depth"].to_numpy().astype(np.int64)
    values = {
        name: table[name].to_numpy().astype(np.float64)
        for name in ("total", "before", "after")
        if name in table.column_names
    }
    weight = np.maximum.reduce([*values.values()])
    frames, place = places(table)
    is_whole = "narrow" not in table.column_names
    if is_whole:
        pruned = prune(parent, depth, weight, at, most, narrowest)
    else:
        pruned = ended(parent, depth, table["narrow"].to_numpy())
    body: dict[str, Any] = {"form": "tree", **frames}
    if pruned is None:
        body |= {"depth": column("u2", depth), "place": column("u4", place), "merged": [], "rows": None}
        body |= {name: column("f8", value) for name, value in values.items()}
    else:
        kept = pruned.rows >= 0
        level = depth[pruned.parents] + 1
        level[pruned.parents < 0] = 0
        body |= {
            "depth": column("u2", level),
            "place": column("u4", np.where(kept, place[pruned.rows], 0)),
            "merged": [[int(row), int(pruned.many[row])] for row in np.flatnonzero(~kept)],
            "rows": column("u4", np.where(kept, pruned.rows, 0)),
        }
        for name, value in values.items():
            own = owned(parent, value) if is_whole else table[_OWN.get(name, "self")].to_numpy()
            body[name] = column("f8", merged_sums(pruned, parent, own, value))
    differs = "before" in values
    body |= {
        "grows": grows,
        "unit": unit,
        "event": printable(event),
        "label": label,
        "axis": printable(event),
        "weight": "after" if differs else "total",
        "color": "change" if differs else "kind",
        "strongest": float(np.abs(values["after"] - values["before"])[1:].max(initial=0)) if differs else 0,
        "actions": list(actions),
        "command": command,
        "edits": [{"index": index, "label": printable(text)} for index, text in enumerate(edits)],
        "undo": undo,
        "at": at,
        "whole": whole,
        "narrow": "frames" if is_whole else "stacks",
    }
    if not weight[:1].sum() or len(parent) < 2:
        return Drawing("flame", body, _NOTHING, item=flame_figure())
    names = table["name"]
    if differs:
        finding, heads, rows = _differences(names, parent, values, unit, event)
    else:
        finding, heads, rows = _heaviest(names, depth, parent, values["total"], inverted, unit, event)
    return Drawing("flame", body, finding, picture(table, values, grows, unit), heads, rows, flame_figure())


def merged_note(drawing: Drawing, table: pa.Table) -> str:
    """What was left out of a drawing of ``table``; nothing where all of it is there."""
    many, total = sum(count for _, count in drawing.body["merged"]), table.num_rows
    if many and "narrow" in table.column_names:
        return "callers that are too narrow to be drawn are merged"
    return f"{number(many)} of {number(total)} frames are too narrow to be drawn and merged" if many else ""


def _by_name(names: pa.ChunkedArray, value: NDArray[np.float64]) -> tuple[list[str], NDArray[np.float64]]:
    whole = names.combine_chunks().cast(pa.string()).dictionary_encode()
    sums: NDArray[np.float64] = np.bincount(whole.indices.to_numpy(), value, len(whole.dictionary))  # type: ignore[assignment]
    return whole.dictionary.to_pylist(), sums


def _heaviest(
    names: pa.ChunkedArray,
    depth: NDArray[np.int64],
    parent: NDArray[np.int64],
    total: NDArray[np.float64],
    inverted: bool,
    unit: str,
    event: str,
) -> tuple[str, list[str], list[list[str]]]:
    """Sentence and table of the functions with the largest self weight."""
    own = np.where(depth == 1, total, 0) if inverted else owned(parent, total)
    own[0] = 0
    every, sums = _by_name(names, own)
    first = np.argsort(-sums, kind="stable")[:_TWIN_ROWS]
    whole = float(total[0])
    rows = [
        [printable(every[index])[:200], amount(unit, float(sums[index])), f"{100 * sums[index] / whole:.3g} %"]
        for index in first
        if sums[index] > 0
    ]
    finding = f"{printable(event)}, {amount(unit, whole)}"
    if rows:
        finding += f"; most in {rows[0][0][:80]}: {rows[0][1]} ({rows[0][2]})"
    return finding + ".", ["function", "self", "of all"], rows or [["all", amount(unit, 0), "0 %"]]


def _differences(
    names: pa.ChunkedArray, parent: NDArray[np.int64], values: dict[str, NDArray[np.float64]], unit: str, event: str
) -> tuple[str, list[str], list[list[str]]]:
    """Sentence and table of the functions whose self weight changed most."""
    every, before = _by_name(names, owned(parent, values["before"]))
    _, after = _by_name(names, owned(parent, values["after"]))
    change = after - before
    first = [index for index in np.argsort(-np.abs(change), kind="stable")[:_TWIN_ROWS] if change[index]]

    def sign(value: float) -> str:
        return ("+" if value >= 0 else MINUS) + amount(unit, abs(value))

    rows = [
        [
            printable(every[index])[:200],
            amount(unit, float(before[index])),
            amount(unit, float(after[index])),
            sign(float(change[index])),
        ]
        for index in first
    ]
    totals = [float(values[name][0]) for name in ("before", "after")]
    finding = f"{printable(event)}: {amount(unit, totals[0])} before, {amount(unit, totals[1])} after"
    grew = max(first, key=lambda index: change[index], default=None)
    shrank = min(first, key=lambda index: change[index], default=None)
    if grew is not None and change[grew] > 0:
        finding += f"; {printable(every[grew])[:80]} grew most ({sign(float(change[grew]))})"
    if shrank is not None and change[shrank] < 0:
        finding += f"; {printable(every[shrank])[:80]} shrank most ({sign(float(change[shrank]))})"
    return finding + ".", ["function", "self before", "self after", "change"], rows or [["all", *["0"] * 3]]


def sandwich(
    callers: pa.Table,
    callees: pa.Table,
    *,
    function: str,
    unit: str,
    event: str,
    whole: float,
    actions: Sequence[str] = (),
    command: str = "",
) -> Drawing:
    """Callers of ``function`` above what it calls: two trees that both begin with it; shares are of ``whole``."""
    shown = printable(function)
    above, below = (
        flame(
            table,
            unit=unit,
            event=event,
            grows=grows,
            label=f"{what} {shown}",
            actions=actions,
            command=command,
            whole=whole,
        )
        for table, grows, what in ((callers, "up", "Callers of"), (callees, "down", "Callees of"))
    )
    body = {"callers": above.body, "callees": below.body, "function": shown}
    total = float(callees["total"][0].as_py()) if callees.num_rows else 0.0
    if not total:
        return Drawing("sandwich", body, _NOTHING, item=flame_figure())
    rows = []
    for table, what in ((callers, "called by"), (callees, "calls")):
        first = table.filter(pc.equal(table["depth"], 1)).slice(0, _TWIN_ROWS // 2)
        for name, value in zip(first["name"].to_pylist(), first["total"].to_pylist(), strict=True):
            rows.append([what, printable(str(name))[:200], amount(unit, value), f"{100 * value / total:.3g} %"])
    finding = f"{shown[:200]}: {amount(unit, total)}, {100 * total / whole if whole else 0:.3g} % of all."
    heads = ["", "function", "total", "of it"]
    picture_ = picture(callees, {"total": callees["total"].to_numpy().astype(np.float64)}, "down", unit)
    return Drawing(
        "sandwich", body, finding, picture_, heads, rows or [["", shown[:200], amount(unit, total), ""]], flame_figure()
    )
