"""The Bokeh figure of a chart, without data: axes, glyphs, brush. JavaScript fills and colours it."""

from __future__ import annotations

from functools import cache
from typing import Any

from bokeh.embed import json_item
from bokeh.models import (
    BasicTicker,
    BoxSelectTool,
    ColumnDataSource,
    FixedTicker,
    NumeralTickFormatter,
    Range1d,
    WheelZoomTool,
)
from bokeh.models.annotations import BoxAnnotation
from bokeh.plotting import figure

HEIGHT = {"timeline": 190, "histogram": 236, "figures": 170}


def bare_plot(height: int, **options: Any) -> figure:
    """A canvas called ``plot`` as wide as its place: no tools, no background; ranges are 0 to 1 by default."""
    ranges = {"x_range": Range1d(start=0, end=1), "y_range": Range1d(start=0, end=1)}
    return figure(
        name="plot",
        height=height,
        sizing_mode="stretch_width",
        tools="",
        toolbar_location=None,
        output_backend="canvas",
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        **(ranges | options),
    )


def plain_axis(axis: Any, name: str, **options: Any) -> None:
    """An axis called ``x_axis`` or ``y_axis`` in the type and with the ticks of all our charts."""
    axis.update(
        name=f"{name}_axis",
        axis_label_text_font_style="normal",
        axis_label_text_font_size="11.5px",
        major_label_text_font_size="11.5px",
        minor_tick_line_color=None,
        major_tick_in=0,
        major_tick_out=4,
        **options,
    )


@cache
def scaffold(kind: str) -> dict[str, Any]:
    """The figure of a ``timeline``, of ``figures`` or a ``histogram`` as Bokeh's JSON item.

    Models that JavaScript touches have names: plot, x_axis, y_axis, y_grid, cursor, brush, and one for each source.
    """
    plot = bare_plot(HEIGHT[kind], min_border_left=62, min_border_right=10, min_border_top=8)
    brush = BoxSelectTool(name="brush", dimensions="width", continuous=False, renderers=[])
    brush.overlay.update(fill_alpha=0.16, line_alpha=0.8, line_dash="solid", line_width=1)
    plot.add_tools(brush, WheelZoomTool(dimensions="width", modifiers="shift"))
    plot.toolbar.active_drag = brush
    plot.xgrid.visible = False
    plot.ygrid.name = "y_grid"
    for name, axis in (("x", plot.xaxis[0]), ("y", plot.yaxis[0])):
        plain_axis(axis, name, axis_label_standoff=6)
    plot.yaxis[0].update(ticker=FixedTicker(), axis_line_color=None, major_tick_out=0)
    plot.ygrid.ticker = FixedTicker()
    if kind == "histogram":
        plot.xaxis[0].ticker = FixedTicker()
        _histogram(plot)
    else:
        plot.xaxis[0].update(
            ticker=BasicTicker(desired_num_ticks=8), formatter=NumeralTickFormatter(format="0,0.[000000]")
        )
        _timeline(plot)
    plot.add_layout(BoxAnnotation(name="cursor", visible=False, fill_alpha=0.10, line_alpha=0.35, level="overlay"))
    return dict(json_item(plot))


def _quads(plot: figure, name: str, *extra: str, **style: Any) -> None:
    columns = ("left", "right", "bottom", "top", "color", *extra)
    source = ColumnDataSource({column: [] for column in columns}, name=name)
    style |= {column: column for column in extra}
    plot.quad("left", "right", "top", "bottom", source=source, fill_color="color", line_color=None, **style)


def _timeline(plot: figure) -> None:
    _quads(plot, "quads")
    _quads(plot, "marks")


def _histogram(plot: figure) -> None:
    _quads(plot, "quads", "alpha")
    marks = ColumnDataSource({name: [] for name in ("x", "bottom", "top", "y", "text", "align", "color")}, name="marks")
    plot.segment("x", "bottom", "x", "top", source=marks, line_color="color", line_width=1, line_dash=[3, 3])
    plot.text(
        "x",
        "y",
        "text",
        source=marks,
        text_color="color",
        text_align="align",
        text_font_size="11.5px",
        text_baseline="middle",
    )
