"""Spans of OpenTelemetry in files: one TracesData as JSON a line (the collector's file exporter, `clew export`).

Format: opentelemetry-proto's trace/v1/trace.proto in its JSON form: ids in hexadecimal, 64-bit numbers as text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles._json import damage
from clew.ingest.profiles._spans import Spans
from clew.ingest.profiles._text import opened, unpacked

FORMAT = "OTLP spans (JSON lines)"
RANK = 20
_LONGEST_LINE = 256 << 20
_KINDS: dict[Any, str] = {  # producer and consumer of a message: who sends, who gets
    **dict.fromkeys((2, "SPAN_KIND_SERVER", 5, "SPAN_KIND_CONSUMER"), "server"),
    **dict.fromkeys((3, "SPAN_KIND_CLIENT", 4, "SPAN_KIND_PRODUCER"), "client"),
}


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether it begins as such JSON does."""
    text = unpacked(head).lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"{") and b'"resourceSpans"' in text[:4096]


def read(path: Path) -> Profile:
    """Every span; raises ClewError where a line is damaged or there is none."""
    spans = Spans()
    with opened(path) as file, damage(path):
        while line := file.readline(_LONGEST_LINE + 1):
            if len(line) > _LONGEST_LINE:
                raise ClewError(f"{path}: a line is longer than {_LONGEST_LINE >> 20} MiB")
            if line.strip():
                _read_data(spans, json.loads(line.decode("utf-8-sig", "replace")))
    return spans.profile(path)


def _read_data(spans: Spans, data: dict[str, Any]) -> None:
    for resource in data.get("resourceSpans") or ():
        common = _attributes((resource.get("resource") or {}).get("attributes"))
        service = common.get("service.name")
        for scope in resource.get("scopeSpans") or resource.get("instrumentationLibrarySpans") or ():
            for span in scope.get("spans") or ():
                kind = span.get("kind") or 0
                status = span.get("status") or {}
                spans.add(
                    span.get("traceId"),
                    span.get("spanId"),
                    span.get("parentSpanId"),
                    span.get("startTimeUnixNano") or 0,
                    span.get("endTimeUnixNano") or span.get("startTimeUnixNano") or 0,
                    common | _attributes(span.get("attributes")),
                    service=service,
                    name=span.get("name"),
                    kind=_KINDS.get(kind, "internal"),
                    error=status.get("code") in (2, "STATUS_CODE_ERROR"),
                )


def _attributes(given: Any) -> dict[str, Any]:
    """Attributes by key; lists and objects are left out."""
    found = {}
    for item in given or ():
        value = item.get("value") or {}
        for kind in ("stringValue", "intValue", "boolValue", "doubleValue"):
            if kind in value:
                found[str(item["key"])] = value[kind]
    return found
