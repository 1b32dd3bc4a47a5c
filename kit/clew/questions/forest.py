"""The stacks of a case in arrays, and what samples weigh on them: what every question about stacks begins with."""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clew.case import Case
from clew.errors import ClewError, one_of
from clew.lens import Lens
from clew.native import tree
from clew.questions.answer import runnable
from clew.questions.ask import scalar
from clew.questions.recorded import joined, lost_samples, no_stacks

UNKNOWN = "[unknown]"
BY = ("function", "module", "line")
EDITS = ("hide", "focus", "drop", "merge", "recursion")
KINDS = ("on-cpu", "call", "alloc", "syscall", "off-cpu", "wall", "fault", "tracepoint", "other", "wakeup")
"""What samples are of, most asked for first."""

Edit = tuple[str, str]


@dataclass(frozen=True)
class Chosen:
    """What kind of samples is looked at; ``unit`` is that of their weight."""

    name: str
    kind: str
    unit: str


class Ids:
    """Numbers of the rows of a table, ascending; most follow one another, so runs of them are looked up, not each."""

    def __init__(self, numbers: NDArray[np.uint64]) -> None:
        row = np.append(0, np.flatnonzero(np.diff(numbers) != 1) + 1)[: len(numbers)]
        self._begin = numbers[row]
        self._shift = row - self._begin.astype(np.int64)
        self._count = len(numbers)

    def __len__(self) -> int:
        return self._count

    def rows(self, numbers: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The row of each of ``numbers``, which are all there."""
        run = 0 if len(self._begin) == 1 else np.searchsorted(self._begin, numbers, side="right") - 1
        row: NDArray[np.int64] = numbers.astype(np.int64) + self._shift[run]
        return row


@dataclass(frozen=True)
class Forest:
    """Every stack of a case: ``parent`` (a row, or -1) and ``frame`` (a row of ``frames``) of each row."""

    ids: Ids
    parent: tree.Ints
    frame: tree.Ints
    frames: pa.Table


@dataclass(frozen=True)
class Weighed:
    """A forest under a Lens: what each row weighs itself, and of what.

    ``key`` says which frames are the same (negative: left out), ``names`` what a key is called, ``recursion`` whether a
    function directly below itself is to count as one frame.
    """

    forest: Forest
    weight: tree.Floats
    samples: tree.Floats
    without_stack: float
    chosen: Chosen
    key: tree.Ints
    names: pa.Array
    recursion: bool
    sql: str
    lost: str | None  # what is to be said of samples that are missing


_forests: weakref.WeakKeyDictionary[Case, tuple[tuple[int, int], Forest]] = weakref.WeakKeyDictionary()


def forest_of(case: Case) -> Forest:
    """The stacks of ``case``, remembered until there are more."""
    state = case.sql("SELECT count(*) AS n, max(stack_id) AS last FROM stack").to_pylist()[0]
    mark = (state["n"], state["last"] or 0)
    known = _forests.get(case)
    if known is None or known[0] != mark:
        stacks = _ascending(case.sql("SELECT stack_id, parent_id, frame_id FROM stack"))
        frames = _ascending(case.sql("SELECT frame_id, function, module, kind, file, line FROM frame"))
        ids, of_frames = (Ids(table.column(0).to_numpy()) for table in (stacks, frames))
        above, below = stacks["parent_id"], pc.is_valid(stacks["parent_id"]).to_numpy()
        parent = np.full(len(ids), -1, np.int32)
        parent[below] = ids.rows(above.drop_null().to_numpy())
        frame = of_frames.rows(stacks["frame_id"].to_numpy()).astype(np.int32)
        known = (mark, Forest(ids, parent, frame, frames.combine_chunks()))
        _forests[case] = known
    return known[1]


def _ascending(table: pa.Table) -> pa.Table:
    """``table`` in the order of its first column: quicker than in SQL, since nearly all of it is in order as stored."""
    numbers = table.column(0).to_numpy()
    return table if (numbers[1:] > numbers[:-1]).all() else table.take(np.argsort(numbers, kind="stable"))


def choose(case: Case, lens: Lens, event: str | None = None) -> Chosen:
    """The event called ``event``; else, of those under ``lens``, the kind most asked for with the most samples.

    Raises ClewError, with what to record, if there is none.
    """
    predicate, params = lens.compile("sample")
    named = "AND v.name = $event" if event is not None else ""
    rows = case.sql(
        f"""SELECT v.name, v.kind, any_value(v.unit) AS unit, sum(n) AS n
            FROM (SELECT event_id, count(*) AS n FROM sample WHERE {predicate} GROUP BY ALL) s
            JOIN sample_event v USING (event_id) WHERE TRUE {named} GROUP BY v.name, v.kind""",
        params | ({"event": event} if event is not None else {}),
    ).to_pylist()
    if not rows:
        raise ClewError(nothing(case, lens, event))
    rank = {kind: number for number, kind in enumerate(KINDS)}
    best = min(rows, key=lambda row: (rank.get(row["kind"], len(rank)), -row["n"], row["name"]))
    return Chosen(best["name"], best["kind"], best["unit"])


def nothing(case: Case, lens: Lens, event: str | None = None) -> str:
    """Why there is no sample of ``event`` under ``lens``, and what would record some."""
    if not scalar(case, "SELECT EXISTS (SELECT 1 FROM sample)"):
        how = "`clew record --engine perf -- COMMAND` samples what runs"
        if lens.ops:
            how = f"`clew record --stacks {','.join(lens.ops)} -- COMMAND` records those of calls"
        return f"no stacks were recorded in {case.path}: {no_stacks(case) or how}"
    if lens.ops and not scalar(
        case,
        "SELECT EXISTS (SELECT 1 FROM sample_event JOIN op USING (op_id) WHERE op IN (SELECT unnest($ops)))",
        {"ops": list(lens.ops)},
    ):
        names = ",".join(lens.ops)
        return f"no stacks of {names} calls were recorded: `clew record --stacks {names} -- COMMAND` records them"
    known = [row["name"] for row in case.sql("SELECT DISTINCT name FROM sample_event ORDER BY ALL").to_pylist()]
    if event is not None and event not in known:
        return f"no samples of {event!r:.60}: {one_of(event, known)}"
    return "no sample matches the lens"


def weigh(
    case: Case,
    lens: Lens,
    event: str | None = None,
    *,
    by: str = "function",
    edits: Sequence[Edit] = (),
    chosen: Chosen | None = None,
) -> Weighed:
    """The forest of ``case`` with the samples under ``lens`` on it, edited.

    ``by``: what makes frames the same. ``edits``: (what, regular expression over function names): ``hide`` leaves
    frames out, their time is their caller's; ``focus`` keeps only stacks with such a frame, ``drop`` those without;
    ``merge`` makes all below such a frame its own; ``recursion`` (its expression is not used) joins direct recursion.
    Raises ClewError if there is nothing, or a choice is none of these.
    """
    if by not in BY:
        raise ClewError(f"cannot merge frames by {by!r:.60}: {one_of(by, BY)}")
    chosen = chosen or choose(case, lens, event)
    forest = forest_of(case)
    predicate, params = lens.compile("sample")
    source = f"""FROM sample
WHERE {predicate} AND event_id IN (SELECT event_id FROM sample_event WHERE name = $event AND kind = $kind)"""
    params |= {"event": chosen.name, "kind": chosen.kind}
    weight, samples, without = np.zeros(len(forest.ids)), np.zeros(len(forest.ids)), 0.0
    for part in case.batches(f"SELECT stack_id, weight {source}", params):  # places of stacks are known: no GROUP BY
        value, taken = part["weight"].to_numpy(), pc.is_valid(part["stack_id"]).to_numpy(zero_copy_only=False)
        rows = forest.ids.rows(part["stack_id"].drop_null().to_numpy())
        weight += tree.gather(rows, value[taken], len(weight))
        samples += np.bincount(rows, minlength=len(samples))
        without += float(value[~taken].sum())
    sql = f"SELECT stack_id, sum(weight) AS weight, count(*) AS samples {source}\nGROUP BY stack_id"
    keys, names = _keys(forest.frames, by)
    lost = lost_samples(case)
    weighed = Weighed(
        forest, weight, samples, without, chosen, keys[forest.frame], names, False, runnable(sql, params), lost
    )
    for edit in edits:
        weighed = _edited(weighed, edit)
    return weighed


def _keys(frames: pa.Table, by: str) -> tuple[tree.Ints, pa.Array]:
    """(key of each frame, name of each key)."""
    module = pc.fill_null(frames["module"], UNKNOWN)
    if by == "module":
        name = module
    else:
        # what has no name is told apart by where it lies
        module = frames["module"]
        told = pc.and_(pc.is_valid(module), pc.invert(pc.starts_with(pc.fill_null(module, "["), "[")))
        unknown = pc.and_(pc.equal(frames["function"], UNKNOWN), told)
        name = pc.if_else(unknown, pc.binary_join_element_wise("[", module, "]", ""), frames["function"])
    if by == "line":
        file = pc.replace_substring_regex(pc.fill_null(frames["file"], ""), r"^.*/", "")
        place = pc.binary_join_element_wise(name, " (", file, ":", frames["line"].cast(pa.string()), ")", "")
        name = pc.coalesce(place, name)
    encoded = (
        name.combine_chunks().dictionary_encode() if isinstance(name, pa.ChunkedArray) else name.dictionary_encode()
    )
    return encoded.indices.to_numpy().astype(np.int32), encoded.dictionary


def _edited(weighed: Weighed, edit: Edit) -> Weighed:
    what, pattern = edit
    if what not in EDITS:
        raise ClewError(f"cannot {what!r:.60} frames: {one_of(what, EDITS)}")
    if what == "recursion":
        return replace(weighed, recursion=True)
    hit = matching(weighed, pattern)
    parent = weighed.forest.parent
    if what == "hide":
        return replace(weighed, key=np.where(hit, -1, weighed.key).astype(np.int32))
    inside = tree.at_or_below(parent, hit)
    if what == "merge":
        below = inside & (parent >= 0) & inside[parent]
        return replace(weighed, key=np.where(below, -1, weighed.key).astype(np.int32))
    kept = inside if what == "focus" else ~inside
    return replace(weighed, weight=weighed.weight * kept, samples=weighed.samples * kept)


def matching(weighed: Weighed, pattern: str) -> NDArray[np.bool_]:
    """Which rows' names hold ``pattern``, a regular expression; raises ClewError if it is none."""
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise ClewError(f"{pattern!r:.60} is no regular expression: {error}") from None
    hits = np.fromiter((bool(search(name)) for name in weighed.names.to_pylist()), np.bool_, len(weighed.names))
    return hits[weighed.key] & (weighed.key >= 0)


def summary(weighed: Weighed) -> dict[str, Any]:
    """Single figures of the whole: event, kind, unit, total weight, samples, weight of samples without a stack."""
    return {
        "event": weighed.chosen.name,
        "kind": weighed.chosen.kind,
        "unit": weighed.chosen.unit,
        "total": float(weighed.weight.sum()),
        "samples": int(weighed.samples.sum()),
        "without_stack": weighed.without_stack,
    }


def note(weighed: Weighed, figures: Mapping[str, Any]) -> str | None:
    """What must be said beside a picture of these samples."""
    said = None
    if not figures["samples"] and not figures["without_stack"]:
        said = "no sample matches the lens"
    elif figures["without_stack"]:
        share = figures["without_stack"] / (figures["without_stack"] + figures["total"])
        said = f"{share:.1%} of the {weighed.chosen.unit} is of samples without a stack, which are left out"
    return joined(said, weighed.lost)
