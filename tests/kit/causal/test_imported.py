"""Spans of other tools: read, linked as told or inferred, tied to recorded calls; hostile files are refused."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from benchmarks.call_graphs import Traces, simulate

import clew
from clew.causal import imported
from clew.causal.run import IMPORTED
from clew.commands import main
from clew.export.formats import write_requests
from clew.ingest.profile import FIRST_IMPORTED
from clew.ingest.sniff import Format, sniff
from clew.lens import Lens

UTC = 1_700_000_000_000_000_000


def as_otlp(traces: Traces) -> str:
    """One line a span, in no order: what a collector wrote while spans came in."""
    lines = []
    for row, trace in enumerate(traces.trace):
        span = {
            "traceId": f"{trace + 1:032x}",
            "spanId": f"{row + 1:016x}",
            "name": traces.name[row],
            "kind": 2 if traces.server[row] else 3,
            "startTimeUnixNano": str(UTC + traces.start_ns[row]),
            "endTimeUnixNano": str(UTC + traces.end_ns[row]),
        }
        if traces.parent[row] >= 0:
            span["parentSpanId"] = f"{traces.parent[row] + 1:016x}"
        about = [{"key": "service.name", "value": {"stringValue": traces.service[row]}}]
        lines.append({"resourceSpans": [{"resource": {"attributes": about}, "scopeSpans": [{"spans": [span]}]}]})
    random.Random(1).shuffle(lines)
    return "".join(json.dumps(line) + "\n" for line in lines)


def as_jaeger(traces: Traces) -> str:
    """As TraceWeaver's media data: requests of services only, microseconds, no kinds, hosts as tags."""
    data: dict[int, dict[str, Any]] = {}
    for row, trace in enumerate(traces.trace):
        if not traces.server[row]:
            continue
        one = data.setdefault(trace, {"traceID": f"{trace + 1:x}", "spans": [], "processes": {}})
        process = "p-" + traces.service[row]
        one["processes"][process] = {"serviceName": traces.service[row], "tags": [{"key": "hostname", "value": "h1"}]}
        start, end = traces.start_ns[row] // 1000, traces.end_ns[row] // 1000
        caller = traces.parent[traces.parent[row]] if traces.parent[row] >= 0 else -1
        told = [{"refType": "CHILD_OF", "traceID": one["traceID"], "spanID": f"{caller + 1:x}"}] if caller >= 0 else []
        span = {
            "traceID": one["traceID"],
            "spanID": f"{row + 1:x}",
            "operationName": traces.name[row],
            "references": told,
        }
        one["spans"].append(span | {"startTime": UTC // 1000 + start, "duration": end - start, "processID": process})
    return json.dumps({"data": list(data.values())})


def test_numbers_agree() -> None:
    assert IMPORTED == FIRST_IMPORTED == 4503599627370496


def test_spans_are_trees_as_told(tmp_path: Path) -> None:
    traces = simulate("hotel", 1, 50, traces=40)
    file = tmp_path / "spans.jsonl"
    file.write_text(as_otlp(traces))
    assert sniff(file) is Format.PROFILE
    assert main(["import", str(tmp_path / "case"), str(file)]) == 0
    case = clew.open(tmp_path / "case")
    case.trace()
    requests = case.sql("SELECT * FROM request ORDER BY start_ns").to_pylist()
    assert len(requests) == 40
    assert {(row["name"], row["spans"], row["processes"], row["resolved"]) for row in requests} == {
        ("GET hotels", 11, 6, True)
    }
    assert {row["shape_id"] for row in requests} == set(case.sql("SELECT shape_id FROM shape")["shape_id"].to_pylist())
    assert len({row["shape_id"] for row in requests}) == 1, "one after the other: always the same way"
    path = case.sql("SELECT path FROM shape")["path"][0].as_py().splitlines()
    assert path[:4] == ["front GET hotels", "  front → search", "    search search", "      search → geo"]
    spans = case.sql("SELECT * FROM span").to_pylist()
    assert {(row["link_rule"], row["confidence"]) for row in spans} == {("root", 1.0), ("told", 1.0)}
    query = """SELECT i.id, p.id AS parent FROM span s JOIN imported_span i USING (span_id)
               LEFT JOIN imported_span p ON p.span_id = s.parent_span_id"""
    told = case.sql(query)
    found = {int(row["id"], 16) - 1: int(row["parent"] or "0", 16) - 1 for row in told.to_pylist()}
    assert found == dict(enumerate(traces.parent))
    again = clew.open(tmp_path / "case")
    assert not again.trace(), "nothing is new"
    assert again.trace(again=True)
    assert again.sql("SELECT count(*) AS n FROM request")["n"][0].as_py() == 40


def test_parents_are_inferred(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From requests of services alone, with times in microseconds: what a call's caller saw is not known."""
    file = tmp_path / "traces.json"
    file.write_text(as_jaeger(simulate("hotel", 2, 80, traces=400)))
    assert main(["import", str(tmp_path / "case"), "--infer-parents", str(file)]) == 0
    said = capsys.readouterr().out
    assert "parents of 2,000 calls, against those told" in said
    case = clew.open(tmp_path / "case")
    right = imported.accuracy(case)
    assert right is not None
    assert right.calls == 2000
    assert right.traces > 0.5
    assert right.wrong < 0.01
    rules = dict(case.sql("SELECT link_rule, count(*) AS n FROM span GROUP BY ALL ORDER BY ALL").to_pydict().items())
    counts = dict(zip(rules["link_rule"], rules["n"], strict=True))
    assert counts["root"] == 400
    assert counts["delays"] == round(2000 * (right.right + right.wrong))
    assert counts.get("unresolved", 0) == round(2000 * right.none)
    full = tmp_path / "spans.jsonl"
    full.write_text(as_otlp(simulate("hotel", 3, 80, traces=400)))
    assert main(["import", str(tmp_path / "both"), "--infer-parents", str(full)]) == 0
    both = imported.accuracy(clew.open(tmp_path / "both"))
    assert both is not None
    assert (both.calls, both.wrong) == (2000, pytest.approx(0, abs=0.001))
    assert both.traces > 0.95


def test_what_was_exported_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    file.write_text(as_otlp(simulate("media", 1, 50, traces=10)))
    main(["import", str(tmp_path / "case"), str(file)])
    first = clew.open(tmp_path / "case")
    query = "SELECT trace_id, id, parent_id, service, kind, name, start_utc, end_utc FROM imported_span ORDER BY ALL"
    for form, lost in (("jsonl", 1), ("json", 1000)):
        out = write_requests(first, Lens(), tmp_path / f"out.{form}")
        assert main(["import", str(tmp_path / form), str(out)]) == 0
        before, after = (clew.open(folder).sql(query).to_pylist() for folder in (tmp_path / "case", tmp_path / form))
        for row in before:
            row |= {"end_utc": row["start_utc"] // lost * lost + (row["end_utc"] - row["start_utc"]) // lost * lost}
            row["start_utc"] = row["start_utc"] // lost * lost
        assert after == before


TRACE, CLIENT, SERVER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"


def span(own: str, **more: Any) -> dict[str, Any]:
    found = {"traceId": TRACE, "spanId": own, "name": "call", "kind": 3, "startTimeUnixNano": str(UTC)}
    return found | {"endTimeUnixNano": str(UTC + 10_000_000)} | more


def line(*spans: dict[str, Any]) -> str:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}) + "\n"


def test_what_is_odd(tmp_path: Path) -> None:
    """Parents that are not there, that go round in a circle, that are their own; the same id twice; no service."""
    ids = [f"{number:016x}" for number in range(1, 8)]
    text = line(
        span(ids[0], parentSpanId="ffffffffffffffff"),
        span(ids[1], parentSpanId=ids[2]),
        span(ids[2], parentSpanId=ids[1]),
        span(ids[3], parentSpanId=ids[3]),
        span(ids[4]),
        span(ids[4], parentSpanId=ids[4], kind=2, name="<script>\u0000'; DROP TABLE span; --"),
        span(ids[5], endTimeUnixNano=str(UTC - 1)),
        span("", name="no id"),
    )
    (tmp_path / "spans.jsonl").write_text(text)
    for options in ([], ["--infer-parents"]):
        folder = tmp_path / f"case{len(options)}"
        assert main(["import", str(folder), *options, str(tmp_path / "spans.jsonl")]) == 0
        case = clew.open(folder)
        case.trace()
        spans = case.sql("SELECT * FROM span").to_pylist()
        assert len(spans) == 6
        assert case.sql("SELECT sum(spans) AS n FROM request")["n"][0].as_py() == 6
        assert "2 spans without ids" in case.sql("SELECT notes FROM capture")["notes"][0].as_py()
        by_id = {row["span_id"]: row for row in spans}
        for row in spans:
            seen = set()
            while row["parent_span_id"] is not None:
                assert row["span_id"] not in seen
                seen.add(row["span_id"])
                row = by_id[row["parent_span_id"]]
        assert {row["command"] for row in spans} == {"unknown"}


@pytest.mark.parametrize(
    "text",
    [
        '{"resourceSpans": [',
        '{"resourceSpans": 5}',
        '{"resourceSpans": []}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "x", "spanId": "1", "startTimeUnixNano": "1"}]}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "1", "spanId": "1", "startTimeUnixNano": []}]}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [7]}]}]}',
        '{"data": [{"traceID": "1", "spans": [{"traceID": "1", "spanID": "1"}]}]}',
        '{"data": [{"traceID": "1", "spans": [{"traceID": "1", "spanID": "1", "startTime": "soon"}]}]}',
        '{"data": [{"traceID": "1", "spans": [{"traceID": "1", "spanID": "1", "startTime": 1e400}]}]}',
        '{"data": {"traceID": 1}}',
        '{"data": [{"traceID": "1"}]}',
        '{"traceID": ' + "[" * 100_000,
    ],
)
def test_broken_files_are_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broken"
    file.write_text(text)
    assert main(["import", str(tmp_path / "case"), str(file)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(file) in said
    assert not list((tmp_path / "case" / "raw").glob("*")) if (tmp_path / "case").exists() else True


def test_only_spans_have_parents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stacks.folded").write_text("a;b 1\n")
    assert main(["import", str(tmp_path / "case"), "--infer-parents", str(tmp_path / "stacks.folded")]) == 2
    assert "no spans" in capsys.readouterr().err


def test_tables_bring_spans_along(tmp_path: Path) -> None:
    (tmp_path / "spans.jsonl").write_text(line(span(CLIENT), span(SERVER, parentSpanId=CLIENT, kind=2)))
    main(["import", str(tmp_path / "a"), str(tmp_path / "spans.jsonl")])
    (tmp_path / "stacks.folded").write_text("a;b 1\n")
    main(["import", str(tmp_path / "b"), str(tmp_path / "stacks.folded")])
    tables = clew.open(tmp_path / "a").to_parquet(tmp_path / "tables")
    assert main(["import", str(tmp_path / "b"), str(tables)]) == 0
    case = clew.open(tmp_path / "b")
    case.trace()
    assert case.sql("SELECT capture_id, spans FROM request").to_pylist() == [{"capture_id": 2, "spans": 2}]
    assert case.bounds()[0] == UTC


TRACED_GET = f"GET / HTTP/1.1\r\nHost: a\r\ntraceparent: 00-{TRACE}-{CLIENT}-01\r\n\r\n".encode()
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def test_recorded_calls_are_tied(capture: Any, tmp_path: Path) -> None:
    """One request by its header, one by its addresses, one by its process; one that nothing is told of."""
    recorded = capture()
    folder = tmp_path / "case" / "raw" / "001"
    meta = json.loads((folder / "meta.json").read_text())
    started = "2026-01-01T00:00:00+00:00"
    (folder / "meta.json").write_text(json.dumps(meta | {"started_utc": started}))
    recorded.clock(0)
    recorded.records(1, 100, 100, recorded.process(1, 100, "web", exe="/bin/web"))
    ms = 1_000_000
    for number, asked in enumerate((TRACED_GET, *[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"] * 3), 1):
        addresses = {"local": ("10.0.0.1", 80), "remote": ("10.0.0.9", 4000 + number)}
        at = number * 100 * ms
        calls = [
            recorded.conn(1, number, 5, flags=1, begin=at, **addresses),
            recorded.record(1, "read", asked, conn_id=number, offset=0, fd=5, begin=at, ticks=9, result=len(asked)),
            recorded.record(1, "write", OK, conn_id=number, offset=0, fd=5, begin=at + 5 * ms, ticks=9, result=len(OK)),
        ]
        recorded.records(1, 100, 100, *calls)
    recorded.clock(10**9)
    recorded.end()
    recorded.write()
    case = clew.open(tmp_path / "case")
    spans = case.sql("SELECT span_id, start_ns FROM span ORDER BY start_ns") if case.trace() else None
    assert spans is not None
    assert spans.num_rows == 4
    row = case.sql("SELECT epoch_ns(started_utc) - started_ns AS ns FROM capture")
    utc, begins = row["ns"][0].as_py(), spans["start_ns"].to_pylist()

    def told(own: str, number: int, *about: tuple[str, Any], **more: Any) -> dict[str, Any]:
        start = utc + begins[number] - 50_000
        attributes = [{"key": key, "value": {"stringValue": value}} for key, value in about]
        times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 6 * ms), "kind": 2}
        return span(own, **(times | {"attributes": attributes} | more))

    near = (("network.local.address", "10.0.0.1"), ("network.local.port", "80"))
    file = tmp_path / "spans.jsonl"
    file.write_text(
        line(
            told(CLIENT, 0, kind=3),
            told("0000000000000002", 1, *near, ("network.peer.address", "10.0.0.9"), ("network.peer.port", "4002")),
            told("0000000000000003", 2, ("process.pid", "100")),
            told("0000000000000004", 3, ("process.pid", "7")),
        )
    )
    assert main(["import", str(tmp_path / "case"), str(file)]) == 0
    case = clew.open(tmp_path / "case")
    assert case.trace()
    query = """SELECT l.rule, s.start_ns, i.id FROM link l JOIN span s USING (span_id)
               JOIN imported_span i ON i.span_id = l.cause_span_id ORDER BY s.start_ns"""
    found = [(row["rule"], begins.index(row["start_ns"]), row["id"]) for row in case.sql(query).to_pylist()]
    assert found == [("traceparent", 0, CLIENT), ("socket", 1, f"{2:016x}"), ("time", 2, f"{3:016x}")]
    assert case.trace(again=True)
    assert case.sql(query).num_rows == 3
