"""Functions that weigh more or less than in another Lens, or another case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.flame_diff import beside
from clew.questions.forest import Edit
from clew.questions.functions import NAMES, functions
from clew.units import number


def functions_diff(
    case: Case,
    lens: Lens,
    baseline_case: Case,
    baseline_lens: Lens,
    event: str | None = None,
    *,
    normalise: bool = True,
    by: str = "function",
    edits: Sequence[Edit] = (),
    limit: int | None = None,
) -> Answer:
    """The functions of ``case`` under ``lens`` beside those of ``baseline_case`` under ``baseline_lens``.

    Columns: ``function``, ``module``, ``self_delta`` (after - before), ``self_before``, ``self_after``,
    ``total_delta``, ``total_before``, ``total_after``, in the event's unit; what changed most by itself first.
    ``normalise``: before is scaled so that both sides have the same whole. Summary as ``flame_diff``. Raises ClewError
    where one side has no samples, or units differ.
    """
    after = functions(case, lens, event, by=by, edits=edits)
    figures = after.summary
    before = functions(baseline_case, baseline_lens, figures["event"], by=by, edits=edits)
    units, wholes = ([side.summary[what] for side in (before, after)] for what in ("unit", "total"))
    scale, compared, scaled = beside(figures["event"], units, wholes, normalise=normalise)
    names = pc.unique(pa.chunked_array([*after.table["function"].chunks, *before.table["function"].chunks]))
    columns = {
        f"{what}_{side}": _of(names, answer.table, what) * factor
        for what in ("self", "total")
        for side, answer, factor in (("before", before, scale), ("after", after, 1.0))
    }
    columns |= {f"{what}_delta": columns[f"{what}_after"] - columns[f"{what}_before"] for what in ("self", "total")}
    modules = pa.chunked_array([_modules(names, after.table).combine_chunks()])
    modules = pc.coalesce(modules, _modules(names, before.table))
    order = np.lexsort(
        (names.to_numpy(zero_copy_only=False), -abs(columns["total_delta"]), -abs(columns["self_delta"]))
    )[:limit]
    shown = [f"{what}_{side}" for what in ("self", "total") for side in ("delta", "before", "after")]
    table = pa.table({"function": names, "module": modules, **{name: columns[name] for name in shown}})
    said = [scaled] if scaled else []
    said += [f"{number(len(order))} of {number(len(names))} {NAMES[by]} are shown"] if len(order) < len(names) else []
    return replace(
        after,
        table=table.take(pa.array(order)),
        title=f"difference in {figures['event']} ({figures['unit']}), by {by}",
        note="; ".join(said) or None,
        summary=figures | compared,
    )


def _of(names: pa.Array, table: pa.Table, column: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """``column`` of each function; 0 where it was not seen."""
    values = table[column].take(pc.index_in(names, value_set=table["function"].combine_chunks()))
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = pc.fill_null(values, 0).to_numpy().astype(np.float64)
    return found


def _modules(names: pa.Array, table: pa.Table) -> pa.ChunkedArray:
    return table["module"].take(pc.index_in(names, value_set=table["function"].combine_chunks())).cast(pa.string())
