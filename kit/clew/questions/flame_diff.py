"""Differential flame graphs: what grew and what shrank between two Lenses, or two cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.native import tree
from clew.questions.answer import Answer
from clew.questions.flame import answer_of, callers_of, merge
from clew.questions.forest import Edit, Forest, Ids, Weighed, choose, weigh


def flame_diff(
    case: Case,
    lens: Lens,
    baseline_case: Case,
    baseline_lens: Lens,
    event: str | None = None,
    *,
    normalise: bool = True,
    direction: str = "down",
    by: str = "function",
    edits: Sequence[Edit] = (),
    narrowest: int | None = None,
    within: Sequence[str] = (),
) -> Answer:
    """The stacks of ``case`` under ``lens`` beside those of ``baseline_case`` under ``baseline_lens``.

    Columns as ``flame`` (self, total: of the first), and ``before``, ``after`` (totals) and ``delta`` = after - before.
    ``normalise``: before is scaled so that both sides have the same whole, which tells shares apart from load; summary
    has ``scale``, and both wholes as they were (``before_total``, ``after_total``). A node is as wide as the larger of
    the two, so that what vanished is seen, too. ``narrowest`` and ``within``, with "up": as ``flame``; column
    ``self_before`` is self of the other side then. Raises ClewError where one side has no samples, or units differ.
    """
    chosen = choose(case, lens, event)
    after = weigh(case, lens, chosen.name, by=by, edits=edits, chosen=chosen)
    before = weigh(baseline_case, baseline_lens, chosen.name, by=by, edits=edits)
    units, wholes = zip(*((side.chosen.unit, float(side.weight.sum())) for side in (before, after)), strict=True)
    scale, compared, said = beside(chosen.name, units, wholes, normalise=normalise)
    both = _beside(before, after)
    if narrowest is not None and direction == "up":
        rows = np.flatnonzero(both.weight).astype(np.int32)
        sides = [np.append(before.weight * scale, 0 * after.weight), np.append(0 * before.weight, after.weight)]
        answer = callers_of(both, rows, sides[1][rows], narrowest, within, sides[0][rows])
    else:
        answer = _whole(both, before.weight * scale, after.weight, direction)
    figures = answer.summary | compared | {"samples": int(after.samples.sum())}
    return replace(answer, sql=after.sql, summary=figures, title=f"difference in {chosen.name}", note=said)


def beside(
    event: str, units: Sequence[str], wholes: Sequence[float], *, normalise: bool
) -> tuple[float, dict[str, Any], str | None]:
    """(what before is multiplied by, what a summary says of both sides, what a note says) for (before, after).

    Raises ClewError if the units differ, or one whole is 0.
    """
    if units[0] != units[1]:
        raise ClewError(f"cannot compare {units[0]} with {units[1]}")
    if not all(wholes):
        raise ClewError(f"no sample of {event} matches the {'baseline' if not wholes[0] else 'lens'}")
    scale = wholes[1] / wholes[0] if normalise else 1.0
    compared = {"scale": scale, "before_total": wholes[0], "after_total": wholes[1], "normalised": normalise}
    return scale, compared, f"both sides scaled to the same whole (before times {scale:.3g})" if normalise else None


def _whole(both: Weighed, before: tree.Floats, after: tree.Floats, direction: str) -> Answer:
    """The tree of the rows of one side, which weigh ``before``, and of those of the other, which weigh ``after``."""
    merged, _, first = merge(both, direction, None)
    of_row = merged.node if direction == "down" else np.full(len(both.weight), -1, np.int32)
    if direction == "up":
        of_row[np.flatnonzero(both.weight)] = merged.node
    sides = []
    for part, weight in ((slice(len(before)), before), (slice(len(before), None), after)):
        inside = of_row[part] >= 0
        sides.append(tree.gather(of_row[part][inside], weight[inside], len(merged.key)))
    totals = [tree.totals(merged.parent, side) for side in sides]
    more = {"before": totals[0], "after": totals[1], "delta": totals[1] - totals[0]}
    return answer_of(both, merged, sides[1], first, more)


def _beside(before: Weighed, after: Weighed) -> Weighed:
    """One forest of both: the rows of ``before``, then those of ``after``, with keys of the same names."""
    names = pa.concat_arrays([before.names, after.names]).dictionary_encode()
    code = names.indices.to_numpy().astype(np.int32)
    keys = [
        np.where(side.key >= 0, code[side.key + shift], -1) for side, shift in ((before, 0), (after, len(before.names)))
    ]
    rows, frames, above = len(before.forest.ids), before.forest.frames.num_rows, after.forest.parent
    forest = Forest(
        Ids(np.arange(rows + len(after.forest.ids), dtype=np.uint64)),
        np.append(before.forest.parent, np.where(above >= 0, above + rows, -1)).astype(np.int32),
        np.append(before.forest.frame, after.forest.frame + frames).astype(np.int32),
        pa.concat_tables([before.forest.frames, after.forest.frames]),
    )
    return replace(
        after,
        forest=forest,
        weight=np.append(before.weight, after.weight),
        samples=np.append(before.samples, after.samples),
        key=np.append(*keys).astype(np.int32),
        names=pc.cast(names.dictionary, pa.string()),
    )
