"""One request as lanes, as a still picture: bars and arrows without zooming, for the static twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.units import duration, printable
from clew_widgets.drawing import static as still

_ROW, _GAP, _LEFT = 17, 6, 132
_MOST_ROWS = 28
_MOST_BARS = 400
FILLS = {
    "m0": "#d9782f",
    "m1": "#4f93d1",
    "m2": "#2f9e7d",
    "m3": "#c06fae",
    "m4": "#a08c1f",
    "m5": "#8f7fd0",
    "m6": "#d5697a",
    "m7": "#4f9aa8",
    "rest": "#8a9099",
}


def picture(
    tree: pa.Table,
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    lane: NDArray[np.int64],
    row: NDArray[np.int64],
    labels: Sequence[str],
    colors: Mapping[str, str],
) -> str:
    """An SVG of the spans of ``tree`` (ns since the request began), each in its ``row`` of its ``lane``."""
    rows = np.bincount(lane, minlength=len(labels)) * 0
    np.maximum.at(rows, lane, row + 1)
    top = np.concatenate([[0], np.cumsum(rows * _ROW + _GAP)])
    seen = [index for index in range(len(labels)) if top[index + 1] <= _MOST_ROWS * _ROW or index == 0]
    height = min(float(top[len(seen)]), _MOST_ROWS * _ROW * 1.0)
    across = (still.WIDTH - _LEFT - 10) / max(int(end.max()), 1)
    parts = []
    for index in seen:
        label = labels[index] if len(labels[index]) <= 18 else labels[index][:17] + "…"
        parts.append(still.label(_LEFT - 8, float(top[index]) + 14, label, anchor="end"))
        parts.append(still.line(0, float(top[index + 1]) - 2, still.WIDTH, float(top[index + 1]) - 2))
    inside = np.flatnonzero((lane < len(seen)) & (top[lane] + (row + 1) * _ROW <= height + _GAP))[:_MOST_BARS]
    names, commands = tree["name"].to_pylist(), tree["command"].to_pylist()
    rules = tree["link_rule"].to_pylist()
    for span in inside:
        left, width = _LEFT + start[span] * across, max(float(end[span] - start[span]) * across, 1.0)
        y = float(top[lane[span]] + row[span] * _ROW) + 2
        fill = FILLS[colors.get(printable(commands[span]), "rest")]
        dash = ' stroke="#8a9099" stroke-dasharray="4 3" fill-opacity="0.3"' if rules[span] == "unresolved" else ""
        size = f'width="{width:.1f}" height="{_ROW - 3}"'
        parts.append(f'<rect x="{left:.1f}" y="{y:.1f}" {size} fill="{fill}"{dash}/>')
        room = int((width - 6) / 6.2)
        if room >= 4:
            text = printable(names[span])
            text = text if len(text) <= room else text[: room - 1] + "…"
            style = "fill:#0b0d10;font-size:11px"
            parts.append(f'<text x="{left + 3:.1f}" y="{y + 11:.1f}" style="{style}">{still.safe(text)}</text>')
    parts.append(still.label(_LEFT, height + 16, "0", muted=True))
    parts.append(still.label(still.WIDTH - 10, height + 16, duration(int(end.max())), anchor="end", muted=True))
    return still.svg(height + 24, parts)
