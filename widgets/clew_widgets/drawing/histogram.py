"""Latency in power-of-two buckets with percentiles marked, for the chart and for its static twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clew.units import duration, number
from clew_widgets.drawing import Drawing
from clew_widgets.drawing import static as still

_TOP, _BOTTOM, _LEFT = 26, 150, 64
MARKS = {"p50": "p50_ns", "p90": "p90_ns", "p99": "p99_ns", "p99.9": "p999_ns"}


def histogram(
    low: Sequence[int],
    high: Sequence[int],
    calls: Sequence[int],
    summary: Mapping[str, int | float | None],
    *,
    band: tuple[int | None, int | None] | None,
    label: str,
    noun: str = "call",
) -> Drawing:
    """One entry for each bucket [low, high) ns; ``band`` is the part the Lens looks at (None: all of it);
    ``noun`` is what was timed.

    ``summary`` holds count, mean_ns, max_ns and the percentiles of MARKS in ns, None where not known.
    """
    low_ns, high_ns = band or (None, None)
    inside = [
        (low_ns is None or a >= low_ns) and (high_ns is None or b <= high_ns) for a, b in zip(low, high, strict=True)
    ]
    marks = [{"name": name, "ns": summary.get(key)} for name, key in MARKS.items()]
    body = {
        "low": list(low),
        "high": list(high),
        "calls": list(calls),
        "inside": inside,
        "marks": marks,
        "label": label,
        "noun": noun,
    }
    if not sum(calls):
        return Drawing("histogram", body, f"No {noun}s.")
    known = {name: value for name, key in MARKS.items() if (value := summary.get(key)) is not None}
    finding = f"{number(sum(calls))} {noun}s: " + ", ".join(
        f"{name} {duration(value)}" for name, value in known.items()
    )
    if (longest := summary.get("max_ns")) is not None:
        finding += f", longest {duration(longest)}"
    rows = [
        [f"{duration(a)} to {duration(b)}", number(count)]
        for a, b, count in zip(low, high, calls, strict=True)
        if count
    ]
    return Drawing("histogram", body, finding + ".", _picture(low, high, calls, inside), ["duration", f"{noun}s"], rows)


def _picture(low: Sequence[int], high: Sequence[int], calls: Sequence[int], inside: Sequence[bool]) -> str:
    width = (still.WIDTH - _LEFT - 10) / len(calls)
    down = (_BOTTOM - _TOP) / max(calls)
    parts = [still.line(_LEFT, _BOTTOM, still.WIDTH - 10, _BOTTOM)]
    end = duration(high[-1])
    last = still.WIDTH - 10 - still.LETTER * (len(end) + 2)  # where the label at the end begins
    every = max(1, round(len(calls) / 9))
    for index, count in enumerate(calls):
        left = _LEFT + index * width
        parts.append(
            still.rectangle(
                left + 1, _BOTTOM - count * down, width - 2, count * down, "s0", 1 if inside[index] else 0.3
            )
        )
        if count == max(calls):
            parts.append(
                still.label(left + width / 2, _BOTTOM - count * down - 5, number(count), anchor="middle", muted=True)
            )
        edge = duration(low[index])
        if index % every == 0 and left + still.LETTER * len(edge) < last:
            parts.append(still.label(left, _BOTTOM + 16, edge, muted=True))
    parts.append(still.label(still.WIDTH - 10, _BOTTOM + 16, end, anchor="end", muted=True))
    return still.svg(_BOTTOM + 24, parts)
