"""The Bokeh figure of a flame graph without its boxes: a cursor, a brush, an axis. JavaScript adds them."""

from __future__ import annotations

from functools import cache
from typing import Any

from bokeh.embed import json_item
from bokeh.models import FixedTicker, Range1d
from bokeh.models.annotations import BoxAnnotation

from clew_widgets.drawing.figure import bare_plot, plain_axis

HEIGHT = 240  # pixels, until JavaScript knows how many rows there are
MARGIN = 12  # pixels left and right of the boxes: flame.js reckons with it
AXIS = 44  # pixels below the boxes, for the axis


@cache
def flame_figure() -> dict[str, Any]:
    """The figure as Bokeh's JSON item.

    Models that JavaScript touches have names: plot, x_axis, cursor, brush. x is in the unit of the weights (or ns), y
    in rows from the top.
    """
    plot = bare_plot(
        HEIGHT,
        y_range=Range1d(start=1, end=0),
        min_border_left=MARGIN,
        min_border_right=MARGIN,
        min_border_top=0,
        min_border_bottom=AXIS,
    )
    plot.grid.visible = False
    plot.yaxis.visible = False
    plain_axis(plot.xaxis[0], "x", ticker=FixedTicker(), axis_label_standoff=4)
    for name in ("cursor", "brush"):
        plot.add_layout(BoxAnnotation(name=name, visible=False, level="overlay"))
    return dict(json_item(plot))
