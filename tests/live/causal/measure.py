"""One run: a system is started, put under load and ended; a case is left, and what was asked is known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from tests.live.causal.hosts import two_hosts
from tests.live.causal.load import path_of
from tests.live.causal.servers import proxy
from tests.live.causal.stand import HERE, Stand, System, standing


def customers(url: str, concurrency: int, requests: int, kinds: Sequence[str], first: int = 0) -> list[str]:
    """Command line of the load."""
    return [
        sys.executable,
        "-S",
        str(HERE / "load.py"),
        url,
        *map(str, (concurrency, first, requests)),
        ",".join(kinds),
    ]


def ask(
    stand: Stand,
    kinds: Sequence[str],
    url: str,
    concurrency: int,
    requests: int,
    *,
    first: int = 0,
    recorded: bool = False,
) -> float:
    """Put the system under load, from inside the recording or from outside; every reply must be right. Seconds."""
    command = customers(url, concurrency, requests, kinds, first)
    if recorded:
        said = stand.run("load", command)
    else:
        command = [*stand.places["a"], *command]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    result = json.loads(said)
    assert result["wrong"] == [], result["wrong"][:3]
    assert result["served"] == requests
    return float(result["seconds"])


def wanted(system: System, requests: int, *, tls: bool, first: int = 0) -> dict[str, Mapping[str, int]]:
    """What the load asks for from request `first` on: by id, the calls behind the front that each should cause."""
    calls: dict[str, Mapping[str, int]] = {}
    for n in range(first, first + requests):
        _, kind, item = path_of(n, list(system.kinds)).split("?")[0].split("/")
        proxied = {"http1": 1} if tls and not system.https else {}
        calls[f"q-{n:06d}"] = Counter(system.calls(kind, int(item))) + Counter(proxied)
    return calls


def measure(
    system: System,
    folder: Path,
    case: Path | None,
    concurrency: int,
    requests: int,
    *,
    tls: bool = False,
    load_recorded: bool = False,
    alone: int = 0,
) -> float:
    """Start `system` in `folder` (made ready there once), ask it, end it; recorded into `case`. Seconds of load.

    Before the load, `alone` requests are made one at a time, on a connection of their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "ready").exists():
        system.prepare(folder)
        (folder / "ready").touch()
    servers = system.servers(folder, concurrency, tls)
    if tls and not system.https:
        servers.append(proxy(folder, servers[-1]))
    url = f"{'https' if tls else 'http'}://127.0.0.1:{servers[-1].port}"
    hosts = two_hosts() if any(server.host == "b" for server in servers) else nullcontext({"a": list[str]()})
    with hosts as places, standing(folder, servers, case, places) as stand:
        if alone:
            ask(stand, system.kinds, url, 1, alone, recorded=load_recorded)
        seconds = ask(stand, system.kinds, url, concurrency, requests, first=alone, recorded=load_recorded)
    if case is not None and len(places) > 1:
        shutil.move(case.with_name(f"{case.name}-b") / "raw" / "001", case / "raw" / "002")
    return seconds
