"""Functions by what their frames weigh: the top table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from clew.case import Case
from clew.lens import Lens
from clew.native import tree
from clew.questions import waits
from clew.questions.answer import Answer
from clew.questions.forest import Edit, note, summary, weigh
from clew.units import number

NAMES = {"function": "functions", "module": "modules", "line": "lines"}
"""What there are several of, by what frames are merged by."""


def functions(
    case: Case,
    lens: Lens,
    event: str | None = None,
    *,
    by: str = "function",
    edits: Sequence[Edit] = (),
    limit: int | None = None,
) -> Answer:
    """Functions under ``lens`` by self weight, then total.

    Columns: ``function``, ``module``, ``kind``, ``self`` (of samples taken in it), ``total`` (in it or below it; each
    stack counts once however often the function stands in it), ``samples`` (number, as total). Units and summary as in
    ``flame``. Time off the processor is ``self`` of what called the scheduler: all of it is spent in that. Raises
    ClewError where there are no samples.
    """
    weighed = weigh(case, lens, event, by=by, edits=edits)
    parent, key = weighed.forest.parent, weighed.key
    shown = tree.merge_down(parent, key)
    own = tree.gather(shown.node, weighed.weight, len(shown.key))
    named = waits.own_rows(weighed.forest) if weighed.chosen.kind == "off-cpu" else None
    mine = own if named is None else tree.gather(shown.node[named], weighed.weight, len(shown.key))
    counts = tree.gather(shown.node, weighed.samples, len(shown.key))
    each = [
        tree.gather(shown.key[1:], values[1:], len(weighed.names))
        for values in (
            mine,
            tree.count_once(shown.parent, shown.key, tree.totals(shown.parent, own)),
            tree.count_once(shown.parent, shown.key, tree.totals(shown.parent, counts)),
        )
    ]
    first = np.zeros(len(weighed.names), np.int64)
    first[key[::-1]] = weighed.forest.frame[::-1]
    order = np.lexsort((weighed.names.to_numpy(zero_copy_only=False), -each[1], -each[0]))
    order = order[each[1][order] > 0]
    found, order = len(order), order[:limit]
    frames = weighed.forest.frames.select(["module", "kind"]).take(pa.array(first[order]))
    table = pa.table(
        {
            "function": weighed.names.take(pa.array(order)),
            "module": frames["module"],
            "kind": frames["kind"],
            "self": each[0][order],
            "total": each[1][order],
            "samples": each[2][order].astype(np.int64),
        }
    )
    figures = summary(weighed)
    title = f"functions by {figures['event']} ({figures['unit']})"
    cut = f"{number(len(order))} of {number(found)} {NAMES[by]} are shown" if found > len(order) else None
    how = waits.NOTE if named is not None else None
    said = "; ".join(filter(None, (cut, how, note(weighed, figures)))) or None
    return Answer(table, weighed.sql, title, said, figures)
