"""Which connections hold conversations, and what is known of each before its bytes are looked at."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from clew.native.protocols import CONV, ConvFlag
from clew.protocols.cgi import plan_cgi
from clew.protocols.services import Services

Array = npt.NDArray[Any]

# What moved bytes, and which way; of a connection with TLS its clear text counts, and nothing else.
_OPS = """
CREATE OR REPLACE TEMP TABLE talk_op AS
SELECT op_id, class = 'write' OR op = 'tls_write' AS sent, class = 'tls' AS tls
FROM op WHERE class IN ('read', 'write', 'tls')
"""
_TALKS = """
CREATE OR REPLACE TEMP TABLE talk AS
WITH counted AS (
    SELECT e.conn_id, bool_or(o.tls) AS tls, count(*) AS calls, sum(least(e.bytes, $most))::DOUBLE AS kept,
           count(*) FILTER (NOT o.sent) AS reads, count(*) FILTER (o.sent) AS writes,
           1 + (min(e.thread_id) FILTER (o.sent) < max(e.thread_id) FILTER (o.sent))::INTEGER AS writers
    FROM event e JOIN talk_op o USING (op_id)
    WHERE e.conn_id IS NOT NULL AND e.errno = 0 AND e.bytes > 0 GROUP BY e.conn_id
    UNION ALL
    SELECT DISTINCT conn_id, FALSE, 0, 0, 0, 0, 0 FROM talk_cgi)
SELECT n.conn_id, bool_or(n.tls) AS tls, sum(n.calls)::DOUBLE AS calls, sum(n.kept) AS kept,
       sum(n.reads) AS reads, sum(n.writes) AS writes, max(n.writers) AS writers,
       any_value(g.conn_id) IS NOT NULL AS cgi, c.capture_id, c.host, c.kind, coalesce(c.role, '') AS role,
       c.closed_ns IS NOT NULL AS closed,
       CASE WHEN c.role IS DISTINCT FROM 'connected' THEN regexp_extract(c.local, ':([0-9]+)$', 1) END AS here,
       CASE WHEN c.role IS DISTINCT FROM 'accepted' THEN regexp_extract(c.remote, ':([0-9]+)$', 1) END AS there,
       CASE WHEN c.kind = 'unix' THEN coalesce(c.path, c.local, c.remote) END AS path
FROM counted n JOIN connection c USING (conn_id) LEFT JOIN (SELECT DISTINCT conn_id FROM talk_cgi) g USING (conn_id)
WHERE c.kind IN ('tcp', 'udp', 'unix', 'pipe', 'socket')
GROUP BY ALL
"""
_ENDS = "SELECT DISTINCT kind, here, there, path FROM talk WHERE kind <> 'pipe'"
_ABOUT = """
SELECT t.conn_id, t.kind = 'udp' AS datagram, t.cgi AS told,
       t.role = 'connected' OR (t.cgi AND t.role = 'read end') AS client,
       t.role = 'accepted' OR (t.cgi AND t.role <> 'read end') AS server, t.closed,
       CASE WHEN t.cgi THEN $cgi ELSE coalesce(e.hint, -1) END AS hint
FROM talk t LEFT JOIN talk_end e ON t.kind = e.kind AND t.here IS NOT DISTINCT FROM e.here
     AND t.there IS NOT DISTINCT FROM e.there AND t.path IS NOT DISTINCT FROM e.path
WHERE t.conn_id BETWEEN $first AND $last ORDER BY t.conn_id
"""
_FULL = 1 << 20


def plan(connection: duckdb.DuckDBPyConnection, services: Services, names: list[str]) -> None:
    """Make the temporary tables talk (connections to tell the messages of), talk_op, talk_end and talk_cgi.

    ``names``: the protocols by their numbers.
    """
    kept = connection.execute(
        "SELECT max(coalesce((params ->> '$.options.payload_head')::BIGINT, $full) + "
        "coalesce((params ->> '$.options.payload_tail')::BIGINT, 0)) FROM capture",
        {"full": _FULL},
    ).fetchall()[0][0]
    connection.execute(_OPS)
    plan_cgi(connection)
    connection.execute(_TALKS, {"most": min(_FULL, kept or _FULL)})
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE talk_end (kind VARCHAR, here VARCHAR, there VARCHAR, path VARCHAR, hint INTEGER)"
    )
    # One row for each different end: a busy server has a million connections and one port.
    ends = [(*end, _hint(end, services, names)) for end in connection.execute(_ENDS).fetchall()]
    if known := [end for end in ends if end[-1] >= 0]:
        connection.executemany("INSERT INTO talk_end VALUES (?, ?, ?, ?, ?)", known)


def unplan(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what plan() made."""
    for name in ("talk", "talk_op", "talk_end", "talk_cgi"):
        connection.execute(f"DROP TABLE temp.{name}")
    for name in ("talk_pair", "talk_read", "talk_merged"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{name}")


def conversations(
    connection: duckdb.DuckDBPyConnection, first: int, last: int, names: list[str]
) -> tuple[Array, Array]:
    """(conn_id, CONV) of the connections first..last of table talk, in that order."""
    rows = connection.execute(_ABOUT, {"first": first, "last": last, "cgi": names.index("cgi")}).fetchnumpy()
    convs = np.zeros(len(rows["conn_id"]), CONV)
    convs["hint"] = rows["hint"]
    for flag in (ConvFlag.DATAGRAM, ConvFlag.CLIENT, ConvFlag.SERVER, ConvFlag.CLOSED, ConvFlag.TOLD):
        assert flag.name is not None
        convs["flags"] |= np.where(rows[flag.name.lower()], np.uint32(flag), np.uint32(0))
    return np.asarray(rows["conn_id"]), convs


def _hint(end: tuple[str, str | None, str | None, str | None], services: Services, names: list[str]) -> int:
    kind, here, there, path = end
    transport = "udp" if kind == "udp" else "tcp"
    ports = (services.of_port(f":{port}", transport) for port in (there, here) if port)
    name = services.of_path(path) if kind == "unix" else next(filter(None, ports), None)
    return names.index(name) if name else -1
