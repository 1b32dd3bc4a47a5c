"""Whoever is not let in does not get in: wrong secrets, other protocols, names and ranges that lead astray."""

from __future__ import annotations

import json
import socket
import subprocess
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from clew.collect.protocol import SCHEMA, VERSION

from .conftest import CLEW, CollectorProcess, clew_run, record, same_files, wait_until

ID = "0123456789abcdef" * 2
META = {
    "engine": "preload",
    "command": ["true"],
    "host": "stranger",
    "version": "1",
    "started_ns": 1,
    "started_utc": "2026-01-01T00:00:00+00:00",
}


def call(collector: CollectorProcess, said: Any, *ranges: tuple[Any, ...], schema: pa.Schema = SCHEMA) -> list[Any]:
    """The answers to one call that says ``said`` and then sends rows."""
    command = said if isinstance(said, bytes) else json.dumps(said).encode()
    with closing(flight.connect(f"grpc://{collector.address}")) as client:
        writer, reader = client.do_put(
            flight.FlightDescriptor.for_command(command), schema, flight.FlightCallOptions(timeout=20)
        )
        answers = []
        with closing(writer):
            for row in ((), *ranges):
                if row:
                    arrays = [pa.array([value], kind.type) for value, kind in zip(row, schema, strict=True)]
                    writer.write_batch(pa.record_batch(arrays, schema=schema))
                answers.append(json.loads(reader.read().to_pybytes()))
                if "error" in answers[-1]:
                    break
        return answers


def hello(**changed: Any) -> dict[str, Any]:
    return {"version": VERSION, "id": ID, "meta": META, "final": None} | changed


def part(name: Any, offset: int, data: bytes) -> tuple[Any, ...]:
    return (name, offset, zlib.crc32(data), data)


def test_wrong_token_and_none(collect: Callable[..., CollectorProcess], token: Path, tmp_path: Path) -> None:
    collector = collect("--token-file", str(token))
    wrong = tmp_path / "wrong"
    wrong.write_text(token.read_text()[:-3] + "00\n")
    case = tmp_path / "case"
    done = clew_run(record(case, ["sh", "-c", "exit 3"], "--to", collector.address, "--token-file", str(wrong)))
    assert done.returncode == 3  # the program's
    assert "the token is wrong" in done.stderr
    assert wrong.read_text().strip() not in done.stderr
    without = clew_run([*CLEW, "send", str(case), "--to", collector.address])
    assert without.returncode == 1
    assert "the token is wrong, or there was none" in without.stderr
    with (
        pytest.raises(flight.FlightUnauthenticatedError),
        closing(flight.connect(f"grpc://{collector.address}")) as client,
    ):
        list(client.list_flights())
    assert not (collector.case / "raw").exists()
    right = clew_run([*CLEW, "send", str(case), "--to", collector.address, "--token-file", str(token)])
    assert right.returncode == 0, right.stderr
    assert same_files(case / "raw", collector.case / "raw")
    assert collector.end() == 0
    assert "without the right token" in collector.said
    assert "3 peers or calls were refused" in collector.said


def test_garbage(collect: Callable[..., CollectorProcess]) -> None:
    """Bytes of no protocol, and of the right one up to a point: refused, counted, and the collector goes on."""
    collector = collect()
    for data in (b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 100, b"\x16\x03\x01\x02\x00", b"PRI * HTTP/1.0\r\n"):
        with socket.create_connection(("127.0.0.1", collector.port)) as peer:
            peer.sendall(data)
            with suppress(ConnectionResetError):
                assert peer.recv(1) == b""
    with socket.create_connection(("127.0.0.1", collector.port)) as peer:
        peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(range(256)) * 1000)
        while True:
            try:
                if not peer.recv(1 << 16):
                    break
            except ConnectionResetError:
                break
    with socket.create_connection(("127.0.0.1", collector.port)):
        pass  # only looked whether somebody listens
    assert call(collector, hello())[0] == {"sizes": {}, "whole": False}
    assert collector.end() == 0
    assert collector.said.count("does not speak the protocol") == 1  # one line in ten seconds
    assert "4 peers or calls were refused" in collector.said
    assert "Traceback" not in collector.said


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "no JSON"),
        (b"\xff\x00{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"17", "no JSON object"),
        (b"x" * (5 << 20), "too long"),
        (hello(version=2), "version 2"),
        (hello(version=None), "version None"),
        (hello(id="../../etc/cron.d/x"), "proper id"),
        (hello(id=7), "proper id"),
        (hello(meta=None), "without meta.json"),
        (hello(meta=META | {"host": None}), "a host that is no text"),
        (hello(meta=META | {"command": "rm"}), "a command that is none"),
        (hello(meta=META | {"started_ns": 1e300}), "started_ns that is no number"),
        (hello(meta=META | {"options": {"x": float("nan")}}), "options that are none"),
        (hello(meta=META | {"engine": "../x"}), "an engine that is none"),
        (hello(final={"../x": 1}), "final sizes"),
        (hello(final={"x": -1}), "final sizes"),
    ],
)
def test_commands_that_make_no_sense(shared: CollectorProcess, said: Any, why: str) -> None:
    answer = call(shared, said)[0]
    assert why in answer["error"]
    assert answer["again"] is False


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "a/../../x", "symbols/../x", "meta.json", ".received", "a/b", "", "x\0y", "x\n", "..", None],
)
def test_names_that_lead_astray(shared: CollectorProcess, name: str | None) -> None:
    answer = call(shared, hello(id="a" * 32), part(name, 0, b"data"))[-1]
    assert "error" in answer
    folder = shared.case / "raw"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name == "x") == []
    assert not (shared.case.parent / "x").exists()


