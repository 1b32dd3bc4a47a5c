"""Densities of delays, fitted to those seen: smoothed histograms on a scale that is linear near 0, then logarithmic.

Delays inside programs span from microseconds to minutes and come in humps (cached or not, waiting or not): no one
parametric family fits. A share of every density is spread over all delays, so that one outlier forbids nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SCALE_NS = 1000.0  # linear below, logarithmic above
_BINS = 256
_LEAST_SD = 0.02  # of the logarithm: two seen delays that agree to the nanosecond prove no constant
_SPREAD = 0.02  # share of the density that is spread evenly
_LOW, _HIGH = np.arcsinh(-1e9 / _SCALE_NS), np.arcsinh(1e13 / _SCALE_NS)  # -1 s to some hours


@dataclass(frozen=True)
class Density:
    """The logarithm of a probability density over delays in ns."""

    centres: Floats
    logarithms: Floats

    def log(self, delays: Floats) -> Floats:
        """Of each of ``delays`` (ns), per ns."""
        moved = np.arcsinh(delays / _SCALE_NS)
        floor = np.log(_SPREAD / (_HIGH - _LOW))
        found = np.interp(moved, self.centres, self.logarithms, left=floor, right=floor)
        logs: Floats = found - 0.5 * np.log1p((delays / _SCALE_NS) ** 2) - np.log(_SCALE_NS)
        return logs


def fit(delays: Floats, wider: float = 1.0) -> Density:
    """The density of ``delays`` (ns); ``wider`` times as smooth as their number allows. Few or none: what is usual."""
    moved = np.arcsinh(delays[np.isfinite(delays)] / _SCALE_NS)
    few = 4.0  # as much as so many delays, spread as delays inside programs usually are: around 0.1 ms, or much more
    if moved.size == 0:
        low, high = _LOW, _HIGH
        spread = 2.0
    else:
        quarter, three = np.quantile(moved, (0.25, 0.75))
        spread = max(min(float(np.std(moved)), float(three - quarter) / 1.34 or np.inf), _LEAST_SD)
        low, high = moved.min() - 4 * wider * spread, moved.max() + 4 * wider * spread
    centres = np.linspace(low, high, _BINS)
    step = centres[1] - centres[0]
    counts = np.zeros(_BINS)
    if moved.size:
        width = max(0.9 * wider * spread * moved.size**-0.2, _LEAST_SD, step / 2)
        at = np.clip(((moved - low) / step).astype(np.int64), 0, _BINS - 1)
        counts = np.bincount(at, minlength=_BINS).astype(np.float64)
        reach = np.arange(-_BINS, _BINS + 1) * step / width
        counts = np.convolve(counts, np.exp(-0.5 * reach * reach))[_BINS : 2 * _BINS]
        counts *= moved.size / max(counts.sum(), 1e-300)
    usual = np.exp(-0.5 * ((centres - np.arcsinh(1e5 / _SCALE_NS)) / 2.5) ** 2)
    weight = few / (1 + moved.size / 8)
    counts = counts + weight * usual / max(usual.sum(), 1e-300)
    density = (1 - _SPREAD) * counts / (counts.sum() * step) + _SPREAD / (_HIGH - _LOW)
    return Density(centres, np.log(density))
