"""dnsmasq, asked by dig over UDP and TCP and by a client that sends several questions before it reads an answer."""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path

from common import free_port, listens, run, serving


def question(number: int, name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def main(folder: Path) -> None:
    port, hosts = free_port(), folder / "hosts"
    hosts.write_text("127.1.2.3 a.test\n127.1.2.4 b.test\n")
    server = ["dnsmasq", "-k", "-p", str(port), "-u", "root", "--listen-address=127.0.0.1", "--bind-interfaces"]
    server += ["--no-resolv", "--no-hosts", f"--addn-hosts={hosts}", "--conf-file=/dev/null", "--pid-file="]
    server += ["--log-queries", f"--log-facility={folder / 'queries'}", "--local=/test/", "--local=//"]
    with serving(server, folder / "log", lambda: listens(port)):
        for words in (["a.test"], ["b.test", "AAAA"], ["nobody.test"], ["a.test", "+tcp"], ["a.test", "b.test"]):
            run("dig", "@127.0.0.1", "-p", str(port), "+short", *words)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", port))
            names = {100 + number: ("a.test", "b.test", "nobody.test")[number % 3] for number in range(9)}
            for number, name in names.items():
                client.send(question(number, name))
            assert {struct.unpack(">H", client.recv(512)[:2])[0] for _ in names} == set(names)


main(Path(sys.argv[1]))
