"""Recorded bytes as packets: tshark reads them, follows the streams, and finds nothing wrong with them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.export.formats import write_requests
from clew.lens import Lens

MS = 1_000_000
CHECKED = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]


def tshark(file: Path, *options: str) -> str:
    command = ["tshark", "-r", str(file), *CHECKED, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture(scope="module")
def packets(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packets") / "all.pcapng"
    return write_requests(clew.open(recorded), Lens(), out, payload=True)


def test_every_packet_is_well_formed(packets: Path) -> None:
    text = tshark(packets, "-V")
    assert text.count("Transmission Control Protocol, Src Port") == 6 + 6
    for wrong in (
        "Malformed",
        "[Bad",
        "incorrect",
        "bogus",
        "retransmission",
        "Out-Of-Order",
        "not captured",
        "Unreassembled",
    ):
        assert wrong.lower() not in text.lower(), wrong
    assert text.count("[Header checksum status: Good]") == text.count("[Checksum Status: Good]") == 12


def test_http_and_postgresql_are_dissected(packets: Path) -> None:
    fields = ("frame.time_epoch", "http.request.uri", "http.response.code", "pgsql.query", "frame.comment")
    rows = json.loads(tshark(packets, "-T", "json", *(word for name in fields for word in ("-e", name))))
    found: dict[str, list[Any]] = {name: [] for name in fields}
    for row in rows:
        for name, values in row["_source"]["layers"].items():
            found[name] += values
    assert found["http.request.uri"] == ["/item/17?key=SECRET"]
    assert found["http.response.code"] == ["200"]
    assert found["pgsql.query"] == ["SELECT * FROM item WHERE id = 17"]
    assert found["frame.comment"] == ["4800 bytes from byte 167 of 5067 were not kept: shown as zeros"]
    times = [float(value) for value in found["frame.time_epoch"]]
    assert times == sorted(times)
    assert 0.0079 < times[-1] - times[0] < 0.0081, "from 1 ms (opened) to 9 ms"


def test_streams_can_be_followed(packets: Path) -> None:
    body = tshark(packets, "-q", "-z", "follow,http,ascii,0")
    assert "GET /item/17?key=SECRET" in body and "Node 0: 10.0.0.9:40000" in body
    assert body.count("x" * 100) == 2
    assert "SELECT * FROM item" in tshark(packets, "-q", "-z", "follow,tcp,ascii,1")


def test_it_must_be_said(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(clew.ClewError, match="--payload"):
        write_requests(clew.open(recorded), Lens(), tmp_path / "x.pcapng")
    assert not (tmp_path / "x.pcapng").exists()


def test_the_lens_chooses(recorded: Path, tmp_path: Path) -> None:
    one = write_requests(clew.open(recorded), Lens(commands=("postgres",)), tmp_path / "x.pcapng", payload=True)
    assert "http" not in tshark(one).lower()
    with pytest.raises(clew.ClewError, match="no bytes"):
        write_requests(clew.open(recorded), Lens(commands=("nobody",)), tmp_path / "y.pcapng", payload=True)


def test_other_addresses_holes_and_large_calls(capture_class: Any, tmp_path: Path) -> None:
    """IPv6, a unix socket, a call larger than IP allows, a hole too large to fill, a descriptor without offsets."""
    recorded = capture_class(tmp_path / "case" / "raw" / "001")
    recorded.clock(0)
    recorded.records(1, 100, 100, recorded.process(1, 100, "web", exe="/bin/web"))
    recorded.records(1, 100, 100, recorded.conn(1, 1, 7, "/run/.s.PGSQL.5433", flags=2))
    big = bytes(range(256)) * 600
    calls = [
        recorded.record(1, "write", big, conn_id=1, offset=0, fd=5, begin=10, ticks=5, result=len(big)),
        recorded.record(1, "read", b"ab", b"yz", conn_id=1, offset=0, fd=5, begin=20, ticks=5, result=1 << 23, flags=8),
        recorded.record(1, "write", b"end", conn_id=1, fd=5, begin=40, ticks=5, result=3),
    ]
    recorded.records(1, 100, 100, *calls)
    recorded.clock(10**6)
    recorded.end()
    recorded.write()
    file = write_requests(clew.open(tmp_path / "case"), Lens(), tmp_path / "x.pcapng", payload=True)
    text = tshark(file, "-V")
    assert "Dst Port: 5433" in text
    assert "no TCP: unix /run/.s.PGSQL.5433" in text
    assert "were not kept: left out" in text
    assert "[Bad" not in text and "incorrect" not in text
    lengths = tshark(file, "-T", "fields", "-e", "tcp.len").split()
    assert sum(map(int, lengths)) == len(big) + 4 + 3


def test_what_returned_late_stands_where_its_bytes_are(capture_class: Callable[..., Any], tmp_path: Path) -> None:
    """Offsets are counted as calls return: of the first write when the client had long asked again; two at once."""
    recorded = capture_class(tmp_path / "case" / "raw" / "001")
    recorded.clock(0)
    recorded.records(1, 100, 100, recorded.process(1, 100, "web", exe="/bin/web"))
    client = {"local": ("10.0.0.1", 80), "remote": ("10.0.0.9", 40000)}
    recorded.records(1, 100, 100, recorded.conn(1, 1, 5, flags=1, begin=MS, **client))

    def call(op: str, offset: int, at: int, ticks: int, data: bytes, serial: int) -> None:
        moved = {"conn_id": 1, "offset": offset, "fd": 5, "begin": at, "ticks": ticks, "result": len(data)}
        recorded.records(serial, 100, 99 + serial, recorded.record(serial, op, data, **moved))

    call("read", 0, 2 * MS, 10, b"ask 1\n", 1)
    call("read", 6, 5 * MS, 10, b"ask 2\n", 2)
    call("write", 0, 6 * MS, 10, b"answer 2\n", 2)
    call("write", 9, 3 * MS, 9 * MS, b"answer 1\n", 1)
    call("write", 27, 20 * MS, 2 * MS, b"behind\n", 1)
    call("write", 18, 21 * MS, 10, b"in front\n", 2)
    recorded.clock(40 * MS)
    recorded.end()
    recorded.write()
    out = write_requests(clew.open(tmp_path / "case"), Lens(), tmp_path / "late.pcapng", payload=True)
    fields = ("-e", "tcp.seq", "-e", "tcp.payload", "-e", "tcp.analysis.flags")
    rows = [line.split("\t") for line in tshark(out, "-T", "fields", *fields, "-Y", "tcp.len > 0").splitlines()]
    said = ["ask 1", "answer 1", "ask 2", "answer 2", "in front", "behind"]
    assert [bytes.fromhex(payload).decode() for _, payload, _ in rows] == [f"{text}\n" for text in said]
    assert [int(sequence) for sequence, _, _ in rows] == [1, 1, 7, 10, 19, 28]
    assert not any(flags for _, _, flags in rows)
