"""Exports of requests are read back by the tools' own libraries: OTLP, Jaeger, Perfetto, GraphML, dot, Parquet."""

from __future__ import annotations

import base64
import json
import stat
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import networkx
import pyarrow.parquet as pq
import pygraphviz
import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

from clew.case import Case
from clew.commands import main
from clew.errors import ClewError
from clew.export._file import write_private
from clew.export.formats import write_requests
from clew.export.otlp import otlp
from clew.lens import Lens

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def base64_of(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def otlp_of(case: Case, lens: Lens | None = None, **options: Any) -> list[Any]:
    """Every span of the export, parsed strictly, with its resource's attributes."""
    found = []
    for line in otlp(case, lens or Lens(), **options):
        raw = json.loads(line)
        for resource in raw["resourceSpans"]:
            for span in resource["scopeSpans"][0]["spans"]:
                assert len(span["traceId"]) == 32 and len(span["spanId"]) == 16
                assert bytes.fromhex(span["traceId"]) and bytes.fromhex(span["spanId"])
                for id_ in (
                    "traceId",
                    "spanId",
                    "parentSpanId",
                ):  # the proto's JSON has base64 there, OTLP has hexadecimal
                    if id_ in span:
                        span[id_] = base64_of(span[id_])
                for link in span.get("links", ()):
                    link["traceId"] = base64_of(link["traceId"])
                    link["spanId"] = base64_of(link["spanId"])
        data = json_format.ParseDict(raw, TracesData())
        for resource in data.resource_spans:
            about = {item.key: item.value for item in resource.resource.attributes}
            found += [(about, span) for span in resource.scope_spans[0].spans]
    return found


def test_otlp(made: Case) -> None:
    spans = {span.name: (about, span) for about, span in otlp_of(made) if span.kind == 2}
    about, root = spans["GET /item/?"]
    assert about["service.name"].string_value == "web"
    assert about["process.pid"].int_value == 100
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT), "the header's ids are kept"
    assert root.end_time_unix_nano - root.start_time_unix_nano == 6_000_000
    _, asked = spans["SELECT * FROM item WHERE id = ?"]
    client = next(span for _, span in otlp_of(made) if span.kind == 3 and span.trace_id == root.trace_id)
    assert client.parent_span_id == root.span_id
    assert asked.parent_span_id == client.span_id
    attributes = {item.key: item.value for item in asked.attributes}
    assert attributes["clew.link_rule"].string_value == "match"
    assert attributes["clew.confidence"].double_value == 0.97
    assert [item.attributes[0].value.string_value for item in asked.links] == ["unlikely"]
    nasty = next(span for _, span in otlp_of(made) if span.name.startswith("GET /<b>"))
    assert nasty.status.code == 2
    assert asked.links[0].span_id == nasty.span_id
    open_one = next(span for _, span in otlp_of(made) if span.name == "NOTIFY ?")
    assert open_one.start_time_unix_nano == open_one.end_time_unix_nano
    assert "clew.unfinished" in [item.key for item in open_one.attributes]
    assert len({span.span_id for _, span in otlp_of(made)}) == 5
    assert len({span.trace_id for _, span in otlp_of(made)}) == 3


def test_names_only_unless_said(made: Case) -> None:
    for form in ("otlp", "jaeger", "perfetto", "graphml", "dot"):
        for unredacted in (False, True):
            out = made.path.parent / f"out.{form}"
            write_requests(made, Lens(), out, form, unredacted=unredacted)
            says = b"SECRET" in out.read_bytes()
            assert says == (unredacted and form in ("otlp", "jaeger", "perfetto")), form
            assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_otlp_is_sent_to_a_collector(made: Case, capsys: pytest.CaptureFixture[str]) -> None:
    got: list[tuple[str, str, Any]] = []
    answers = [200, 503]

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(answers[len(got) - 1])
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    url = f"http://127.0.0.1:{server.server_port}/v1/traces"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert main(["export", str(made.path), "--post", url]) == 0
        assert main(["export", str(made.path), "--post", url]) == 1
        assert "503" in capsys.readouterr().err
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [item[:2] for item in got] == [("/v1/traces", "application/json")] * 2
    assert (
        len(
            [
                span
                for _, _, body in got[:1]
                for r in body["resourceSpans"]
                for s in r["scopeSpans"]
                for span in s["spans"]
            ]
        )
        == 5
    )
    assert main(["export", str(made.path), "--post", url]) == 1, "nobody listens any more"
    assert main(["export", str(made.path), "--post", "file:///etc/passwd"]) == 2
    assert main(["export", str(made.path), "--post", url, "--format", "dot"]) == 2


