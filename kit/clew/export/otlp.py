"""Spans as OpenTelemetry's protocol has them in JSON: files of one TracesData a line, or sent to a collector.

Format: opentelemetry-proto, trace/v1/trace.proto, in its JSON form (ids in hexadecimal, 64-bit numbers as text) and the
OTLP file format (JSON lines). What is only likely is a link of its span, not its parent.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

from clew import __version__
from clew.case import Case
from clew.errors import ClewError
from clew.export._spans import batches
from clew.lens import Lens

COLLECTOR = "http://127.0.0.1:4318/v1/traces"
"""Where a collector on this machine listens."""
_WAIT_S = 20.0


def _text(key: str, value: str) -> str:
    text = f"json_object('stringValue', {value})"
    return f"CASE WHEN {value} IS NOT NULL THEN json_object('key', '{key}', 'value', {text}) END"


def _number(key: str, value: str) -> str:
    """Whole numbers are text in this form of JSON."""
    whole = f"json_object('intValue', ({value})::VARCHAR)"
    return f"CASE WHEN {value} IS NOT NULL THEN json_object('key', '{key}', 'value', {whole}) END"


def _double(key: str, value: str) -> str:
    return f"json_object('key', '{key}', 'value', json_object('doubleValue', {value}))"


def _given(*attributes: str) -> str:
    """A list of the attributes that are known."""
    return f"list_filter([{', '.join(attributes)}]::JSON[], lambda x: x IS NOT NULL)"


_HTTP = "protocol IN ('http1', 'http2', 'fastcgi', 'scgi', 'uwsgi', 'cgi')"
_STORE = "protocol IN ('postgres', 'mysql', 'redis', 'memcached')"
_ATTRIBUTES = _given(
    _text("network.protocol.name", "protocol"),
    _number("http.response.status_code", f"CASE WHEN {_HTTP} THEN try_cast(status AS INTEGER) END"),
    _text("db.response.status_code", f"CASE WHEN {_STORE} AND error THEN status END"),
    _text("db.system.name", f"CASE WHEN {_STORE} AND kind = 'client' THEN protocol END"),
    _text("error.type", "CASE WHEN error THEN coalesce(status, 'error') END"),
    _number("thread.id", "tid"),
    _text("network.local.address", "near"),
    _text("network.peer.address", "far"),
    _number("clew.request.bytes", "request_bytes"),
    _number("clew.reply.bytes", "reply_bytes"),
    _text("clew.said", "summary"),
    _number("clew.span", "span_id"),
    _text("clew.link_rule", "link_rule"),
    _double("clew.confidence", "confidence"),
    "CASE WHEN unfinished THEN json_object('key', 'clew.unfinished', 'value', json_object('boolValue', TRUE)) END",
)
_RESOURCE = _given(_text("service.name", "command"), _text("host.name", "host"), _number("process.pid", "pid"))
_QUERY = f"""
, doubtful AS (
    SELECT l.span_id, list(json_object('traceId', c.trace_hex, 'spanId', c.span_hex, 'attributes', {
    _given(_text("clew.link_rule", "l.rule"), _double("clew.confidence", "l.confidence"))
})) AS links
    FROM link l JOIN one c ON c.span_id = l.cause_span_id GROUP BY ALL),
spans AS (
    SELECT command, host, pid, start_ns, span_id, json_merge_patch('{{}}', json_object(
        'traceId', trace_hex, 'spanId', span_hex, 'parentSpanId', parent_hex, 'name', name,
        'kind', CASE kind WHEN 'server' THEN 2 WHEN 'client' THEN 3 ELSE 1 END,
        'startTimeUnixNano', start_utc::VARCHAR, 'endTimeUnixNano', end_utc::VARCHAR, 'attributes', {_ATTRIBUTES},
        'links', links, 'status', json_object('code', CASE WHEN error THEN 2 ELSE 0 END))) AS span
    FROM one LEFT JOIN doubtful USING (span_id)),
resources AS (
    SELECT min(start_ns) AS began, json_object(
        'resource', json_object('attributes', any_value({_RESOURCE})),
        'scopeSpans', [json_object('scope', json_object('name', 'clew', 'version', '{__version__}'),
                                   'spans', list(span ORDER BY start_ns, span_id))]) AS resource
    FROM spans GROUP BY host, pid, command)
SELECT json_object('resourceSpans', list(resource ORDER BY began, resource::VARCHAR))::VARCHAR AS line FROM resources
"""


def otlp(case: Case, lens: Lens, *, unredacted: bool = False) -> Iterator[bytes]:
    """Lines of JSON, each a TracesData with some requests; ``unredacted``: with what was said, not names only."""
    for table in batches(case, lens, _QUERY, "OTLP", unredacted=unredacted):
        for line in table["line"].to_pylist():
            yield line.encode() + b"\n"


def send(case: Case, lens: Lens, url: str = COLLECTOR, *, unredacted: bool = False) -> int:
    """POST the spans to a collector; returns how many requests it took to do so.

    Raises ClewError if ``url`` is none, nobody listens there, or what listens does not want them.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ClewError(f"{url!r:.100} is no URL of a collector: write {COLLECTOR}")
    sent = 0
    for line in otlp(case, lens, unredacted=unredacted):
        body = urllib.request.Request(url, line, {"Content-Type": "application/json"}, method="POST")  # noqa: S310
        try:
            with urllib.request.urlopen(body, timeout=_WAIT_S):  # noqa: S310 -- the scheme was checked
                sent += 1
        except urllib.error.HTTPError as error:
            raise ClewError(f"{url} did not take the spans: {error.code} {error.reason}", exit_code=1) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ClewError(f"cannot send to {url}: {reason}", exit_code=1) from None
    return sent
