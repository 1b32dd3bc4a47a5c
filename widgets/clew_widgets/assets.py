"""The scripts and styles a page needs, put together once: the same bundle serves the notebook and the report."""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cache
from pathlib import Path

import bokeh

_HERE = Path(__file__).parent
_STYLES = (
    "drawing/theme.css",
    "drawing/flame.css",
    "drawing/stacks.css",
    "views/panel.css",
    "views/tabs.css",
    "drawing/requests.css",
)
_SCRIPTS = (
    "drawing/drawings.js",
    "drawing/format.js",
    "drawing/table.js",
    "drawing/ticks.js",
    "drawing/chart.js",
    "drawing/timeline.js",
    "drawing/histogram.js",
    "drawing/figures.js",
    "drawing/flame_data.js",
    "drawing/flame_runs.js",
    "drawing/flame_layout.js",
    "drawing/flame_colors.js",
    "drawing/flame_text.js",
    "drawing/flame_paint.js",
    "drawing/flame_search.js",
    "drawing/flame_tip.js",
    "drawing/flame_bar.js",
    "drawing/flame_keys.js",
    "drawing/flame.js",
    "drawing/sandwich.js",
    "drawing/heatmap.js",
    "drawing/dot.js",
    "drawing/lanes_data.js",
    "drawing/lanes_tip.js",
    "drawing/lanes_paint.js",
    "drawing/lanes.js",
    "drawing/shapes.js",
    "drawing/source.js",
    "views/panel.js",
    "views/tabs.js",
    "lens_bar.js",
)


@cache
def read(name: str) -> str:
    """The text of a file that lies beside this module (``drawing/table.js``)."""
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def styles() -> str:
    """All style sheets of the views, as one text."""
    return "\n".join(read(name) for name in _STYLES)


@cache
def scripts(*more: str) -> str:
    """The drawing code, and files ``more`` after it, as the inside of one function: nothing enters the page's names."""
    return "\n".join(read(name) for name in (*_SCRIPTS, *more))


@cache
def bokeh_script() -> str:
    """BokehJS of the installed Bokeh, minified, without widgets, tables and WebGL."""
    return (Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js").read_text(encoding="utf-8")


@cache
def code() -> tuple[str, str]:
    """(version, script): leaves ``{panel, lens, tabs}`` in ``__clew[version]`` and the style sheet in the page.

    The version is a hash of the content, so two versions of clew can share a page.
    """
    version = hashlib.sha256((scripts() + styles()).encode()).hexdigest()[:12]
    script = (
        f'(function () {{ "use strict";\n{scripts()}\n'
        f"const style = make('style', {{}}, {json.dumps(styles())}); document.head.append(style);\n"
        f"(globalThis.__clew ??= {{}})[{json.dumps(version)}] = "
        "{ panel: mountPanel, lens: mountLensBar, tabs: mountTabs };\n})();"
    )
    return version, script


def versions() -> dict[str, str]:
    """What a page must have loaded to show a widget: name -> version."""
    return {"code": code()[0], "bokeh": bokeh.__version__}


@cache
def part(name: str) -> bytes:
    """One part of ``versions()`` as gzip, to be sent to the page. Raises KeyError for any other name."""
    parts = {"code": lambda: code()[1], "bokeh": lambda: bokeh_script()}
    return gzip.compress(parts[name]().encode(), 6)
