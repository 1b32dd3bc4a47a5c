"""A flame graph as a still picture: the boxes that can be seen without zooming, for the static twin."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.units import duration, number, printable, size
from clew_widgets.drawing import static as still

_ROW = 17
_LEVELS = 32
_BOXES = 1500
_NARROWEST = 1.5  # pixels
_LETTER = 6.3  # pixels, of 11 px type
FILLS = {
    "user": "#d9782f",
    "kernel": "#5c8fd6",
    "jit": "#2f9e7d",
    "inlined": "#a8902a",
    "": "#8a9099",
    "grew": "#dd5f45",
    "shrank": "#4a8fd8",
    "same": "#8f959d",
}


def picture(table: pa.Table, values: Mapping[str, NDArray[np.float64]], grows: str, unit: str) -> str:
    """An SVG of the table of a flame graph; in a difference the widths are those after, the colours the change."""
    total = values.get("after", values["total"])
    if not total[0]:
        total = values["total"]
    depth = table["depth"].to_numpy()
    start = _starts(table["parent"].to_numpy().astype(np.int64), depth, total)
    across = still.WIDTH / max(float(total[0]), 1e-300)
    rows = np.flatnonzero((total * across >= _NARROWEST) & (depth < _LEVELS))
    if len(rows) > _BOXES:
        rows = np.sort(rows[np.argsort(-total[rows], kind="stable")[:_BOXES]])
    height = _ROW * (int(depth[rows].max(initial=0)) + 1)
    names = table["name"].take(pa.array(rows)).to_pylist()
    kinds = table["kind"].take(pa.array(rows)).to_pylist()
    parts = []
    for row, name, kind in zip(rows, names, kinds, strict=True):
        left, width = start[row] * across, total[row] * across
        level = int(depth[row])
        top = height - _ROW * (level + 1) if grows == "up" else _ROW * level
        color = FILLS.get(kind or "", FILLS[""])
        if "before" in values:
            change = values["after"][row] - values["before"][row]
            color = FILLS["grew" if change > 0 else "shrank" if change < 0 else "same"]
            name = ("+ " if change > 0 else "\N{MINUS SIGN} " if change < 0 else "= ") + str(name)
        parts.append(
            f'<rect x="{left:.1f}" y="{top}" width="{max(width - 0.7, 0.4):.1f}" height="{_ROW - 1}" fill="{color}"/>'
        )
        room = int((width - 6) / _LETTER)
        if room >= 3:
            text = printable(str(name)[:200])
            text = text if len(text) <= room else text[: room - 1] + "…"
            parts.append(
                f'<text x="{left + 3:.1f}" y="{top + 12}" style="fill:#0b0d10;font-size:11px">{still.safe(text)}</text>'
            )
    whole = float(total[0])
    words = duration(whole) if unit == "ns" else size(whole) if unit == "bytes" else f"{number(round(whole))} {unit}"
    parts.append(still.line(0, height + 3.5, still.WIDTH, height + 3.5))
    parts.append(still.label(0, height + 18, "0", muted=True))
    parts.append(still.label(still.WIDTH, height + 18, words, anchor="end", muted=True))
    return still.svg(height + 26, parts)


def _starts(parent: NDArray[np.int64], depth: NDArray[np.int64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """The left edge of each row of a tree, depth first: children side by side from the left edge of their caller."""
    # what stands left of a row in its own subtree order: all earlier siblings, and the same of its callers
    start = np.zeros(len(parent))
    order = np.argsort(depth, kind="stable")
    edges = np.searchsorted(depth[order], np.arange(int(depth.max(initial=0)) + 2))
    for level in range(1, len(edges) - 1):
        rows = order[edges[level] : edges[level + 1]]  # in the order of the tree, so siblings are neighbours
        upto = np.cumsum(total[rows]) - total[rows]
        fresh = np.flatnonzero(np.diff(parent[rows], prepend=-2))
        base = np.repeat(upto[fresh], np.diff(np.append(fresh, len(rows))))
        start[rows] = start[parent[rows]] + upto - base
    return start
