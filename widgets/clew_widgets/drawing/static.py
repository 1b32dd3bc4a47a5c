"""The static twin: a figure for nbconvert and untrusted notebooks, where no script, style or inline SVG survives."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from clew.units import printable
from clew_widgets.drawing import Drawing

WIDTH = 720
LETTER = 6.9
"""About as wide as a letter is, in pixels."""

_FILLS = {
    "s0": "#0b6db3",
    "s1": "#ee8a3c",
    "s2": "#0a8f7f",
    "s3": "#b3478f",
    "s4": "#7cc4ea",
    "s5": "#c9a400",
    "rest": "#a9b0b9",
    "error": "#b3261e",
}
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1b1e23}.m{fill:#5b626d}.p{fill:#fff}.l{stroke:#d9dde3}.k{stroke:#1b1e23}"
)
_DARK = (
    "@media(prefers-color-scheme:dark){text{fill:#e6e8eb}.m{fill:#a4abb5}.p{fill:#16181c}.l{stroke:#3a3f47}"
    ".k{stroke:#e6e8eb}}"
)
_CELL = 'style="text-align:right;padding:1px 12px;white-space:nowrap"'
_CELL_LEFT = 'style="text-align:left;padding:1px 12px;white-space:nowrap"'


def safe(text: object) -> str:
    """``text`` for HTML and SVG: markup escaped, control and direction characters shown as escapes."""
    return escape(printable(str(text)))


def rectangle(left: float, top: float, width: float, height: float, color: str, opacity: float = 1) -> str:
    """One SVG rectangle, in pixels."""
    see = "" if opacity == 1 else f' opacity="{opacity:g}"'
    size = f'width="{max(width, 0.4):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{_FILLS[color]}"{see}/>'


def label(left: float, base: float, text: object, *, anchor: str = "start", muted: bool = False) -> str:
    """One SVG text, in pixels; ``anchor`` is start, middle or end."""
    tone = ' class="m"' if muted else ""
    return f'<text x="{left:.1f}" y="{base:.1f}" text-anchor="{anchor}"{tone}>{safe(text)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str = "l") -> str:
    """One SVG line, in pixels."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def svg(height: float, parts: Sequence[str]) -> str:
    """A whole SVG picture, WIDTH pixels wide, that follows light and dark."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}"><style>{_STYLE}{_DARK}</style>'
        f'<rect class="p" width="100%" height="100%"/>{"".join(parts)}</svg>'
    )


def bars(rows: Sequence[tuple[str, float, str, str]]) -> str:
    """Horizontal bars: (name, value >= 0, value in words, colour)."""
    largest = max((value for _, value, _, _ in rows), default=0) or 1
    parts = []
    for index, (name, value, text, color) in enumerate(rows):
        base = 16 + 20 * index
        short = name if len(name) <= 30 else name[:29] + "…"
        parts += [label(196, base, short, anchor="end"), rectangle(204, base - 10, 400 * value / largest, 12, color)]
        parts.append(label(210 + 400 * value / largest, base, text, muted=True))
    return svg(20 * len(rows) + 10, parts)


def twin(title: str, drawing: Drawing, *, follows: bool = False) -> str:
    """The figure as HTML that sanitisers let pass: title, picture with the finding as its text, a small table.

    ``follows``: the page is dark where readers ask for it, and so is the picture. A page of somebody else (nbconvert's
    is white for everybody) may not be, and a picture cannot see what it stands on: there it is on white paper.
    """
    picture = ""
    if drawing.picture:
        drawn = drawing.picture if follows else drawing.picture.replace(_DARK, "", 1)
        data = base64.b64encode(drawn.encode()).decode()
        picture = f'<img alt="{safe(drawing.finding)}" src="data:image/svg+xml;base64,{data}">'
    table = ""
    if drawing.rows:
        heads = "".join(
            f"<th {_CELL if index else _CELL_LEFT}>{safe(head)}</th>" for index, head in enumerate(drawing.heads)
        )
        rows = "".join(
            "<tr>"
            + "".join(f"<td {_CELL if index else _CELL_LEFT}>{safe(cell)}</td>" for index, cell in enumerate(row))
            + "</tr>"
            for row in drawing.rows
        )
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    caption = f"<figcaption><strong>{safe(title)}</strong>: {safe(drawing.finding)}</figcaption>"
    return f"<figure>{caption}{picture}{table}</figure>"
