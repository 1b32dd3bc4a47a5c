"""Why a case does not hold (yet) what is asked for: what there is instead, and what its captures say themselves."""

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


def no_stacks(case: Case) -> str | None:
    """Why there are no samples, or None: also of captures by the preload library that were to take some."""
    rows = case.sql("SELECT capture_id, engine, params FROM capture ORDER BY capture_id").to_pylist()
    own = (_not_taken(row["capture_id"], json.loads(row["params"] or "{}").get("options") or {}) for row in rows)
    return joined(why_empty(case), *own)


def _not_taken(capture_id: int, options: dict[str, Any]) -> str | None:
    if options.get("sample_hz"):
        return f"capture {capture_id}: no thread computed for as long as a turn of the sampler"
    if options.get("stacks"):
        return f"capture {capture_id}: no call was made whose stack was asked for ({', '.join(options['stacks'])})"
    return None


def no_calls(case: Case) -> str:
    """Why there are no calls to count, and where what there is instead can be seen."""
    has = "SELECT (SELECT count(*) FROM sample) AS samples, EXISTS (SELECT 1 FROM series) AS figures, "
    has += "EXISTS (FROM map_value) OR EXISTS (FROM histogram) OR EXISTS (FROM printed) AS maps"
    there = case.sql(has).to_pylist()[0]
    if there["samples"]:
        return f"no calls were recorded, but {there['samples']:,} samples: `clew stacks {case.path.name}` shows them"
    if there["figures"]:
        return f"no calls were recorded, but figures over time: `clew figures {case.path.name}` shows them"
    if there["maps"]:
        return f"no calls were recorded, but what a script printed: `clew maps {case.path.name}` shows it"
    return f"no calls were recorded: {why}" if (why := why_empty(case)) else f"nothing was recorded in {case.path}"


def lost_calls(case: Case) -> str | None:
    """What is to be said beside figures that are added up from calls: there were more. None: no call was lost."""
    lost = _lost(case, "IN")
    return f"{lost:,} calls were lost while recording and are not in this: `clew info` says whose" if lost else None


def lost_samples(case: Case) -> str | None:
    """The same of samples."""
    lost = _lost(case, "NOT IN")
    return f"{lost:,} samples were lost while recording and are not in this" if lost else None


def _lost(case: Case, which: str) -> int:
    sql = (
        f"SELECT coalesce(sum(lost_events), 0)::BIGINT AS lost FROM capture WHERE engine {which} (SELECT unnest($own))"
    )
    lost: int = case.sql(sql, {"own": list(ENGINES_OF_SEGMENTS)})["lost"][0].as_py()
    return lost


def joined(*notes: str | None) -> str | None:
    """Those of ``notes`` that there are, as one."""
    return "; ".join(filter(None, notes)) or None


def no_payload(case: Case) -> str:
    """Why there are no bytes that messages could be made of."""
    asked = (
        "SELECT bool_or(traced AND try_cast(params ->> '$.options.payload_head' AS BIGINT) > 0) AS asked FROM capture"
    )
    if case.sql(asked)["asked"][0].as_py():
        return "no payload was recorded: none of the calls moved bytes that are kept"
    return "no payload was recorded: record without --count-only and --payload none"


def _said(row: dict[str, Any]) -> str | None:
    meta = json.loads(row["params"] or "{}")
    if meta.get("ended") is False:
        return _WHILE.get(row["engine"], f"{row['engine']} is still recording")
    killed = meta.get("ended") and meta.get("ended_ns") is None
    return joined(row["notes"], "its recorder was killed: `clew rebuild` gets what is left" if killed else None)
