"""The call graph: functions, who calls whom, and how much of the weight passes along each edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.case import Case
from clew.lens import Lens
from clew.native import tree
from clew.questions.answer import Answer
from clew.questions.forest import Edit, note, summary, weigh
from clew.questions.functions import functions

OTHERS = "all others"


def call_graph(
    case: Case,
    lens: Lens,
    event: str | None = None,
    *,
    by: str = "function",
    edits: Sequence[Edit] = (),
    most: int = 60,
) -> Answer:
    """Edges between the ``most`` heaviest functions under ``lens``.

    Columns: ``caller``, ``callee``, ``weight`` (of the stacks in which one directly calls the other, in the event's
    unit; a stack counts once however often it holds the edge). Functions beyond ``most`` are passed over: an edge then
    joins what stands above and below them, and ``direct`` is false. Summary as ``flame``, and ``nodes``: for each
    function {function, module, kind, self, total}, heaviest first; ``left_out``: functions passed over.
    """
    listed = functions(case, lens, event, by=by, edits=edits).table
    listed = listed.take(pc.sort_indices(listed, [("total", "descending"), ("function", "ascending")]))
    nodes = listed.slice(0, most)
    weighed = weigh(case, lens, event, by=by, edits=edits)
    kept = pc.is_in(weighed.names, value_set=nodes["function"].combine_chunks()).to_numpy(zero_copy_only=False)
    plain = tree.merge_down(weighed.forest.parent, weighed.key)
    shown = tree.merge_down(plain.parent[1:] - 1, np.where(kept[plain.key[1:]], plain.key[1:], -1).astype(np.int32))
    own = tree.gather(plain.node, weighed.weight, len(plain.key))
    value = tree.totals(shown.parent, tree.gather(shown.node, own[1:], len(shown.key)))
    above = shown.parent
    rows = np.flatnonzero(above > 0)
    size = np.int64(len(weighed.names))
    edge = shown.key[above[rows]].astype(np.int64) * size + shown.key[rows]
    _, codes = np.unique(edge, return_inverse=True)
    marked = np.full(len(above), -1, np.int32)
    marked[rows] = codes
    weight = tree.gather(codes, tree.count_once(above, marked, value)[rows], int(codes.max(initial=-1)) + 1)
    unique = np.unique(edge)
    direct = np.zeros(len(unique), bool)
    straight = np.flatnonzero(plain.parent > 0)
    pairs = plain.key[plain.parent[straight]].astype(np.int64) * size + plain.key[straight]
    direct[np.isin(unique, pairs)] = True
    order = np.argsort(-weight, kind="stable")
    order = order[weight[order] > 0]
    table = pa.table(
        {
            "caller": weighed.names.take(pa.array(unique[order] // size)),
            "callee": weighed.names.take(pa.array(unique[order] % size)),
            "weight": weight[order],
            "direct": direct[order],
        }
    )
    figures = summary(weighed)
    title = f"calls by {figures['event']} ({figures['unit']})"
    more = {"nodes": nodes.to_pylist(), "left_out": listed.num_rows - nodes.num_rows}
    return Answer(table, weighed.sql, title, note(weighed, figures), figures | more)
