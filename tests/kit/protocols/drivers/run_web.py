"""nginx before PHP (FastCGI), SCGI, uwsgi, HTTP and gRPC; curl, wrk, a client that pipelines and one of gRPC.

Prints nginx's own log: for each request protocol, method, status, bytes of the request, bytes of the response, path.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
from common import free_port, listens, run, serving

CONFIG = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{ worker_connections 200; }}
http {{
    log_format said "$server_protocol $request_method $status $request_length $bytes_sent $uri";
    access_log {folder}/access.log said;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    upstream application {{ server 127.0.0.1:{http}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port}; listen 127.0.0.1:{http2} http2;
        location / {{ root {folder}/files; }}
        location /pipe {{ return 200 "pipe\\n"; }}
        location /wrk {{ return 200 "said\\n"; }}
        location /said/ {{ return 200 "said\\n"; }}
        proxy_http_version 1.1; proxy_set_header Connection "";
        location /application/ {{ proxy_pass http://application; }}
        location ~ \\.php$ {{ root {folder}; fastcgi_pass unix:{folder}/php.sock; include /etc/nginx/fastcgi.conf; }}
        location /scgi/ {{ scgi_pass 127.0.0.1:{scgi}; include /etc/nginx/scgi_params; }}
        location /shop.Cart/ {{ grpc_pass grpc://127.0.0.1:{grpc}; }}
        location /uwsgi/ {{ uwsgi_pass 127.0.0.1:{uwsgi}; include /etc/nginx/uwsgi_params; }}
    }}
}}
"""
POOL = "[global]\nerror_log = {folder}/php.log\n[www]\nlisten = {folder}/php.sock\npm = static\npm.max_children = 2\n"
PAGE = '<?php if ($_SERVER["QUERY_STRING"] == "fail") http_response_code(503); echo str_repeat("php", {}); ?>'


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(3):
            self.wfile.write(b"10\r\n0123456789abcdef\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Gateway(socketserver.BaseRequestHandler):
    """Answers when the variables are there; enough for requests without a body."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"Status: 404 Not here\r\nContent-Type: text/plain\r\n\r\n")
        self.request.sendall(b"gateway")


@contextlib.contextmanager
def in_thread(server: socketserver.BaseServer) -> Iterator[None]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()
    server.server_close()


def pipeline(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as link:
        asked = b"".join(b"GET /pipe/%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(30))
        for at in range(0, len(asked), 100):
            link.sendall(asked[at : at + 100])
        link.sendall(b"HEAD /pipe/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while link.recv(300):
            pass


def cart() -> grpc.Server:
    """Answers after its client's wish: at once, with an error, or in a stream."""

    def add(request: bytes, _: grpc.ServicerContext) -> bytes:
        return request * 2

    def fail(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "empty")
        return b""

    def items(request: bytes, _: grpc.ServicerContext) -> Iterator[bytes]:
        for _ in range(5):
            yield request

    handlers = {
        "Add": grpc.unary_unary_rpc_method_handler(add),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Items": grpc.unary_stream_rpc_method_handler(items),
    }
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Cart", handlers)])
    return server


def call(port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        add, fail = channel.unary_unary("/shop.Cart/Add"), channel.unary_unary("/shop.Cart/Fail")
        ids = [("x-request-id", "r1")]
        waiting = [add.future(bytes(number), metadata=ids) for number in range(40)]
        assert all(each.result() == bytes(2 * number) for number, each in enumerate(waiting))
        with contextlib.suppress(grpc.RpcError):
            fail(b"")
        assert len(list(channel.unary_stream("/shop.Cart/Items")(b"x" * 5000))) == 5


def load(port: int, http2: int) -> None:
    at, two = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{http2}"
    each = ["-sS", "-H", "X-Request-ID: r1"]
    run("curl", *each, *(f"{at}/said/{number}" for number in range(20)))
    run("curl", *each, f"{at}/big", f"{at}/none/17", f"{at}/small")
    run("curl", *each, f"{at}/application/1", f"{at}/application/2", "-d", "x" * 3000, f"{at}/application/3")
    run("curl", *each, f"{at}/page.php?id=1", f"{at}/page.php?fail", f"{at}/large.php")
    run("curl", *each, "-d", "a=b", f"{at}/page.php", f"{at}/page.php?x")
    run("curl", *each, f"{at}/scgi/1", f"{at}/scgi/2", f"{at}/uwsgi/1", f"{at}/uwsgi/2")
    pipeline(port)
    for path in ("said/1", "none/9", "page.php?id=1"):
        run("curl", *each, "--http2-prior-knowledge", f"{two}/{path}")
    call(http2)
    run("wrk", "-t1", "-c3", "-d1", f"{at}/wrk")


def main(folder: Path) -> None:
    port, http2, http, scgi, uwsgi, rpc = (free_port() for _ in range(6))
    (folder / "files").mkdir()
    (folder / "files/big").write_bytes(bytes(300_000))
    (folder / "files/small").write_bytes(b"small")
    (folder / "page.php").write_text(PAGE.format(10))
    (folder / "large.php").write_text(PAGE.format(30_000))
    user = "user root;" if os.geteuid() == 0 else ""
    ports = {"port": port, "http2": http2, "http": http, "scgi": scgi, "uwsgi": uwsgi, "grpc": rpc}
    (folder / "ports.json").write_text(json.dumps(ports))
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, user=user, **ports))
    (folder / "pool.conf").write_text(POOL.format(folder=folder) + ("user = root\n" if os.geteuid() == 0 else ""))
    log = folder / "servers.log"
    servers = [
        ThreadingHTTPServer(("127.0.0.1", http), Application),
        *(socketserver.ThreadingTCPServer(("127.0.0.1", number), Gateway) for number in (scgi, uwsgi)),
    ]
    php = next(Path("/usr/sbin").glob("php-fpm*"))
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(in_thread(server))
        calls = cart()
        calls.add_insecure_port(f"127.0.0.1:{rpc}")
        calls.start()
        stack.callback(calls.stop, None)
        command = [php, "-F", "-R", "-n", "-y", folder / "pool.conf"]
        stack.enter_context(serving(command, log, lambda: (folder / "php.sock").exists()))
        command = ["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"]
        stack.enter_context(serving(command, log, lambda: listens(port)))
        load(port, http2)
        time.sleep(0.3)
    sys.stdout.write((folder / "access.log").read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
