"""What a wait is named after: every one ends in the kernel's scheduler, which tells nothing; who called that does."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from clew.native import tree
from clew.questions.forest import Forest

_SCHEDULER = r"^_*((preempt_|io_)?schedule|cond_resched)(_|\.|$)"
_IS_SCHEDULER = f"f.kind = 'kernel' AND regexp_matches(f.function, '{_SCHEDULER}')"
NOTE = "a wait is named after the frame that called the kernel's scheduler (schedule, ...)"

TOLD = f"""(
    WITH RECURSIVE up AS (
        SELECT stack_id, stack_id AS at FROM (SELECT DISTINCT stack_id FROM taken WHERE stack_id IS NOT NULL)
        UNION ALL
        SELECT up.stack_id, k.parent_id FROM up JOIN stack k ON k.stack_id = up.at JOIN frame f USING (frame_id)
        WHERE k.parent_id IS NOT NULL AND {_IS_SCHEDULER})
    SELECT up.stack_id, arg_min(k.frame_id, k.depth) AS frame_id
    FROM up JOIN stack k ON k.stack_id = up.at GROUP BY up.stack_id)"""
"""SQL: for each stack of ``taken`` the frame that it is named after; where there is nothing else, the outermost."""


def own_rows(forest: Forest) -> tree.Ints:
    """For each row of ``forest`` the one that it is named after, as in TOLD."""
    is_kernel = pc.equal(forest.frames["kind"], "kernel")
    scheduler = pc.and_(is_kernel, pc.match_substring_regex(forest.frames["function"], _SCHEDULER))
    up = scheduler.to_numpy(zero_copy_only=False)[forest.frame] & (forest.parent >= 0)
    row: tree.Ints = np.arange(len(forest.parent), dtype=np.int32)
    while up[row].any():
        row = np.where(up[row], forest.parent[row], row).astype(np.int32)
    return row
