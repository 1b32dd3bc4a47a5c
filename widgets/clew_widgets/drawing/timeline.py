"""Activity over time: bins by group, for the stacked chart and for its static twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.units import duration, number, printable, size
from clew_widgets.drawing import REST, Drawing
from clew_widgets.drawing import static as still

MEASURES = ("calls", "errors", "bytes", "busy_ns")
OTHERS = "all others"
_TOP, _BOTTOM, _LEFT = 8, 150, 84


def timeline(
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    group: Sequence[str],
    values: Mapping[str, NDArray[np.float64]],
    *,
    colors: Mapping[str, str],
    window: tuple[int, int],
    origin_ns: int,
    label: str,
) -> Drawing:
    """One row for each (bin, group); times in ns; ``values`` holds the MEASURES, one number a row.
    ``window`` is the time looked at, where nothing happened included; what the page gets is ns since ``origin_ns``.

    Groups without a colour of their own in ``colors`` are added up as "all others".
    """
    edges, at = np.unique(start, return_inverse=True)
    names = [name if colors.get(name, REST) != REST else OTHERS for name in group]
    order = [name for name, color in colors.items() if color != REST and name in set(names)]
    order += [OTHERS] if OTHERS in names else []
    row = {name: index for index, name in enumerate(order)}
    where = np.array([row[name] for name in names], dtype=np.int64)
    ends = np.zeros(len(edges), dtype=np.int64)
    ends[at] = end
    grids: dict[str, NDArray[np.float64]] = {}
    for measure in MEASURES:
        grids[measure] = np.zeros((len(order), len(edges)))
        np.add.at(grids[measure], (where, at), np.nan_to_num(values[measure]))
    groups = [{"name": printable(name), "color": colors.get(name, REST)} for name in order]
    body: dict[str, Any] = {
        "from": window[0] - origin_ns,
        "to": window[1] - origin_ns,
        "start": (edges - origin_ns).tolist(),
        "end": (ends - origin_ns).tolist(),
        "groups": groups,
        "series": [{measure: grids[measure][index].tolist() for measure in MEASURES} for index in range(len(order))],
        "label": label,
    }
    calls = grids["calls"].sum(axis=0)
    errors = grids["errors"].sum(axis=0)
    seconds = (ends - edges) / 1e9
    rates = calls / np.maximum(seconds, 1e-9)
    if not calls.sum():
        return Drawing("timeline", body, "No calls.")
    peak = int(rates.argmax())
    finding = (
        f"{number(int(calls.sum()))} calls in {duration(window[1] - window[0])}; most at "
        f"{duration(int(edges[peak] - origin_ns))}: {number(round(float(rates[peak])))} calls/s; "
        f"{number(int(errors.sum()))} failed."
    )
    totals = [
        [
            name,
            *(number(int(grids[measure][index].sum())) for measure in ("calls", "errors")),
            size(int(grids["bytes"][index].sum())),
        ]
        for index, name in enumerate(printable(one) for one in order)
    ]
    picture = _picture(
        window, origin_ns, edges, ends, grids["calls"] / np.maximum(seconds, 1e-9), [one["color"] for one in groups]
    )
    return Drawing("timeline", body, finding, picture, ["group", "calls", "errors", "bytes"], totals)


def _picture(
    window: tuple[int, int],
    origin_ns: int,
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    rates: NDArray[np.float64],
    colors: Sequence[str],
) -> str:
    largest = rates.sum(axis=0).max()
    across = (still.WIDTH - _LEFT - 10) / max(window[1] - window[0], 1)
    down = (_BOTTOM - _TOP) / largest
    parts = [
        still.line(_LEFT, _BOTTOM, still.WIDTH - 10, _BOTTOM),
        still.label(_LEFT - 6, _TOP + 8, f"{number(round(float(largest)))}/s", anchor="end", muted=True),
        still.label(_LEFT, _BOTTOM + 16, duration(window[0] - origin_ns), muted=True),
        still.label(still.WIDTH - 10, _BOTTOM + 16, duration(window[1] - origin_ns), anchor="end", muted=True),
    ]
    base = np.zeros(len(start))
    for heights, color in zip(rates, colors, strict=True):
        for index in np.flatnonzero(heights):
            left = _LEFT + (start[index] - window[0]) * across
            top = _BOTTOM - (base[index] + heights[index]) * down
            parts.append(still.rectangle(left, top, (end[index] - start[index]) * across, heights[index] * down, color))
        base += heights
    return still.svg(_BOTTOM + 24, parts)
