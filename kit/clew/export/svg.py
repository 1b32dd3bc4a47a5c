"""A flame graph as one SVG: no script, tooltips by <title>, readable in light and dark."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from html import escape

from clew.case import Case
from clew.export._stacked import stacked
from clew.lens import Lens
from clew.questions.flame import flame
from clew.questions.forest import Edit
from clew.units import duration, number, printable, size

WIDTH, ROW, MARGIN, NARROWEST = 1200.0, 17, 24, 0.1
"""Pixels: of the picture, of a frame, above and below; what is narrower than the last is left out, and said."""
_CHAR = 6.6
_HUES = {"user": (12, 44), "kernel": (205, 230), "jit": (95, 130), "inlined": (40, 55), "unknown": (270, 285)}


def svg(case: Case, lens: Lens, event: str | None = None, edits: Sequence[Edit] = ()) -> bytes:
    """The flame graph of ``event`` under ``lens``, growing up from the outermost functions."""
    answer = stacked(flame(case, lens, event, edits=edits))
    figures, table = answer.summary, answer.table
    whole = figures["total"]
    unit = figures["unit"]
    show: Callable[[float], str] = {"ns": duration, "bytes": size}.get(unit, lambda value: f"{number(value)} {unit}")
    scale = WIDTH / whole
    kept = [row for row in table.to_pylist() if row["total"] * scale >= NARROWEST]
    height = (max(row["depth"] for row in kept) + 1) * ROW + 2 * MARGIN
    parts = []
    for row in kept:
        width = row["total"] * scale
        y = height - MARGIN - (row["depth"] + 1) * ROW
        name = printable(row["name"])
        tip = f"{name} ({show(row['total'])}, {row['total'] / whole:.2%})"
        room = int((width - 6) / _CHAR)
        shown = name if len(name) <= room else name[: room - 1] + "…" if room > 2 else ""
        x = row["start"] * scale
        parts.append(
            f'<g><title>{escape(tip)}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.4, 0.1):.1f}" '
            f'height="{ROW - 1}" rx="1.5" fill="{_color(row["name"], row["kind"])}"/>'
            + (f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(shown)}</text>' if shown else "")
            + "</g>"
        )
    left_out = table.num_rows - len(kept)
    said = f"{case.path.name}: {figures['event']}, {show(figures['total'])} in {number(figures['samples'])} samples"
    if left_out:
        said += f"; {number(left_out)} frames narrower than {NARROWEST} px left out"
    style = (
        "text{font:11.5px ui-monospace,Menlo,Consolas,monospace;fill:#1b1b1b}"
        ".head{font:13px system-ui,sans-serif;fill:#444}"
        "@media(prefers-color-scheme:dark){svg{background:#16181d}.head{fill:#ccc}}rect:hover{stroke:#000}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height}" width="{WIDTH:.0f}" '
        f'height="{height}" role="img" aria-label="{escape(printable(said))}"><style>{style}</style>'
        f'<text class="head" x="4" y="16">{escape(printable(said))}</text>{"".join(parts)}</svg>\n'
    ).encode("utf-8", "replace")


def _color(name: str, kind: str | None) -> str:
    """The hue says the kind; the shade is the function's own, the same in every picture."""
    low, high = _HUES.get(kind or "unknown", _HUES["unknown"])
    mark = zlib.crc32(name.encode("utf-8", "replace"))
    return f"hsl({low + mark % 97 * (high - low) // 97} {62 + mark // 97 % 23}% {66 + mark // 2231 % 12}%)"
