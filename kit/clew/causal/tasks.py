"""Whose work a call is where the interpreter says which task made it: asyncio's, by CPython's contexts."""

from __future__ import annotations

import duckdb

from clew.causal.match import statements


def own(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill ``task_owner``: for rows of ``pair`` that are calls the request that their task works for, where told."""
    if connection.execute("SELECT count(*) FROM landing.task").fetchall()[0][0]:
        for statement in statements("tasks.sql"):
            connection.execute(statement)
