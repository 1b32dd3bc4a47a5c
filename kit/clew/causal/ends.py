"""Which two ends are one connection: by addresses where there are any, else by what happened at them."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from clew.causal.statements import statements
from clew.native.causal import END, NEVER, pair_ends

_ENDS = "SELECT * FROM unix_end WHERE client = $client ORDER BY listener, {order}, conn_id"
_PAIRS = """
INSERT INTO other_end
SELECT server, client FROM unix_pair UNION ALL SELECT client, server FROM unix_pair
"""
# Not told apart, but somebody's who was recorded.
_TORN = """
CREATE OR REPLACE TEMP TABLE torn AS
SELECT conn_id FROM unix_end ANTI JOIN other_end USING (conn_id)
WHERE NOT client AND listener IN (SELECT listener FROM unix_end WHERE client)
"""


def pair(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``other_end`` (conn_id, peer_conn_id), both ways, and ``torn``: ends whose other end is one of several."""
    for statement in statements("ends.sql"):
        connection.execute(statement, {"never": int(NEVER)} if "$never" in statement else None)
    clients = connection.execute(_ENDS.format(order="begun"), {"client": True}).fetchnumpy()
    servers = connection.execute(_ENDS.format(order="done"), {"client": False}).fetchnumpy()
    listeners = int(max(ends["listener"].max(initial=-1) for ends in (clients, servers))) + 1
    known, first = [], []
    for ends in (clients, servers):
        records = np.zeros(len(ends["conn_id"]), END)
        for name in END.names or ():
            records[name] = ends[name]
        known.append(records)
        first.append(np.searchsorted(ends["listener"], np.arange(listeners + 1)).astype(np.int64))
    found = pair_ends(first[0], first[1], known[0], known[1])
    told = np.flatnonzero(found >= 0)
    pairs = pa.table({"server": servers["conn_id"][told], "client": clients["conn_id"][found[told]]})
    connection.register("unix_pair", pairs)
    try:
        connection.execute(_PAIRS)
    finally:
        connection.unregister("unix_pair")
    connection.execute(_TORN)
