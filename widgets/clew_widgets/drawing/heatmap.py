"""The sub-second offset heat map, as columns for the page and as a still picture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pyarrow as pa
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, FixedTicker
from bokeh.models.annotations import BoxAnnotation

from clew.units import duration, number, size
from clew_widgets.drawing import Drawing
from clew_widgets.drawing import static as still
from clew_widgets.drawing.figure import bare_plot, plain_axis

MOST_CELLS = 10_000
"""Cells of a map at most: longer recordings get fewer rows."""
HEIGHT = 250
_LEFT, _TOP, _BOTTOM = 56, 8, 170


@cache
def heatmap_figure() -> dict[str, Any]:
    """The figure as Bokeh's JSON item; JavaScript touches plot, x_axis, y_axis, cells, cursor and chosen by name."""
    plot = bare_plot(HEIGHT, min_border_left=62, min_border_right=10, min_border_top=8, lod_threshold=None)
    plot.grid.visible = False
    labels = (("x", plot.xaxis[0], "second of the recording"), ("y", plot.yaxis[0], "ms within the second"))
    for name, axis, label in labels:
        plain_axis(axis, name, axis_label=label, ticker=FixedTicker(), axis_label_standoff=6)
    cells = ColumnDataSource({name: [] for name in ("left", "right", "bottom", "top", "color", "alpha")}, name="cells")
    plot.quad("left", "right", "top", "bottom", source=cells, fill_color="color", fill_alpha="alpha", line_color=None)
    marks = ColumnDataSource({name: [] for name in ("left", "right", "bottom", "top", "color")}, name="chosen")
    outline = plot.quad(
        "left", "right", "top", "bottom", source=marks, fill_alpha=0, line_color="color", line_width=1.5
    )
    outline.level = "overlay"  # a canvas of its own: while somebody drags, the cells are not painted again
    plot.add_layout(BoxAnnotation(name="cursor", visible=False, fill_alpha=0, line_width=2, level="overlay"))
    return dict(json_item(plot))


def heatmap(
    table: pa.Table, figures: Mapping[str, Any], *, chosen: tuple[int, int] | None, still: bool = False
) -> Drawing:
    """The map of a table of ``questions.heatmap``; ``chosen`` is the time marked, ns since second 0; ``still``: it can
    be looked at, not brushed.
    """
    body = {
        "second": table["second"].to_pylist(),
        "slot": table["slot"].to_pylist(),
        "weight": table["weight"].to_pylist(),
        "samples": table["samples"].to_pylist(),
        "rows": figures["rows"],
        "seconds": figures["seconds"],
        "unit": figures["unit"],
        "chosen": list(chosen) if chosen else None,
        "still": still,
        "label": f"Heat map of {figures['event']}: a column for each second",
    }
    cells = sorted(zip(body["weight"], body["second"], body["slot"], strict=True), reverse=True)[:10]
    if not cells:
        return Drawing("heatmap", body, "No samples.", item=heatmap_figure())
    show = {"ns": duration, "bytes": size}.get(figures["unit"], number)
    step = 1000 / figures["rows"]
    where = [f"{second} s + {slot * step:.0f} ms" for _, second, slot in cells]
    finding = f"{figures['event']} over {number(figures['seconds'])} s; most at {where[0]}: {show(cells[0][0])}"
    rows = [[at, show(cell[0])] for at, cell in zip(where, cells, strict=True)]
    heads = ["moment", figures["unit"]]
    return Drawing("heatmap", body, finding, _picture(body), heads, rows, item=heatmap_figure())


def _picture(body: Mapping[str, Any]) -> str:
    width = (still.WIDTH - _LEFT - 10) / body["seconds"]
    height = (_BOTTOM - _TOP) / body["rows"]
    most = max(body["weight"]) or 1.0
    parts = [
        still.rectangle(
            _LEFT + second * width,
            _BOTTOM - (slot + 1) * height,
            width,
            height,
            "s0",
            0.12 + 0.88 * (weight / most) ** 0.5,
        )
        for second, slot, weight in zip(body["second"], body["slot"], body["weight"], strict=True)
    ]
    parts.append(still.line(_LEFT, _BOTTOM, still.WIDTH - 10, _BOTTOM))
    parts.append(still.label(_LEFT, _BOTTOM + 16, "0 s", muted=True))
    parts.append(still.label(still.WIDTH - 10, _BOTTOM + 16, f"{body['seconds']} s", anchor="end", muted=True))
    for share, text in ((0, "0 ms"), (1, "1000 ms")):
        parts.append(
            still.label(_LEFT - 6, _BOTTOM - share * (_BOTTOM - _TOP) + 8 * share, text, anchor="end", muted=True)
        )
    return still.svg(_BOTTOM + 24, parts)
