"""The cube a report narrows by itself: cells of the calls, small enough for a page, as columns of small numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.cube import cube

CELLS = 30_000
COMMANDS = 12
OPS = 24
OTHERS = "all others"


def fitting(case: Case, lens: Lens) -> tuple[Answer, int]:
    """The cube with the most time bins (120, 60, 30 or 15) that has at most CELLS cells, and how many bins that is."""
    bins = 120
    while True:
        answer = cube(case, lens, bins)
        if answer.table.num_rows <= CELLS or bins <= 15:
            return answer, bins
        bins //= 2


def columns(table: pa.Table) -> dict[str, Any]:
    """The cube for the page: names once, each cell as indices and numbers.

    Commands and operations beyond the COMMANDS and OPS with most calls are added up as "all others"; if there are still
    more than CELLS cells, those with fewest calls are left out and counted in ``dropped`` (calls).
    """
    names = {}
    for column, most in (("command", COMMANDS), ("op", OPS)):
        kept = _leading(table, column, most)
        merged = pc.if_else(pc.is_in(table[column], value_set=pa.array(kept, pa.string())), table[column], OTHERS)
        table = table.set_column(table.column_names.index(column), column, merged)
        names[column] = kept + ([OTHERS] if pc.any(pc.equal(merged, OTHERS)).as_py() and OTHERS not in kept else [])
    keys = ["command", "op", "errno", "bin", "bucket"]
    table = table.group_by(keys).aggregate([("calls", "sum"), ("bytes", "sum"), ("total_ns", "sum"), ("max_ns", "max")])
    table = table.sort_by([("calls_sum", "descending"), *((key, "ascending") for key in keys)])
    dropped = int(np.sum(table["calls_sum"].to_numpy()[CELLS:]))
    table = table.slice(0, CELLS)
    cells: dict[str, Any] = {
        name: pc.index_in(table[name], value_set=pa.array(names[name], pa.string())).to_pylist() for name in names
    }
    cells |= {name: table[name].to_pylist() for name in ("errno", "bin", "bucket")}
    cells |= {
        name: table[f"{name}_{how}"].to_pylist()
        for name, how in (("calls", "sum"), ("bytes", "sum"), ("total_ns", "sum"), ("max_ns", "max"))
    }
    return {"commands": names["command"], "ops": names["op"], "cells": cells, "dropped": dropped}


def _leading(table: pa.Table, column: str, most: int) -> list[str]:
    ranked = (
        table.group_by([column])
        .aggregate([("calls", "sum")])
        .sort_by([("calls_sum", "descending"), (column, "ascending")])
    )
    names: list[str] = ranked[column].to_pylist()
    return names[:most]
