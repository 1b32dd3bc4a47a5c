"""Requests as a graph, for graph tools: a node for each step (who did what), an edge for each way from one to the next.

Counts and times are sums over the chosen requests. GraphML for networkx, Gephi, yEd; dot for Graphviz.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from clew.case import Case
from clew.export._spans import request_ids
from clew.lens import Lens

_STEPS = """
SELECT min(span_id) AS id, command, kind, name, any_value(protocol) AS protocol, count(*) AS spans,
       count(*) FILTER (error) AS errors, count(DISTINCT request_id) AS requests,
       sum(end_ns - start_ns)::BIGINT AS total_ns, quantile_disc(end_ns - start_ns, 0.5) AS p50_ns,
       quantile_disc(end_ns - start_ns, 0.99) AS p99_ns
FROM span WHERE request_id IN (SELECT unnest($requests)) GROUP BY command, kind, name ORDER BY ALL
"""
_WAYS = """
WITH step AS (SELECT min(span_id) AS id, command, kind, name FROM span WHERE request_id IN (SELECT unnest($requests))
              GROUP BY command, kind, name)
SELECT a.id AS source, b.id AS target, count(*) AS calls, count(*) FILTER (c.error) AS errors,
       min(c.confidence) AS confidence, sum(m.bytes)::BIGINT AS request_bytes, sum(r.bytes)::BIGINT AS reply_bytes,
       quantile_disc(c.start_ns - p.start_ns, 0.5) AS p50_delay_ns
FROM span c JOIN span p ON p.span_id = c.parent_span_id
JOIN step a ON a.command = p.command AND a.kind = p.kind AND a.name = p.name
JOIN step b ON b.command = c.command AND b.kind = c.kind AND b.name = c.name
LEFT JOIN message m ON m.msg_id = c.request_msg_id LEFT JOIN message r ON r.msg_id = c.reply_msg_id
WHERE c.request_id IN (SELECT unnest($requests)) GROUP BY ALL ORDER BY ALL
"""
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _graph(case: Case, lens: Lens, what: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(steps, ways) of the requests under ``lens``."""
    params = {"requests": request_ids(case, lens, what)}
    return case.sql(_STEPS, params).to_pylist(), case.sql(_WAYS, params).to_pylist()


def graphml(case: Case, lens: Lens, *, unredacted: bool = False) -> Iterator[bytes]:  # noqa: ARG001 -- names only
    """GraphML 1.0; what is not known has no value."""
    import networkx

    steps, ways = _graph(case, lens, "GraphML")
    graph = networkx.DiGraph(name=f"requests of {_xml(case.path.name)}")
    for step in steps:
        known = {name: _xml(value) for name, value in step.items() if value is not None and name != "id"}
        graph.add_node(f"s{step['id']}", label=_xml(f"{step['command']}: {step['name']}"), **known)
    for way in ways:
        known = {name: value for name, value in way.items() if value is not None and name not in ("source", "target")}
        graph.add_edge(f"s{way['source']}", f"s{way['target']}", **known)
    for line in networkx.generate_graphml(graph):
        yield line.encode() + b"\n"


def dot(case: Case, lens: Lens, *, unredacted: bool = False) -> Iterator[bytes]:  # noqa: ARG001 -- names only
    """Graphviz's language; numbers are attributes of their names, times in ns."""
    steps, ways = _graph(case, lens, "dot")
    yield b"digraph requests {\n  node [shape=box];\n"
    for step in steps:
        label = f"{step['command']}\n{step['name']}\n{step['spans']} spans"
        figures = ("spans", "errors", "requests", "total_ns", "p50_ns", "p99_ns")
        yield dot_line(
            f"s{step['id']}", {"label": label, **{name: step[name] for name in (*figures, "kind", "protocol")}}
        )
    for way in ways:
        figures = ("calls", "errors", "confidence", "request_bytes", "reply_bytes", "p50_delay_ns")
        edge = f"s{way['source']} -> s{way['target']}"
        yield dot_line(edge, {"label": str(way["calls"]), **{name: way[name] for name in figures}})
    yield b"}\n"


def dot_line(what: str, attributes: dict[str, Any]) -> bytes:
    """One node or edge of a dot file, its attributes quoted; those that are None are left out."""
    known = ", ".join(f"{name}={_quoted(str(value))}" for name, value in attributes.items() if value is not None)
    return f"  {what} [{known}];\n".encode("utf-8", "replace")


def _quoted(text: str) -> str:
    """A quoted string of dot: nothing in it can end it, start an escape, or be taken for an HTML entity."""
    plain = "".join(char if char >= " " or char == "\n" else "�" for char in text)
    plain = plain.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{plain}"'


def _xml(value: Any) -> Any:
    """Text without what XML cannot hold."""
    return _NOT_XML.sub("�", value) if isinstance(value, str) else value
