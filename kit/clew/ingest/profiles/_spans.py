"""Rows of imported_span, checked one by one: what readers of spans share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from clew.errors import ClewError
from clew.ingest.profile import Profile, figures

SCHEMA = pa.schema(
    [
        ("number", pa.uint64()),
        *((name, pa.string()) for name in ("trace_id", "id", "parent_id", "service", "host")),
        ("pid", pa.int32()),
        *((name, pa.string()) for name in ("kind", "name")),
        *((name, pa.int64()) for name in ("start_utc", "end_utc")),
        ("status", pa.string()),
        ("error", pa.bool_()),
        *((name, pa.string()) for name in ("protocol", "near", "far")),
    ]
)
_HEX = re.compile("[0-9a-fA-F]{1,32}")
_LONGEST = 1000  # characters of a text that are kept
_NEVER = 2**62  # ns: what is later than that is no time


class Spans:
    """Spans as they are read, a row each."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
        self._broken = 0

    def add(
        self,
        trace_id: Any,
        own_id: Any,
        parent_id: Any,
        start_utc: Any,
        end_utc: Any,
        about: dict[str, Any],
        **more: Any,
    ) -> None:
        """One span: ids as hexadecimal digits, times in ns since 1970; ``about`` are attributes by their names.

        ``more``: service, name, kind, and status and error where they are known. What has no id or no time, or ends
        before it begins, is left out and counted. Raises TypeError or ValueError where a value is of the wrong kind.
        """
        trace, own, parent = _id(trace_id, 32), _id(own_id, 16), _id(parent_id, 16)
        start, end = int(start_utc), int(end_utc)
        if trace is None or own is None or not 0 < start <= end < _NEVER:
            self._broken += 1
            return
        pid = _whole(about.get("process.pid", about.get("pid")))
        host = next(
            (about[key] for key in ("host.name", "hostname", "service.instance.id", "ip") if about.get(key)), "unknown"
        )
        code = next((about[key] for key in _STATUS if about.get(key) is not None), None)
        row = {
            "number": len(self._columns["id"]),
            "trace_id": trace,
            "id": own,
            "parent_id": parent,
            "service": _text(more.get("service")) or "unknown",
            "host": _text(host),
            "pid": pid if pid is not None and 0 < pid < 2**31 else None,
            "kind": more["kind"],
            "name": _text(more.get("name")) or "unnamed",
            "start_utc": start,
            "end_utc": end,
            "status": _text(more.get("status") if code is None else code),
            "error": bool(more.get("error")),
            "protocol": _protocol(about),
            "near": _address(about, ("network.local", "net.host", "server" if more["kind"] == "server" else "client")),
            "far": _address(about, ("network.peer", "net.peer", "client" if more["kind"] == "server" else "server")),
        }
        for name, value in row.items():
            self._columns[name].append(value)

    def profile(self, path: Path) -> Profile:
        """What the file at ``path`` holds; raises ClewError if that is no span."""
        if not self._columns["id"]:
            raise ClewError(f"{path} holds no span" + (" that has ids and times" if self._broken else ""))
        table = pa.table([pa.array(self._columns[field.name], field.type) for field in SCHEMA], SCHEMA)
        notes = [f"{self._broken} spans without ids or times were left out"] if self._broken else []
        return figures({"imported_span": table}, notes)


_STATUS = ("http.response.status_code", "http.status_code", "rpc.grpc.status_code", "db.response.status_code")
_PROTOCOLS = {"http": "http1", "grpc": "http2", "postgresql": "postgres", "mariadb": "mysql"}


def _protocol(about: dict[str, Any]) -> str | None:
    keys = ("network.protocol.name", "db.system.name", "db.system", "rpc.system", "component")
    said = next((str(about[key]).lower() for key in keys if about.get(key)), None)
    if said is None and any(key.startswith("http.") for key in about):
        said = "http"
    return None if said is None else _text(_PROTOCOLS.get(said, said))


def _address(about: dict[str, Any], prefixes: Iterable[str]) -> str | None:
    """127.0.0.1:80 where both parts were told as numbers."""
    for prefix in prefixes:
        keys = (f"{prefix}.{key}" for key in ("address", "ip", "sock.addr"))
        host = next((about[key] for key in keys if about.get(key)), None)
        port = _whole(about.get(f"{prefix}.port"))
        if isinstance(host, str) and re.fullmatch(r"[0-9A-Fa-f.:]{2,45}", host):
            if port is not None and 0 < port < 65536:
                return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            if re.fullmatch(r"[0-9.]+:\d{1,5}", host):
                return host
        elif isinstance(host, str) and re.fullmatch(r"\[[0-9A-Fa-f.:]+\]:\d{1,5}|[0-9.]+:\d{1,5}", host):
            return host
    return None


def _id(value: Any, digits: int) -> str | None:
    """``value`` as so many hexadecimal digits, None where there is none; Jaeger's trace ids may be shorter."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _HEX.fullmatch(value) or len(value) > digits:
        raise ValueError(f"{value!r:.60} is no id of {digits} hexadecimal digits")
    return value.lower().rjust(digits, "0") if int(value, 16) else None


def _whole(value: Any) -> int | None:
    try:
        return None if value is None or isinstance(value, bool | float) else int(value)
    except (TypeError, ValueError):
        return None


def _text(value: Any) -> str | None:
    """``value`` as text that any file can hold: lone surrogates are no text."""
    return None if value is None else str(value)[:_LONGEST].encode("utf-8", "replace").decode()
