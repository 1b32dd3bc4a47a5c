"""A figure over time: a bar for each interval, stacked by whose it is, for the page and for the static twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from clew.units import duration, number, printable
from clew_widgets.drawing import Drawing, palette
from clew_widgets.drawing import static as still

_TOP, _BOTTOM, _LEFT, _TWIN_ROWS = 8, 150, 84, 10


def figure(table: pa.Table, *, name: str, unit: str | None, origin_ns: int) -> Drawing:
    """The bars of a table of ``questions.figure``; what the page gets is ns since ``origin_ns``.

    Intervals that end together are one bar.
    """
    table = table.filter(table["value"].is_valid())
    label = f"{name} ({unit})" if unit else name
    edges, at = np.unique(table["end_ns"].to_numpy(), return_inverse=True)
    start = np.full(len(edges), np.iinfo(np.int64).max)
    np.minimum.at(start, at, table["start_ns"].to_numpy())
    of = table["of"].to_pylist()
    colors = palette(of)
    row = {one: index for index, one in enumerate(colors)}
    values = np.zeros((len(row), len(edges)))
    np.add.at(values, (np.array([row[one] for one in of], dtype=np.int64), at), table["value"].to_numpy())
    body: dict[str, Any] = {
        "start": (start - origin_ns).tolist(),
        "end": (edges - origin_ns).tolist(),
        "groups": [{"name": printable(one), "color": color} for one, color in colors.items()],
        "values": values.tolist(),
        "unit": printable(unit or ""),
        "label": printable(label),
    }
    if not len(edges):
        return Drawing("figures", body, "No readings.")
    sums = values.sum(axis=0)
    most = int(sums.argmax())
    finding = (
        f"{printable(label)}: {number(len(edges))} readings, {_said(float(sums.mean()))} in the mean, most at "
        f"{duration(int(edges[most] - origin_ns))}: {_said(float(sums[most]))}."
    )
    order = np.argsort(-sums, kind="stable")[:_TWIN_ROWS]
    rows = [[duration(int(edges[index] - origin_ns)), _said(float(sums[index]))] for index in sorted(order)]
    picture = _picture(body["start"], body["end"], sums)
    return Drawing("figures", body, finding, picture, ["until", printable(label)], rows)


def _said(value: float) -> str:
    return number(int(value)) if value.is_integer() else f"{value:,.4g}"


def _picture(start: list[int], end: list[int], sums: np.ndarray[Any, Any]) -> str:
    across = (still.WIDTH - _LEFT - 10) / max(end[-1] - start[0], 1)
    down = (_BOTTOM - _TOP) / max(float(sums.max()), 1e-9)
    parts = [
        still.line(_LEFT, _BOTTOM, still.WIDTH - 10, _BOTTOM),
        still.label(_LEFT - 6, _TOP + 8, _said(float(sums.max())), anchor="end", muted=True),
        still.label(_LEFT, _BOTTOM + 16, duration(start[0]), muted=True),
        still.label(still.WIDTH - 10, _BOTTOM + 16, duration(end[-1]), anchor="end", muted=True),
    ]
    for begin, close, value in zip(start, end, sums, strict=True):
        width, height = max((close - begin) * across - 0.5, 0.5), float(value) * down
        parts.append(still.rectangle(_LEFT + (begin - start[0]) * across, _BOTTOM - height, width, height, "s0"))
    return still.svg(_BOTTOM + 24, parts)
