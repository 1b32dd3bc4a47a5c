"""How far one clock is from another, from the times at which bytes were sent and received, in both directions.

No byte arrives before it is sent: each one that was received bounds the offset on one side. Where both directions carry
bytes, the offset lies between the hulls of the two clouds of bounds, and a line between them tells offset and drift
(A. Duda et al., "Estimating global time in distributed systems", ICDCS 1987; hulls and linear programs for one
direction: S. Moon et al., INFOCOM 1999, L. Zhang et al., INFOCOM 2002). A new line begins where none fits any longer:
there a clock jumped, or changed its pace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LARGEST_DRIFT = 1e-3
"""Seconds per second: twice what the kernel lets NTP slow down or speed up one clock (500 ppm, adjtimex(2))."""
_BUCKETS = 384  # of a piece, in which only the tightest bound of each side counts
_MOST_PIECES = 5000
_PART, _MOST_PARTS = 64, 64  # messages of a part of a piece at least, and parts of it at most
_FEW = 16  # messages that tell a line where others rest on more


@dataclass(frozen=True)
class Bounds:
    """What each message says: at ``t`` (ns of the other clock, in order) the offset is at least ``d`` ns, or at most.

    ``upper``: at most. Offsets are added to the other clock's times.
    """

    t: Array
    d: Array
    upper: Array

    def slice(self, begin: int, end: int) -> Bounds:
        """Bounds ``begin`` to ``end`` - 1."""
        return Bounds(self.t[begin:end], self.d[begin:end], self.upper[begin:end])


@dataclass(frozen=True)
class Line:
    """From ``from_ns`` of the other clock on: offset_ns + drift * (t - from_ns); wrong by ``residual_ns`` at most.

    The residual holds from the first message to the last. Lines without messages bridge the gap that a jump lies in.
    """

    from_ns: int
    offset_ns: int
    drift: float
    residual_ns: float
    messages: int

    def at(self, t: int) -> int:
        """ns to add at ``t``."""
        return self.offset_ns + round(self.drift * (t - self.from_ns))


def lines(bounds: Bounds) -> list[Line]:
    """The lines that follow each other, none where the offset is bounded on one side only."""
    if not len(bounds.t) or bounds.upper.all() or not bounds.upper.any():
        return []
    found: list[tuple[Line, int]] = []
    begin, size, pieces = 0, len(bounds.t), 0
    while begin < size:
        end, pieces = _longest(bounds, begin), pieces + 1
        if pieces > _MOST_PIECES:
            return []
        line = _fit(bounds.slice(begin, end))
        if line is not None:
            found.append((line, int(bounds.t[end - 1])))
        begin = end
    # What fell into the moment of a jump makes short lines of no worth: it is bridged.
    most = max((line.messages for line, _ in found), default=0)
    return _bridged([each for each in found if each[0].messages >= min(_FEW, most)])


def _bridged(pieces: list[tuple[Line, int]]) -> list[Line]:
    """Lines and their ends as lines without gaps: what lies between two is a line of its own, from one to the other."""
    result: list[Line] = []
    for number, (line, end) in enumerate(pieces):
        result.append(line)
        if number + 1 == len(pieces):
            break
        following = pieces[number + 1][0]
        if following.from_ns > end:
            step = following.offset_ns - line.at(end)
            worst = max(line.residual_ns, following.residual_ns) + abs(step)
            result.append(Line(end, line.at(end), step / (following.from_ns - end), worst, 0))
    return result


def _longest(bounds: Bounds, begin: int) -> int:
    """The end of the longest run of bounds from ``begin`` on that one line fits."""
    size = len(bounds.t)
    if begin == 0 and _slopes(bounds) is not None:
        return size
    good, step = begin + 1, 64
    while good + step < size and _slopes(bounds.slice(begin, good + step)) is not None:
        good, step = good + step, step * 2
    bad = min(good + step, size)
    while bad - good > 1:
        middle = (good + bad) // 2
        if _slopes(bounds.slice(begin, middle)) is not None:
            good = middle
        else:
            bad = middle
    return good


def _tightest(bounds: Bounds) -> tuple[Array, Array, Array, Array]:
    """(t, d) of the lower and of the upper bounds that matter, at most one of each side in a bucket of time."""
    sides = []
    for wanted, better in ((False, np.maximum), (True, np.minimum)):
        chosen = bounds.upper == wanted
        t, d = bounds.t[chosen], bounds.d[chosen]
        if len(t) > _BUCKETS:
            bucket = (t - t[0]) // ((t[-1] - t[0]) // _BUCKETS + 1)
            starts = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
            best = np.repeat(better.reduceat(d, starts), np.diff(np.r_[starts, len(t)]))
            hits = np.flatnonzero(d == best)
            hits = hits[np.r_[True, bucket[hits[1:]] != bucket[hits[:-1]]]]
            t, d = t[hits], d[hits]
        sides += [t, d]
    return sides[0], sides[1], sides[2], sides[3]


def _slopes(bounds: Bounds) -> tuple[float, float] | None:
    """(lowest, highest) drift of a line above all lower and below all upper bounds; None if there is no such line."""
    low_t, low_d, high_t, high_d = _tightest(bounds)
    if not len(low_t) or not len(high_t):
        return -LARGEST_DRIFT, LARGEST_DRIFT
    span = (high_t[None, :] - low_t[:, None]).astype(np.float64)
    room = (high_d[None, :] - low_d[:, None]).astype(np.float64)
    if (room[span == 0] < 0).any():
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = room / span
    lowest = max(float(np.max(slope, where=span < 0, initial=-np.inf)), -LARGEST_DRIFT)
    highest = min(float(np.min(slope, where=span > 0, initial=np.inf)), LARGEST_DRIFT)
    return (lowest, highest) if lowest <= highest else None


def _fit(bounds: Bounds) -> Line | None:
    """The line in the middle of all that fit; None where one side is not bounded."""
    slopes = _slopes(bounds)
    low_t, low_d, high_t, high_d = _tightest(bounds)
    if slopes is None or not len(low_t) or not len(high_t):
        return None
    lowest, highest = slopes
    t0, t1 = int(bounds.t[0]), int(bounds.t[-1])
    base = int(low_d[0])  # float64 then holds what is left without loss
    low, high = (low_d - base).astype(np.float64), (high_d - base).astype(np.float64)

    def least(slope: float, t: int) -> float:
        return float(np.max(low - slope * (low_t - t)))

    def most(slope: float, t: int) -> float:
        return float(np.min(high - slope * (high_t - t)))

    # The more a line falls from t0 on, the higher it must begin: the steepest give the extremes at t0, and at t1.
    first = (least(highest, t0), most(lowest, t0))
    last = (least(lowest, t1), most(highest, t1))
    middle = [(sum(first) / 2), (sum(last) / 2)]
    drift = (middle[1] - middle[0]) / (t1 - t0) if t1 > t0 else 0.0
    over = bounds.d - base - middle[0] - drift * (bounds.t - t0)
    residual = max((first[1] - first[0]) / 2, (last[1] - last[0]) / 2, _band(over, bounds.upper)) + 1.0
    return Line(t0, base + round(middle[0]), drift, residual, len(bounds.t))


def _band(over: Array, upper: Array) -> float:
    """How far the true offset can be from a line that bounds are ``over`` above, if it is no straight line itself.

    Both lie between the bounds of each part of the piece, so neither is further from the other than the bounds are.
    """
    parts = min(max(len(over) // _PART, 1), _MOST_PARTS)
    edges = np.linspace(0, len(over), parts + 1).astype(int)[:-1]
    above = np.minimum.reduceat(np.where(upper, over, np.inf), edges)
    below = np.minimum.reduceat(np.where(upper, np.inf, -over), edges)
    both = np.isfinite(above) & np.isfinite(below)
    return float(np.max(np.maximum(above, below), where=both, initial=0.0))
