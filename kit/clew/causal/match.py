"""The first stage: exchanges made of messages, and the two ends of each connection."""

from __future__ import annotations

import duckdb

from clew.causal import ends
from clew.causal.statements import statements

FORKS = 1 << 51
"""Steps that are no messages but forks have numbers above this in the place of msg_id (match.sql says it, too)."""


def match(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``pair`` (exchanges, each seen from one end), ``matched`` (server, client), and what their numbers mean.

    That is ``who`` for threads, ``name_of`` for names and ``status_of`` for results.
    """
    for statement in statements("exchanges.sql"):
        connection.execute(statement)
    ends.pair(connection)
    for statement in statements("match.sql"):
        connection.execute(statement)
