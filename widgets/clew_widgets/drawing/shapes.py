"""Shapes as small multiples: the path of each as an outline, with how many requests took it and how long."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from clew.units import duration, number, printable, shape_name
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.lanes import hues
from clew_widgets.drawing.static import bars
from clew_widgets.drawing.table import UNKNOWN

STEPS = 14  # of a path in its outline; the rest is a number
_TWIN_ROWS = 10
_CLIENT = " → "  # in a line of a path: this program asked, and waits


def steps(path: str) -> list[dict[str, Any]]:
    """The lines of a path (schema.sql, shape.path) as steps: depth, command, kind (server, client), text.

    Of a message only the end that received it is a step, where that end was seen.
    """
    lines: list[dict[str, Any]] = []
    for text in path.split("\n"):
        said = text.lstrip(" ")
        command, arrow, name = said.partition(_CLIENT)
        if not arrow:
            command, _, name = said.partition(" ")
        step = {"command": command, "kind": "client" if arrow else "server", "text": name}
        lines.append(step | {"indent": len(text) - len(said)})
    made: list[dict[str, Any]] = []
    above: list[tuple[int, int]] = []  # (indent, depth in the outline) from the root to here
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        while above and above[-1][0] >= line["indent"]:
            above.pop()
        depth = above[-1][1] + 1 if above else 0
        received = after is not None and after["indent"] > line["indent"] and after["kind"] == "server"
        joined = line["kind"] == "client" and received and bool(above)
        above.append((line["indent"], depth - 1 if joined else depth))
        if not joined:
            shown = {name: printable(str(line[name])) for name in ("command", "kind", "text")}
            made.append({"depth": depth, **shown})
    return made


def shapes(
    rows: Sequence[Mapping[str, Any]],
    *,
    label: str,
    chosen: Collection[int] = (),
    sides: Mapping[int, str] | None = None,
    compare: bool = True,
    colors: Mapping[str, str] | None = None,
) -> Drawing:
    """A card for each row of ``questions.shapes``: shape_id, name, path, requests, errors, spans, p50_ns, p99_ns.

    ``chosen`` are marked, ``sides`` says which are compared (a, b, band); without ``compare`` nothing can be chosen.
    ``colors``: what programs are painted with elsewhere, by name.
    """
    total = sum(row["requests"] for row in rows)
    known = [row[name] for row in rows for name in ("p50_ns", "p99_ns") if row[name]]
    low = math.log10(max(min(known, default=1), 1)) - 0.15
    high = math.log10(max(max(known, default=10), 10)) + 0.15
    outlines = {row["shape_id"]: steps(row["path"]) for row in rows}
    fills = hues((step["command"] for outline in outlines.values() for step in outline), colors)
    cards = []
    for row in rows:
        outline = outlines[row["shape_id"]]
        cards.append(
            {
                "key": [["shapes", str(row["shape_id"])]],  # numbers of 64 bits do not survive a page
                "id": str(row["shape_id"]),
                "title": printable(row["name"]),
                "short": shape_name(row["shape_id"]),
                "steps": [step | {"hue": fills[step["command"]]} for step in outline[:STEPS]],
                "more": max(0, len(outline) - STEPS),
                "requests": row["requests"],
                "share": row["requests"] / max(total, 1),
                "errors": row["errors"],
                "spans": row["spans"],
                "p50": row["p50_ns"],
                "p99": row["p99_ns"],
                "selected": row["shape_id"] in chosen,
                "side": (sides or {}).get(row["shape_id"], ""),
            }
        )
    body = {"shapes": cards, "from": low, "to": high, "label": label, "compare": compare}
    if not rows:
        return Drawing("shapes", body, "no requests.")
    most = rows[0]
    finding = (
        f"{number(len(rows))} shape{'s' * (len(rows) != 1)}; {printable(most['name'])[:80]} "
        f"{shape_name(most['shape_id'])} is taken most: {number(most['requests'])} requests"
    )
    lines = [
        [
            f"{printable(row['name'])[:80]} {shape_name(row['shape_id'])}",
            number(row["requests"]),
            number(row["errors"]),
            *(UNKNOWN if row[name] is None else duration(row[name]) for name in ("p50_ns", "p99_ns")),
        ]
        for row in rows[:_TWIN_ROWS]
    ]
    picture = bars(
        [
            (
                f"{printable(row['name'])[:22]} {shape_name(row['shape_id'])}",
                row["requests"],
                number(row["requests"]),
                "s0",
            )
            for row in rows[:_TWIN_ROWS]
        ]
    )
    return Drawing("shapes", body, finding + ".", picture, ["shape", "requests", "failed", "p50", "p99"], lines)
