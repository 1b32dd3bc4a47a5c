"""Clear text of encrypted connections is recorded on the connection below, and programs do not notice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clew import native

Record = Callable[..., Any]
SOURCE = Path(__file__).parents[2] / "native" / "tests" / "fake_tls.c"
WEBSITE = """
import http.server, os, ssl, subprocess, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = f"{self.path} ".encode() * 30000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
port = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()
command = [part.replace("PORT", str(port)) for part in sys.argv[1:]]
given = f"GET /here HTTP/1.1\\r\\nHost: localhost:{port}\\r\\nConnection: close\\r\\n\\r\\n"
done = subprocess.run(command, stdout=subprocess.PIPE, input=given if "s_client" in command else None, text=True)
print(port, done.stdout.count("/here "), done.returncode)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a certificate of localhost in it."""
    monkeypatch.chdir(tmp_path)
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", "key.pem", "-out", "cert.pem"], check=True, capture_output=True)
    return tmp_path


def mirrored(seen: Any, sent: Any, received: Any) -> bool:
    """Whether two records stand at the two ends of one connection."""
    one, other = seen.conns[sent.conn_id], seen.conns[received.conn_id]
    return (one["local"], one["remote"], one["kind"]) == (other["remote"], other["local"], "tcp")


@pytest.mark.usefixtures("folder")
def test_sockets_of_python(record: Record) -> None:
    code = """
import socket, ssl, threading
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain("cert.pem", "key.pem")
listening = socket.create_server(("127.0.0.1", 0))
def serve():
    with server.wrap_socket(listening.accept()[0], server_side=True) as end:
        end.sendall(b"answer to " + end.recv(1000))
        print(end.recv(10), end.unwrap().fileno() > 0)
thread = threading.Thread(target=serve); thread.start()
client = ssl.create_default_context(cafile="cert.pem")
with client.wrap_socket(socket.create_connection(listening.getsockname()), server_hostname="localhost") as end:
    end.sendall(b"hello" * 200); print(len(end.recv(2000))); end.unwrap()
thread.join()
"""
    command = [sys.executable, "-c", code]
    bare = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = record(command)
    assert (seen.exit_code, seen.stdout) == (0, bare.stdout), seen.stderr
    question, answer = sorted(seen.of("tls_write"), key=lambda r: r.head.startswith(b"answer"))
    first, last, second = (r for r in sorted(seen.of("tls_read"), key=lambda r: r.tid != answer.tid))
    assert (question.result, question.head, question.tail) == (1000, (b"hello" * 52)[:256], (b"hello" * 13)[-64:])
    assert (answer.result, answer.head[:15]) == (1010, b"answer to hello")
    assert (first.result, first.head, second.result) == (1000, question.head, 1010)
    assert (last.result, last.error, last.head) == (0, 0, b"")  # the other end said that it is done
    assert all(r.offset is None and r.fd == -1 for r in seen.of("tls_read", "tls_write"))
    assert mirrored(seen, question, first)
    assert mirrored(seen, answer, second)


@pytest.mark.usefixtures("folder")
def test_sessions_that_are_fed_by_the_program(record: Record) -> None:
    """asyncio gives OpenSSL no descriptor; ten connections of both ends in one thread must not be mixed up."""
    code = """
import asyncio, ssl
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain("cert.pem", "key.pem")
client = ssl.create_default_context(cafile="cert.pem")
async def serve(reader, writer):
    while line := await reader.readline():
        await asyncio.sleep(0.001); writer.write(b"answer " + line); await writer.drain()
    writer.close()
async def ask(port, who):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
    await asyncio.sleep(0.02 * (who % 3))
    for number in range(5):
        line = b"%d asks %d\\n" % (who, number)
        writer.write(line); await writer.drain()
        assert await reader.readline() == b"answer " + line
    writer.close()
async def main():
    for _ in range(3):  # sessions at addresses that were others'
        listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
        port = listening.sockets[0].getsockname()[1]
        await asyncio.gather(*(ask(port, who) for who in range(10)))
