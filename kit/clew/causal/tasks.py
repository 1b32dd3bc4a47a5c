"""Whose work a call is where the interpreter says which task made it: asyncio's, by CPython's contexts."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from clew.causal.statements import statements

# In order of context_id, which counts from 1.
_CONTEXTS = """
SELECT c.made_ns, coalesce(c.maker, 0) AS maker, coalesce(w.served_id, -1) AS served_id,
       coalesce(w.end_ns, 0) AS end_ns, p.context_id IS NOT NULL AS passing
FROM context c
LEFT JOIN (SELECT * FROM at_work WHERE of_call = 0) w ON w.of_context = c.context_id
LEFT JOIN passing p ON p.context_id = c.context_id
ORDER BY c.context_id
"""
_GENERATIONS = 64
"""Doublings: more than the longest line of makers needs. Only a damaged recording has some that never end."""


def own(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill ``task_owner``: for rows of ``pair`` that are calls the request that their task works for, where told.

    And ``queued``: when what wakes a loop was put in its queue.
    """
    if not connection.execute("SELECT count(*) FROM landing.task").fetchall()[0][0]:
        return
    for statement in statements("tasks.sql"):
        connection.execute(statement)
    connection.register("made_for_now", _made_for(connection))
    connection.execute("CREATE OR REPLACE TEMP TABLE made_for AS SELECT * FROM made_for_now")
    connection.unregister("made_for_now")
    for statement in statements("tasks_owners.sql"):
        connection.execute(statement)


def _made_for(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """context_id, served_id, end_ns: for what each context was made, from its maker or the maker's makers.

    The line of makers ends where one was at work itself, or passes on the connections of others. Each step looks twice
    as far back, so a timer that makes the next one for hours costs no more than a few of them.
    """
    rows = connection.execute(_CONTEXTS).fetchnumpy()
    own_place = np.arange(len(rows["maker"]))
    maker = rows["maker"].astype(np.int64) - 1
    ends = (rows["served_id"].astype(np.int64) >= 0) | rows["passing"].astype(bool) | (maker < 0)
    first = np.where(ends, own_place, maker)
    for _ in range(_GENERATIONS):
        farther = first[first]
        if np.array_equal(farther, first):
            break
        first = farther
    served = np.where(rows["passing"][first], -1, rows["served_id"].astype(np.int64)[first])
    end = rows["end_ns"][first]
    known = np.flatnonzero((served >= 0) & (end > rows["made_ns"]))
    return pa.table({"context_id": known + 1, "served_id": served[known], "end_ns": end[known]})
