"""Flame charts: stacks of one thread over time, as columns for the page and as a still picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.units import duration, number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing import static as still
from clew_widgets.drawing.flame_columns import MOST_NODES, NARROWEST, column, places
from clew_widgets.drawing.flame_figure import flame_figure
from clew_widgets.drawing.flame_still import FILLS

_ROW, _LEVELS, _TWIN_ROWS = 17, 24, 10


def flame_chart(
    table: pa.Table,
    *,
    origin_ns: int,
    window: tuple[int, int],
    label: str,
    grows: str = "down",
    actions: Sequence[str] = (),
    command: str = "",
) -> Drawing:
    """The flame chart of a table of ``questions.flame_chart`` (by depth, then start); ``window`` is the time it shows.

    Times are ns of the case's clock; what the page gets is ns since ``origin_ns``. Of more than MOST_NODES runs those
    shorter than 1 / NARROWEST of the window are left out.
    """
    length = pc.subtract(table["end_ns"], table["start_ns"])
    if table.num_rows > MOST_NODES:
        table = table.filter(pc.greater_equal(length, (window[1] - window[0]) // NARROWEST))
        length = pc.subtract(table["end_ns"], table["start_ns"])
    start = table["start_ns"].to_numpy() - origin_ns
    depth = table["depth"].to_numpy().astype(np.int64) - 1
    frames, place = places(table)
    body: dict[str, Any] = {
        "form": "runs",
        **frames,
        "depth": column("u2", depth),
        "place": column("u4", place),
        "start": column("f8", start),
        "length": column("f8", length.to_numpy()),
        "from": window[0] - origin_ns,
        "to": window[1] - origin_ns,
        "merged": [],
        "grows": grows,
        "unit": "ns",
        "label": label,
        "axis": "time since the start of the case",
        "color": "kind",
        "actions": list(actions),
        "command": command,
        "edits": [],
        "undo": False,
    }
    if not table.num_rows:
        return Drawing("flame", body, "no samples.", item=flame_figure())
    ends = table["end_ns"].to_numpy() - origin_ns
    top = depth == 0
    seen = float((ends - start)[top].sum())
    deepest = table.append_column("length", length).group_by("name").aggregate([("length", "sum"), ("length", "count")])
    deepest = deepest.sort_by([("length_sum", "descending"), ("name", "ascending")]).slice(0, _TWIN_ROWS)
    rows = [
        [printable(row["name"])[:200], duration(row["length_sum"]), number(row["length_count"])]
        for row in deepest.to_pylist()
    ]
    finding = (
        f"{label}: {number(table.num_rows)} stretches, sampled for {duration(seen)} from {duration(int(start.min()))}"
    )
    picture = _picture(table, start, ends, depth, (window[0] - origin_ns, window[1] - origin_ns))
    return Drawing("flame", body, finding + ".", picture, ["function", "time", "stretches"], rows, flame_figure())


def _picture(table: pa.Table, start: Any, end: Any, depth: Any, window: tuple[int, int]) -> str:
    across = still.WIDTH / max(window[1] - window[0], 1)
    shown = np.flatnonzero(((end - start) * across >= 1) & (depth < _LEVELS))[:1500]
    height = _ROW * (int(depth[shown].max(initial=0)) + 1)
    parts = []
    kinds = table["kind"].take(pa.array(shown)).to_pylist()
    names = table["name"].take(pa.array(shown)).to_pylist()
    for row, kind, name in zip(shown, kinds, names, strict=True):
        left, width, top = (start[row] - window[0]) * across, (end[row] - start[row]) * across, _ROW * int(depth[row])
        fill = FILLS.get(kind or "", FILLS[""])
        size = f'width="{max(width - 0.6, 0.4):.1f}" height="{_ROW - 1}"'
        parts.append(f'<rect x="{left:.1f}" y="{top}" {size} fill="{fill}"/>')
        room = int((width - 6) / 6.3)
        if room >= 3:
            text = printable(str(name)[:200])
            text = text if len(text) <= room else text[: room - 1] + "…"
            style = "fill:#0b0d10;font-size:11px"
            parts.append(f'<text x="{left + 3:.1f}" y="{top + 12}" style="{style}">{still.safe(text)}</text>')
    parts.append(still.line(0, height + 3.5, still.WIDTH, height + 3.5))
    parts.append(still.label(0, height + 18, duration(window[0]), muted=True))
    parts.append(still.label(still.WIDTH, height + 18, duration(window[1]), anchor="end", muted=True))
    return still.svg(height + 26, parts)
