"""The Bokeh figure of a request's timeline, without data: bars, marks, links, texts, an axis. JavaScript fills it."""

from __future__ import annotations

from functools import cache
from typing import Any

from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, FixedTicker, Range1d
from bokeh.models.annotations import BoxAnnotation
from bokeh.plotting import figure

from clew_widgets.drawing.figure import bare_plot, plain_axis

HEIGHT = 240  # pixels, until JavaScript knows how many lanes there are
MARGIN = 12  # pixels right of the bars: lanes.js reckons with it
LEFT = 8  # pixels left of them: room for the label of the first tick
AXIS = 44  # pixels below the bars, for the axis
_SIDES = ("left", "right", "top", "bottom")


@cache
def lanes_figure() -> dict[str, Any]:
    """The figure as Bokeh's JSON item.

    Sources by name: bars (any rectangle with a fill), hatched (unresolved spans), firm and dashed (outlines), links,
    weak (links of low confidence), heads (of arrows), texts. x is ns since the left edge, y pixels from the top.
    """
    plot = bare_plot(
        HEIGHT,
        y_range=Range1d(start=HEIGHT, end=0),
        min_border_left=LEFT,
        min_border_right=MARGIN,
        min_border_top=0,
        min_border_bottom=AXIS,
        lod_threshold=None,
    )
    plot.grid.visible = False
    plot.yaxis.visible = False
    plain_axis(plot.xaxis[0], "x", ticker=FixedTicker(), axis_label_standoff=4)
    _links(plot)
    _boxes(plot, "bars", fill_color="color", line_color=None)
    hatch: dict[str, Any] = {
        "hatch_pattern": "/",
        "hatch_color": "color",
        "hatch_scale": 7,
        "hatch_weight": 1,
        "hatch_alpha": 0.4,
    }
    _boxes(plot, "hatched", fill_color=None, line_color=None, **hatch)
    for name, dash in (("firm", "solid"), ("dashed", [4, 3])):
        _boxes(plot, name, fill_color=None, line_color="color", line_dash=dash, line_width=1.4)
    texts = _source("texts", "x", "y", "text", "color")
    style: dict[str, Any] = {"text_color": "color", "text_font_size": "11.5px", "text_baseline": "middle"}
    plot.text("x", "y", "text", name="labels", source=texts, **style)
    for name in ("cursor", "brush"):
        plot.add_layout(BoxAnnotation(name=name, visible=False, level="overlay"))
    return dict(json_item(plot))


def _links(plot: figure) -> None:
    """Lines behind the bars, with heads in front of nothing else."""
    for name, dash in (("links", "solid"), ("weak", [5, 4])):
        source = _source(name, "x0", "y0", "x1", "y1", "color", "width")
        plot.segment("x0", "y0", "x1", "y1", source=source, line_color="color", line_width="width", line_dash=dash)
    heads = _source("heads", "x", "y", "angle", "color")
    plot.scatter("x", "y", marker="triangle", angle="angle", size=7, source=heads, fill_color="color", line_color=None)


def _boxes(plot: figure, name: str, **style: Any) -> None:
    plot.quad("left", "right", "top", "bottom", source=_source(name, *_SIDES, "color"), **style)


def _source(name: str, *columns: str) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in columns}, name=name)
