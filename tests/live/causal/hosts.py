"""Two hosts on one machine: two network namespaces joined by a pair of virtual interfaces, and clocks that differ."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

ADDRESS = {"a": "10.203.77.1", "b": "10.203.77.2"}
AHEAD_S = 1000  # the monotonic clock of host b, as two machines that were started at different times have it


@contextmanager
def two_hosts() -> Iterator[Mapping[str, list[str]]]:
    """What to put before a command line to run it on host a or b. Root only."""
    names = {host: f"clew-{host}-{os.getpid()}" for host in ADDRESS}
    ends = {host: f"clew{host}{os.getpid() % 10**6}" for host in ADDRESS}

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for name in names.values():
            ip("netns", "add", name)
        ip("link", "add", ends["a"], "netns", names["a"], "type", "veth", "peer", ends["b"], "netns", names["b"])
        for host, name in names.items():
            ip("-n", name, "address", "add", f"{ADDRESS[host]}/24", "dev", ends[host])
            ip("-n", name, "link", "set", ends[host], "up")
            ip("-n", name, "link", "set", "lo", "up")
        enter = {host: ["ip", "netns", "exec", name] for host, name in names.items()}
        clock = ["unshare", "--time", f"--monotonic={AHEAD_S}", "--fork", "--kill-child", "--"]
        yield {"a": enter["a"], "b": [*enter["b"], *clock]}
    finally:
        for name in names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
