"""Hosts on one machine: network namespaces in a row, joined by virtual cables, each with a clock of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

# PEER listen ADDRESS PORT COUNT LATE_MS | relay ADDRESS PORT TO PORT COUNT | ask TO PORT COUNT EACH_MS
PEER = """
import socket, sys, time
how, *given = sys.argv[1:]
def whole(s, n):
    got = b""
    while len(got) < n:
        got += s.recv(n - len(got))
def listen(address, port):
    s = socket.create_server((address, int(port)))
    print("ready", flush=True)
    return s.accept()[0]
if how == "listen":
    peer = listen(*given[:2])
    for n in range(int(given[2])):
        time.sleep(float(given[3]) / 1e3)
        whole(peer, 400)
        peer.sendall(b"r" * 300)
elif how == "relay":
    peer, to = listen(*given[:2]), socket.create_connection((given[2], int(given[3])))
    for n in range(int(given[4])):
        whole(peer, 400)
        to.sendall(b"q" * 400)
        whole(to, 300)
        peer.sendall(b"r" * 300)
else:
    to = socket.create_connection((given[0], int(given[1])))
    for n in range(int(given[2])):
        to.sendall(b"q" * 400)
        whole(to, 300)
        time.sleep(float(given[3]) / 1e3)
"""


def peer(*words: object) -> list[str]:
    """The command line of PEER."""
    return [sys.executable, "-c", PEER, *map(str, words)]


@dataclass(frozen=True)
class Host:
    """One host: how to run a command on it, and how far its monotonic clock is ahead, s."""

    name: str
    enter: tuple[str, ...]
    ahead_s: int


@contextmanager
def hosts(ahead_s: Sequence[int]) -> Iterator[list[Host]]:
    """As many hosts in a row; host n has the addresses 10.205.n.2 (to the one before) and 10.205.n+1.1. Root only."""
    spaces = [f"clew-c{number}-{os.getpid()}" for number in range(len(ahead_s))]

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for space in spaces:
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")
        for number, (left, right) in enumerate(pairwise(spaces), 1):
            ends = [f"c{number}{side}{os.getpid() % 10**6}" for side in "lr"]
            ip("link", "add", ends[0], "netns", left, "type", "veth", "peer", ends[1], "netns", right)
            for space, end, last in ((left, ends[0], 1), (right, ends[1], 2)):
                ip("-n", space, "address", "add", f"10.205.{number}.{last}/24", "dev", end)
                ip("-n", space, "link", "set", end, "up")
        yield [
            Host(
                f"host{number}",
                (
                    *("ip", "netns", "exec", space),
                    *(("unshare", "--time", f"--monotonic={ahead}", "--fork", "--kill-child", "--") if ahead else ()),
                ),
                ahead,
            )
            for number, (space, ahead) in enumerate(zip(spaces, ahead_s, strict=True))
        ]
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)
