"""Flame graphs: stacks merged by function, from the outermost frame down, from the innermost up, or around one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.native import tree
from clew.questions.answer import Answer
from clew.questions.forest import Edit, Weighed, note, summary, weigh

ALL = "all"
DIRECTIONS = ("down", "up")


def flame(
    case: Case,
    lens: Lens,
    event: str | None = None,
    *,
    direction: str = "down",
    root: str | None = None,
    by: str = "function",
    edits: Sequence[Edit] = (),
    narrowest: int | None = None,
    within: Sequence[str] = (),
) -> Answer:
    """The samples of ``event`` under ``lens`` as a tree that a flame graph draws.

    Columns, depth first, row 0 the root of all: ``node`` (its row), ``parent`` (-1: none), ``depth`` (0 the root),
    ``name``, ``module``, ``kind``, ``file``, ``line`` (of one of the frames merged), ``self`` and ``total`` (in the
    event's unit), ``start`` (left edge in that unit; siblings from the largest). ``direction`` "down": callees below
    callers; "up": from the innermost function to its callers. ``root``: a function; with "down" what it calls, from its
    outermost occurrence in each stack, with "up" who calls it. ``by`` and ``edits``: see ``forest.weigh``. Summary:
    event, kind, unit, total, samples, without_stack. ``sql`` gives the weight of each stack, of which the tree is made.

    ``narrowest``, with "up": a tree for drawing, without millions of frames that nobody could see. Of the frame that
    ``within`` leads to (names from the outermost row down; empty: the root) all children are followed, below them what
    is at least 1 / ``narrowest`` as wide; column ``narrow`` says how many stacks go on below a row in other frames.
    Raises ClewError where there are no samples, or ``root`` is in none.
    """
    weighed = weigh(case, lens, event, by=by, edits=edits)
    if narrowest is not None and direction == "up":
        leaves, value = _leaves(weighed, root)
        return callers_of(weighed, leaves, value, narrowest, within)
    merged, own, first = merge(weighed, direction, root)
    return answer_of(weighed, merged, own, first, {})


def callers_of(
    weighed: Weighed,
    leaves: tree.Ints,
    value: tree.Floats,
    narrowest: int,
    within: Sequence[str],
    other: tree.Floats | None = None,
) -> Answer:
    """The tree of callers as far as it can be seen, from ``leaves`` (rows of the forest), which weigh ``value``, up.

    ``other``: what they weigh on the other side of a comparison; columns before, after and delta (totals) and
    self_before are added.
    """
    path = np.array([_key(weighed, name) for name in within], np.int32)
    made = tree.callers(weighed.forest.parent, weighed.key, leaves, value, path, 1 / narrowest, other)
    more = {}
    if made.other is not None and made.other_own is not None:
        more = {"before": made.other, "after": made.total, "delta": made.total - made.other}
        more["self_before"] = made.other_own
    merged = tree.Merged(made.parent, made.key, leaves)
    return answer_of(weighed, merged, made.own, _of_keys(weighed, made.key), more, made)


def merge(weighed: Weighed, direction: str, root: str | None) -> tuple[tree.Merged, tree.Floats, tree.Ints]:
    """(merged tree, own weight of each node, a row of the forest for each node; -1 for the root of all)."""
    forest, weight = weighed.forest, weighed.weight
    if direction not in DIRECTIONS:
        raise ClewError(f"cannot draw stacks {direction!r:.60}: choose one of {', '.join(DIRECTIONS)}")
    at = -1 if root is None else _key(weighed, root)
    if direction == "down":
        merged = tree.merge_down(forest.parent, weighed.key, root=at, recursion=weighed.recursion)
        inside = merged.node >= 0
        own = tree.gather(merged.node[inside], weight[inside], len(merged.key))
        return merged, own, _firsts(merged, np.flatnonzero(inside & (weighed.key >= 0)).astype(np.int32), merged.node)
    leaves, value = _leaves(weighed, root)
    merged = tree.merge_up(forest.parent, weighed.key, leaves)
    own = tree.gather(merged.node, value, len(merged.key))
    return merged, own, _of_keys(weighed, merged.key)


def _leaves(weighed: Weighed, root: str | None) -> tuple[tree.Ints, tree.Floats]:
    """Rows where ways up to the callers begin, and what each weighs."""
    if root is not None:
        return _outermost(weighed, _key(weighed, root))
    leaves = np.flatnonzero(weighed.weight).astype(np.int32)
    return leaves, weighed.weight[leaves]


def _of_keys(weighed: Weighed, key: tree.Ints) -> tree.Ints:
    """A row of the forest for each key; -1 for a negative one."""
    rows = np.full(len(weighed.names) + 1, -1, np.int32)
    rows[weighed.key] = np.arange(len(weighed.key))
    rows[-1] = -1  # that of frames that are hidden, whose key is -1
    return rows[np.maximum(key, -1)]


def _key(weighed: Weighed, name: str) -> int:
    found = pc.index(weighed.names, name).as_py()
    if found < 0:
        raise ClewError(f"{name!r:.80} is in none of the stacks")
    return int(found)


def _outermost(weighed: Weighed, key: int) -> tuple[tree.Ints, tree.Floats]:
    """Rows of that key with none of it above, and what they and all below them weigh."""
    hit = weighed.key == key
    parent = weighed.forest.parent
    inside = tree.at_or_below(parent, hit)
    rows = np.flatnonzero(hit & ~((parent >= 0) & inside[parent]))
    value = tree.totals(parent, weighed.weight)[rows]
    return rows[value > 0].astype(np.int32), value[value > 0]


def _firsts(merged: tree.Merged, rows: tree.Ints, node: tree.Ints) -> tree.Ints:
    """A row of the forest that each node was made of."""
    first = np.full(len(merged.key), -1, np.int32)
    first[node[rows[::-1]]] = rows[::-1]
    first[0] = -1
    return first


def answer_of(
    weighed: Weighed,
    merged: tree.Merged,
    own: tree.Floats,
    first: tree.Ints,
    more: dict[str, tree.Floats],
    callers: tree.Callers | None = None,
) -> Answer:
    """The Answer for a merged tree; nodes that weigh nothing are left out.

    ``more``: columns by name, one value for each node; ``callers``: what the tree was made of if it is not whole.
    """
    total = tree.totals(merged.parent, own) if callers is None else callers.total
    largest = np.maximum.reduce([total, *more.values()]) if more else total
    ranks = np.full(len(weighed.names) + 1, -1, np.int32)  # the last is that of no name
    ranks[pc.sort_indices(weighed.names).to_numpy()] = np.arange(len(weighed.names))
    rank = ranks[np.maximum(merged.key, -1)]
    start, order = tree.layout(merged.parent, largest, rank)
    order = order[(largest[order] > 0) | (order == 0)]
    row = np.full(len(merged.key), -1, np.int32)
    row[order] = np.arange(len(order))
    parent = np.where(order == 0, -1, row[merged.parent[order]])
    frames = weighed.forest.frames
    frame = pa.array(weighed.forest.frame).take(pa.array(first[order], mask=first[order] < 0))
    names = pc.unique(pa.concat_arrays([weighed.names, pa.array([ALL])]))
    name = np.where(order == 0, pc.index(names, ALL).as_py(), merged.key[order]).astype(np.int32)
    texts = {name: frames[name].combine_chunks().dictionary_encode().take(frame) for name in ("module", "kind", "file")}
    texts["line"] = frames["line"].take(frame)
    table = pa.table(
        {
            "node": pa.array(np.arange(len(order), dtype=np.int32)),
            "parent": pa.array(parent, pa.int32()),
            "depth": pa.array(tree.depths(parent) - 1),
            "name": pa.DictionaryArray.from_arrays(name, names),
            **texts,
            "self": own[order],
            "total": total[order],
            "start": start[order],
            **{name: values[order] for name, values in more.items()},
            **({"narrow": callers.narrow[order]} if callers is not None else {}),
        }
    )
    figures = summary(weighed) | {"total": float(total[0])}
    title = f"stacks of {figures['event']} ({figures['unit']})"
    return Answer(table, weighed.sql, title, note(weighed, figures), figures)
