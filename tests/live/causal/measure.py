"""One run: a system is started, put under load and ended; a case is left, and what was asked is known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.live.causal.hosts import two_hosts
from tests.live.causal.load import path_of
from tests.live.causal.servers import proxy
from tests.live.causal.stand import HERE, Stand, System, standing


@dataclass(frozen=True)
class Asked:
    """What the customers asked for: requests by id, with the calls each should have caused."""

    calls: Mapping[str, Mapping[str, int]]
    seconds: float


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


def ask(system: System, stand: Stand, url: str, concurrency: int, requests: int, *, recorded: bool = False) -> Asked:
    """Put the system under load, from inside the recording or from outside; every reply must be right."""
    command = customers(url, concurrency, requests, system.kinds)
    if recorded:
        said = stand.run("load", command)
    else:
        command = [*stand.places["a"], *command]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    result = json.loads(said)
    assert result["wrong"] == [], result["wrong"][:3]
    assert result["served"] == requests
    calls = {}
    for n in range(requests):
        _, kind, item = path_of(n, list(system.kinds)).split("?")[0].split("/")
        behind = url.startswith("https") and not system.https
        calls[f"q-{n:06d}"] = Counter(system.calls(kind, int(item))) + Counter({"http1": int(behind)})
    return Asked(calls, result["seconds"])


def measure(
    system: System,
    folder: Path,
    case: Path | None,
    concurrency: int,
    requests: int,
    *,
    tls: bool = False,
    load_recorded: bool = False,
) -> Asked:
    """Start `system` in `folder` (made ready there once), ask it, end it; recorded into `case`."""
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
        asked = ask(system, stand, url, concurrency, requests, recorded=load_recorded)
    if case is not None and len(places) > 1:
        shutil.move(case.with_name(f"{case.name}-b") / "raw" / "001", case / "raw" / "002")
    return asked