def test_jaeger(made: Case, tmp_path: Path) -> None:
    document = json.loads(write_requests(made, Lens(), tmp_path / "out.json").read_text())
    assert set(document) == {"data", "total", "limit", "offset", "errors"}
    assert len(document["data"]) == 3
    for trace in document["data"]:
        assert set(trace) == {"traceID", "spans", "processes", "warnings"}
        for span in trace["spans"]:
            assert {"traceID", "spanID", "operationName", "references", "startTime", "duration", "tags", "logs"} <= set(
                span
            )
            assert span["traceID"] == trace["traceID"]
            assert isinstance(span["startTime"], int) and isinstance(span["duration"], int)
            assert trace["processes"][span["processID"]]["serviceName"] in ("web", "postgres")
            assert all(set(tag) == {"key", "type", "value"} for tag in span["tags"])
    trace = next(trace for trace in document["data"] if trace["traceID"] == TRACE)
    root, client, server = trace["spans"]
    assert root["references"] == [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": PARENT}]
    assert client["references"][0]["spanID"] == root["spanID"]
    assert server["references"][0] == {"refType": "CHILD_OF", "traceID": TRACE, "spanID": client["spanID"]}
    assert (root["duration"], client["duration"]) == (6000, 2000)
    assert len(trace["processes"]) == 2


def test_perfetto(made: Case, tmp_path: Path) -> None:
    trace = Trace.FromString(write_requests(made, Lens(), tmp_path / "out.pftrace").read_bytes())
    tracks = {p.track_descriptor.uuid: p.track_descriptor for p in trace.packet if p.HasField("track_descriptor")}
    events = [(p.timestamp, p.track_event) for p in trace.packet if p.HasField("track_event")]
    begins = [(at, event) for at, event in events if event.type == TrackEvent.TYPE_SLICE_BEGIN]
    assert len(begins) == 5 and len(events) == 10
    processes = {t.process.process_name for t in tracks.values() if t.HasField("process")}
    assert processes == {"web", "postgres"}
    assert all(event.track_uuid in tracks for _, event in events)
    assert all(t.parent_uuid in tracks for t in tracks.values() if not t.HasField("process"))
    # on each track slices lie within one another
    for uuid in tracks:
        open_slices = 0
        mine = sorted(
            ((at, event.type == 1) for at, event in events if event.track_uuid == uuid), key=lambda pair: pair[0]
        )
        for _, begin in mine:
            open_slices += 1 if begin else -1
            assert open_slices >= 0
        assert open_slices == 0
    by_name = {event.name: event for _, event in begins}
    item, nasty = by_name["GET /item/?"], next(e for e in by_name.values() if e.name.startswith("GET /<b>"))
    assert item.track_uuid != nasty.track_uuid, "3 to 9 ms and 4 to 12 ms of one thread cross"
    server = next(e for _, e in begins if e.terminating_flow_ids)
    client = next(e for _, e in begins if e.name == server.name and e is not server)
    assert client.track_uuid == item.track_uuid, "it lies within the request"
    assert list(client.flow_ids) == [2]
    assert sorted(server.terminating_flow_ids) == [2, 4]
    shown = {note.name: note for note in server.debug_annotations}
    assert shown["confidence"].double_value == 0.97 and shown["span"].uint_value == 3


def test_graphs(made: Case, tmp_path: Path) -> None:
    graph = networkx.read_graphml(write_requests(made, Lens(), tmp_path / "out.graphml"))
    nodes = {data["name"]: (node, data) for node, data in graph.nodes(data=True) if data["kind"] == "server"}
    assert graph.number_of_nodes() == 5 and graph.number_of_edges() == 2
    assert nodes["GET /item/?"][1]["p50_ns"] == 6_000_000
    assert any(name.startswith('GET /<b>"\\x') and name.endswith("{é}�") for name in nodes)
    drawn = pygraphviz.AGraph(string=write_requests(made, Lens(), tmp_path / "out.dot").read_text())
    assert len(drawn.nodes()) == 5 and len(drawn.edges()) == 2
    assert any("DROP TABLE" in node.attr["label"] for node in drawn.nodes())
    assert [edge.attr["calls"] for edge in drawn.edges()] == ["1", "1"]


def test_parquet(made: Case, tmp_path: Path) -> None:
    table = pq.read_table(write_requests(made, Lens(), tmp_path / "out.parquet"))
    assert table.num_rows == 5
    row = next(row for row in table.to_pylist() if row["span_id"] == 3)
    assert row["request"] == "GET /item/?" and row["trace_id"] == TRACE and row["summary"] is None
    full = pq.read_table(write_requests(made, Lens(), tmp_path / "out.parquet", unredacted=True))
    assert "GET /item/17?key=SECRET" in full["summary"].to_pylist()


def test_the_lens_chooses(made: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert {about["service.name"].string_value for about, _ in otlp_of(made, Lens(requests=("GET /item/?",)))} == {
        "web",
        "postgres",
    }
    assert len(otlp_of(made, Lens(took=(7_000_000, None)))) == 1
    out = made.path.parent / "one.jsonl"
    assert main(["export", str(made.path), "-o", str(out), "--request", "GET /item/?"]) == 0
    assert len(out.read_text().splitlines()) == 1
    assert main(["export", str(made.path), "-o", str(out), "--request", "nothing"]) == 2
    assert "no such request" in capsys.readouterr().err


def test_what_cannot_be_written(made: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out, says in (("x.txt", "in what form"), ("nowhere/x.jsonl", "cannot write"), ("x.pcapng", "--payload")):
        assert main(["export", str(made.path), "-o", str(tmp_path / out)]) == 2
        assert says in capsys.readouterr().err
    assert main(["export", str(made.path), "-o", str(tmp_path / "x.dot"), "--format", "gif"]) == 2
    kept = tmp_path / "kept"
    kept.write_text("before")

    def broken() -> Any:
        yield b"half"
        raise ClewError("no")

    with pytest.raises(ClewError):
        write_private(kept, broken())
    assert kept.read_text() == "before"
    assert not list(tmp_path.glob(".kept*"))
