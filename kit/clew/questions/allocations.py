"""Who allocates, how much, and how much of it is still held."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, totals


def allocations(case: Case, lens: Lens) -> Answer:
    """Allocations of each process under ``lens``, from its running totals, the most first.

    Columns: ``name`` (command), ``pid``, ``allocations`` (malloc, calloc, memalign, realloc calls), ``frees``,
    ``bytes_asked``, ``live`` (allocations not freed: calls that made a block minus calls that gave one back; realloc
    does neither; below zero where blocks were given back that were made before, or by the process that forked this
    one). Raises ClewError if the Lens asks for what totals do not hold.
    """
    inner, params = totals(lens)
    sql = f"""SELECT p.command AS name, p.pid, sum(calls) FILTER (o.op <> 'free')::BIGINT AS allocations,
       coalesce(sum(calls) FILTER (o.op = 'free'), 0)::BIGINT AS frees,
       sum(bytes) FILTER (o.op <> 'free')::BIGINT AS bytes_asked,
       (coalesce(sum(calls - errors) FILTER (o.op NOT IN ('free', 'realloc')), 0)
        - coalesce(sum(calls) FILTER (o.op = 'free'), 0))::BIGINT AS live
FROM ({inner}) JOIN op o USING (op_id) JOIN thread t USING (thread_id) JOIN process p USING (process_id)
WHERE o.class = 'alloc' GROUP BY ALL ORDER BY allocations DESC NULLS LAST, name, pid"""
    answer = ask(case, sql, params, "allocations by process")
    note = _note(answer.table["live"].to_pylist()) if answer.table.num_rows else "no allocation was counted"
    return replace(answer, note=note) if note else answer


def _note(live: list[int]) -> str | None:
    """What a figure below zero means: not what is held, but that more was given back than was seen to be made."""
    below = sum(figure < 0 for figure in live)
    if not below:
        return None
    return (
        f"live is below zero in {below} of {len(live)} processes: they freed what the process that forked them had "
        "allocated, or what was allocated before the time looked at; what they hold is not known"
    )
