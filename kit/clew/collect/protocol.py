"""What sender and collector say to each other, and what neither believes of the other.

Every call is one Flight DoPut. Its command is JSON: version, id of the capture, its meta.json, and, when nothing will
be added any more, the final size of each file. The collector answers with the sizes that it holds safely; each row that
follows is a range of a file with its CRC-32, answered when it is on the collector's disk. Twice is as good as once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from clew.capture.meta import META, Meta
from clew.errors import ClewError

VERSION = 1
LARGEST_RANGE = 8 << 20
"""Bytes of a range that a collector takes."""
LARGEST_COMMAND = 4 << 20
LARGEST_FILE = 1 << 46
MOST_FILES = 100_000  # of one capture
MOST_CAPTURES = 10_000  # of one case
SHORTEST_TOKEN = 16  # characters

SCHEMA = pa.schema([("name", pa.string()), ("offset", pa.uint64()), ("crc", pa.uint32()), ("data", pa.large_binary())])

_ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"(?:symbols/)?[A-Za-z0-9_][A-Za-z0-9_.+@%~-]{0,199}")
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


def is_name(name: object) -> bool:
    """Whether ``name`` is that of a file of a capture: no path but symbols/, no dot before it, not meta.json."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and name != META


def is_id(text: object) -> bool:
    """Whether ``text`` can be the id of a capture."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def parse_address(text: str) -> tuple[str, int]:
    """HOST:PORT, [IPv6]:PORT; raises ClewError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not host or not port.isdecimal() or int(port) > 65535 or (":" in host and "[" not in text):
        raise ClewError(f"{text!r:.100} is no address: write HOST:PORT or [IPV6]:PORT")
    return host, int(port)


def uri(host: str, port: int, *, tls: bool) -> str:
    """The address as Flight wants it."""
    return f"grpc{'+tls' if tls else '+tcp'}://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    return _LOOPBACK.fullmatch(host) is not None


def read_token(path: str | None) -> bytes | None:
    """The secret in the file at ``path``, blanks around it left out; None without a path. Raises ClewError."""
    if path is None:
        return None
    token = read_file(path, "--token-file").strip()
    if len(token) < SHORTEST_TOKEN or not re.fullmatch(rb"[!-~]+", token):
        raise ClewError(
            f"--token-file {path}: at least {SHORTEST_TOKEN} printable characters (`openssl rand -hex 32` makes some)"
        )
    return token


def read_file(path: str, option: str) -> bytes:
    """A file named by ``option``; raises ClewError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ClewError(f"{option} {path}: {error.strerror}") from None


def command(capture: str, meta: Mapping[str, Any], final: Mapping[str, int] | None) -> bytes:
    """The command of a call; ``final``: size of each file, when nothing is added any more."""
    return json.dumps({"version": VERSION, "id": capture, "meta": dict(meta), "final": final}).encode()


def parse_command(data: bytes) -> tuple[str, Meta, dict[str, int] | None]:
    """(id, meta.json, final sizes) of a command; raises ClewError if it is none that this version understands."""
    if len(data) > LARGEST_COMMAND:
        raise ClewError("a command that is too long")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise ClewError("a command that is no JSON") from None
    if not isinstance(said, dict):
        raise ClewError("a command that is no JSON object")
    if said.get("version") != VERSION:
        raise ClewError(f"version {said.get('version')!r:.20} of the protocol; this collector speaks {VERSION}")
    if not is_id(said.get("id")):
        raise ClewError("a capture without a proper id")
    final = said.get("final")
    if final is not None and not _are_sizes(final):
        raise ClewError("final sizes that are none")
    return said["id"], _meta(said.get("meta"), said["id"]), final


def _are_sizes(sizes: object) -> bool:
    return (
        isinstance(sizes, dict)
        and len(sizes) <= MOST_FILES
        and all(is_name(name) and type(size) is int and 0 <= size <= LARGEST_FILE for name, size in sizes.items())
    )


def _meta(said: object, capture: str) -> Meta:
    """What may be believed of a meta.json from elsewhere: nothing that names a process or a file of this machine."""
    if not isinstance(said, dict):
        raise ClewError("a capture without meta.json")

    def text(name: str, *, longest: int = 1000, must: bool = True) -> Any:
        value = said.get(name)
        if value is None and not must:
            return None
        if not isinstance(value, str) or len(value) > longest:
            raise ClewError(f"meta.json with a {name} that is no text")
        return value

    def whole(name: str, *, must: bool = True) -> Any:
        value = said.get(name)
        if value is None and not must:
            return None
        if type(value) is not int or not -(1 << 62) < value < 1 << 62:
            raise ClewError(f"meta.json with a {name} that is no number")
        return value

    words, options = said.get("command"), said.get("options", {})
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ClewError("meta.json with a command that is none")
    if not isinstance(options, dict) or not _is_finite(options):
        raise ClewError("meta.json with options that are none")
    if not re.fullmatch(r"[a-z_]{1,40}", text("engine")):
        raise ClewError("meta.json with an engine that is none")
    return Meta(
        engine=text("engine"),
        command=words,
        host=text("host", longest=255),
        version=text("version"),
        started_ns=whole("started_ns"),
        started_utc=text("started_utc"),
        options=options,
        ended_ns=whole("ended_ns", must=False),
        exit_code=whole("exit_code", must=False),
        error=text("error", longest=10_000, must=False),
        id=capture,
        boot=text("boot", must=False),
        wall_error_ns=whole("wall_error_ns", must=False),
        received=False,
    )


def _is_finite(value: object) -> bool:
    """JSON has no NaN, Python's reader takes one."""
    if isinstance(value, dict):
        return all(_is_finite(each) for each in value.values())
    if isinstance(value, list):
        return all(_is_finite(each) for each in value)
    return not isinstance(value, float) or math.isfinite(value)
