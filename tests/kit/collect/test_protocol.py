"""What is believed of what comes from elsewhere: names, addresses, secrets, commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.collect import protocol
from clew.errors import ClewError

META = {
    "engine": "perf",
    "command": ["a", "b"],
    "host": "far",
    "version": "1",
    "started_ns": 7,
    "started_utc": "2026-01-01T00:00:00+00:00",
    "options": {"trace": True},
}


@pytest.mark.parametrize("name", ["seg-000001.clew", "perf.data", "symbols/0a1b.elf", "symbols/path-12.map", "a+b_~@%"])
def test_names_of_files(name: str) -> None:
    assert protocol.is_name(name)


@given(st.text())
def test_no_name_leads_out_of_the_folder(text: str) -> None:
    if protocol.is_name(text):
        path = Path("/case/raw/001") / text
        assert path.resolve() == path
        assert path.parent in (Path("/case/raw/001"), Path("/case/raw/001/symbols"))
        assert not path.name.startswith(".")


@pytest.mark.parametrize(
    ("text", "address"),
    [("a.example:80", ("a.example", 80)), ("[::1]:0", ("::1", 0)), ("127.0.0.1:65535", ("127.0.0.1", 65535))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert protocol.parse_address(text) == address


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "host:x", "host:65536", "::1:80", "host:-1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ClewError, match="HOST:PORT"):
        protocol.parse_address(text)


@pytest.mark.parametrize(
    ("host", "is_one"),
    [("localhost", True), ("127.1.2.3", True), ("::1", True), ("0.0.0.0", False), ("127.evil", False)],
)
def test_loopback(host: str, is_one: bool) -> None:
    assert protocol.is_loopback(host) is is_one


@pytest.mark.parametrize("secret", [b"", b"short", b"with blanks in the middle", "größer als es aussieht".encode()])
def test_secrets_that_are_none(tmp_path: Path, secret: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(secret)
    with pytest.raises(ClewError, match="printable") as told:
        protocol.read_token(str(path))
    assert not secret or secret.decode() not in str(told.value)
    with pytest.raises(ClewError, match="No such file"):
        protocol.read_token(str(tmp_path / "missing"))


def test_a_command_comes_back() -> None:
    identity = "ab" * 16
    name, meta, final = protocol.parse_command(protocol.command(identity, META, {"seg-000001.clew": 9}))
    assert (name, final) == (identity, {"seg-000001.clew": 9})
    assert (meta.host, meta.engine, meta.command, meta.received) == ("far", "perf", ["a", "b"], False)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*META, "ended_ns", "exit_code", "boot", "error", "arena"]), VALUES), VALUES)
def test_commands_are_believed_in_part_or_refused(changed: dict[str, Any], final: object) -> None:
    said = {"version": protocol.VERSION, "id": "0" * 32, "meta": META | changed, "final": final}
    try:
        _, meta, sizes = protocol.parse_command(json.dumps(said).encode())
    except ClewError:
        return
    assert (meta.arena, meta.recorder_pid) == (None, None)
    assert all(isinstance(word, str) for word in [meta.host, meta.engine, meta.started_utc, *meta.command])
    assert sizes is None or all(protocol.is_name(name) for name in sizes)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_command(data: bytes) -> None:
    with pytest.raises(ClewError):
        protocol.parse_command(data)
