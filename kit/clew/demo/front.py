"""The first tier: nginx; where it is not installed, a small Python proxy that calls itself one."""

from __future__ import annotations

import http.client
import os
import queue
import shutil
import subprocess
import sys
from pathlib import Path

from clew.demo.serving import Handler, Server

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="3"/></svg>\n'

NGINX = """
{user}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 128; }}
http {{
    access_log {folder}/nginx-access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream application {{ server 127.0.0.1:{application}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        root {folder}/static;
        location ~ [.] {{ }}
        location / {{
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 2s;
        }}
    }}
}}
"""


def nginx() -> str | None:
    """Path of nginx, also where only root's PATH looks; None where it is not installed."""
    return shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin")


def start_nginx(program: str, folder: Path, port: int, application: int) -> subprocess.Popen[bytes]:
    """Start nginx on 127.0.0.1:`port` before the application's port; all its files in `folder`."""
    (folder / "static").mkdir(exist_ok=True)
    (folder / "static" / "logo.svg").write_text(LOGO)
    user = "user root;" if os.geteuid() == 0 else ""  # its workers must reach `folder`, which is ours alone
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(user=user, folder=folder, port=port, application=application))
    return subprocess.Popen([program, "-p", str(folder), "-c", str(settings), "-e", str(folder / "nginx-error.log")])


class Proxy(Handler):
    """Hands on to the application over a few kept connections, and serves the logo itself."""

    connections: queue.Queue[http.client.HTTPConnection] = queue.Queue()

    def answer(self) -> tuple[int, bytes, bool]:
        """A file by itself, anything else through the application; 504 when that takes over two seconds."""
        if "." in self.path:
            return (200, LOGO.encode(), False) if self.path == "/logo.svg" else (404, b"no such file", False)
        return *self.ask_application(), False

    def ask_application(self) -> tuple[int, bytes]:
        """Status and body of the application's reply; a reply of our own where there is none."""
        connection = self.connections.get()
        try:
            connection.request(self.command, self.path)
            reply = connection.getresponse()
            return reply.status, reply.read()
        except TimeoutError:
            connection.close()
            return 504, b"the application takes too long"
        except (OSError, http.client.HTTPException):
            connection.close()
            return 502, b"the application does not answer"
        finally:
            self.connections.put(connection)


def main() -> None:
    """Serve until killed. argv: port, port of the application."""
    port, application = (int(argument) for argument in sys.argv[1:3])
    for _ in range(8):
        Proxy.connections.put(http.client.HTTPConnection("127.0.0.1", application, timeout=2))
    Server(("127.0.0.1", port), Proxy).serve_forever()


if __name__ == "__main__":
    main()
