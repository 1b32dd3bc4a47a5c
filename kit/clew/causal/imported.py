"""Imported spans take part: as trees of their own, with parents as told or inferred, tied to what was recorded.

What is tied is a link of the recorded span, never its parent: by the ids that a header carried (traceparent), else by
the addresses of a connection and the time, else by process and time, where there is only one that it can be.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clew.case import Case
from clew.causal.paths import _steps
from clew.causal.statements import statements
from clew.errors import ClewError
from clew.native.causal import roots, shapes, trees

Ints = NDArray[np.int64]

LEAST = 0.9
"""Inferred links that are less sure are left out: an orphan is better than a wrong parent."""
_SLACK_NS = 3000  # Jaeger's times are whole microseconds, begin and length cut each

# ns to take from times since 1970 for those of the case: nothing where nothing was recorded.
_ROWS = """
    WITH first AS (SELECT epoch_ns(started_utc) - started_ns AS ns FROM capture
                   WHERE started_utc IS NOT NULL AND started_ns > 0 ORDER BY capture_id LIMIT 1),
    shift AS (SELECT coalesce((SELECT ns FROM first), 0) AS ns)
    SELECT row_number() OVER (ORDER BY start_utc, end_utc DESC, span_id) - 1 AS place, i.*, start_utc - ns AS start_ns,
           end_utc - ns AS end_ns, hash(i.service, i.host, i.pid) AS process, hash(service, kind, name) AS identity,
           coalesce((c.params::JSON -> 'options' ->> 'infer_parents') = 'true', FALSE) AS inferred
    FROM imported_span i JOIN capture c USING (capture_id) CROSS JOIN shift"""


@dataclass(frozen=True)
class Accuracy:
    """What became of the calls whose cause was told: shares of them, and of whole traces with every link right."""

    right: float
    none: float
    wrong: float
    traces: float
    calls: int


@dataclass(frozen=True)
class _Calls:
    """Rows that are calls made by a request (row ``cause``, as told), and where they were made."""

    row: Ints
    cause: Ints
    process: Ints
    requests: Ints  # rows that calls can be made by


def make(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill span, request and shape anew with what was imported, inside the caller's transaction."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE told AS {_ROWS} ORDER BY place")
    (count,) = connection.execute("SELECT count(*) FROM told").fetchall()[0]
    if count:
        _insert(connection, *_linked(connection))
        _tie(connection)
    connection.execute("DROP TABLE told")


def accuracy(case: Case) -> Accuracy | None:
    """How right inferred parents of imported spans are where parents were told as well; None where none were."""
    with case._store.reading() as connection:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE told AS {_ROWS} ORDER BY place")
        try:
            return _accuracy(connection)
        finally:
            connection.execute("DROP TABLE told")


def _accuracy(connection: duckdb.DuckDBPyConnection) -> Accuracy | None:
    table = _columns(connection)
    calls = _calls(table, _told_parents(connection, len(table["kind"])), table["inferred"])
    if not len(calls.row):
        return None
    query = """SELECT coalesce(p.place, -1) AS found FROM told t JOIN span s USING (span_id)
               LEFT JOIN told p ON p.span_id = s.parent_span_id ORDER BY t.place"""
    found = connection.execute(query).fetchnumpy()["found"].astype(np.int64)[calls.row]
    trace = table["trace"][calls.row]
    whole = np.ones(int(trace.max()) + 1, bool)
    whole[trace[found != calls.cause]] = False
    right, none = float((found == calls.cause).mean()), float((found < 0).mean())
    return Accuracy(right, none, 1 - right - none, float(whole[np.unique(trace)].mean()), len(calls.row))


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, NDArray[np.generic]]:
    """What inference needs of each row, as numbers."""
    query = """SELECT start_ns, end_ns, kind, inferred, dense_rank() OVER (ORDER BY process) - 1 AS process,
                      dense_rank() OVER (ORDER BY name) - 1 AS name,
                      dense_rank() OVER (ORDER BY trace_id) - 1 AS trace, identity
               FROM told ORDER BY place"""
    return dict(connection.execute(query).fetchnumpy())


def _told_parents(connection: duckdb.DuckDBPyConnection, count: int) -> Ints:
    """The place of the parent that was told (-1: none was, or it is not here; -2 is one that is not here)."""
    query = """SELECT t.place, CASE WHEN t.parent_id IS NULL THEN -1 ELSE coalesce(min(p.place), -2) END AS parent
               FROM told t LEFT JOIN told p ON p.trace_id = t.trace_id AND p.id = t.parent_id AND p.place <> t.place
               GROUP BY t.place, t.parent_id ORDER BY t.place"""
    parent = connection.execute(query).fetchnumpy()["parent"].astype(np.int64)
    assert len(parent) == count
    return parent


def _calls(table: dict[str, NDArray[np.generic]], parent: Ints, chosen: NDArray[np.generic]) -> _Calls:
    """Calls among ``chosen`` rows: what lies below a request of a process, made by that process.

    A request is what was received: a server, a root, or what was called from another process. A request that another
    process's request is told to have caused stands for the call, too: its caller saw none of its own. Calls inside
    calls of one process count for its request.
    """
    process, kind = table["process"], table["kind"]
    up = np.maximum(parent, 0)
    elsewhere = (parent >= 0) & (process[up] != process)
    received = (kind == "server") | (parent < 0) & (kind != "client") | elsewhere & (kind != "client")
    cause = np.where(parent >= 0, parent, -1)
    for _ in range(64):  # nested calls of one process: to its request
        inner = (cause >= 0) & ~received[np.maximum(cause, 0)] & (process[np.maximum(cause, 0)] == process[up])
        inner &= kind[np.maximum(cause, 0)] != "client"
        if not inner.any():
            break
        cause = np.where(inner, parent[np.maximum(cause, 0)], cause)
    made = (cause >= 0) & received[np.maximum(cause, 0)] & chosen.astype(bool)
    rows = np.flatnonzero(made)
    requests = np.flatnonzero(received & chosen.astype(bool))
    return _Calls(rows, cause[rows], process[cause[rows]].astype(np.int64), requests)


def _linked(
    connection: duckdb.DuckDBPyConnection,
) -> tuple[dict[str, NDArray[np.generic]], Ints, NDArray[np.object_], NDArray[np.float64]]:
    """(columns, parents, rules, confidence) of every row."""
    table = _columns(connection)
    told = _told_parents(connection, len(table["kind"]))
    rule = np.where(told >= 0, "told", np.where(told == -1, "root", "unresolved")).astype(object)
    sure = np.where(told == -2, 0.0, 1.0)
    parent = np.maximum(told, -1)
    if table["inferred"].any():
        from clew.causal.delays import Spans, infer  # brings scipy along, which nothing else here needs

        calls = _calls(table, told, table["inferred"])
        alone = (told == -1) & (table["kind"] == "client") & table["inferred"].astype(bool)  # nothing was told of these
        row = np.r_[calls.row, np.flatnonzero(alone)]
        process = np.r_[calls.process, table["process"][alone]].astype(np.int64)
        servers = calls.requests
        rows = np.r_[servers, row]
        spans = Spans(
            np.r_[table["process"][servers].astype(np.int64), process],
            np.r_[np.ones(len(servers), bool), np.zeros(len(row), bool)],
            *(table[name][rows].astype(np.int64) for name in ("name", "start_ns", "end_ns")),
        )
        found = infer(spans, least=LEAST, slack_ns=_SLACK_NS)
        mine = found.parent[len(servers) :]
        parent[row] = np.where(mine >= 0, rows[np.maximum(mine, 0)], -1)
        sure[row] = np.where(mine >= 0, found.confidence[len(servers) :], 0.0)
        rule[row] = np.where(mine >= 0, "delays", "unresolved")
    return table, parent, rule, sure


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: dict[str, NDArray[np.generic]],
    parent: Ints,
    rule: NDArray[np.object_],
    sure: NDArray[np.float64],
) -> None:
    """Trees of these parents as rows of span, request and shape."""
    try:
        root, depth = roots(parent)
    except ClewError:  # parents that go round in a circle: only those that stand before their children are kept
        lost = parent >= np.arange(len(parent))
        parent = np.where(lost, -1, parent)
        rule, sure = np.where(lost, "unresolved", rule), np.where(lost, 0.0, sure)
        root, depth = roots(parent)
    depth = np.minimum(depth, np.iinfo(np.uint16).max)
    shape = shapes(parent, depth, table["identity"].astype(np.uint64))
    sizes = trees(root, depth, table["process"].astype(np.int32), sure.astype(np.float32))
    numbers = pa.table(
        {
            "place": np.arange(len(parent)),
            "parent": pa.array(parent, mask=parent < 0),
            "root": root,
            "depth": depth.astype(np.uint16),
            "rule": pa.array(rule, pa.string()),
            "confidence": sure,
            "shape": shape,
        }
    )
    tables = {
        "numbers": numbers,
        "step": _steps(parent, root, depth, shape),
        "tree": pa.table(
            {"place": sizes.root, **{n: getattr(sizes, n) for n in ("spans", "processes", "depth", "confidence")}}
        ),
    }
    for name, rows in tables.items():
        connection.register(name, rows)
    try:
        connection.execute("CREATE OR REPLACE TEMP TABLE linked AS SELECT * FROM told JOIN numbers USING (place)")
        for statement in statements("imported.sql"):
            connection.execute(statement)
        connection.execute("DROP TABLE linked")
    finally:
        for name in tables:
            connection.unregister(name)


def _tie(connection: duckdb.DuckDBPyConnection) -> None:
    """Links from recorded spans to the imported ones that are the same work, or asked for it."""
    connection.execute(
        r"""
        INSERT INTO link
        SELECT s.span_id, min(t.span_id), 'traceparent', 1.0
        FROM span s JOIN message m ON m.msg_id = s.request_msg_id
        JOIN told t ON t.trace_id = regexp_extract(m.correlation, 'traceparent=00-([0-9a-f]{32})-([0-9a-f]{16})', 1)
                   AND t.id = regexp_extract(m.correlation, 'traceparent=00-([0-9a-f]{32})-([0-9a-f]{16})', 2)
        GROUP BY s.span_id"""
    )
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE recorded AS
        SELECT s.span_id, s.kind, s.pid, s.start_ns, s.end_ns, c.local, c.remote
        FROM span s JOIN connection c USING (conn_id)
        WHERE s.span_id NOT IN (SELECT span_id FROM link WHERE rule = 'traceparent')"""
    )
    # The time: the recorded exchange lies within the imported span, or the other way round, but for 1 ms.
    within = """greatest(s.start_ns, t.start_ns) <= least(coalesce(s.end_ns, s.start_ns), t.end_ns) + 1000000 AND
                (s.start_ns >= t.start_ns - 1000000 AND coalesce(s.end_ns, s.start_ns) <= t.end_ns + 1000000 OR
                 t.start_ns >= s.start_ns - 1000000 AND t.end_ns <= s.end_ns + 1000000)"""
    for rule, same, sure in (
        ("socket", "t.near = s.local AND t.far = s.remote", 0.95),
        ("socket", "t.far = s.remote AND t.near IS NULL AND s.kind = 'client'", 0.8),
        ("time", "t.pid = s.pid", 0.5),
    ):
        connection.execute(
            f"""
            INSERT INTO link
            SELECT s.span_id, min(t.span_id), $rule, $sure
            FROM recorded s JOIN told t ON t.kind = s.kind AND {same} AND {within}
            WHERE s.span_id NOT IN (SELECT span_id FROM link WHERE rule IN ('socket', 'time'))
            GROUP BY s.span_id HAVING count(*) = 1""",
            {"rule": rule, "sure": sure},
        )
    connection.execute("DROP TABLE recorded")
