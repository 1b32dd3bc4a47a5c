"""Spans of Jaeger as its HTTP API and user interface write them: {"data": [trace, ...]}, or one trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clew.ingest.profile import Profile
from clew.ingest.profiles._json import damage, load
from clew.ingest.profiles._spans import Spans
from clew.ingest.profiles._text import unpacked

FORMAT = "Jaeger traces"
RANK = 21
_US = 1000  # ns
_KINDS = {"server": "server", "consumer": "server", "client": "client", "producer": "client"}


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether it begins as such JSON does."""
    text = unpacked(head).lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith((b"{", b"[")) and b'"traceID"' in text[:4096] and b'"resourceSpans"' not in text


def read(path: Path) -> Profile:
    """Every span; raises ClewError where the file is damaged or holds none."""
    document, spans = load(path), Spans()
    with damage(path):
        traces = document if isinstance(document, list) else document.get("data", [document])
        for trace in traces or ():
            processes = {key: _process(value) for key, value in (trace.get("processes") or {}).items()}
            for span in trace.get("spans") or ():
                _add(spans, span, processes)
    return spans.profile(path)


def _process(process: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return process.get("serviceName"), _tags(process.get("tags"))


def _tags(given: Any) -> dict[str, Any]:
    return {str(tag["key"]): tag.get("value") for tag in given or ()}


def _add(spans: Spans, span: dict[str, Any], processes: dict[str, tuple[Any, dict[str, Any]]]) -> None:
    service, common = processes.get(span.get("processID") or "", (None, {}))
    if isinstance(span.get("process"), dict):
        service, common = _process(span["process"])
    tags = _tags(span.get("tags"))
    # A reference into another trace is no parent; FOLLOWS_FROM counts where nothing better is told.
    told = [ref for ref in span.get("references") or () if ref.get("traceID") == span.get("traceID")]
    told.sort(key=lambda ref: ref.get("refType") != "CHILD_OF")
    start = _whole_us(span["startTime"])
    spans.add(
        span.get("traceID"),
        span.get("spanID"),
        told[0].get("spanID") if told else span.get("parentSpanID"),
        start,
        start + _whole_us(span.get("duration") or 0),
        common | tags,
        service=service,
        name=span.get("operationName"),
        kind=_KINDS.get(str(tags.get("span.kind")), "internal"),
        error=tags.get("error") in (True, "true"),
    )


def _whole_us(value: Any) -> int:
    """Microseconds as ns."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.60} is no time")
    return int(value) * _US if isinstance(value, int) else round(value * _US)