def test_ranges_that_do_not_fit(shared: CollectorProcess) -> None:
    identity = hello(id="b" * 32)
    name = "seg-000001.clew"
    assert "checksum" in call(shared, identity, (name, 0, 1, b"data"))[-1]["error"]
    assert "where 0 bytes are there" in call(shared, identity, part(name, 5, b"data"))[-1]["error"]
    assert "too large" in call(shared, identity, part(name, 1 << 63, b"data"))[-1]["error"]
    assert "too large" in call(shared, identity, part(name, 0, bytes((8 << 20) + 1)))[-1]["error"]
    assert call(shared, identity, part(name, 0, b"first"))[-1] == {"name": name, "size": 5}
    assert call(shared, identity, part(name, 0, b"first"))[-1] == {"name": name, "size": 5}  # twice is once
    assert call(shared, identity, part(name, 3, b"stand more"))[-1] == {"name": name, "size": 13}
    assert "where 13" in call(shared, identity, part(name, 14, b"x"))[-1]["error"]
    assert "columns" in call(shared, identity, schema=pa.schema([("x", pa.int64())]))[0]["error"]
    other = identity | {"meta": META | {"host": "somebody else"}}
    assert "that comes from" in call(shared, other)[0]["error"]
    found = next(path for path in (shared.case / "raw").glob(f"*/{name}"))
    assert found.read_bytes() == b"firstand more"
    assert "missing" in call(shared, identity, (name, None, 1, b"x"))[-1]["error"]


def test_meta_of_others_names_nothing_of_this_machine(shared: CollectorProcess) -> None:
    hostile = META | {"arena": "/etc/passwd", "recorder_pid": 1, "received": True, "id": "x", "unknown": {}}
    assert "sizes" in call(shared, hello(id="c" * 32, meta=hostile))[0]
    path = next(p for p in (shared.case / "raw").glob("*/meta.json") if json.loads(p.read_text())["id"] == "c" * 32)
    meta = json.loads(path.read_text())
    assert shared.child is not None
    assert (meta["arena"], meta["recorder_pid"], meta["received"]) == (None, shared.child.pid, False)
    assert "unknown" not in meta


def test_other_methods_are_refused(shared: CollectorProcess) -> None:
    with closing(flight.connect(f"grpc://{shared.address}")) as client:
        for ask in (
            lambda: list(client.list_flights()),
            lambda: client.get_flight_info(flight.FlightDescriptor.for_path("x")),
            lambda: client.do_get(flight.Ticket(b"x")).read_all(),
            lambda: list(client.do_action("drop")),
        ):
            with pytest.raises(flight.FlightServerError):
                ask()


def test_beyond_loopback_a_token_is_needed(tmp_path: Path) -> None:
    done = clew_run([*CLEW, "collect", "--listen", "0.0.0.0:0", "-o", str(tmp_path / "case")])
    assert done.returncode == 2
    assert "--token-file is needed" in done.stderr
    assert not (tmp_path / "case").exists()


def test_tls(collect: Callable[..., CollectorProcess], token: Path, tmp_path: Path) -> None:
    """With the certificate it was given the collector is believed, without it, or in clear, nothing is said to it."""
    for name in ("right", "wrong"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-keyout", str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.pem"), "-days", "2"),
                *("-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1"),
            ],
            check=True,
            capture_output=True,
        )
    secret = ("--token-file", str(token))
    certificate = ("--tls-cert", str(tmp_path / "right.pem"), "--tls-key", str(tmp_path / "right.key"))
    collector = collect(*secret, *certificate)
    case = tmp_path / "case"
    done = clew_run(record(case, ["true"], "--to", collector.address, *secret, "--tls-ca", str(tmp_path / "right.pem")))
    assert (done.returncode, done.stderr) == (0, "")
    assert same_files(case / "raw", collector.case / "raw")
    for options in (("--tls-ca", str(tmp_path / "wrong.pem")), ()):
        refused = clew_run([*CLEW, "send", str(case), "--to", collector.address, *secret, *options, "--wait", "1s"])
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
    wait_until(lambda: "does not speak the protocol" in collector.said)  # the one in clear
    assert collector.end() == 0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One collector for all that is refused; it lives to the end."""
    folder = tmp_path_factory.mktemp("shared")
    collector = CollectorProcess(folder / "gathered", (), folder / "log")
    yield collector
    assert collector.end() == 0
    assert "Traceback" not in collector.said
