"""What a check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One source: ``state`` is "yes", "partly" or "no"; ``reason`` what was found; ``remedy`` what to do, or None."""

    source: str
    state: str
    reason: str
    remedy: str | None = None
