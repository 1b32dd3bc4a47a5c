"""The Bokeh figure of a flame graph, without data: boxes, their texts, a cursor, an axis. JavaScript fills it."""

from __future__ import annotations

from functools import cache
from typing import Any

from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, FixedTicker, Range1d
from bokeh.models.annotations import BoxAnnotation
from bokeh.plotting import figure

HEIGHT = 240  # pixels, until JavaScript knows how many rows there are
MARGIN = 12  # pixels left and right of the boxes: flame.js reckons with it
AXIS = 44  # pixels below the boxes, for the axis


@cache
def flame_figure() -> dict[str, Any]:
    """The figure as Bokeh's JSON item.

    Models that JavaScript touches have names: plot, x_axis, cursor, brush, and the sources boxes and texts. x is in the
    unit of the weights (or ns), y in rows from the top.
    """
    plot = figure(
        name="plot",
        height=HEIGHT,
        sizing_mode="stretch_width",
        tools="",
        toolbar_location=None,
        x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=1, end=0),
        output_backend="canvas",
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        min_border_left=MARGIN,
        min_border_right=MARGIN,
        min_border_top=0,
        min_border_bottom=AXIS,
        lod_threshold=None,
    )
    plot.grid.visible = False
    plot.yaxis.visible = False
    plot.xaxis[0].update(
        name="x_axis",
        ticker=FixedTicker(),
        axis_label_text_font_style="normal",
        axis_label_text_font_size="11.5px",
        major_label_text_font_size="11.5px",
        minor_tick_line_color=None,
        major_tick_in=0,
        major_tick_out=4,
        axis_label_standoff=4,
    )
    boxes = ColumnDataSource({name: [] for name in ("left", "right", "top", "bottom", "color")}, name="boxes")
    plot.quad("left", "right", "top", "bottom", source=boxes, fill_color="color", line_color=None)
    texts = ColumnDataSource({name: [] for name in ("x", "y", "text", "color")}, name="texts")
    plot.text(
        "x",
        "y",
        "text",
        name="labels",
        source=texts,
        text_color="color",
        text_font_size="11.5px",
        text_baseline="middle",
    )
    for name in ("cursor", "brush"):
        plot.add_layout(BoxAnnotation(name=name, visible=False, level="overlay"))
    return dict(json_item(plot))
