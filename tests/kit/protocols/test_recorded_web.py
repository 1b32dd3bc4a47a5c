"""HTTP/1, HTTP/2, FastCGI, SCGI and uwsgi as nginx, PHP, curl and wrk speak them, against nginx's own log."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from .recorded import Recorded

PAIRS = """
SELECT q.kind, r.status, q.bytes, r.bytes, q.name, q.correlation
FROM message q JOIN message r USING (conn_id, exchange)
WHERE q.role = 'request' AND r.role = 'reply' AND q.protocol = ? AND NOT q.sent
"""


@pytest.fixture(scope="module", params=[("--payload", "full"), ()], ids=["whole", "default"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("web"), "web", "--on-full", "wait", *request.param)


def logged(recorded: Recorded, protocol: str) -> list[list[str]]:
    return [line.split()[1:] for line in recorded.said.splitlines() if line.startswith(protocol)]


def at_port(recorded: Recorded, name: str) -> str:
    """A condition for what the server at that port of the driver's received."""
    port = json.loads((recorded.folder / "ports.json").read_text())[name]
    return f"q.conn_id IN (SELECT conn_id FROM connection WHERE role = 'accepted' AND local LIKE '%:{port}')"


def test_http1(recorded: Recorded) -> None:
    told = recorded.rows(f"{PAIRS} AND {at_port(recorded, 'port')}", "http1")
    said = Counter(tuple(line) for line in logged(recorded, "HTTP/1"))
    if (
        not recorded.kept_all
    ):  # 31 requests in one call: most were not kept, and none of the others is answered by guess
        piped = {(row[4], row[3]) for row in told if "/pipe" in row[4]}
        assert piped <= {("GET /pipe/?", 152), ("HEAD /pipe/x", 142)}
        said = Counter({line: count for line, count in said.items() if not line[4].startswith("/pipe")})
        told = [row for row in told if "/pipe" not in row[4]]
    assert Counter((kind, status, str(asked), str(said)) for kind, status, asked, said, *_ in told) == Counter(
        {line[:4]: sum(each for other, each in said.items() if other[:4] == line[:4]) for line in said}
    )
    assert sum(said.values()) > 500
    names = Counter(row[4] for row in told)
    assert names["GET /said/?"] == 20 and names["GET /none/?"] == 1 and names["POST /application/?"] == 3
    assert names["GET /pipe/?"] == 30 * recorded.kept_all
    assert {row[5] for row in told if row[4] == "GET /none/?"} == {"x-request-id=r1"}


def test_http1_at_both_ends(recorded: Recorded) -> None:
    """wrk stops in the midst, without reading what it asked for last; of a pipeline the ends keep different parts."""
    some = "SELECT conn_id FROM message WHERE name = 'GET /wrk'"
    if not recorded.kept_all:
        some += " OR name = 'GET /pipe/?'"
    ends = [
        recorded.rows(
            "SELECT role, exchange, byte_offset, bytes, kind, name, status, error, whole FROM message"
            f" WHERE protocol = 'http1' AND sent = ? AND conn_id NOT IN ({some}) ORDER BY ALL",
            sent,
        )
        for sent in (True, False)
    ]
    assert len(ends[0]) > 60 and ends[0] == ends[1] and all(row[1] is not None and row[-1] for row in ends[0])
    asked, received = (recorded.count("name = 'GET /wrk' AND sent = ?", sent) for sent in (True, False))
    assert asked == received > 500
    at_wrk = "SELECT conn_id FROM message WHERE name = 'GET /wrk' AND sent"
    replies = recorded.count(f"role = 'reply' AND NOT sent AND exchange IS NOT NULL AND conn_id IN ({at_wrk})")
    assert asked - 3 <= replies <= asked


def test_gateways(recorded: Recorded) -> None:
    for protocol in ("fastcgi", "scgi", "uwsgi"):
        recorded.check_both_ends(protocol)
    told = Counter((row[4], row[1]) for row in recorded.rows(PAIRS, "fastcgi"))
    assert told == {
        ("GET /page.php", "200"): 2,
        ("GET /page.php", "503"): 1,
        ("GET /large.php", "200"): 1,
        ("POST /page.php", "200"): 2,
    }
    for protocol in ("scgi", "uwsgi"):
        assert Counter(row[1:2] + row[4:5] for row in recorded.rows(PAIRS, protocol)) == {
            ("404", f"GET /{protocol}/?"): 2
        }


def test_http2(recorded: Recorded) -> None:
    at_nginx = recorded.rows(f"{PAIRS} AND {at_port(recorded, 'http2')}", "http2")
    at_server = recorded.rows(f"{PAIRS} AND {at_port(recorded, 'grpc')}", "http2")
    calls = Counter(
        {("POST /shop.Cart/Add", "0"): 40, ("POST /shop.Cart/Fail", "9"): 1, ("POST /shop.Cart/Items", "0"): 1}
    )
    pages = Counter({("GET /said/?", "200"): 1, ("GET /none/?", "404"): 1, ("GET /page.php", "200"): 1})
    for told, truth in ((at_nginx, calls + pages), (at_server, calls)):
        found = Counter((row[4], row[1]) for row in told)
        if not recorded.kept_all:  # many frames in a call: some heads are not kept, and then nothing is known of them
            found = Counter({pair: count for pair, count in found.items() if None not in pair})
            assert found and not found - truth
            continue
        assert found == truth
    if recorded.kept_all:
        assert Counter(line[1] for line in logged(recorded, "HTTP/2")) == {"200": 44, "404": 1}
        recorded.check_both_ends("http2")
