"""Drawings: from the columns of an answer to what JavaScript draws and to the static twin. No case, no SQL here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

SERIES = ("s0", "s1", "s2", "s3", "s4", "s5")
REST = "rest"


@dataclass(frozen=True)
class Drawing:
    """One drawing, ready for the page.

    ``kind`` names the JavaScript that draws ``body`` (see drawings.js), ``item`` is the Bokeh figure it fills, where
    figure.py has none of that kind; ``finding`` is what it shows, in one sentence; ``picture`` an SVG of it; ``heads``
    and ``rows`` the same as a small table. No ``rows``: nothing to draw. ``bytes`` in the body reach the page as such.
    """

    kind: str
    body: dict[str, Any]
    finding: str
    picture: str = ""
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default=())
    item: dict[str, Any] | None = None


def palette(names: Iterable[str]) -> dict[str, str]:
    """A colour name for each of ``names``, most important first; who comes after the last colour shares the grey."""
    return {name: SERIES[rank] if rank < len(SERIES) else REST for rank, name in enumerate(dict.fromkeys(names))}
