"""A server whose pages called fresh write to memory that is new to it, and one customer who asks for both kinds.

usage: fresh_pages.py PAGES REQUESTS
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

PAGES, REQUESTS = int(sys.argv[1]), int(sys.argv[2])


class Server(BaseHTTPRequestHandler):
    """One request at a time."""

    def do_GET(self) -> None:
        """Serve a page."""
        if "fresh" in self.path:
            with mmap.mmap(-1, PAGES * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE) as memory:
                memory.madvise(mmap.MADV_NOHUGEPAGE)
                for page in range(PAGES):
                    memory[page * mmap.PAGESIZE] = 1
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve in a child, be the customer, end the child."""
    server = HTTPServer(("127.0.0.1", 0), Server)
    if not (child := os.fork()):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        server.serve_forever()
    for number in range(REQUESTS):
        for kind in ("fresh", "plain"):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{kind}/{number}") as reply:
                reply.read()
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
