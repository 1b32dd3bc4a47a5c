"""What the two Python servers of the demo share: one thread for each connection, one way to answer."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves on 127.0.0.1; a customer who has gone is no news."""

    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """Say nothing: the recording knows."""


class Handler(BaseHTTPRequestHandler):
    """Answers GET and POST alike through `answer`, with one write for a whole reply."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def answer(self) -> tuple[int, bytes, bool]:
        """Status, body, and whether the header goes off before the body."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Send what `answer` says."""
        status, body, header_first = self.answer()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if header_first:
            self.wfile.flush()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """As GET; the demo sends no bodies."""
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: the recording knows."""
