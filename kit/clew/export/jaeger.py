"""Spans as JSON that Jaeger's user interface opens: what its HTTP API answers for traces.

Shape: {"data": [{"traceID", "spans": [...], "processes": {"p1": {"serviceName", "tags"}}}]}; times in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator

from clew.case import Case
from clew.export._spans import batches
from clew.lens import Lens


def _tag(key: str, kind: str, value: str) -> str:
    return f"CASE WHEN {value} IS NOT NULL THEN json_object('key', '{key}', 'type', '{kind}', 'value', {value}) END"


def _given(*tags: str) -> str:
    return f"list_filter([{', '.join(tags)}]::JSON[], lambda x: x IS NOT NULL)"


_TAGS = _given(
    _tag("span.kind", "string", "CASE WHEN kind IN ('server', 'client') THEN kind ELSE 'internal' END"),
    _tag("network.protocol.name", "string", "protocol"),
    _tag("status", "string", "status"),
    _tag("error", "bool", "CASE WHEN error THEN TRUE END"),
    _tag("thread.id", "int64", "tid"),
    _tag("clew.said", "string", "summary"),
    _tag("clew.span", "int64", "span_id"),
    _tag("clew.link_rule", "string", "link_rule"),
    _tag("clew.confidence", "float64", "confidence"),
    _tag("clew.unfinished", "bool", "CASE WHEN unfinished THEN TRUE END"),
)
_OF_PROCESS = _given(_tag("hostname", "string", "host"), _tag("pid", "int64", "pid"))
_QUERY = f"""
, numbered AS (
    SELECT *, 'p' || dense_rank() OVER (PARTITION BY trace_hex ORDER BY host, pid, command) AS process FROM one),
doubtful AS (
    SELECT l.span_id, list(json_object('refType', 'FOLLOWS_FROM', 'traceID', c.trace_hex, 'spanID', c.span_hex)) AS refs
    FROM link l JOIN one c ON c.span_id = l.cause_span_id GROUP BY ALL),
spans AS (
    SELECT trace_hex, start_ns, span_id, json_object(
        'traceID', trace_hex, 'spanID', span_hex, 'flags', 1, 'operationName', name,
        'references', CASE WHEN parent_hex IS NULL THEN []::JSON[]
                           ELSE [json_object('refType', 'CHILD_OF', 'traceID', trace_hex, 'spanID', parent_hex)] END
                      || coalesce(refs, []::JSON[]),
        'startTime', start_utc // 1000, 'duration', (end_utc - start_utc) // 1000, 'tags', {_TAGS}, 'logs', []::JSON[],
        'processID', process, 'warnings', NULL) AS span
    FROM numbered LEFT JOIN doubtful USING (span_id)),
processes AS (
    SELECT trace_hex, json_group_object(process, about) AS processes
    FROM (SELECT trace_hex, process,
                 any_value(json_object('serviceName', command, 'tags', {_OF_PROCESS})) AS about
          FROM numbered GROUP BY ALL ORDER BY ALL)
    GROUP BY trace_hex)
SELECT json_object('traceID', trace_hex, 'spans', list(span ORDER BY start_ns, span_id),
                   'processes', any_value(processes), 'warnings', NULL)::VARCHAR AS trace
FROM spans JOIN processes USING (trace_hex) GROUP BY trace_hex ORDER BY min(start_ns), trace_hex
"""


def jaeger(case: Case, lens: Lens, *, unredacted: bool = False) -> Iterator[bytes]:
    """One JSON object with a trace for each request; ``unredacted``: with what was said, not names only."""
    first = True
    for table in batches(case, lens, _QUERY, "Jaeger", unredacted=unredacted):
        for trace in table["trace"].to_pylist():
            yield (b'{"data":[\n' if first else b",\n") + trace.encode()
            first = False
    yield b'\n],"total":0,"limit":0,"offset":0,"errors":null}\n'