asyncio.run(main())
"""
    seen = record([sys.executable, "-c", code])
    assert seen.exit_code == 0, seen.stderr
    sent, received = seen.of("tls_write"), [r for r in seen.of("tls_read") if r.result > 0]
    assert len(sent) == 300
    assert all(r.conn_id for r in sent + received)
    for record_ in sent:
        same = [r for r in received if r.head == record_.head]
        assert sum(mirrored(seen, record_, r) for r in same) == 1, record_.head
    for conn_id in {r.conn_id for r in sent}:
        assert len({r.head.removeprefix(b"answer ").split()[0] for r in sent if r.conn_id == conn_id}) == 1


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "command",
    [
        ["curl", "-s", "--cacert", "cert.pem", "https://localhost:PORT/here"],
        ["wget", "-q", "-O", "-", "--ca-certificate=cert.pem", "https://localhost:PORT/here"],  # GnuTLS
        ["openssl", "s_client", "-quiet", "-CAfile", "cert.pem", "-connect", "localhost:PORT"],
    ],
    ids=lambda command: str(command[0]),
)
def test_clients(command: Sequence[str], record: Record) -> None:
    program = [sys.executable, "-c", WEBSITE, *command]
    bare = subprocess.run(program, capture_output=True, text=True, check=True)
    seen = record(program)
    assert seen.exit_code == 0, seen.stderr
    port, found, exit_code = map(int, seen.stdout.split())
    assert [str(found), str(exit_code)] == bare.stdout.split()[1:]
    assert found == 30000
    (asked,) = [r for r in seen.of("tls_write") if r.head.startswith(b"GET /here HTTP/1.1\r\n")]
    client = [r for r in seen.of("tls_read") if r.pid == asked.pid and r.result > 0]
    server = [r for r in seen.of("tls_read", "tls_write") if r.pid != asked.pid and r.result > 0]
    assert seen.conns[asked.conn_id]["remote"].endswith(f":{port}")
    assert {r.conn_id for r in client} == {asked.conn_id}
    assert len({r.conn_id for r in server}) == 1
    assert mirrored(seen, asked, server[0])
    assert sum(r.result for r in client) == sum(r.result for r in server if r.op == "tls_write")
    assert sum(r.result for r in server if r.op == "tls_read") == asked.result


NGINX = """daemon off; user root; pid FOLDER/pid; error_log stderr; events {} http { access_log off;
client_body_temp_path FOLDER; proxy_temp_path FOLDER; fastcgi_temp_path FOLDER; uwsgi_temp_path FOLDER;
scgi_temp_path FOLDER; server { listen 127.0.0.1:PORT ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem;
location / { return 404; } } }
"""
# Threads, and a chain of filters in place of OpenSSL's own access to the socket.
APACHE = """ServerRoot FOLDER
PidFile FOLDER/pid
ErrorLog FOLDER/log
DefaultRuntimeDir FOLDER
Mutex file:FOLDER default
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
ServerName localhost
User www-data
Group www-data
Listen 127.0.0.1:PORT
SSLEngine on
SSLCertificateFile FOLDER/cert.pem
SSLCertificateKeyFile FOLDER/key.pem
"""


@pytest.mark.parametrize(
    ("config", "command", "stop"),
    [
        (NGINX, ["nginx", "-p", "FOLDER", "-c", "FOLDER/config"], "SIGQUIT"),
        (APACHE, ["apache2", "-f", "FOLDER/config", "-DFOREGROUND"], "SIGTERM"),
    ],
    ids=["nginx", "apache"],
)
def test_servers(config: str, command: Sequence[str], stop: str, folder: Path, record: Record) -> None:
    (folder / "config").write_text(config.replace("FOLDER", str(folder)))
    code = """
import http.client, os, signal, socket, ssl, subprocess, sys, time
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0)); port = probe.getsockname()[1]
text = open("config").read().replace("PORT", str(port)); open("config", "w").write(text)
server = subprocess.Popen(sys.argv[2:], stderr=subprocess.DEVNULL)
while socket.socket().connect_ex(("127.0.0.1", port)):
    assert server.poll() is None; time.sleep(0.02)
context = ssl.create_default_context(cafile="cert.pem")
clients = [http.client.HTTPSConnection("localhost", port, context=context) for _ in range(3)]
for path in ("/one", "/two"):
    for number, client in enumerate(clients):
        client.request("GET", f"{path}/{number}")
    for client in clients:
        reply = client.getresponse(); reply.read(); print(reply.status)
for client in clients:
    client.close()
server.send_signal(signal.Signals[sys.argv[1]]); print(server.wait())
"""
    words = [word.replace("FOLDER", str(folder)) for word in command]
    seen = record([sys.executable, "-c", code, stop, *words])
    assert (seen.exit_code, seen.stdout.split()) == (0, ["404"] * 6 + ["0"]), seen.stderr
    asked = [r for r in seen.of("tls_write") if r.head.startswith(b"GET ")]
    served = {r.head: r for r in seen.of("tls_read") if r.head.startswith(b"GET ")}
    replies = [r for r in seen.of("tls_write") if r.head.startswith(b"HTTP/1.1 404")]
    assert len(asked) == len(served) == len(replies) == 6
    assert all(mirrored(seen, each, served[each.head]) for each in asked)
    taken = sorted(r.conn_id for r in served.values())
    assert sorted(r.conn_id for r in replies) == taken
    assert [taken.count(conn_id) for conn_id in sorted(set(taken))] == [2, 2, 2]


@pytest.fixture(scope="session")
def two_libraries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A program, and two extensions that depend on a TLS library each."""
    folder = tmp_path_factory.mktemp("fake")
    extensions = []
    shared = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", str(SOURCE)]
    for number in (1, 2):
        library, extension = folder / f"libssl-{number}.so", folder / f"extension{number}.so"
        name = f"-Wl,-soname,{library.name}"
        subprocess.run([*shared, f"-DLIBRARY={number}", name, "-o", library], check=True)
        path = f"-Wl,-rpath,{folder}"
        subprocess.run([*shared, f"-DEXTENSION={number}", library, path, "-o", extension], check=True)
        extensions.append(extension)
    program = folder / "program"
    subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", SOURCE, "-o", program], check=True)
    return program, extensions


def test_each_caller_reaches_its_own_library(two_libraries: tuple[Path, list[Path]], record: Record) -> None:
    program, extensions = two_libraries
    for mode in (native.Mode.OFF, native.Mode.COUNT, native.Mode.COUNT | native.Mode.TRACE):
        seen = record([program, *extensions], mode=mode)
        assert (seen.exit_code, seen.stdout) == (0, "11 11 12 12 11 11 12 12 0\n")
        heads = [r.head for r in seen.of("tls_read")]
        assert heads == ([b"1", b"1", b"2", b"2"] * 2 if mode & native.Mode.TRACE else [])


def test_a_program_without_a_library_is_not_harmed(two_libraries: tuple[Path, list[Path]], record: Record) -> None:
    seen = record([two_libraries[0]])
    assert (seen.exit_code, seen.stdout) == (0, "-1\n")
    assert not seen.of("tls_read")
