"""The first stage: exchanges made of messages, and the two ends of each connection."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import duckdb

FORKS = 1 << 51
"""Steps that are no messages but forks have numbers above this in the place of msg_id (match.sql says it, too)."""


def match(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``pair`` (exchanges, each seen from one end), ``matched`` (server, client), and what their numbers mean.

    That is ``who`` for threads, ``name_of`` for names and ``status_of`` for results.
    """
    for statement in statements("match.sql"):
        connection.execute(statement)


def statements(name: str) -> Iterator[str]:
    """The statements of an SQL file of this room."""
    text = (resources.files("clew.causal") / name).read_text("utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return (statement for statement in lines.split(";\n") if statement.strip())
