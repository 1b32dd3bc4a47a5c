"""Why captures by other engines than the preload library hold nothing (yet): as they say themselves."""

from __future__ import annotations

import json
from typing import Any

from clew.case import Case
from clew.ops import ENGINES_OF_SEGMENTS

_WHILE = {
    "perf": "perf is still recording, and its samples are read when that ends",
    "bpftrace": "bpftrace is still at work: most scripts print their maps when they end",
}


def why_empty(case: Case, engine: str | None = None) -> str | None:
    """What the captures by ``engine`` (None: by any but the preload library, whose records are read at once) say of
    themselves, for people: that they are still being recorded, else what was missing; None: nothing is known."""
    rows = case.sql("SELECT capture_id, engine, params, notes FROM capture ORDER BY capture_id").to_pylist()
    wanted = [row for row in rows if (row["engine"] == engine if engine else row["engine"] not in ENGINES_OF_SEGMENTS)]
    found = [f"capture {row['capture_id']}: {said}" for row in wanted if (said := _said(row))]
    return "; ".join(found) or None


def _said(row: dict[str, Any]) -> str | None:
    if json.loads(row["params"] or "{}").get("ended") is False:
        return _WHILE.get(row["engine"], f"{row['engine']} is still recording")
    notes: str | None = row["notes"]
    return notes
