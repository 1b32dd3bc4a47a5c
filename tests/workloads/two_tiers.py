"""Two servers and their customers: front asks back for every page; three customers ask for ten pages each."""

from __future__ import annotations

import os
import signal
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGES = 10


class Back(BaseHTTPRequestHandler):
    """Answers; a page called slow after 30 ms, of which it says nothing."""

    protocol_version = "HTTP/1.1"

    def answer(self, text: bytes) -> None:
        """Send ``text``."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        """Serve a page."""
        if "slow" in self.path:
            threading.Event().wait(0.03)
        self.answer(b"page " + self.path.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Front(Back):
    """Asks the other for what it is asked."""

    back = 0

    def do_GET(self) -> None:
        """Hand the question on."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.back}/stock{self.path}") as reply:
            self.answer(reply.read())


def serve(server: ThreadingHTTPServer) -> int:
    """The process that serves."""
    if child := os.fork():
        return child
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()
    return 0


def main() -> None:
    """Start both, be the customers, end both."""
    back, front = (ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (Back, Front))
    Front.back = back.server_port
    children = [serve(back), serve(front)]

    def customer(number: int) -> None:
        for page in range(PAGES):
            kind = "slow" if page == 7 else "item"
            address = f"http://127.0.0.1:{front.server_port}/{kind}/{number * 100 + page}"
            with urllib.request.urlopen(address) as reply:
                assert reply.read().endswith(b"%d" % (number * 100 + page))

    threads = [threading.Thread(target=customer, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for child in children:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
